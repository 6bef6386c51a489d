"""Check the values that callers pass, and say in a sentence which ones are possible."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

from clipsearch.errors import ClipsearchError, QueryError


def require_one_of(
    name: str, value: object, choices: Iterable[object], error: type[ClipsearchError] = QueryError
) -> None:
    """Raise an error unless a parameter has one of these values."""
    known = list(choices)
    if value not in known:
        *first, last = map(repr, known)
        raise error(f"{name} must be one of {', '.join(first)} or {last}, not {short(value)}")


def require_number(name: str, value: Any, least: float = -math.inf, most: float = math.inf) -> None:
    """Raise QueryError unless a parameter is a number within its limits."""
    if not (
        isinstance(value, Real) and not any(value is flag for flag in (True, False)) and least <= float(value) <= most
    ):
        low, high = math.isfinite(least), math.isfinite(most)
        limits = f" from {least:g} to {most:g}" if low and high else f" of at least {least:g}" if low else ""
        raise QueryError(f"{name} must be a number{limits}, not {short(value)}")


def require_whole(name: str, value: Any, least: int | None = None, *, or_none: bool = False) -> None:
    """Raise QueryError unless a parameter is a whole number of at least `least`, or None if that is allowed."""
    if or_none and value is None:
        return
    is_flag = any(value is flag for flag in (True, False))
    if not isinstance(value, Integral) or is_flag or (least is not None and int(value) < least):
        limits = "" if least is None else f" of at least {least}"
        raise QueryError(f"{name} must be {'None or ' if or_none else ''}a whole number{limits}, not {short(value)}")


def require_flag(name: str, value: object) -> None:
    """Raise QueryError unless a parameter is True or False."""
    if not isinstance(value, bool):
        raise QueryError(f"{name} must be True or False, not {short(value)}")


def listed(value: Any) -> Sequence[Any]:
    """One value, or several, as a sequence."""
    return value if isinstance(value, (list, tuple, set, frozenset)) else (value,)  # type: ignore[return-value]


def short(value: object) -> str:
    """A value for a message, cut if it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
