"""What the tools answer, as models: their fields and descriptions are the schemas that an assistant reads."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from clipsearch.types import FoundBy


class MomentResult(BaseModel):
    """Which picture of a film or of a file with pages."""

    unit: Literal["page", "second"] = Field(description="Pages count from 1, seconds from the start of the film.")
    at: float


class PlaceResult(BaseModel):
    """The name of a place."""

    code: str
    section: str | None = Field(None, description="A quarter or suburb of the city.")
    city: str | None
    region: str | None
    country: str | None


class FoundWords(BaseModel):
    """Words of a photo's texts that were looked for."""

    field: str = Field(description="Which text: title, description, caption, keywords, people, place or text.")
    excerpt: str


class PhotoResult(BaseModel):
    """A photo that matches the query."""

    id: int = Field(description="Use it with `similar` and clipsearch://thumbnails/{id}. It is never reused.")
    path: str = Field(
        description="The path of the file. If its name is not UTF-8, the path has escapes; use the id then."
    )
    rank: int
    score: float | None = Field(
        description="Cosine, -1 to 1. Compare it only within one answer. Null if photos are listed without a query."
    )
    match: float | None = Field(
        description="Probability that the photo shows what the query describes; null if it is not known."
    )
    taken_at: str | None = Field(description="ISO 8601, by the camera's clock; 2024-07 or 2024 if no more is known.")
    taken_from: str | None = Field(
        None,
        description="Where the date was read: exif, xmp, iptc, container, sidecar, takeout, name (of the file) or file.",
    )
    camera: str | None
    gps: tuple[float, float] | None = Field(description="Latitude and longitude in degrees.")
    width: int
    height: int
    format: str
    place: PlaceResult | None = Field(None, description="The nearest city; null if it is not known.")
    caption: str | None = Field(None, description="The text that a data set has for the photo.")
    title: str | None = None
    description: str | None = None
    keywords: list[str] = []
    people: list[str] = Field([], description="Names of those in the picture.")
    rating: int | None = Field(None, description="Stars; -1 is rejected.")
    label: str | None = Field(None, description="A colour or other mark.")
    text: str | None = Field(None, description="What was read in the picture.")
    moment: MomentResult | None = Field(
        None, description="Where in the file the photo is, if it is a film or has several pages; else null."
    )
    found_by: list[FoundBy] = Field([], description="With `hybrid`: what has found it, `meaning`, `text` or both.")
    found_in: FoundWords | None = Field(None, description="With `text` or `hybrid`: where the words stand.")
    also_found_in: list[FoundWords] = Field([], description="Other fields that have some of the words.")


class SearchResult(BaseModel):
    """The answer to a search."""

    query: str
    images: int = Field(description="The number of photos in the index.")
    considered: int = Field(description="The number of photos that pass the filters.")
    hits: list[PhotoResult] = Field(description="The best photo first.")
    understood: str | None = Field(None, description="With `smart`: the facts that were read, and what is looked for.")
    notes: list[str] = Field([], description="Why the answer may surprise the user.")


class ValueResult(BaseModel):
    """A value, and how many photos have it."""

    value: str
    images: int


class CountsResult(BaseModel):
    """What there is among the photos."""

    images: int = Field(description="The number of photos that were counted.")
    counts: dict[str, list[ValueResult]] = Field(
        description="Years and stars in their order, all else most frequent first. A photo with several keywords or people "
        "counts for each."
    )


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
