"""Which photos of an answer are favourites."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from clipsearch.server.service import Service


async def favourites_of(service: Service, photos: Iterable[dict[str, Any]]) -> list[int]:
    """The ids of the favourites among photos as JSON, in their order."""
    favourites = await service.favourites()
    return [photo["id"] for photo in photos if photo["id"] in favourites]
