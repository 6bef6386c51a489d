"""Parts of a date by their number: "the first week of August 2011", "the last Sunday in May 2012", "the third quarter of 2012".

All words are in small letters and without accents.
"""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta

from clipsearch.query.sentences.date_words import UNITS, WEEKDAYS
from clipsearch.query.sentences.periods import EveryYear, Period, When, days_from, months_from, part_of

_LAST = -1
_NUMBERS = {
    word: number
    for number, words in {
        1: "first erste premier premiere primer primero primera",
        2: "second zweite deuxieme seconde segundo segunda",
        3: "third dritte troisieme tercer tercero tercera",
        4: "fourth vierte quatrieme cuarto cuarta",
        _LAST: "last final letzte dernier derniere ultimo ultima",
    }.items()
    for word in words.split()
}
_DIGITS = re.compile(r"(\d\d?)\D+")
_PORTIONS = {
    **dict.fromkeys(("quarter", "quartal", "viertel", "trimestre"), 4),
    **dict.fromkeys(("half", "half-year", "half year", "halbjahr", "semestre"), 2),
    **dict.fromkeys(("third", "drittel", "tiers", "tercio"), 3),
}
_OF_YEARS = ("quarter", "quartal", "viertel", "trimestre", "half-year", "half year", "halbjahr", "semestre")
"""Portions that only a year has."""

_SEVERAL = (
    "days",
    "tage",
    "tagen",
    "jours",
    "dias",
    "weeks",
    "wochen",
    "semaines",
    "semanas",
    "months",
    "monate",
    "monaten",
)
_WEEK, _SATURDAY = 7, 5


def numbered_part(ordinal: str, name: str, when: When) -> When | None:
    """One of the days, weeks, weekends, Sundays, quarters or halves of a month or year; None if it is not certain, or is none.

    The first week is the first seven days, and the last week the last seven. A weekend is of the month that its Saturday is in.
    """
    number = _number(ordinal)
    if number is None or name in _SEVERAL:
        return None
    if parts := _PORTIONS.get(name):
        is_possible = number <= parts and (name not in _OF_YEARS or _months(when) == 12)
        return part_of(when, parts - 1 if number == _LAST else number - 1, parts) if is_possible else None
    if isinstance(when, EveryYear):
        return _of_every_year(number, name, when)
    months = _months(when)
    if months not in (1, 12) or when.start is None or when.end is None:
        return None
    first, after = when.start.date(), when.end.date()
    unit = UNITS.get(name)
    if unit == "month" and months == 12:
        return months_from(first.year, number if number > 0 else 12, 1)
    if unit in ("day", "week") and (months == 1 or number in (1, _LAST)):
        days = _WEEK if unit == "week" else 1
        return _within(
            after - timedelta(days) if number == _LAST else first + timedelta(days * (number - 1)), days, after
        )
    if unit == "weekend" or name in WEEKDAYS:
        weekday = WEEKDAYS.get(name, _SATURDAY)
        if number == _LAST:
            day = after - timedelta((after.weekday() - weekday - 1) % 7 + 1)
        else:
            day = first + timedelta((weekday - first.weekday()) % 7 + 7 * (number - 1))
        return days_from(day, 2 if unit == "weekend" else 1) if day < after else None
    return None


def _number(ordinal: str) -> int | None:
    if digits := _DIGITS.fullmatch(ordinal):
        return int(digits[1]) or None
    return _NUMBERS.get(re.sub("(?<=te)[nrsm]$", "", ordinal))


def _months(when: When) -> int:
    """How many whole months a time has; 0 for other times, and for days of any year."""
    if (
        isinstance(when, EveryYear)
        or when.start is None
        or when.end is None
        or (when.start.day, when.end.day) != (1, 1)
    ):
        return 0
    return 12 * (when.end.year - when.start.year) + when.end.month - when.start.month


def _within(day: date, days: int, after: date) -> Period | None:
    return days_from(day, days) if day + timedelta(days) <= after else None


def _of_every_year(number: int, name: str, month: EveryYear) -> EveryYear | None:
    """A week or day of a month in every year. Its weekends and Sundays are other days each year."""
    days = {"week": _WEEK, "day": 1}.get(UNITS.get(name, ""), 0)
    if not days or month.day is not None:
        return None
    if number != _LAST:
        first = days * (number - 1) + 1
        return EveryYear(month.month, first, days) if first + days <= 29 else None
    shortest, longest = (calendar.monthrange(year, month.month)[1] for year in (2001, 2000))
    return EveryYear(month.month, shortest - days + 1, days + longest - shortest)
