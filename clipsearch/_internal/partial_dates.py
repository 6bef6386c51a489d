"""Dates of which only the year, or the year and the month, are known.

Such a date is the first moment of its year or month, so that it can be sorted and compared. Its microseconds say what is known:
dates of photos have no fractions of a second, so these mean nothing else.
"""

from __future__ import annotations

from datetime import datetime, time

_MONTH_IS_KNOWN, _YEAR_IS_KNOWN = 1, 2  # microseconds
_LENGTHS = {_MONTH_IS_KNOWN: 7, _YEAR_IS_KNOWN: 4}  # of "2019-07" and "2019"


def partial_date(year: int, month: int | None = None) -> datetime:
    """The date of a photo of which no day is known, and perhaps no month. Raises ValueError if no calendar has it."""
    return datetime(year, month or 1, 1, microsecond=_MONTH_IS_KNOWN if month else _YEAR_IS_KNOWN)


def known_part(date: datetime) -> str | None:
    """What is known of a partial date: "2019" or "2019-07"; None for all other dates."""
    length = _LENGTHS.get(date.microsecond)
    is_first = date.day == 1 and date.time().replace(microsecond=0) == time.min
    return date.isoformat()[:length] if length and is_first else None


def to_iso(date: datetime) -> str:
    """A date in ISO 8601, with as much as is known of it."""
    return known_part(date) or date.isoformat()


def from_iso(text: str) -> datetime:
    """The inverse of `to_iso`. Raises ValueError if the text is not such a date."""
    if len(text) not in _LENGTHS.values():
        return datetime.fromisoformat(text)
    year, _, month = text.partition("-")
    return partial_date(int(year), int(month) if month else None)
