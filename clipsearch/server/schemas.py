"""What the server answers with, for its OpenAPI description. Keys are only ever added."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Header
from pydantic import BaseModel, Field

from clipsearch.errors import Cause

ClientHeader = Annotated[
    str,
    Header(
        alias="Clipsearch-Client", description="Anything. No other site's form can send it.", examples=["my-program"]
    ),
]


class ErrorText(BaseModel):
    """What is wrong."""

    code: str = Field(description="For programs.", examples=["bad-query"])
    message: str = Field(
        description="A sentence for people.", examples=["'never' is no date; give as much as you know: 2024"]
    )


class ErrorAnswer(BaseModel):
    """Every answer with a status of 400 and more."""

    error: ErrorText


class Photo(BaseModel):
    """A photo of the index."""

    id: int = Field(description="Its number in this index; never given to another.", examples=[12])
    path: str = Field(
        description="Bytes that are not UTF-8 are lone surrogates, written as escapes.", examples=["/photos/a.jpg"]
    )
    width: int = Field(description="Of the upright picture, in pixels.", examples=[4000])
    height: int = Field(examples=[3000])
    format: str = Field(examples=["JPEG"])
    size: int = Field(description="Bytes of the file.", examples=[5_120_000])
    taken_at: str | None = Field(description="ISO 8601, by the camera's clock.", examples=["2024-07-15T12:30:00"])
    camera: str | None = Field(examples=["Canon EOS 70D"])
    gps: Annotated[list[float], Field(min_length=2, max_length=2)] | None = Field(
        description="Latitude and longitude in degrees.", examples=[[48.14, 11.58]]
    )
    content_hash: str = Field(
        description="sha256 of the file.", examples=["52daa39473f2bb8817f03f5ccafa7bb874cf2b200ef74dc1cdf513fd1c06d594"]
    )
    caption: str | None = Field(None, description="Only where a data set gave one.", examples=["a dog on a beach"])


class PhotoDetails(Photo):
    """A photo with what the catalog knows from its camera."""

    exif: dict[str, Any]


class HitObject(Photo):
    """A photo that was found."""

    rank: int = Field(examples=[1])
    score: float = Field(description="The cosine, -1 to 1.", examples=[0.31])
    match: float | None = Field(description="The probability of being right.", examples=[0.87])
    group: str | None = Field(None, description="With `group_by`: the folder's path, or the day.")


class SearchAnswer(BaseModel):
    """What `clipsearch query --json` prints, and two keys more."""

    query: str = Field(examples=["a dog on a beach"])
    model: str = Field(examples=["mini"])
    index: str = Field(examples=["/photos/.clipsearch"])
    hits: list[HitObject]
    explanation: dict[str, Any] | None = Field(None, description="With `explain`.")
    considered: int = Field(description="How many photos meet the filters.", examples=[8091])
    seconds: float = Field(description="What the server took.", examples=[0.016])


class BrowseAnswer(BaseModel):
    """Photos, and how many there are in all."""

    images: list[Photo]
    considered: int


class UploadAnswer(BaseModel):
    """An uploaded picture, for `like=upload:TOKEN`."""

    token: str = Field(examples=["Zk3pQ9cT1lq0v2JmYw8a7A"])
    width: int = Field(examples=[640])
    height: int = Field(examples=[480])


class Count(BaseModel):
    """How many photos have a value."""

    value: str
    images: int


class FacetsAnswer(BaseModel):
    """Counts by year, month, camera, folder, format and orientation."""

    images: int
    facets: dict[str, list[Count]]


class Place(BaseModel):
    """Where a photo was taken, in degrees."""

    id: int
    latitude: float
    longitude: float


class PlacesAnswer(BaseModel):
    """At most 5000 places."""

    places: list[Place]


class ModelObject(BaseModel):
    """The index's model."""

    model: str
    revision: str
    digest: str
    dim: int
    precision: str | None


class RootObject(BaseModel):
    """An indexed folder."""

    path: str
    present: bool
    new: int | None
    changed: int | None
    missing: int | None
    retry: int | None


class ApproximateObject(BaseModel):
    """An approximate index, or why the one that is there is not used."""

    problem: str | None
    kind: str | None
    recall_k: int | None
    text_recall: float | None
    image_recall: float | None
    milliseconds: float | None
    exact_milliseconds: float | None
    bytes: int | None
    made: str | None
    images: int | None
    new: int | None
    gone: int | None


class StatusAnswer(BaseModel):
    """What `clipsearch status --quick --json` prints."""

    index: str
    model: ModelObject | None
    images: int
    failures: int
    photo_bytes: int
    index_bytes: int
    segments: int
    roots: list[RootObject]
    approximate: ApproximateObject | None
    stale: int | None


class FailureObject(BaseModel):
    """A file that could not be indexed."""

    path: str
    size: int
    reason: str
    cause: Cause
    attempts: int
    kept: bool


class FailuresAnswer(BaseModel):
    """All of them, by path."""

    failures: list[FailureObject]


class JobObject(BaseModel):
    """How far indexing is, or how it ended."""

    state: Literal["idle", "running", "done", "failed", "cancelled"]
    done: int
    total: int
    added: int
    updated: int
    removed: int
    failed: int
    error: str | None = None


class JobAnswer(BaseModel):
    """What has just begun."""

    job: JobObject


class SavedSearch(BaseModel):
    """A name and the parameters of `/api/search` or `/api/images`."""

    name: str = Field(examples=["dogs"])
    parameters: dict[str, Any] = Field(examples=[{"q": "a dog", "camera": "canon"}])


class SavedSearches(BaseModel):
    """All, by name."""

    searches: list[SavedSearch]
