"""Check the values that callers pass, and say in a sentence which ones are possible."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from numbers import Real
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
        limits = f" from {least:g} to {most:g}" if math.isfinite(least) and math.isfinite(most) else ""
        raise QueryError(f"{name} must be a number{limits}, not {short(value)}")


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
