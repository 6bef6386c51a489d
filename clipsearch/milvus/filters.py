"""Translates conditions into boolean expressions of Milvus.

An expression contains nothing that a user typed: texts are the hexadecimal digits of their bytes, everything else is a number.
So nothing needs escaping, names that are not UTF-8 work like others, and digits sort as the bytes do.

If Milvus cannot express a condition, the expression is wider: it holds for every photo that meets the condition, and `exact` is
False because it may hold for others. The catalog's own SQL then sorts those out (`store.memory_catalog`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from clipsearch._internal.paths import IN_UTF8, as_utf8
from clipsearch.conditions import (
    All,
    Among,
    Below,
    Condition,
    Contains,
    Either,
    Field,
    InAlbum,
    Known,
    Located,
    Near,
    Not,
    Test,
    Within,
    literals,
)
from clipsearch.errors import QueryError
from clipsearch.store.filters import FolderLookup, box_around, composed
from clipsearch.store.memory_catalog import matching_values

EVERYTHING, NOTHING = "row > 0", "row < 0"  # photos' rows have numbers above 0
FIRST_PICTURE = "row_check >= 0"
"""Of the rows of a file with several pictures, the one that stands for the file."""

UNKNOWN_DEGREES = 999.0
"""The latitude and longitude of a photo whose place is not known."""

_COLUMNS: dict[Field, tuple[str, ...]] = {
    "path": ("folder", "name"),
    "megapixels": ("width", "height"),
    "orientation": ("width", "height"),
}  # every other field is a column of its own name
_ONLY_IN_AN_INDEX: frozenset[Field] = frozenset(
    {"keyword", "person", "rating", "label", "title", "description", "text", "source"}
)
_NOT_IN_STORES = (
    "a vector database has no keywords, people, ratings, titles or texts of the photos; leave `store` out, and search the "
    "index itself for them"
)
_NOT_BY_NUMBER = (
    "a vector database has its own numbers for photos; leave `store` out, and search the index itself for these photos"
)
_NO_ALBUMS = (
    "a vector database has no albums; leave `store` out, and search the index itself for the photos of an album"
)
_SHAPES = {(2, 1): 1, (1, 2): -1, (1, 1): 0}  # (width, height) → the column `shape`
_OTHER_LETTERS = re.compile("[^\\x00-\\x7f]+")
_LARGEST = 2.0**52


@dataclass(frozen=True, slots=True)
class FilterExpression:
    """A boolean expression; if it is `exact`, it holds only for photos that meet its condition."""

    text: str
    exact: bool = True


class FilterTranslator:
    """Translates conditions for one version of a store.

    `places` says where a folder is. `cameras` and `formats` are all that the photos have, or None if they are too many.
    `infix` says whether the store's LIKE finds text that is not at the beginning.
    """

    def __init__(
        self, places: FolderLookup, cameras: Sequence[str] | None, formats: Sequence[str] | None, *, infix: bool
    ) -> None:
        self._places = places
        self._values = {"camera": cameras, "format": formats}
        self._infix = infix

    def translate(self, condition: Condition, *, holds: bool = True) -> FilterExpression:
        """The expression for a condition, or for its opposite if `holds` is False."""
        if isinstance(condition, Not):
            return self.translate(condition.condition, holds=not holds)
        if isinstance(condition, (All, Either)):
            parts = [self.translate(part, holds=holds) for part in condition.conditions]
            conjunction = isinstance(condition, All) == holds
            if not parts:
                return FilterExpression(EVERYTHING if conjunction else NOTHING)
            text = (" and " if conjunction else " or ").join(f"({part.text})" for part in parts)
            return FilterExpression(text, all(part.exact for part in parts))
        leaf = self._leaf(condition)
        if holds:
            return leaf
        return FilterExpression(f"not ({leaf.text})") if leaf.exact else FilterExpression(EVERYTHING, False)

    def _leaf(
        self, condition: Test | Known | Below | Contains | Near | Within | Located | Among | InAlbum
    ) -> FilterExpression:
        condition = _require_in_stores(condition)
        if isinstance(condition, Located) or condition == Known("place"):
            return FilterExpression(_known("latitude"), False)
        if isinstance(condition, Known):
            return FilterExpression(_known(condition.field))
        if isinstance(condition, Below):
            places = [f"({_below(*place)})" for place in self._places(condition.folder)]
            return FilterExpression(" or ".join(places) or NOTHING)
        if isinstance(condition, Near):
            return FilterExpression(_box(condition), False)
        if isinstance(condition, Within):
            return FilterExpression(_within(condition))
        if condition.field in self._values:
            return self._one_of(condition)
        if condition.field == "caption":  # a photo without one meets no test of it
            expression = self._text(condition, "x")
            return FilterExpression(both(_known("caption"), expression.text), expression.exact)
        if condition.field in ("name", "folder"):
            return self._text(replace(condition, value=as_utf8(str(condition.value))))
        if condition.field == "orientation":
            shapes = [_SHAPES[shape] for shape in matching_values(condition, list(_SHAPES))]
            return FilterExpression(f"shape in {shapes}" if shapes else NOTHING)
        if condition.field == "taken":
            return _taken(condition)
        if condition.field == "path":
            return FilterExpression(EVERYTHING, False)
        if condition.field in ("latitude", "longitude"):
            return FilterExpression(_degrees(condition))
        return FilterExpression(_integer(condition))

    def _one_of(self, test: Test) -> FilterExpression:
        """A test of a field with few values: the expression lists those that pass."""
        values = self._values[test.field]
        if values is None:
            return FilterExpression(_known(test.field), False)
        keys = ", ".join(f'"{text_key(value)}"' for value in matching_values(test, values))
        return FilterExpression(f"{test.field} in [{keys}]" if keys else NOTHING)

    def _text(self, test: Test, prefix: str = "") -> FilterExpression:
        """A test of a case-folded column, whose texts have `prefix` before their digits."""
        column, text = f"{test.field}_folded", str(test.value)
        folded = composed(text.lower())
        # A name may spell letters beyond ASCII in two ways, so only the ASCII parts are compared.
        if test.operator == "~":
            return self._in_order(column, prefix, literals(_OTHER_LETTERS.sub("*", folded)))
        if test.operator == "=" and not folded.isascii():
            return self._in_order(column, prefix, _OTHER_LETTERS.split(folded))
        # The catalog folds only ASCII if the text is ASCII. Only the Kelvin sign differs: Python folds it to a k.
        exact = not (text.isascii() and "k" in folded)
        equal = f'{column} == "{prefix}{hexadecimal(folded)}"'
        if test.operator == "=":
            return FilterExpression(equal, exact)
        if test.operator == "!=" and exact and folded.isascii():
            return FilterExpression(f"not ({equal})")
        return FilterExpression(EVERYTHING, False)

    def _in_order(self, column: str, prefix: str, pieces: Sequence[str]) -> FilterExpression:
        """Texts that begin with the first piece and contain the others in this order."""
        first, *rest = map(hexadecimal, pieces)
        first = prefix + first
        if not rest:
            return FilterExpression(f'{column} == "{first}"', False)
        pattern = re.sub("%+", "%", f"{first}%{'%'.join(rest)}") if self._infix else f"{first}%"
        return FilterExpression(f'{column} like "{pattern}"' if pattern != "%" else EVERYTHING, False)


def asks_for_places(condition: Condition) -> bool:
    """Whether the names of places decide whether a photo meets a condition."""
    if isinstance(condition, Not):
        return asks_for_places(condition.condition)
    if isinstance(condition, (All, Either)):
        return any(map(asks_for_places, condition.conditions))
    return isinstance(condition, Located) or condition == Known("place")


def _require_in_stores(
    condition: Test | Known | Below | Contains | Near | Within | Located | Among | InAlbum,
) -> Test | Known | Below | Near | Within | Located:
    """The condition itself. QueryError if it is about what only an index has of a photo."""
    if isinstance(condition, Among):
        raise QueryError(_NOT_BY_NUMBER)
    if isinstance(condition, InAlbum):
        raise QueryError(_NO_ALBUMS)
    is_fact = isinstance(condition, (Test, Known)) and condition.field in _ONLY_IN_AN_INDEX
    if isinstance(condition, Contains) or is_fact:
        raise QueryError(_NOT_IN_STORES)
    return condition


def columns_of(condition: Condition) -> set[str]:
    """The columns that decide whether a photo meets a condition."""
    if isinstance(condition, Not):
        return columns_of(condition.condition)
    if isinstance(condition, (All, Either)):
        return {column for part in condition.conditions for column in columns_of(part)}
    condition = _require_in_stores(condition)
    if isinstance(condition, (Near, Within, Located)) or condition == Known("place"):
        return {"latitude", "longitude"}
    if isinstance(condition, Below):
        return {"folder"}
    return set(_COLUMNS.get(condition.field, (condition.field,)))


def text_key(text: str | None) -> str:
    """A text as a column has it: "" for None, which differs from the key of an empty text."""
    return "" if text is None else f"x{hexadecimal(text)}"


def among(column: str, numbers: Iterable[int]) -> str:
    """The expression for rows whose column has one of these numbers."""
    distinct = sorted({int(number) for number in numbers})
    return f"{column} in {distinct}" if distinct else NOTHING


def both(*expressions: str) -> str:
    """The expression for rows that all of these expressions hold for."""
    return " and ".join(f"({expression})" for expression in expressions)


def hexadecimal(text: str) -> str:
    """The digits of a text's bytes."""
    return text.encode(*IN_UTF8).hex()


def _known(field: str) -> str:
    """The expression for photos that have a field."""
    if field in ("camera", "taken", "caption"):
        return f'{field} != ""'
    return f"{field} < {UNKNOWN_DEGREES}" if field in ("latitude", "longitude") else EVERYTHING


def _below(root_id: int, folder: str) -> str:
    if not folder:
        return f"root == {int(root_id)}"
    key = hexadecimal(as_utf8(folder))
    return f'root == {int(root_id)} and (folder == "{key}" or folder like "{key}2f%")'  # 2f is the "/"


def _comparison(test: Test) -> str:
    return "==" if test.operator == "=" else test.operator


def _taken(test: Test) -> FilterExpression:
    known = _known("taken")
    if test.operator == "~":
        return FilterExpression(known, False)
    return FilterExpression(f'{known} and taken {_comparison(test)} "{text_key(str(test.value))}"')


def _degrees(test: Test) -> str:
    value = float(test.value)
    if math.isnan(value):
        return NOTHING
    limited = min(max(value, -_LARGEST), _LARGEST)
    return f"{_known(test.field)} and {test.field} {_comparison(test)} {_decimal(limited)}"


def _decimal(value: float) -> str:
    """A number in digits alone, which Milvus reads as the same number."""
    text = format(Decimal(repr(value)), "f")
    return text if "." in text else f"{text}.0"


def _integer(test: Test) -> str:
    """A test of width, height or size, or of megapixels by the column `pixels`."""
    value = float(test.value)
    if math.isnan(value):
        return NOTHING
    column, unit = ("pixels", 1e6) if test.field == "megapixels" else (test.field, 1.0)
    wanted = min(max(value, -_LARGEST / unit), _LARGEST / unit)
    least = math.floor(wanted * unit) - 2
    while least / unit < wanted:  # divided as the catalog divides, so that rounding has the same effect
        least += 1
    equal = least / unit == wanted
    beyond = least + 1 if equal else least
    return {
        ">=": f"{column} >= {least}",
        ">": f"{column} >= {beyond}",
        "<": f"{column} < {least}",
        "<=": f"{column} < {beyond}",
        "=": f"{column} == {least}" if equal else NOTHING,
        "!=": f"{column} != {least}" if equal else EVERYTHING,
    }[test.operator]


def _within(box: Within) -> str:
    """The rectangle itself."""
    text = f"{_known('latitude')} and latitude >= {_decimal(box.south)} and latitude <= {_decimal(box.north)}"
    west, east = f"longitude >= {_decimal(box.west)}", f"longitude <= {_decimal(box.east)}"
    if box.west <= box.east:
        return f"{text} and {west} and {east}"
    return f"{text} and ({west} or {east})"


def _box(near: Near) -> str:
    """The box around all points that are near."""
    south, north, sides = box_around(near)
    text = f"{_known('latitude')} and latitude >= {_decimal(south)} and latitude <= {_decimal(north)}"
    if sides:
        text += f" and longitude >= {_decimal(sides[0])} and longitude <= {_decimal(sides[1])}"
    return text
