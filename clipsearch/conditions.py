"""What a filter can ask of a photo, as a tree. `where.py` makes it from text, `store/filters.py` asks the catalog."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Field: TypeAlias = Literal[
    "name", "folder", "path", "format", "camera", "width", "height", "megapixels", "size", "taken", "orientation",
    "latitude", "longitude", "caption",
]  # fmt: skip
Operator: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">=", "~"]
_WILD = re.compile(r"\[[!^]?\]?[^]]*\]|[*?\[]")  # in a glob; "[^]a]" is one class


@dataclass(frozen=True, slots=True)
class Test:
    """One field against one value; a photo that lacks the field fails every test of it.

    `value` is a number for width and height (pixels), megapixels, size (bytes), latitude and longitude (degrees), and text for
    the others; for "taken" an instant of the camera's clock, "2024-07-01T12:30:00" or a beginning of that. Texts compare
    without case. "~" is a glob: `*` any characters, `?` one, `[abc]` one of these.
    """

    __test__ = False  # not one of pytest's

    field: Field
    operator: Operator
    value: str | float


@dataclass(frozen=True, slots=True)
class Known:
    """Whether a photo has the field at all: a date, a camera, a place, a caption."""

    field: Field


@dataclass(frozen=True, slots=True)
class Below:
    """In a folder (an absolute path) or anywhere below it."""

    folder: str


@dataclass(frozen=True, slots=True)
class Near:
    """Taken at most so many kilometres from a point (degrees, WGS 84), along a great circle."""

    latitude: float
    longitude: float
    km: float


@dataclass(frozen=True, slots=True)
class All:
    """Every one of some conditions."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one of some conditions."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    condition: Condition


Condition: TypeAlias = Test | Known | Below | Near | All | Either | Not


def all_of(conditions: Sequence[Condition]) -> Condition | None:
    """Every one of some conditions, as one; None, which is no condition, of none."""
    return All(tuple(conditions)) if conditions else None


def literals(glob: str) -> list[str]:
    """The texts that every name has which fits a glob, in their order: what stands between its wildcards, some of it empty.

    A glob without wildcards is one text.
    """
    return _WILD.split(glob)
