"""Dates in a time that is counted back from today: "10 years ago today", "Christmas two years ago", "Monday last week".

Two dates are read as one only if nothing joins them to a third. All patterns are for small letters without accents.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date, timedelta
from typing import NamedTuple, TypeAlias

from clipsearch.query.sentences.date_parts import LISTED, name_at, named_in
from clipsearch.query.sentences.date_patterns import (
    AFTER_A_YEAR,
    AGO,
    AGO_FIRST,
    ALL_MONTHS,
    ARTICLE,
    LAST_NAME,
    NAME_LAST,
    TO,
    YEAR,
)
from clipsearch.query.sentences.date_words import HOLIDAYS, SEASONS, UNITS, WEEKDAYS, Unit
from clipsearch.query.sentences.open_dates import any_of
from clipsearch.query.sentences.periods import EveryYear, Period, When, days_from, units_before
from clipsearch.query.sentences.relative_dates import count_of, days_and_names

_DAYS: dict[Unit, int] = {"day": 1, "weekend": 2, "week": 7, "month": 28, "year": 365}
_SAME_DAY = re.compile(
    r"(?:(?:on|an) )?(?:this (?:very |same )?day|diesem tag|ce jour|este dia)(?!\w)"
    r"|(?:tal dia )?como hoy(?!\w)|(?:to the day|auf den tag(?: genau)?|jour pour jour)(?!\w)"
)
"""Today's date in another year."""

_IN_A_YEAR = re.compile(rf"(?:in|im jahre?|en) {YEAR}")
_BETWEEN_DAYS = re.compile(r"(?P<comma>,)? (?:genau |exactly )?")
_AFTER_NAME = re.compile(r"(?P<comma>,)? (?:(?:of|in|the|der|des|von|de|du|del|en|el|la|le) |[dl]')*")
_BEFORE_NAME = re.compile(
    r"(?P<comma>,)? (?P<in>(?:on|in|at|during|over|am|im|an|zu|en|au|a|pendant|durante|el|le) )?(?:the |la |l')?"
)
_WEEKDAY = re.compile(rf"{any_of(WEEKDAYS)}(?!\w)")
_IN = re.compile(r"(?:.*\W)?(?:in|during|im|en)(?: the)? $")
_DATE_WORDS = rf"(?:{any_of((*ALL_MONTHS, *WEEKDAYS, *SEASONS, *HOLIDAYS))}(?!\w)|\d)"
_JOINT = rf"(?:{LISTED.pattern}|{TO.pattern})(?:(?:{ARTICLE.pattern}))*"
_DATE_BEFORE = re.compile(rf"(?<!\w)(?:{any_of((*ALL_MONTHS, *WEEKDAYS, *SEASONS, *HOLIDAYS))}|\d+)\.?{_JOINT}$")
_DATE_AFTER = re.compile(rf"{_JOINT}{_DATE_WORDS}")
_OTHER_WORDS = ("spring", "fall")
_REACH = 40  # letters before a date that are looked at


DaysAndMonths: TypeAlias = Callable[[int, bool], list[tuple[int, EveryYear]]]
"""Reads the days and months without a year that begin at a place, with their ends. It is told whether "in" is before them."""


class _Ago(NamedTuple):
    """Words such as "10 years ago", "last week" or "this year" (0 years): so many units before today, and where they end."""

    end: int
    number: int
    unit: Unit
    is_counted: bool  # "10 years ago", not "last year"


def dates_ago(
    text: str, plain: str, start: int, today: date, days_and_months: DaysAndMonths
) -> Iterator[tuple[int, When]]:
    """All such dates that begin at a place of a text, whose folded form is `plain`, with their ends."""
    with suppress(OverflowError, ValueError):  # the time is before the year 1, or after 9999
        yield from _days_seen_from(text, plain, start, today)
        for end, part in _names(
            plain, start, days_and_months, is_after_in=bool(_IN.match(plain[max(0, start - _REACH) : start]))
        ):
            if (ago := _after(_AFTER_NAME, plain, end)) and not _is_listed(plain, start, ago.end):
                yield from _within(ago, ago.end, part, today)
        if (ago := _ago_at(plain, start)) and (link := _BEFORE_NAME.match(plain, ago.end)):
            is_after_in = bool(link["in"])
            for end, part in _names(plain, link.end(), days_and_months, is_after_in=is_after_in):
                is_clear = is_after_in or not (
                    link["comma"] or part in SEASONS or (ago.is_counted and part in WEEKDAYS)
                )
                if is_clear and AFTER_A_YEAR.match(plain, end) and not _is_listed(plain, start, end):
                    yield from _within(ago, end, part, today)


def _days_seen_from(text: str, plain: str, start: int, today: date) -> Iterator[tuple[int, When]]:
    """A day, or "this" week or month, so long ago: "10 years ago today", "this week last year", "this day in 2016"."""
    for end, base in _bases(text, plain, start, today):
        if ago := _after(_BETWEEN_DAYS, plain, end) or _in_a_year(plain, end, today):
            yield from _moved(text, plain, start, ago, base, ago.end, today)
    if (ago := _ago_at(plain, start)) and (link := _BETWEEN_DAYS.match(plain, ago.end)):
        for end, base in _bases(text, plain, link.end(), today):
            if ago.is_counted or not link["comma"]:
                yield from _moved(text, plain, link.end(), ago, base, end, today)


def _moved(
    text: str, plain: str, start: int, ago: _Ago, base: Period, end: int, today: date
) -> Iterator[tuple[int, When]]:
    """The day or week at a place as it was called so long ago, if it is shorter than what is counted back."""
    is_last = (match := LAST_NAME.match(plain, start)) is not None and match["last"] is not None
    if is_last and not ago.is_counted:  # "last Monday last week"
        return
    day = units_before(today, ago.number, ago.unit)
    if day and (_days(base) == 1 or _days(base) < _DAYS[ago.unit]):
        yield from ((end, when) for _, when in _bases(text, plain, start, day)[:1])


def _bases(text: str, plain: str, start: int, today: date) -> list[tuple[int, Period]]:
    """A day, "this day", or "this" or "last" week, month, summer or May, with its end."""
    if same := _SAME_DAY.match(plain, start):
        return [(same.end(), days_from(today))]
    return days_and_names(text, plain, start, today)


def _days(period: Period) -> float:
    return (period.end - period.start).days if period.start and period.end else math.inf


def _ago_at(plain: str, start: int) -> _Ago | None:
    """The words that count back from today, and begin at a place."""
    if match := AGO.match(plain, start) or AGO_FIRST.match(plain, start):
        counted = count_of(match)
        return _Ago(match.end(), *counted, True) if counted else None
    if not (match := LAST_NAME.match(plain, start) or NAME_LAST.match(plain, start)):
        return None
    unit, number = UNITS.get(match["name"]), 0 if match.groupdict().get("this") else 1
    return _Ago(match.end(), number, unit, False) if unit and match["name"] != "an" else None


def _after(link: re.Pattern[str], plain: str, end: int) -> _Ago | None:
    """The same after a date. After a comma, "last year" is another date."""
    match = link.match(plain, end)
    ago = _ago_at(plain, match.end()) if match else None
    return ago if match and ago and (ago.is_counted or not match["comma"]) else None


def _in_a_year(plain: str, end: int, today: date) -> _Ago | None:
    """The year after "this day"."""
    match = _IN_A_YEAR.match(plain, end + 1) if plain[end : end + 1] == " " else None
    if match is None or match["year"].startswith("'") or int(match["year"]) > today.year:
        return None
    return _Ago(match.end(), today.year - int(match["year"]), "year", True)


def _names(
    plain: str, start: int, days_and_months: DaysAndMonths, *, is_after_in: bool
) -> Iterator[tuple[int, EveryYear | str]]:
    """The days, months, weekdays, seasons and holidays without a year that begin at a place, with their ends."""
    yield from days_and_months(start, is_after_in)
    weekday = _WEEKDAY.match(plain, start)
    name = (weekday.end(), weekday[0]) if weekday else name_at(plain, start)
    if name and "new year" not in name[1] and (is_after_in or name[1] not in _OTHER_WORDS):
        yield name


def _within(ago: _Ago, end: int, part: EveryYear | str, today: date) -> Iterator[tuple[int, When]]:
    """A month, day, season or holiday in a year so long ago, or a weekday in a week."""
    day = units_before(today, ago.number, ago.unit)
    if day is None:
        return
    if ago.unit == "week" and isinstance(part, str) and part in WEEKDAYS:
        yield end, days_from(day + timedelta(WEEKDAYS[part] - day.weekday()))
    elif ago.unit == "year" and (when := named_in(day.year, part) if isinstance(part, str) else part.in_year(day.year)):
        yield end, when


def _is_listed(plain: str, start: int, end: int) -> bool:
    """Whether another date is joined to plain[start:end], as in "May and June last year"."""
    return bool(_DATE_BEFORE.search(plain[max(0, start - _REACH) : start]) or _DATE_AFTER.match(plain, end))
