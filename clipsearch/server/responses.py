"""Responses in JSON, and how the OpenAPI description lists responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from starlette.responses import Response

from clipsearch.render.json_output import json_line
from clipsearch.server.schemas import ErrorAnswer

Responses: TypeAlias = "dict[int | str, dict[str, Any]]"
"""By status, as FastAPI takes them."""

BYTES = {"type": "string", "format": "binary"}


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A value as JSON, written as the command line writes it."""
    return Response(json_line(value), status, {"Cache-Control": "no-store", **(headers or {})}, "application/json")


def error_responses(descriptions: Mapping[int, str]) -> Responses:
    """Error responses: for each status, when it is sent."""
    return {status: {"model": ErrorAnswer, "description": text} for status, text in descriptions.items()}


def file_responses(description: str, *media_types: str, schema: Mapping[str, str] = BYTES) -> Responses:
    """A response of status 200 that is not JSON."""
    content = {media_type: {"schema": dict(schema)} for media_type in media_types}
    return {200: {"description": description, "content": content}}
