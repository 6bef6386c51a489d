"""Dates that say all that is needed: no word around them and no day of the query changes them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import suppress

from clipsearch.query.sentences import date_patterns as patterns
from clipsearch.query.sentences.date_parts import named_in
from clipsearch.query.sentences.date_words import HOLIDAYS, MONTHS, MOVABLE, SEASONS
from clipsearch.query.sentences.open_dates import any_of
from clipsearch.query.sentences.periods import EveryYear, When, day_of, month_of
from clipsearch.query.sentences.plain_letters import folded

_WORDS = ("may", "march", "mars", "mai", "mayo")
_FIRST_NAMES = ("april", "avril", "abril", "june", "juni", "juli", "julio", "august", "noel")
"""Months and holidays that at the beginning of a text are rather other words, or may be people."""

_OPENING = re.compile(
    rf"{any_of(name for name in (*patterns.ALL_MONTHS, *HOLIDAYS) if name not in (*_WORDS, *MOVABLE))}(?![\w'-])"
)
_ANOTHER = re.compile(rf"(?<=,) ?{any_of((*patterns.ALL_MONTHS, *HOLIDAYS))}\b")
_AFTER_OPENING = re.compile(
    r" ?(?:$|[,;.!?])| (?:in|at|on|with|near|im|mit|am|an|auf|bei|zu|en|a|au|aux|avec|chez|dans|con)\b"
)
_BEFORE_A_PLACE = re.compile(r" (?:in|near|im|en|a|au|aux)(?: (?:the|der|den|dem|la|le|les|el|los|las))? ")


def whole_dates(text: str, start: int) -> Iterator[tuple[int, When]]:
    """The end and the time of each such date that begins at a place of a folded text."""
    for pattern, read in _READERS:
        if match := pattern.match(text, start):
            with suppress(OverflowError, ValueError):  # the time is before the year 1, or after 9999
                if when := read(match):
                    yield match.end(), when


def opening_date(text: str, people: Collection[str]) -> tuple[int, When] | None:
    """The month or holiday of any year with which a text begins, "Christmas in Germany", and where it ends.

    It is the whole text, or "in", "with" or the like follows. After a word that is also a first name, such as "August", a place
    must follow, "in Germany", and none of the `people` may have that name. "Christmas tree" is no date.
    """
    plain = folded(text)
    if not (match := _OPENING.match(plain)) or not (after := _AFTER_OPENING.match(plain, match.end())):
        return None
    if text[: match.end()].casefold() in _FIRST_NAMES and after.end() < len(text):
        place = _BEFORE_A_PLACE.match(plain, match.end())
        if place is None or not text[place.end()].isupper():
            return None
    if _ANOTHER.match(plain, after.end()):  # "Christmas, Easter and Halloween"
        return None
    if patterns.MONTH_ALONE.match(plain, match.end() + 1):
        return None
    if any(match[0] in folded(name).split() for name in people):
        return None
    month = patterns.ALL_MONTHS.get(match[0])
    when = EveryYear(month) if month else _every_year(match[0])
    return (match.end(), when) if when else None


def _iso(match: re.Match[str]) -> When | None:
    if match["day"]:
        return day_of(int(match["year"]), int(match["month"]), int(match["day"]))
    return month_of(int(match["year"]), int(match["month"]))


def _numeric(match: re.Match[str]) -> When | None:
    """3.5.2020 is the third of May. 3/5/2020 may be March or May, so it is not read as a date."""
    first, second = int(match["first"]), int(match["second"])
    if match["sign"] == "/" and first <= 12 and second <= 12 and first != second:
        return None
    day, month = (second, first) if match["sign"] == "/" and second > 12 else (first, second)
    return day_of(int(match["year"]), month, day)


def _month_of_year(match: re.Match[str]) -> When | None:
    return month_of(int(match["year"]), int(match["month"]))


def _month_alone(match: re.Match[str]) -> When | None:
    language = str(match.lastgroup)
    return EveryYear(MONTHS[language][match[language]])


def _winter(match: re.Match[str]) -> When | None:
    year = int(match["year"])
    if SEASONS.get(match["name"]) != "winter" or int(match["next"]) % 100 != (year + 1) % 100:
        return None
    return named_in(year, match["name"])


def _date_by_name(match: re.Match[str]) -> When | None:
    return _every_year(match["name"])


def _at_holiday(match: re.Match[str]) -> When | None:
    """As in "at Christmas", but not in "at Christmas market"."""
    return _every_year(match["name"]) if patterns.AFTER_A_YEAR.match(match.string, match.end()) else None


def _every_year(holiday: str) -> When | None:
    if holiday in MOVABLE or holiday not in HOLIDAYS:
        return None
    first, after = HOLIDAYS[holiday](2000)
    return EveryYear(first.month, first.day, (after - first).days)


_READERS = (
    (patterns.ISO, _iso),
    (patterns.NUMERIC, _numeric),
    (patterns.MONTH_OF_YEAR, _month_of_year),
    (patterns.MONTH_ALONE, _month_alone),
    (patterns.WINTER_OF_TWO_YEARS, _winter),
    (patterns.DATE_BY_NAME, _date_by_name),
    (patterns.AT_HOLIDAY, _at_holiday),
)
