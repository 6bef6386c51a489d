"""Which photos count: tests of their facts, and trees of these."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal, TypeAlias, get_args

from clipsearch._internal.arguments import (
    is_several,
    make_plain,
    require_number,
    require_one_of,
    require_text,
    require_tuple,
    short,
)
from clipsearch._internal.paths import is_remote
from clipsearch.errors import QueryError
from clipsearch.types import DateSource

Field: TypeAlias = Literal[
    "name", "folder", "path", "format", "camera", "width", "height", "megapixels", "size", "taken", "orientation",
    "latitude", "longitude", "caption", "keyword", "person", "rating", "label", "title", "description", "text", "source",
    "place",
]  # fmt: skip
Operator: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">=", "~"]
NUMBERS: tuple[Field, ...] = ("width", "height", "megapixels", "size", "latitude", "longitude", "rating")
"""The fields whose values are numbers."""

_LIMITS: dict[Field, tuple[float, float]] = {"rating": (-1, 5), "latitude": (-90, 90), "longitude": (-180, 180)}
_CHOICES: dict[Field, tuple[str, ...]] = {
    "orientation": ("landscape", "portrait", "square"),
    "source": get_args(DateSource),
}
_NEVER_EMPTY: tuple[Field, ...] = ("name", "format", "camera", "keyword", "person", "label", "place")

_TIME = re.compile(
    r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01])(T([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?)?)?)?", re.ASCII
)  # of a camera's clock, or a beginning of it; the catalog compares texts
_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:[/\\]")  # here or on a server that runs another system
_WILD = re.compile(r"\[[!^]?\]?[^]]*\]|[*?\[]")  # in a glob; "[^]a]" is one class


@dataclass(frozen=True, slots=True)
class Test:
    """A comparison of one field with one value. A photo that lacks the field fails every test of it.

    Only the rating differs: a photo without one has 0 stars.

    `value` is a number for width and height (pixels), megapixels, size (bytes), latitude and longitude (degrees) and rating
    (stars), and text for the others. For "taken" it is a time of the camera's clock, "2024-07-01T12:30:00" or a beginning of
    that; "text" is what was read in the picture, and "source" a DateSource. A photo with several keywords or people passes if
    one of them does; "!=" needs that none is the value. Case is ignored in texts. "~" is a glob: `*` any characters, `?` one,
    `[abc]` one of these. "path" and "folder" are relative to the indexed folder, unless the value is absolute.
    """

    __test__ = False  # not one of pytest's

    field: Field
    operator: Operator
    value: str | float

    def __post_init__(self) -> None:
        """QueryError if field, operator and value do not go together, as in `camera < 5`."""
        field, operator = self.field, self.operator
        require_one_of("field", field, get_args(Field))
        require_one_of("operator", operator, get_args(Operator))
        is_number = field in NUMBERS
        if is_number == isinstance(self.value, str):
            value: Any = self.value
            advice = f"; give {value.isoformat()!r}" if hasattr(value, "isoformat") else ""
            kind = "number" if is_number else "text"
            raise QueryError(f"{field} is compared with a {kind}, not {short(value)}{advice}")
        if is_number and operator == "~":
            raise QueryError(f"{field} is a number, so ~ does not go with it; use = or <")
        if not is_number and field != "taken" and operator in ("<", "<=", ">", ">="):
            raise QueryError(f"{field} is a text, so {operator} does not go with it; use =, != or ~")
        if is_number:
            require_number(field, self.value, *_LIMITS.get(field, (-math.inf, math.inf)))
            make_plain(self, "value")
        elif field == "taken" and operator != "~" and not _TIME.fullmatch(str(self.value)):
            raise QueryError(
                f"{self.value!r} is not a time; give 2024-07-15T12:30:00 or a beginning of that, as 2024-07. Or use parse_where"
            )
        elif field in _CHOICES and operator != "~":
            if str(self.value).lower() not in _CHOICES[field]:
                article = "an" if field == "orientation" else "a"
                choices = ", ".join(_CHOICES[field])
                raise QueryError(f"{self.value!r} is not {article} {field}; give one of {choices}")
        elif field in _NEVER_EMPTY and not str(self.value).strip():
            raise QueryError(f"the {field} is empty; `{field} is known` asks whether there is one")


@dataclass(frozen=True, slots=True)
class Known:
    """Whether a photo has the field at all: a date, a camera, a place, a caption. A photo of 0 stars has no rating."""

    field: Field

    def __post_init__(self) -> None:
        """QueryError for a field that does not exist."""
        require_one_of("field", self.field, get_args(Field))


@dataclass(frozen=True, slots=True)
class Below:
    """In a folder (an absolute path) or anywhere below it."""

    folder: str

    def __post_init__(self) -> None:
        """QueryError for what is neither an absolute path nor a URL."""
        require_text("folder", self.folder)
        if not (_ABSOLUTE.match(self.folder) or is_remote(self.folder)):
            raise QueryError(f"folder must be an absolute path, not {short(self.folder)}; os.path.abspath makes it one")


@dataclass(frozen=True, slots=True)
class Contains:
    """Its texts have all of these words and "phrases", each perhaps with a * at its end for any ending.

    The texts are title, description, caption, keywords, people, names of its place, and what was read in the picture. Case and
    accents are ignored.
    """

    text: str

    def __post_init__(self) -> None:
        """QueryError for what is not a text."""
        require_text("text", self.text)


@dataclass(frozen=True, slots=True)
class Near:
    """Taken at most `km` kilometres from a point (degrees, WGS 84), along a great circle."""

    latitude: float
    longitude: float
    km: float

    def __post_init__(self) -> None:
        """QueryError for a point that is not on the earth."""
        require_number("latitude", self.latitude, -90, 90)
        require_number("longitude", self.longitude, -180, 180)
        require_number("km", self.km, 0)
        make_plain(self, "latitude", "longitude", "km")


@dataclass(frozen=True, slots=True)
class Within:
    """Taken within a rectangle of a map (degrees, WGS 84), edges included.

    If `west` is above `east`, it crosses the date line.
    """

    south: float
    west: float
    north: float
    east: float

    def __post_init__(self) -> None:
        """QueryError for a rectangle that is not on the earth."""
        require_number("south", self.south, -90, 90)
        require_number("north", self.north, self.south, 90)
        for name, edge in (("west", self.west), ("east", self.east)):
            require_number(name, edge, -180, 180)
        make_plain(self, "south", "west", "north", "east")


@dataclass(frozen=True, slots=True)
class Located:
    """Taken in any of some places, which are named by codes of the gazetteer. "FR/11" has all places within that region."""

    codes: tuple[str, ...]

    def __post_init__(self) -> None:
        """QueryError for what is not a tuple of codes. A list becomes one."""
        require_tuple(self, "codes", str, "codes of the gazetteer")


@dataclass(frozen=True, slots=True)
class Among:
    """One of some photos, by their ids in this index."""

    ids: tuple[int, ...]

    def __post_init__(self) -> None:
        """QueryError for what is not a tuple of ids. A list becomes one."""
        require_tuple(self, "ids", Integral, "whole numbers; SearchEngine.among(hits) makes one of hits")


@dataclass(frozen=True, slots=True)
class InAlbum:
    """In the album of this name beside the index. `Favourites` is the album of the hearts."""

    name: str

    def __post_init__(self) -> None:
        """QueryError for what is not a text."""
        require_text("name", self.name)


@dataclass(frozen=True, slots=True)
class All:
    """All of the conditions hold."""

    conditions: tuple[Condition, ...]

    def __post_init__(self) -> None:
        """QueryError for what is not a tuple of conditions."""
        _require_conditions(self)


@dataclass(frozen=True, slots=True)
class Either:
    """At least one of the conditions holds."""

    conditions: tuple[Condition, ...]

    def __post_init__(self) -> None:
        """QueryError for what is not a tuple of conditions."""
        _require_conditions(self)


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold."""

    condition: Condition

    def __post_init__(self) -> None:
        """QueryError for what is not a condition."""
        _require_conditions(self)


Condition: TypeAlias = Test | Known | Below | Contains | Near | Within | Located | Among | InAlbum | All | Either | Not
"""Which photos count: a test of a fact, or a tree of conditions. `parse_where` makes one of a text."""


def require_condition(condition: object) -> None:
    """Raise QueryError unless it is a Condition or None."""
    if condition is not None and not isinstance(condition, get_args(Condition)):
        raise QueryError(
            f"condition must be a Condition, not {short(condition)}; parse_where(text) makes one of a text"
        )


def _require_conditions(tree: All | Either | Not) -> None:
    """Raise QueryError unless a tree has conditions. A list of them and the like become a tuple."""
    conditions: Any = (tree.condition,) if isinstance(tree, Not) else tree.conditions
    if is_several(conditions) and not isinstance(conditions, tuple):
        conditions = tuple(conditions)
        object.__setattr__(tree, "conditions", conditions)
    if not isinstance(conditions, tuple):
        raise QueryError(f"conditions must be a tuple, not {short(conditions)}; parse_where(text) makes one of a text")
    for condition in conditions:
        if condition is None:
            raise QueryError("condition must be a Condition, not None")
        require_condition(condition)


def all_of(conditions: Sequence[Condition]) -> Condition | None:
    """One condition that needs all of them; None if there are no conditions."""
    return All(tuple(conditions)) if conditions else None


def leaves_of(condition: Condition) -> Iterator[Condition]:
    """The conditions that a condition is made of, without those that must not hold."""
    if isinstance(condition, (All, Either)):
        for part in condition.conditions:
            yield from leaves_of(part)
    elif not isinstance(condition, Not):
        yield condition


def literals(glob: str) -> list[str]:
    """The texts between a glob's wildcards, in order, some of them empty. Every name that matches has them all."""
    return _WILD.split(glob)


def literal_glob(text: str) -> str:
    """The glob that only a text itself matches."""
    return re.sub(r"([*?\[])", r"[\1]", text)


def typed_glob(name: str) -> str:
    """The glob of a file name that a user typed: * and ? are wildcards, but a bracket alone stands for itself."""
    return name if "*" in name or "?" in name else literal_glob(name)
