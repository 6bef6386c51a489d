"""Conditions as SQL over the catalog's images. Values are always bound, never part of the text."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from clipsearch.conditions import All, Below, Condition, Either, Known, Near, Not, Test

Sql: TypeAlias = tuple[str, list[Any]]
"""An expression and the values that are bound to it."""

Places: TypeAlias = Callable[[str], Iterable[tuple[int, str]]]
"""From an absolute folder to where its photos are: (root_id, folder below that root), for every root at, above or below it."""

EARTH_KM = 6371.0088  # mean radius, IUGG
_KM_A_DEGREE = EARTH_KM * math.pi / 180
_TEXTS = {
    "name": "CAST(name AS TEXT)",
    "folder": "CAST(folder AS TEXT)",
    "path": "CASE WHEN folder = x'' THEN CAST(name AS TEXT) ELSE CAST(folder AS TEXT) || '/' || CAST(name AS TEXT) END",
    "format": "format",
    "camera": "camera",
    "orientation": "CASE WHEN width > height THEN 'landscape' WHEN width < height THEN 'portrait' ELSE 'square' END",
}
_NUMBERS = {
    "width": "width",
    "height": "height",
    "megapixels": "width * height / 1e6",
    "size": "size",
    "latitude": "latitude",
    "longitude": "longitude",
}
_OPERATORS = {"=": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def to_sql(condition: Condition, places: Places) -> Sql:
    """A condition as an SQL expression that is 0 or 1, never NULL, with its values."""
    if isinstance(condition, Test):
        return _test(condition)
    if isinstance(condition, Known):
        return f"{_column(condition.field)} IS NOT NULL", []
    if isinstance(condition, Not):
        sql, values = to_sql(condition.condition, places)
        return f"NOT ({sql})", values
    if isinstance(condition, (All, Either)):
        word, empty = ("AND", "1") if isinstance(condition, All) else ("OR", "0")
        parts = [to_sql(part, places) for part in condition.conditions]
        return f" {word} ".join(f"({sql})" for sql, _ in parts) or empty, [value for _, some in parts for value in some]
    if isinstance(condition, Below):
        return _below(list(places(condition.folder)))
    return _near(condition)


def km_between(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Kilometres between two points in degrees along a great circle, by the haversine formula."""
    a, b = math.radians(latitude), math.radians(other_latitude)
    across = math.sin(math.radians(other_longitude - longitude) / 2) ** 2
    share = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * across
    return 2 * EARTH_KM * math.asin(math.sqrt(min(1.0, share)))


def _test(test: Test) -> Sql:
    column = _column(test.field)
    value: Any = test.value
    if test.field in _NUMBERS:
        sql = f"{column} {_OPERATORS[test.operator]} ?"
    elif test.operator == "~":
        sql, value = f"lower({column}) GLOB {_TEXT}", os.fsencode(str(value).lower())
    else:
        same = "" if test.field == "taken" else " COLLATE NOCASE"
        sql, value = f"{column} {_OPERATORS[test.operator]} {_TEXT}{same}", os.fsencode(str(value))
    # A comparison with nothing is NULL, and so would be its negation.
    return (f"{sql} AND {column} IS NOT NULL" if test.field in _OPTIONAL else sql), [value]


_TEXT = "CAST(? AS TEXT)"  # of bytes: a name may be none of Unicode's
_OPTIONAL = {"taken", "camera", "latitude", "longitude"}


def _column(field: str) -> str:
    return "taken_at" if field == "taken" else _TEXTS.get(field) or _NUMBERS[field]


def _below(places: list[tuple[int, str]]) -> Sql:
    parts, values = ["0"], []
    for root_id, folder in places:
        sql, some = below(root_id, folder)
        parts.append(sql)
        values += some
    return " OR ".join(parts), values


def below(root_id: int, folder: str) -> Sql:
    """Images in a root's folder ("" for the root itself) and below it: "0" is the character after "/"."""
    if not folder:
        return "root_id = ?", [root_id]
    head = os.fsencode(folder)
    return "root_id = ? AND (folder = ? OR (folder >= ? AND folder < ?))", [root_id, head, head + b"/", head + b"0"]


def _near(near: Near) -> Sql:
    """A box first, which an index answers; then the distance. Close to a pole or the date line the box is all longitudes."""
    reach = near.km / _KM_A_DEGREE * 1.0001  # degrees, with room for rounding
    south, north = near.latitude - reach, near.latitude + reach
    sql, values = "latitude BETWEEN ? AND ?", [south, north]
    if south > -89 and north < 89:
        sideways = math.degrees(
            math.asin(min(1.0, math.sin(math.radians(min(reach, 90))) / math.cos(math.radians(near.latitude))))
        )
        if near.longitude - sideways >= -180 and near.longitude + sideways <= 180:
            sql += " AND longitude BETWEEN ? AND ?"
            values += [near.longitude - sideways, near.longitude + sideways]
    sql += " AND latitude IS NOT NULL AND km_between(latitude, longitude, ?, ?) <= ?"
    return sql, [*values, near.latitude, near.longitude, near.km]
