"""Blurred pictures of a few bytes in lists of photos."""

from __future__ import annotations

import base64
from typing import Any

from clipsearch.server.service import Service


async def with_placeholders(service: Service, photos: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Photos as JSON, each with its `placeholder` if the index has one."""
    ids = [photo["id"] for photo in photos]
    small = await service.lookups.run(lambda engine: engine.placeholders(ids))
    return [
        {**photo, "placeholder": base64.b64encode(small[photo["id"]]).decode()} if photo["id"] in small else photo
        for photo in photos
    ]
