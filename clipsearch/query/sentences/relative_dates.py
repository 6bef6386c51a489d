"""Dates counted from today: "yesterday", "last Friday", "this winter", "the last 3 weeks", "ten days ago"."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date, datetime, time, timedelta

from clipsearch.query.sentences import date_patterns as patterns
from clipsearch.query.sentences.date_parts import named_period
from clipsearch.query.sentences.date_words import (
    DAYS_AGO,
    MONTHS_THAT_ARE_WORDS,
    NUMBERS,
    SEASONS,
    SHORT_MONTHS,
    UNITS,
    WEEKDAYS,
    Unit,
)
from clipsearch.query.sentences.periods import Period, When, days_from, last_unit, unit_of, units_before

_MOST_UNITS = 1000  # of "the last 3 weeks"; no photo is older than more of them


def relative_dates(text: str, plain: str, start: int, today: date) -> list[tuple[int, When]]:
    """All such dates that begin at a place of a text, whose folded form is `plain`, with their ends."""
    found: list[tuple[int, When]] = [*days_and_names(text, plain, start, today)]
    for pattern, read in ((patterns.NAME_LAST, _last_match), (patterns.LAST_FEW, last_few), (patterns.FEW_LAST, last_few),
                          (patterns.AGO, _ago), (patterns.AGO_FIRST, _ago)):  # fmt: skip
        if match := pattern.match(plain, start):
            with suppress(OverflowError, ValueError):  # the time is before the year 1, or after 9999
                if when := read(match, today):
                    found.append((match.end(), when))
    return found


def days_and_names(text: str, plain: str, start: int, today: date) -> list[tuple[int, Period]]:
    """Those of them that are a day or a name: "yesterday", "this week", "last May"."""
    found: list[tuple[int, Period]] = []
    with suppress(OverflowError, ValueError):
        if (day := patterns.RELATIVE_DAY.match(plain, start)) and (when := _relative_day(day, plain, today)):
            found.append((day.end(), when))
        if (name := patterns.LAST_NAME.match(plain, start)) and (when := _last_or_this(name, text, today)):
            found.append((name.end(), when))
    return found


def count_of(match: re.Match[str]) -> tuple[int, Unit] | None:
    """How many of which unit a match has; None if it has no number or no unit."""
    number, unit = match["number"], UNITS.get(match["unit"])
    count = NUMBERS.get(number) or int(number if number.isdecimal() else 0)
    return (count, unit) if unit and 1 <= count <= _MOST_UNITS else None


def last_few(match: re.Match[str], today: date) -> Period | None:
    """So many units until today."""
    start = _back(match, today)
    if start is None or today == date.max:  # no day after it could end the time
        return None
    return Period(datetime.combine(start, time()), datetime.combine(today + timedelta(1), time()))


def _relative_day(match: re.Match[str], plain: str, today: date) -> Period | None:
    if match["word"] == "hier" and not patterns.is_french(plain, match.start()):
        return None
    return days_from(today - timedelta(DAYS_AGO[match["word"]]))


def _last_or_this(match: re.Match[str], text: str, today: date) -> Period | None:
    name = match["name"]
    if name == "an" or (match["last"] == "past" and name not in UNITS):  # "past an old man", "past fall leaves"
        return None
    if name in SHORT_MONTHS or (name in MONTHS_THAT_ARE_WORDS and not text[match.start("name")].isupper()):
        return None
    return _this(name, today) if match["this"] else _last(name, today)


def _last_match(match: re.Match[str], today: date) -> Period | None:
    return _last(match["name"], today)


def _last(name: str, today: date) -> Period | None:
    """The latest week, May, Monday, summer or Christmas that is over."""
    if unit := UNITS.get(name):
        return None if unit == "day" else last_unit(today, unit)
    if name in WEEKDAYS:
        return days_from(today - timedelta((today.weekday() - WEEKDAYS[name] - 1) % 7 + 1))
    now = datetime.combine(today, time())
    for year in (today.year, today.year - 1, today.year - 2):
        period = named_period(year, name)
        if period and period.end and period.end <= now:
            return period
    return None


def _this(name: str, today: date) -> Period | None:
    if unit := UNITS.get(name):
        return None if unit == "day" else unit_of(today, unit)
    if name in WEEKDAYS:
        return days_from(today + timedelta(WEEKDAYS[name] - today.weekday()))
    is_late_winter = SEASONS.get(name) == "winter" and today.month < 12
    return named_period(today.year - is_late_winter, name)


def _ago(match: re.Match[str], today: date) -> Period | None:
    day = _back(match, today)
    return unit_of(day, UNITS[match["unit"]]) if day else None


def _back(match: re.Match[str], today: date) -> date | None:
    """So many units before today."""
    counted = count_of(match)
    return units_before(today, *counted) if counted else None
