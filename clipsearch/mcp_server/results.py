"""The tools' results: their values with descriptions, in the protocol's form."""

from __future__ import annotations

from collections.abc import Sequence

from mcp.types import CallToolResult, ContentBlock, TextContent
from pydantic import BaseModel, Field

from clipsearch.query.hits import Hits
from clipsearch.render.json_output import hit_to_json, json_line, utf8
from clipsearch.types import Hit


class PhotoResult(BaseModel):
    """A photo that matches the query."""

    id: int = Field(description="Use it with `similar` and clipsearch://thumbnails/{id}. It is never reused.")
    path: str = Field(
        description="The path of the file. If its name is not UTF-8, the path has escapes; use the id then."
    )
    rank: int
    score: float = Field(description="Cosine, -1 to 1. Compare it only within one answer.")
    match: float | None = Field(
        description="Probability that the photo shows what the query describes; null if it is not known."
    )
    taken_at: str | None = Field(description="ISO 8601, by the camera's clock.")
    camera: str | None
    gps: tuple[float, float] | None = Field(description="Latitude and longitude in degrees.")
    width: int
    height: int
    format: str
    caption: str | None = Field(None, description="The text that a data set has for the photo.")


class SearchResult(BaseModel):
    """The answer to a search."""

    query: str
    images: int = Field(description="The number of photos in the index.")
    considered: int = Field(description="The number of photos that pass the filters.")
    hits: list[PhotoResult] = Field(description="The best photo first.")


class FolderResult(BaseModel):
    """An indexed folder."""

    path: str
    present: bool = Field(description="Whether the folder is there now. A drive may not be mounted.")


class StatusResult(BaseModel):
    """The contents of the index."""

    index: str
    model: str | None
    images: int
    failures: int = Field(description="Files that could not be read.")
    folders: list[FolderResult]


def search_result(query: str, hits: Hits) -> SearchResult:
    """Hits as a result."""
    return SearchResult(
        query=utf8(query),
        images=hits.explanation.images,
        considered=hits.explanation.considered,
        hits=[_photo(hit) for hit in hits],
    )


def _photo(hit: Hit) -> PhotoResult:
    values = hit_to_json(hit).items()
    return PhotoResult.model_validate(
        {name: utf8(value) if isinstance(value, str) else value for name, value in values}
    )


def tool_result(answer: BaseModel, pictures: Sequence[ContentBlock] = ()) -> CallToolResult:
    """A result as values, and as text for assistants that read only text."""
    values = answer.model_dump(mode="json")
    return CallToolResult(content=[TextContent(text=json_line(values)), *pictures], structured_content=values)


def error_result(error: Exception) -> CallToolResult:
    """An error, as a sentence for the assistant."""
    return CallToolResult(content=[TextContent(text=utf8(str(error)))], is_error=True)
