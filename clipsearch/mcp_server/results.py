"""What an assistant is told: values with their descriptions, and the form that the protocol wants them in."""

from __future__ import annotations

from collections.abc import Sequence

from mcp.types import CallToolResult, ContentBlock, TextContent
from pydantic import BaseModel, Field

from clipsearch.query.hits import Hits
from clipsearch.render.json_output import hit_to_json, json_line, utf8
from clipsearch.types import Hit


class Photo(BaseModel):
    """A photo that was found."""

    id: int = Field(description="For `similar` and clipsearch://thumbnails/{id}; never given to another photo.")
    path: str = Field(
        description="Where the file is. Bytes that are not UTF-8 are escapes: then the id is exact, and this is not."
    )
    rank: int
    score: float = Field(description="Cosine, -1 to 1. Comparable within one answer only.")
    match: float | None = Field(description="Probability of showing what was asked for; null where it cannot be said.")
    taken_at: str | None = Field(description="ISO 8601, by the camera's clock.")
    camera: str | None
    gps: tuple[float, float] | None = Field(description="Latitude and longitude in degrees.")
    width: int
    height: int
    format: str
    caption: str | None = Field(None, description="What a data set says of it.")


class Found(BaseModel):
    """An answer."""

    query: str
    images: int = Field(description="How many photos are in the index.")
    considered: int = Field(description="How many of them meet the filters.")
    hits: list[Photo] = Field(description="The best first.")


class Root(BaseModel):
    """An indexed folder."""

    path: str
    present: bool = Field(description="Whether it is there now; a drive may not be mounted.")


class State(BaseModel):
    """What is indexed."""

    index: str
    model: str | None
    images: int
    failures: int = Field(description="Files that could not be read.")
    folders: list[Root]


def found(query: str, hits: Hits) -> Found:
    """Hits, as an assistant is told of them."""
    about = hits.explanation
    return Found(
        query=utf8(query), images=about.images, considered=about.considered, hits=[_photo(hit) for hit in hits]
    )


def _photo(hit: Hit) -> Photo:
    values = hit_to_json(hit).items()
    return Photo.model_validate({name: utf8(value) if isinstance(value, str) else value for name, value in values})


def result(answer: BaseModel, shown: Sequence[ContentBlock] = ()) -> CallToolResult:
    """An answer as values, and as text for those that read only that."""
    values = answer.model_dump(mode="json")
    return CallToolResult(content=[TextContent(text=json_line(values)), *shown], structured_content=values)


def error_result(error: Exception) -> CallToolResult:
    """What went wrong, in a sentence that the assistant reads."""
    return CallToolResult(content=[TextContent(text=utf8(str(error)))], is_error=True)
