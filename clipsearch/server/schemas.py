"""Answers in JSON, and their shapes for the OpenAPI description. Keys are only ever added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias, get_type_hints

from fastapi import Header
from pydantic import BaseModel, Field, create_model
from starlette.responses import Response

from clipsearch.analysis.statistics import ValueCount
from clipsearch.errors import Cause
from clipsearch.indexing.status import Status
from clipsearch.query.sentences.understood import FactKind
from clipsearch.render.json_output import json_line
from clipsearch.server.jobs import IndexJob
from clipsearch.types import DateSource, FoundBy

Responses: TypeAlias = "dict[int | str, dict[str, Any]]"
"""By status, as FastAPI takes them."""

BYTES = {"type": "string", "format": "binary"}
ClientHeader = Annotated[
    str,
    Header(
        alias="Clipsearch-Client",
        description="Any value. The forms of other sites cannot send this header.",
        examples=["my-program"],
    ),
]


Placeholder = Annotated[
    str | None,
    Field(
        description="A blurred picture, if the index has one: the pixels of a BMP of 4 x 3 with 24 bits each, in base64.",
        examples=["gICA" * 12],
    ),
]


class ErrorText(BaseModel):
    """What went wrong."""

    code: str = Field(description="For programs.", examples=["bad-query"])
    message: str = Field(
        description="A sentence for people.", examples=["'never' is not a date; give as much as you know: 2024"]
    )
    parameter: str | None = Field(
        None, description="The filter that is wrong, if a filter is the reason.", examples=["taken"]
    )


class ErrorAnswer(BaseModel):
    """The answer of every status from 400 up."""

    error: ErrorText


class PhotoMoment(BaseModel):
    """Which picture of a file with several."""

    unit: Literal["page", "second"] = Field(description="Pages count from 1, seconds from the start of a film.")
    at: float = Field(examples=[42.1])


class PlaceName(BaseModel):
    """The name of a place; null if it is not known."""

    code: str = Field(description="For a filter `located`.", examples=["DE/02/2867714"])
    section: str | None = Field(None, description="A quarter or suburb of the city.", examples=["Montmartre"])
    city: str | None = Field(examples=["Munich"])
    region: str | None = Field(examples=["Bavaria"])
    country: str | None = Field(examples=["Germany"])


class Photo(BaseModel):
    """A photo of the index."""

    id: int = Field(description="Its number in this index. It is never reused.", examples=[12])
    path: str = Field(
        description="Bytes that are not UTF-8 are written as escapes of lone surrogates.", examples=["/photos/a.jpg"]
    )
    width: int = Field(description="Of the upright picture, in pixels.", examples=[4000])
    height: int = Field(examples=[3000])
    format: str = Field(examples=["JPEG"])
    size: int = Field(description="Bytes of the file.", examples=[5_120_000])
    taken_at: str | None = Field(
        description="ISO 8601, by the camera's clock; 2024-07 or 2024 if no more is known.",
        examples=["2024-07-15T12:30:00"],
    )
    camera: str | None = Field(examples=["Canon EOS 70D"])
    gps: Annotated[list[float], Field(min_length=2, max_length=2)] | None = Field(
        description="Latitude and longitude in degrees.", examples=[[48.14, 11.58]]
    )
    place: PlaceName | None = Field(None, description="The nearest city; only if it is known.")
    content_hash: str = Field(
        description="sha256 of the file.", examples=["52daa39473f2bb8817f03f5ccafa7bb874cf2b200ef74dc1cdf513fd1c06d594"]
    )
    caption: str | None = Field(
        None, description="Present only if a data set has one for the photo.", examples=["a dog on a beach"]
    )
    taken_from: DateSource | None = Field(None, description="Where the date was read.", examples=["exif"])
    title: str | None = Field(None, examples=["Holiday"])
    description: str | None = None
    keywords: list[str] = Field([], examples=[["sea", "New York"]])
    people: list[str] = Field([], description="Names of those in the picture.", examples=[["Anna"]])
    rating: int | None = Field(None, ge=-1, le=5, description="Stars; -1 is rejected.", examples=[4])
    label: str | None = Field(None, description="A colour or other mark.", examples=["Red"])
    text: str | None = Field(None, description="What was read in the picture.", examples=["PLATFORM 9"])
    moment: PhotoMoment | None = Field(
        None, description="Present only for one picture of a film, an animation or a file with pages."
    )


class PhotoDetails(Photo):
    """A photo with the facts that its camera recorded."""

    exif: dict[str, Any]


class FoundWords(BaseModel):
    """Words of a photo's texts that were looked for."""

    field: str = Field(description="A key of the photo.", examples=["title"])
    excerpt: str = Field(examples=["the train ticket to Paris"])
    marks: list[Annotated[list[int], Field(min_length=2, max_length=2)]] = Field(
        description="Where the words begin and end in the excerpt, in Unicode code points.", examples=[[[4, 16]]]
    )


class HitAnswer(Photo):
    """A photo that matches a query."""

    rank: int = Field(examples=[1])
    score: float | None = Field(
        description="The cosine, -1 to 1; null if filters alone list the photos.", examples=[0.31]
    )
    match: float | None = Field(description="The probability that the photo shows what was asked for.", examples=[0.87])
    group: str | None = Field(None, description="With `group_by`: the folder's path, or the day.")
    others: list[Photo] | None = Field(
        None, description="With `one_per_shot`, if there are any: files of the same shot, best first."
    )
    found_by: list[FoundBy] | None = Field(None, description="With `hybrid`: what has found it.")
    found_in: FoundWords | None = Field(None, description="With `text` or `hybrid`: words of its texts.")
    also_found_in: list[FoundWords] | None = Field(None, description="The other fields that have some of them, if any.")
    placeholder: Placeholder = None


class FactAnswer(BaseModel):
    """A part of a sentence that became a filter."""

    kind: FactKind
    words: str = Field(description="As they were typed.", examples=["last summer"])
    meaning: str = Field(examples=["2026-06..2026-08"])
    denied: bool = Field(False, description="Photos that are known to have it are left out.")


class UnderstoodAnswer(BaseModel):
    """What a `smart` search made of its texts."""

    summary: str = Field(
        description="For people.", examples=["place: Italy, taken: 2026-06..2026-08, looking for: beach"]
    )
    text: str = Field(description="What is left to look for.", examples=["beach"])
    facts: list[FactAnswer]


class SearchAnswer(BaseModel):
    """The output of `clipsearch query --json`, with two more keys."""

    query: str = Field(examples=["a dog on a beach"])
    model: str = Field(examples=["mini"])
    index: str = Field(examples=["/photos/.clipsearch"])
    hits: list[HitAnswer]
    understood: UnderstoodAnswer | None = Field(None, description="With `smart`.")
    explanation: dict[str, Any] | None = Field(None, description="With `explain`.")
    considered: int = Field(
        description="The number of photos that pass the filters, without the query's own and those marked wrong.",
        examples=[8091],
    )
    seconds: float = Field(description="The time the server took.", examples=[0.016])
    favourites: list[int] | None = Field(None, description="With `favourites`: the ids of the favourites among them.")


class ListedPhoto(Photo):
    """A photo in a list without a query."""

    others: list[Photo] | None = Field(
        None, description="With `one_per_shot`, if there are any: files of the same shot."
    )
    found_in: FoundWords | None = Field(None, description="With `text`: words of its texts.")
    also_found_in: list[FoundWords] | None = Field(None, description="The other fields that have some of them, if any.")
    placeholder: Placeholder = None


class Note(BaseModel):
    """Why an answer may surprise."""

    code: str = Field(description="For programs.", examples=["near"])
    message: str = Field(
        description="For people.", examples=["no photo is within 1 km of 45.43, 12.33; 5 are within 20 km"]
    )
    value: str = Field(description='A filter, a name or a query that finds photos, or "".', examples=["45.43,12.33,20"])


class BrowseAnswer(BaseModel):
    """A page of photos, and how many there are in all."""

    images: list[ListedPhoto]
    considered: int
    notes: list[Note] | None = Field(None, description="If no photo passes the filters: why.")
    favourites: list[int] | None = Field(None, description="With `favourites`: the ids of the favourites among them.")


class KnownPhoto(Photo):
    """A photo of the index that an uploaded picture is."""

    exact: bool = Field(description="It has the same bytes; else it only looks the same.")


class PhotosAnswer(BaseModel):
    """Photos by their ids."""

    images: list[ListedPhoto]


class OutlineAnswer(BaseModel):
    """A whole list of photos, at most 100,000. `ids` and `shapes` have a value for each photo, in the order of the list."""

    ids: list[int]
    shapes: list[int] = Field(description="A hundred times width / height.", examples=[[150, 75]])
    days: list[Annotated[list[str | int | None], Field(min_length=2, max_length=2)]] = Field(
        description="When they were taken, by the cameras' clocks: a day, and how many photos of the list follow with it.",
        examples=[[["2024-07-15", 12], [None, 3]]],
    )
    colours: str = Field(
        description="Their mean colours, three hexadecimal digits each: red, green, blue.", examples=["8cf777"]
    )
    others: dict[str, list[int]] = Field(
        description="With `one_per_shot`: the ids of a shot's other files, by the photo's position from 0."
    )
    considered: int = Field(description="The number of files in the whole list.")
    favourites: list[int] = Field(description="The ids of the favourites among them.")


class UploadAnswer(BaseModel):
    """An uploaded picture. Search with `like=upload:TOKEN`."""

    token: str = Field(examples=["Zk3pQ9cT1lq0v2JmYw8a7A"])
    width: int = Field(examples=[640])
    height: int = Field(examples=[480])
    known: list[KnownPhoto] = Field(
        description="Photos of the index that show this very picture, also if it is smaller, saved again or slightly cropped."
    )


class DesktopAnswer(BaseModel):
    """What the server can do on the user's screen."""

    folders: bool = Field(description="Show a photo's folder: `POST /api/images/{id}/folder`.")


class DownloadAnswer(BaseModel):
    """A file that `GET /api/downloads/{token}` makes and sends."""

    token: str = Field(examples=["Zk3pQ9cT1lq0v2JmYw8a7A"])
    name: str = Field(description="To save it under.", examples=["a dog.zip"])
    photos: int = Field(description="How many photos it has.", examples=[12])
    size: int = Field(description="Bytes of these photos' own files.", examples=[48_000_000])
    missing: list[int] = Field(description="Ids that are not in the index; they are left out.", examples=[[]])
    unreadable: int = Field(
        description="How many files an archive lacks, as far as it is known: they are gone or have changed.",
        examples=[0],
    )


class PhotoCopy(Photo):
    """A photo that duplicates the best of its group."""

    exact: bool = Field(description="It has the same bytes.")
    cosine: float = Field(description="Of its embedding and that of the best.", examples=[0.98])
    differing_bits: int = Field(description="Of the 256 bits of their perceptual hashes.", examples=[12])


class CopyGroupAnswer(BaseModel):
    """A photo and its copies."""

    best: Photo
    reason: str = Field(description="Why it is the best.", examples=["the most pixels"])
    copies: list[PhotoCopy]


class NotCompared(BaseModel):
    """A photo that could not be compared."""

    path: str
    reason: str


class DuplicatesAnswer(BaseModel):
    """Groups of copies, those that waste most bytes first."""

    images: int = Field(description="Photos that were compared.")
    copies: int
    bytes: int = Field(description="What the copies take on disk.")
    groups: list[CopyGroupAnswer]
    failures: list[NotCompared]


class AlbumAnswer(BaseModel):
    """An album and its photos that are in the index now, in the order in which they were added."""

    name: str = Field(examples=["Italy"])
    ids: list[int] = Field(examples=[[12, 7]])


class AlbumsAnswer(BaseModel):
    """All albums."""

    albums: list[AlbumAnswer]


class FacetsAnswer(BaseModel):
    """Counts by year, month, camera, folder, format, orientation, keyword, person, rating, source, place and country."""

    images: int
    facets: dict[str, list[ValueCount]]


class PhotoPlace(BaseModel):
    """Where a photo was taken, in degrees."""

    id: int
    latitude: float
    longitude: float


class PlacesAnswer(BaseModel):
    """At most 20,000 places, and how many photos have one."""

    places: list[PhotoPlace]
    images: int


class MapName(BaseModel):
    """A city, its middle in degrees, and how many live there; 0 if that is not known."""

    name: str = Field(examples=["Munich"])
    latitude: float
    longitude: float
    population: int


class MapAnswer(BaseModel):
    """What a part of a map shows."""

    names: list[MapName]
    tiles: str | None = Field(
        description="The address of the user's own map tiles, if the server was started with `--map-tiles`.",
        examples=["http://localhost:8080/{z}/{x}/{y}.png"],
    )
    nearest: PlaceName | None = Field(None, description="If there are no names: the place of the middle of the part.")


_STATUS_TYPES = {**get_type_hints(Status), "stale": int | None}
_STATUS_FIELDS: dict[str, Any] = {name: (kind, ...) for name, kind in _STATUS_TYPES.items()}
StatusAnswer = create_model(
    "StatusAnswer", __doc__="The output of `clipsearch status --quick --json`.", **_STATUS_FIELDS
)


class FailedFile(BaseModel):
    """A file that could not be indexed."""

    path: str
    size: int
    reason: str
    cause: Cause
    attempts: int
    kept: bool
    since: str | None
    advice: str


class FailuresAnswer(BaseModel):
    """All failures, sorted by path."""

    failures: list[FailedFile]


class JobAnswer(BaseModel):
    """The job that was started."""

    job: IndexJob


class FoldersAnswer(BaseModel):
    """Folders on the server's machine."""

    indexed: list[str] = Field(examples=[["/photos"]])
    below: list[str] = Field(
        description="Folders below these can be added without the token.", examples=[["/photos", "/media"]]
    )
    suggested: list[str] = Field(description="Folders right below these that are not indexed.", examples=[["/media/b"]])
    offered: str | None = Field(description="If there is no index yet: the folder that one can be made of.")
    token: bool = Field(description="Whether the server has a token, which adds any folder.")


class SavedSearch(BaseModel):
    """A name and the parameters of `/api/search` or `/api/images`."""

    name: str = Field(examples=["dogs"])
    parameters: dict[str, Any] = Field(examples=[{"q": "a dog", "camera": "canon"}])


class SavedSearchesAnswer(BaseModel):
    """All saved searches, sorted by name."""

    searches: list[SavedSearch]


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
