"""The parameters of GET requests. They have the names of the command line's flags.

The longest possible request is shorter than `uvicorn_server.LONGEST_REQUEST`, even if each letter is an escape of twelve bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl

from fastapi import Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from clipsearch.conditions import Condition
from clipsearch.errors import QueryError
from clipsearch.query.filters import chosen
from clipsearch.query.json_form import LONGEST_TEXT, MOST_HITS, MOST_MARKS
from clipsearch.render.grouping import GroupBy
from clipsearch.server.search_body import (
    LONGEST_VALUE,
    HitChoice,
    Id,
    Probability,
    Token,
    read_filters,
    require_absolute,
)
from clipsearch.types import Order

IDS = r"^[1-9][0-9]{0,17}(,[1-9][0-9]{0,17})*$"
PICTURE = r"^(?:(\d{1,6}(?:\.\d{1,6})?):)?(?:([1-9]\d{0,17})|upload:([A-Za-z0-9_-]{1,64}))$"
"""A picture in a query: its weight, and either an indexed photo's id or an upload's token."""

MOST_COUNTED = 5000
"""The most hits of a search that are counted: for these, four times as many photos are read."""

Facet = Literal[
    "year", "month", "camera", "folder", "format", "orientation", "keyword", "person", "rating", "source",
    "place", "region", "country",
]  # fmt: skip
MOST_IDS = 200
"""Photos that are named in one request."""

Text = Annotated[str, StringConstraints(max_length=LONGEST_TEXT)]
Word = Annotated[str, StringConstraints(max_length=300)]
FolderPath = Annotated[str, StringConstraints(max_length=LONGEST_VALUE)]
Pixels = Annotated[int, Field(ge=1, le=1_000_000)]
Picture = Annotated[str, StringConstraints(pattern=PICTURE)]


class FilterError(QueryError):
    """A filter that makes no sense, with the name of its parameter."""

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(message)
        self.parameter = parameter


class StrictParameters(BaseModel):
    """Refuses unknown parameters, since a misspelt one would be ignored silently."""

    model_config = ConfigDict(extra="forbid")


NoParameters = Annotated[StrictParameters, Query()]


class FilterParameters(StrictParameters):
    """Filters: the photos that are searched."""

    in_: list[FolderPath] = Field(
        [], alias="in", max_length=20, description="In or below one of these absolute paths.", examples=[["/photos"]]
    )
    name: list[Word] = Field(
        [], max_length=20, description="The file's name fits one of these globs.", examples=[["*beach*.jpg"]]
    )
    taken: Word | None = Field(
        None, description="Taken then: `2024`, `2024-07`, `2024-07-15` or `2024-06..2024-08`.", examples=["2024-06"]
    )
    after: Word | None = Field(None, description="Taken on this date or later.", examples=["2023"])
    before: Word | None = Field(None, description="Taken before this date begins.", examples=["2024-07-15"])
    camera: Word | None = Field(
        None,
        description="Taken by a camera whose name contains this; in double quotes, by one of this name.",
        examples=["canon"],
    )
    near: Word | None = Field(
        None, description="Taken near `LATITUDE,LONGITUDE[,KM]`; within 1 km by default.", examples=["48.14,11.58,50"]
    )
    within: Word | None = Field(
        None,
        description="Taken in this rectangle of a map: `SOUTH,WEST,NORTH,EAST` in degrees. It crosses the date line if "
        "`WEST` is above `EAST`.",
        examples=["47.2,10.9,48.4,13.1"],
    )
    place: list[Word] = Field(
        [],
        max_length=20,
        description="Taken in any of these cities, regions or countries.",
        examples=[["Paris", "Springfield, Illinois"]],
    )
    keyword: list[Word] = Field([], max_length=20, description="With all of these keywords.", examples=[["holiday"]])
    person: list[Word] = Field([], max_length=20, description="With all of these people.", examples=[["Anna"]])
    rating: Word | None = Field(None, description="So many stars: `4`, `4..` or `2..4`.", examples=["4.."])
    text: Text | None = Field(
        None,
        description='Its texts have all of these words and "phrases"; `word*` stands for any ending.',
        examples=['"train ticket" pari*'],
    )
    min_width: Pixels | None = Field(None, description="At least this many pixels wide.", examples=[1920])
    min_height: Pixels | None = Field(None, description="At least this many pixels high.", examples=[1080])
    orientation: Literal["landscape", "portrait", "square"] | None = Field(None, description="Of the upright picture.")
    format: Word | None = Field(None, description="A file format: `jpeg`, `png`, `heic`, ...", examples=["jpeg"])
    where: Text | None = Field(
        None, description="An expression, as for `--where`.", examples=["size > 5MB and not camera ~ '*canon*'"]
    )
    album: Word | None = Field(
        None, description="In this album; `Favourites` is that of the hearts.", examples=["Italy"]
    )
    filters: Annotated[str, StringConstraints(max_length=100_000)] | None = Field(
        None,
        description="More filters that must all hold, as a JSON list: the `filters` of `POST /api/search`.",
        examples=['[{"not": {"below": "/photos/2024"}}]'],
    )

    def conditions(self, query: bytes) -> tuple[Condition, ...]:
        """The conditions that must all hold. FilterError if one of the filters makes no sense.

        `query` is the raw query string: file names that are not UTF-8 are read from it as bytes.
        """
        folders, names = self.in_, self.name
        if b"%" in query:
            exact = parse_qsl(query.decode("latin-1"), keep_blank_values=True, errors="surrogateescape")
            folders, names = ([value for key, value in exact if key == wanted] for wanted in ("in", "name"))
        with _about("in"):
            for folder in folders:
                require_absolute(folder)
        same_names = FilterParameters.model_fields.keys() - {
            "in_",
            "name",
            "place",
            "keyword",
            "person",
            "filters",
        }
        given = {name: getattr(self, name) for name in same_names}
        lists: dict[str, Any] = {
            "folders": folders,
            "names": names,
            "places": self.place,
            "keywords": self.keyword,
            "people": self.person,
        }
        try:
            conditions = chosen(**lists, **given)
        except QueryError as error:
            raise _with_name(error, {**lists, **given}) from error
        if self.filters is None:
            return conditions
        with _about("filters"):
            return (*conditions, *read_filters(self.filters))


@contextmanager
def _about(parameter: str) -> Iterator[None]:
    """Turn a QueryError into a FilterError that names a parameter."""
    try:
        yield
    except QueryError as error:
        raise FilterError(parameter, str(error)) from error


def _with_name(error: QueryError, filters: dict[str, Any]) -> QueryError:
    """The error of some filters with the name of the one that is wrong by itself."""
    names = {"folders": "in", "names": "name", "places": "place", "keywords": "keyword", "people": "person"}
    for name, value in filters.items():
        try:
            chosen(**{name: value})
        except QueryError as same:
            return FilterError(names.get(name, name), str(same))
    return error


_FAVOURITES = "Also say which of the photos are favourites."
_PLACEHOLDERS = "Give each photo a blurred picture of 36 bytes, its `placeholder`, if the index has one."


class HitParameters(HitChoice, FilterParameters):
    """Which hits, in which order and with which details."""

    top_k: int = Field(50, ge=1, le=MOST_HITS, description="How many hits at most.")
    group_by: GroupBy | None = Field(None, description="Give each hit its `group`.")
    explain: bool = Field(False, description="Say how the query was understood and where the time went.")
    approximate: bool = Field(True, description="Use the approximate index if there is one; false looks at all photos.")
    exact: bool = Field(False, description="Every digit of scores and matches, in place of six.")
    placeholders: bool = Field(False, description=_PLACEHOLDERS)
    favourites: bool = Field(False, description=_FAVOURITES)


class SearchParameters(HitParameters):
    """A search by texts and pictures."""

    q: Text | None = Field(
        None,
        description="What to look for: `a dog + 2:snow - people`. It never names a file.",
        examples=["a dog on a beach", "a cat + 2:snow - people"],
    )
    like: list[Picture] = Field(
        [],
        max_length=50,
        description="An indexed photo's id or `upload:TOKEN`, with a weight before it if you like: `2:17`.",
        examples=[["17", "2:4"]],
    )
    unlike: list[Picture] = Field([], max_length=50, description="The same, to steer away from.", examples=[["23"]])
    min_match: Probability | None = Field(None, description="Only with at least this probability of being right.")
    relevant: bool = Field(False, description="Only hits that match: `min_match=0.5`.")
    hybrid: bool = Field(
        False,
        description="Also look for the words in photos' texts, and fuse both rankings. Photos with all words pass `min_match`.",
    )
    smart: bool = Field(
        False, description="Turn facts in the texts, such as `last summer` and `in Italy`, into filters."
    )
    ensemble: bool = Field(False, description="Put texts into several templates, and search by the mean.")
    prompt: list[Word] = Field(
        [], max_length=20, description="Put texts into this, as in `a photo of a {}`.", examples=[["a photo of a {}"]]
    )


class SimilarParameters(HitParameters):
    """A search by one picture: exactly one of `id` and `upload`."""

    id: Id | None = Field(None, description="An indexed photo.")
    upload: Token | None = Field(None, description="An uploaded picture's token.")


class OutlineParameters(FilterParameters):
    """A whole list of photos without a query."""

    sort: Order = Field("date", description="`date` is newest first. Photos without a date come last.")
    one_per_shot: bool = Field(
        False,
        description="One photo for each shot, with the shot's other files in `others`. `top_k` and `offset` still count files: "
        "a shot is on the page of its first file, and a page may have fewer photos than `top_k`, or none.",
    )


class BrowseParameters(OutlineParameters):
    """Photos without a query."""

    top_k: int = Field(50, ge=1, le=MOST_HITS, description="How many photos at most.")
    offset: int = Field(0, ge=0, le=1_000_000_000, description="Skip this many of the first photos.")
    placeholders: bool = Field(False, description=_PLACEHOLDERS)
    favourites: bool = Field(False, description=_FAVOURITES)


class CountParameters(FilterParameters):
    """Which photos count: those that meet the filters; with a query, only those that it finds."""

    q: Text | None = Field(None, description="Only hits of this search, as in `/api/search`.", examples=["a dog"])
    like: list[Picture] = Field([], max_length=50, description="Likewise.", examples=[["17"]])
    unlike: list[Picture] = Field([], max_length=50, description="Likewise.", examples=[["23"]])
    right: list[Id] = Field([], max_length=MOST_MARKS, description="Likewise.", examples=[[17]])
    wrong: list[Id] = Field([], max_length=MOST_MARKS, description="Likewise.", examples=[[23]])
    hybrid: bool = Field(
        False,
        description="Of a search that also looks for the words in photos' texts. Photos with all words pass `min_match`.",
    )
    smart: bool = Field(False, description="Of a search that turns facts in the texts into filters.")
    keep_own: bool = Field(False, description="Also the query's own pictures, and copies of them.")
    min_match: Probability | None = Field(
        None, description="Only hits with at least this probability of being right.", examples=[0.5]
    )
    nearest: int = Field(1000, ge=1, le=MOST_COUNTED, description="Only so many of the best hits.")


class FacetParameters(CountParameters):
    """Counts."""

    by: list[Facet] = Field(
        [], max_length=20, description="Only by these properties; all by default.", examples=[["year", "camera"]]
    )
    top: int = Field(50, ge=1, le=1000, description="How many cameras, folders, formats, keywords and people at most.")
    depth: int = Field(1, ge=0, le=20, description="How many levels of folders are counted separately.")


class DuplicatesParameters(FilterParameters):
    """Which copies."""

    only_exact: bool = Field(False, description="Only files with the same bytes, which decodes nothing.")


class PlaceParameters(CountParameters):
    """Where photos were taken."""


class MapParameters(StrictParameters):
    """A part of a map."""

    within: Word = Field(
        description="The rectangle `SOUTH,WEST,NORTH,EAST` in degrees. It crosses the date line if `WEST` is above `EAST`.",
        examples=["47.2,10.9,48.4,13.1"],
    )


def _as_int(text: object) -> object:
    """Literals are not read from text as other numbers are."""
    return int(text) if isinstance(text, str) and text.isdecimal() else text


class ThumbnailSize(StrictParameters):
    """How large."""

    size: Annotated[Literal[256, 512, 1024], BeforeValidator(_as_int)] = Field(
        256, description="The longest side, in pixels. A small picture is not enlarged."
    )


def _require_few(ids: str) -> str:
    """The ids, or ValueError if they are too many."""
    if ids.count(",") >= MOST_IDS:
        raise ValueError(f"at most {MOST_IDS} ids can be given at once")
    return ids


class PhotoIds(StrictParameters):
    """Which photos."""

    ids: Annotated[
        str,
        StringConstraints(pattern=IDS, max_length=19 * MOST_IDS),
        AfterValidator(_require_few),
    ] = Field(description=f"Their ids, with commas between them, at most {MOST_IDS}.", examples=["12,17"])

    def numbers(self) -> list[int]:
        """The ids, each once, in order."""
        return list(dict.fromkeys(map(int, self.ids.split(","))))


class ThumbnailBatch(ThumbnailSize, PhotoIds):
    """Which thumbnails."""


REPEATABLE = frozenset({"in", "name", "place", "keyword", "person", "like", "unlike", "right", "wrong", "prompt", "by"})
_MODELS = (
    SearchParameters,
    SimilarParameters,
    BrowseParameters,
    FacetParameters,
    PlaceParameters,
    DuplicatesParameters,
    MapParameters,
    ThumbnailBatch,
)
NAMES = sorted({field.alias or name for model in _MODELS for name, field in model.model_fields.items()})
