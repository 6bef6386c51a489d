"""Conditions as boolean expressions of Milvus.

Nothing that anybody has typed is part of an expression: texts are there as the hexadecimal digits of their bytes, and all else
is numbers. So there is nothing to escape, names that are not UTF-8 are as good as others, and digits sort as the bytes do.

What Milvus cannot say, an expression says more widely: it holds of every photo that meets the condition, and `exact` is False
where it may hold of others too. Those are sorted out by the catalog's own SQL (`store/sieve.py`).
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from clipsearch.store.filters import EARTH_KM, Places, composed
from clipsearch.store.memory_catalog import passing
from clipsearch.types import All, Below, Condition, Either, Known, Near, Not, Test, literals

EVERYTHING, NOTHING = "row > 0", "row < 0"  # photos' rows have numbers above 0
NOWHERE = 999.0
"""The latitude and longitude of a photo without a place."""

_SHAPES = {(2, 1): 1, (1, 2): -1, (1, 1): 0}  # (width, height) → the column `shape`
_OPERATORS = {"=": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_OTHER_LETTERS = re.compile("[^\\x00-\\x7f]+")
_FARTHEST = 2.0**52
_KM_A_DEGREE = EARTH_KM * math.pi / 180


@dataclass(frozen=True, slots=True)
class Expression:
    """A boolean expression, and whether it holds of no photo that does not meet its condition."""

    text: str
    exact: bool = True


class Expressions:
    """Conditions as expressions, for one state of a store.

    `places` says where a folder is; `values` are all that the photos' cameras and formats are, or None where they are too many
    to be known. `infix` tells whether the store's LIKE finds what is not at the beginning.
    """

    def __init__(
        self, places: Places, cameras: Sequence[str] | None, formats: Sequence[str] | None, *, infix: bool
    ) -> None:
        self._places = places
        self._values = {"camera": cameras, "format": formats}
        self._infix = infix

    def of(self, condition: Condition, *, holds: bool = True) -> Expression:
        """A condition, or with `holds` False its opposite, as an expression."""
        if isinstance(condition, Not):
            return self.of(condition.condition, holds=not holds)
        if isinstance(condition, (All, Either)):
            parts = [self.of(part, holds=holds) for part in condition.conditions]
            every = isinstance(condition, All) == holds
            if not parts:
                return Expression(EVERYTHING if every else NOTHING)
            text = (" and " if every else " or ").join(f"({part.text})" for part in parts)
            return Expression(text, all(part.exact for part in parts))
        found = self._leaf(condition)
        if holds:
            return found
        return Expression(f"not ({found.text})") if found.exact else Expression(EVERYTHING, False)

    def _leaf(self, condition: Test | Known | Below | Near) -> Expression:
        if isinstance(condition, Known):
            return Expression(_known(condition.field) or EVERYTHING)
        if isinstance(condition, Below):
            return Expression(_any(_below(*place) for place in self._places(condition.folder)))
        if isinstance(condition, Near):
            return Expression(_box(condition), False)
        if condition.field in ("camera", "format"):
            return self._one_of(condition)
        if condition.field == "caption":
            return self._of_known(condition)
        if condition.field in ("name", "folder"):
            return self._text(condition)
        if condition.field == "orientation":
            shapes = [_SHAPES[shape] for shape in passing(condition, list(_SHAPES))]
            return Expression(f"shape in {shapes}" if shapes else NOTHING)
        if condition.field == "taken":
            return _taken(condition)
        if condition.field == "path":
            return Expression(EVERYTHING, False)
        if condition.field in ("latitude", "longitude"):
            return Expression(_degrees(condition))
        return Expression(_whole(condition))

    def _one_of(self, test: Test) -> Expression:
        """A field with few values: those that pass are named."""
        values = self._values[test.field]
        if values is None:
            return Expression(_known(test.field) or EVERYTHING, False)
        passed = [text_key(value) for value in passing(test, values)]
        return Expression(f"{test.field} in {_texts(passed)}" if passed else NOTHING)

    def _of_known(self, test: Test) -> Expression:
        """A text that a photo may not have at all, which meets no test of it."""
        found = self._text(test, "x")
        return Expression(both(_known(test.field) or EVERYTHING, found.text), found.exact)

    def _text(self, test: Test, head: str = "") -> Expression:
        """A test of a column without case, whose texts have `head` before their digits."""
        column, text = f"{test.field}_folded", str(test.value)
        folded = composed(text.lower())
        if not folded.isascii():
            return self._like_ascii(column, folded, head, test.operator)
        if test.operator in ("=", "!="):
            # Where the text is ASCII, the catalog folds ASCII alone. All that differs is the Kelvin sign, to Python a k.
            exact = not (text.isascii() and "k" in folded)
            same = Expression(f'{column} == "{head}{_hex(folded)}"', exact)
            if test.operator == "=":
                return same
            return Expression(f"not ({same.text})") if exact else Expression(EVERYTHING, False)
        if test.operator != "~":
            return Expression(EVERYTHING, False)
        return self._in_order(column, head, [_hex(piece) for piece in literals(folded)])

    def _like_ascii(self, column: str, folded: str, head: str, operator: str) -> Expression:
        """Of a text with other letters, only what is ASCII: a column has them in whichever of their spellings the name has."""
        if operator not in ("=", "~"):
            return Expression(EVERYTHING, False)
        pieces = literals(_OTHER_LETTERS.sub("*", folded)) if operator == "~" else _OTHER_LETTERS.split(folded)
        return self._in_order(column, head, [_hex(piece) for piece in pieces])

    def _in_order(self, column: str, head: str, pieces: list[str]) -> Expression:
        first, *rest = pieces
        first = head + first
        if not rest:
            return Expression(f'{column} == "{first}"', False)
        if not self._infix:
            return Expression(f'{column} like "{first}%"' if first else EVERYTHING, False)
        pattern = re.sub("%+", "%", f"{first}%{'%'.join(rest)}")
        return Expression(f'{column} like "{pattern}"' if pattern != "%" else EVERYTHING, False)


def text_key(text: str | None) -> str:
    """A text as it is in a column of its own: "" for none, which differs from that of an empty text."""
    return "" if text is None else f"x{_hex(text)}"


def folded_key(text: str) -> str:
    """A name or folder without case, as its column has it."""
    return _hex(text.lower())


def folded_text_key(text: str | None) -> str:
    """A text of its own without case, as its column has it: "" for none."""
    return text_key(None if text is None else text.lower())


def among(column: str, numbers: Iterable[int]) -> str:
    """Rows whose number in a column is one of these."""
    some = sorted({int(number) for number in numbers})
    return f"{column} in {some}" if some else NOTHING


def both(*expressions: str) -> str:
    """All of some expressions."""
    return " and ".join(f"({one})" for one in expressions)


def _hex(text: str) -> str:
    return os.fsencode(text).hex()


def _texts(keys: Iterable[str]) -> str:
    quoted = ", ".join(f'"{key}"' for key in keys)
    return f"[{quoted}]"


def _any(expressions: Iterable[str]) -> str:
    return " or ".join(f"({one})" for one in expressions) or NOTHING


def _known(field: str) -> str | None:
    if field in ("camera", "taken", "caption"):
        return f'{field} != ""'
    return f"{field} < {NOWHERE}" if field in ("latitude", "longitude") else None


def _below(root_id: int, folder: str) -> str:
    if not folder:
        return f"root == {int(root_id)}"
    head = _hex(folder)
    return f'root == {int(root_id)} and (folder == "{head}" or folder like "{head}2f%")'  # 2f is the "/"


def _taken(test: Test) -> Expression:
    known = 'taken != ""'
    if test.operator == "~":
        return Expression(known, False)
    return Expression(f'{known} and taken {_OPERATORS[test.operator]} "{text_key(str(test.value))}"')


def _degrees(test: Test) -> str:
    value = float(test.value)
    if value != value:
        return NOTHING
    limited = min(max(value, -_FARTHEST), _FARTHEST)
    return f"{test.field} < {NOWHERE} and {test.field} {_OPERATORS[test.operator]} {_decimal(limited)}"


def _decimal(value: float) -> str:
    """A number in digits alone, which are read as the same number."""
    text = format(Decimal(repr(value)), "f")
    return text if "." in text else f"{text}.0"


def _whole(test: Test) -> str:
    """A comparison of whole numbers: width, height and size, and the pixels that megapixels are made of."""
    value = float(test.value)
    if value != value:
        return NOTHING
    column, unit = ("pixels", 1e6) if test.field == "megapixels" else (test.field, 1.0)
    wanted = min(max(value, -_FARTHEST / unit), _FARTHEST / unit)
    least = math.floor(wanted * unit) - 2
    while least / unit < wanted:  # as the catalog divides, so that what rounding does is the same
        least += 1
    there = least / unit == wanted
    beyond = least + 1 if there else least
    return {
        ">=": f"{column} >= {least}",
        ">": f"{column} >= {beyond}",
        "<": f"{column} < {least}",
        "<=": f"{column} < {beyond}",
        "=": f"{column} == {least}" if there else NOTHING,
        "!=": f"{column} != {least}" if there else EVERYTHING,
    }[test.operator]


def _box(near: Near) -> str:
    """A box around all points that are near, as the catalog's."""
    reach = near.km / _KM_A_DEGREE * 1.0001
    south, north = near.latitude - reach, near.latitude + reach
    text = f"latitude < {NOWHERE} and latitude >= {_decimal(south)} and latitude <= {_decimal(north)}"
    if south > -89 and north < 89:
        wide = math.sin(math.radians(min(reach, 90))) / math.cos(math.radians(near.latitude))
        sideways = math.degrees(math.asin(min(1.0, wide)))
        west, east = near.longitude - sideways, near.longitude + sideways
        if west >= -180 and east <= 180:
            text += f" and longitude >= {_decimal(west)} and longitude <= {_decimal(east)}"
    return text
