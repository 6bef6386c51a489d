"""The filters of a search in Python: values of keywords to conditions.

`keywords` imports this module when a search has a filter.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence, Set
from datetime import date, datetime
from numbers import Real
from typing import Any, get_args

from clipsearch._internal.arguments import is_several, is_whole, listed, require_number, short
from clipsearch.conditions import Condition, Field
from clipsearch.errors import QueryError
from clipsearch.query import filters
from clipsearch.query.format_filter import of_format


def take_conditions(wanted: dict[str, Any]) -> tuple[Condition, ...]:
    """Take the filters out of the keywords, as conditions that must all hold."""
    conditions: list[Condition] = []
    ends = [wanted[name] for name in ("after", "before") if name in wanted]
    for name, (read, is_any) in _OF_SEVERAL.items():
        if name in wanted:
            several = [_read(name, read, value) for value in _filled(name, listed(wanted.pop(name)))]
            conditions += filters.either(several) if is_any else several
    for name, read in _OF_ONE.items():
        if name in wanted:
            several = [_read(name, read, value) for value in _filled(name, _values(name, wanted.pop(name)))]
            conditions += filters.either(several) if name in filters.ALTERNATIVES and len(several) > 1 else several
    if len(ends) == 2:
        filters.require_order(*map(_time, ends))
    return tuple(conditions)


def _filled(name: str, values: Sequence[Any]) -> Sequence[Any]:
    """Several values. QueryError without one: such a filter could mean all photos, or none."""
    if not values:
        raise QueryError(f"{name}: the list is empty; give at least one value, or None for no such filter")
    return values


def _values(name: str, value: Any) -> Sequence[Any]:
    """The values of a filter of which a list has several. A tuple is one range or point if the filter has those.

    A list or an array of numbers is a point, too; not a set, which has no order.
    """
    if isinstance(value, Iterator):
        value = list(value)  # it is read once
    if name in _SINGLE or (name in _RANGES and isinstance(value, tuple)):
        return (value,)
    if name in ("near", "within") and _is_ordered(value) and all(isinstance(part, Real) for part in value):
        return (value,)
    return listed(value)


def _is_ordered(value: Any) -> bool:
    return is_several(value) and not isinstance(value, Set)


def _read(name: str, read: Callable[[Any], Condition], value: Any) -> Condition:
    """A filter's condition. QueryErrors name the keyword."""
    try:
        return read(value)
    except QueryError as error:
        raise QueryError(f"{name}: {error}") from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise QueryError(f"it must be a text (str) or a list of texts, not {short(value)}")
    return value


def _of_text(read: Callable[[str], Condition]) -> Callable[[Any], Condition]:
    return lambda value: read(_text(value))


def _folder(value: Any) -> Condition:
    if not isinstance(value, (str, os.PathLike)):
        raise QueryError(f"it must be a folder (str or Path) or a list of folders, not {short(value)}")
    return filters.in_folder(value)


def _time(value: Any) -> str:
    """A time as filters read it. QueryError if it has a zone: times of photos are those of the camera's clock."""
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            raise QueryError(
                "a time with a zone cannot be compared with photos, which have the time of the camera's clock; give it without "
                f"tzinfo, not {short(value)}"
            )
        return value.isoformat(timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    if type(value).__name__ == "datetime64":  # numpy's; its own conversion would make a day of a month
        return str(value)[: len("2024-07-15T12:30:00")]
    if is_whole(value):
        return str(int(value))
    if not isinstance(value, str):
        raise QueryError(f"it must be a year (int), a date, a datetime or a text such as '2024-07', not {short(value)}")
    return value


def _range(read: Callable[[Any], str], value: Any) -> str:
    if isinstance(value, tuple):
        if len(value) != 2:
            raise QueryError(f"it must be one value, or the first and the last, not {short(value)}")
        return "..".join("" if end is None else read(end) for end in value)
    return read(value)


def _stars(value: Any) -> str:
    if is_whole(value) or (isinstance(value, float) and value.is_integer()):  # a data frame has floats
        return str(int(value))
    if not isinstance(value, str):
        raise QueryError(f"it must be a whole number of stars or a text such as '4..', not {short(value)}")
    return value


def _near(value: Any) -> Condition:
    return filters.taken_near(_degrees("latitude, longitude and km", "(48.1, 11.5, 50)", value))


def _within(value: Any) -> Condition:
    return filters.taken_within(_degrees("south, west, north and east", "(48.1, 11.5, 48.2, 11.6)", value))


def _degrees(names: str, example: str, value: Any) -> str:
    """Several numbers as the flags have them, or the text itself."""
    if _is_ordered(value):
        for number in value:
            require_number(f"each of {names}", number)
        return ",".join(str(float(number)) for number in value)
    if not isinstance(value, str):
        raise QueryError(
            f"it must be {names}, such as {example}, or a text with commas between them, not {short(value)}"
        )
    return value


def _at_least(field: Field) -> Callable[[Any], Condition]:
    def read(value: Any) -> Condition:
        require_number("it", value, 1)
        return filters.at_least(field, value)

    return read


def _where(value: Any) -> Condition:
    if isinstance(value, get_args(Condition)):
        return value  # type: ignore[no-any-return]
    if not isinstance(value, str):
        raise QueryError(
            f"it must be an expression (str) such as 'size > 5MB', a Condition, or a list of them, not {short(value)}"
        )
    return filters.parse_where(value)


_OF_SEVERAL: dict[str, tuple[Callable[[Any], Condition], bool]] = {
    "in_": (_folder, True),
    "name": (_of_text(filters.named), True),
    "place": (_of_text(filters.taken_at), True),
    "keyword": (_of_text(filters.keyworded), False),
    "person": (_of_text(filters.showing), False),
}
"""Filters that take one value or a list: what reads a value, and whether any or all of several must hold."""

_OF_ONE: dict[str, Callable[[Any], Condition]] = {
    "taken": lambda value: filters.taken_in(_range(_time, value)),
    "after": lambda value: filters.taken_from(_time(value)),
    "before": lambda value: filters.taken_before(_time(value)),
    "camera": _of_text(filters.taken_by),
    "near": _near,
    "within": _within,
    "rating": lambda value: filters.rated(_range(_stars, value)),
    "text": _of_text(filters.containing),
    "min_width": _at_least("width"),
    "min_height": _at_least("height"),
    "orientation": _of_text(filters.oriented),
    "format": _of_text(of_format),
    "album": _of_text(filters.in_album),
    "where": _where,
}
"""Filters that take one value, or a list if they are not in _SINGLE."""

_RANGES = ("taken", "rating", "near", "within")
"""Filters of which a tuple is one value: a range, or a part of a map."""

_SINGLE = ("after", "before", "min_width", "min_height")
