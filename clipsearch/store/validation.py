"""Checks of the values in a catalog. An index may come from a stranger, and its author can make the checksums fit, too."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from clipsearch.errors import CollectionDamaged

WHAT_TO_DO = "`clipsearch verify` says what else is, and `clipsearch repair` keeps all that is good"

MOST_IDS = 1 << 48
"""No id of an image or a segment is above it: SQLite has none to give behind the highest of all, which damage could use."""

_INT64 = 1 << 63
_LONGEST = 100_000  # characters of a text that has no limit of its own


@contextmanager
def as_written(what: str = "the catalog") -> Iterator[None]:
    """Raise CollectionDamaged if a value inside is not one that clipsearch writes."""
    try:
        yield
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RecursionError) as error:
        raise CollectionDamaged(f"{what} holds what clipsearch never writes, so it is damaged; {WHAT_TO_DO}") from error


def whole(value: Any, least: int = -_INT64, most: int = _INT64 - 1) -> int:
    """A whole number. ValueError if it is not one, or out of range."""
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"no whole number from {least} to {most}")
    return value


def number(value: Any, least: float, most: float) -> float:
    """A finite number. ValueError if it is not one, or out of range."""
    if type(value) not in (int, float) or not math.isfinite(value) or not least <= value <= most:
        raise ValueError(f"no number from {least} to {most}")
    return float(value)


def text(value: Any, longest: int = _LONGEST) -> str:
    """A text that can be stored and printed. ValueError if not: JSON can hold half a surrogate pair, SQLite cannot."""
    if type(value) is not str or len(value) > longest:
        raise ValueError(f"no text of {longest} characters at most")
    os.fsencode(value)  # names of folders may have bytes that are no characters
    return value


def octets(value: Any) -> bytes:
    """Bytes. ValueError for anything else."""
    if type(value) is not bytes:
        raise ValueError("no bytes")
    return value


def moment(value: Any) -> datetime:
    """A time in the one form that clipsearch writes, so that times compare as texts. ValueError for any other."""
    found = datetime.fromisoformat(text(value, 40))
    if found.isoformat() != value:
        raise ValueError("no time as clipsearch writes it")
    return found
