"""Parts of dates, "late July" and "the first half of 2018", and dates that share a year, "May and June 2018"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from clipsearch.query.sentences.date_patterns import ALL_MONTHS
from clipsearch.query.sentences.date_words import HOLIDAYS, SEASON_BEGINS, SEASONS, SHORT_MONTHS
from clipsearch.query.sentences.periods import EveryYear, Period, When, day_of, days_from, months_from

_FIRST_HALF = r"first half of|erste[nr]? halfte(?: von)?|premiere moitie d[eu]|primera mitad del?"
_SECOND_HALF = (
    r"(?:second|last) half of|zweite[nr]? halfte(?: von)?|(?:seconde|deuxieme) moitie d[eu]|segunda mitad del?"
)
_PART = re.compile(
    rf"(?:(?P<first>{_FIRST_HALF})|(?P<second>{_SECOND_HALF})"
    r"|(?P<early>early(?: in)?|(?:the )?(?:beginning|start) of|(?:zu )?(?:anfang|beginn)|(?:au )?debut(?: d(?:[eu]\b|'))?"
    r"|(?:principios|comienzos|inicios) del?)"
    r"|(?P<middle>mid|mid-|(?:the )?middle of|mitte|mi-|(?:au )?milieu d[eu]|mediados del?)"
    r"|(?P<late>late(?: in)?|(?:the )?end of|ende|(?<!shark )(?<!dolphin )(?<!whale )(?<!tail )(?<!dorsal )(?<!the )fin"
    r"(?: d(?:[eu]l?\b|'))?|(?:finales|fines|final) del?))(?: |(?<=[-']))"
    r"|(?:(?P<fruh>fruh)|(?P<spat>spat))(?=sommer|herbst|winter)"
)
_PARTS = {
    "first": (0, 2),
    "second": (1, 2),
    "early": (0, 3),
    "middle": (1, 3),
    "late": (2, 3),
    "fruh": (0, 3),
    "spat": (2, 3),
}

_TENS = re.compile(r"(?<!\d)(?P<tens>[3-9]0)(?P<plural>s|er[ns]?(?: jahren?)?)?(?![\w-])")
_YEAR = re.compile(r"(?:19|20)\d\d(?![\w-]|[.,:/]\d| [a-z]*\d)")

LISTED = re.compile(r" ?(?:, ?(?:(?:and|or|und|oder|et|ou|y|o|e|u) )?|&|(?<= )(?:and|or|und|oder|et|ou|y|o|e|u)\b) ?")
"""What stands between dates of a list."""

_NAME = re.compile(r"[a-z]+(?:[ '-][a-z]+)?\b")


class Part(NamedTuple):
    """Words such as "late" or "first half of": one of some parts, counted from 0."""

    end: int
    part: int
    parts: int


def part_at(text: str, start: int) -> Part | None:
    """The words for a part that stand at a place of a folded text."""
    if not (match := _PART.match(text, start)):
        return None
    return Part(match.end(), *_PARTS[str(match.lastgroup)])


def repeated_at(text: str, start: int, words: str) -> tuple[int, str] | None:
    """The end of a year or decade that stands at a place of a folded text, and a date in `words` moved to it.

    So "2018" after "Christmas 2017 and" is Christmas 2018.
    """
    if (year := _YEAR.match(text, start)) and re.search(r"[a-z].* (?:19|20)\d\d$", words):
        return year.end(), words[:-4] + year[0]
    decade = _TENS.search(words)
    if decade and (tens := _TENS.match(text, start)) and (tens["plural"] or re.search("annees|anos", words)):
        return tens.end(), words[: decade.start()] + tens["tens"] + words[decade.start() + 2 :]
    return None


def name_at(text: str, start: int) -> tuple[int, str] | None:
    """The end of a season or holiday that stands at a place of a folded text, and its name."""
    if not (match := _NAME.match(text, start)):
        return None
    for name in (match[0], re.split("[ '-]", match[0])[0]):
        if name in SEASONS or name in HOLIDAYS:
            return start + len(name), name
    return None


def named_in(year: int, name: str) -> Period | None:
    """A season or holiday of a year. Winter begins in it, and ends in the next. None for another word."""
    if season := SEASONS.get(name):
        return months_from(year, SEASON_BEGINS[season], 3)
    if name not in HOLIDAYS:
        return None
    first, after = HOLIDAYS[name](year)
    return days_from(first, (after - first).days)


def month_number(word: str) -> int:
    """1 to 12; 0 for a word that is no month."""
    return ALL_MONTHS.get(word) or SHORT_MONTHS.get(word, 0)


def named_period(year: int, name: str) -> Period | None:
    """A month, season or holiday of a year; None for another word."""
    month = ALL_MONTHS.get(name)
    return months_from(year, month, 1) if month else named_in(year, name)


def shared(firsts: Sequence[When | int | str], last: When) -> list[When] | None:
    """The dates of a list of which the last has the year, or the month, that the others lack; None if that is not certain."""
    dates: list[When] = []
    for first in firsts:
        date = _completed(first, last)
        if date is None:
            return None
        dates.append(date)
    return dates


def share_year(firsts: Sequence[When | int | str], last: When, words: str) -> bool:
    """Whether the year of a list, in the `words` of its last date, is that of all.

    In "winter and spring 2018" the winter may begin in 2017, and in "Christmas and New Year 2018" both dates may.
    """
    if isinstance(last, Period) and last.start and not words.endswith(f"{last.start.year % 100:02}"):
        return False
    return not any(isinstance(first, str) and SEASONS.get(first) == "winter" for first in firsts)


def _completed(first: When | int | str, last: When) -> When | None:
    if isinstance(last, EveryYear):
        if isinstance(first, int):
            is_day = last.day is not None and day_of(2000, last.month, first)
            return EveryYear(last.month, first) if is_day else None
        return first if isinstance(first, EveryYear) else None
    if last.start is None or last.end is None:
        return None
    if isinstance(first, int):
        return day_of(last.start.year, last.start.month, first) if (last.end - last.start).days == 1 else None
    if isinstance(first, EveryYear):
        return first.in_year(last.start.year)
    return named_in(last.start.year, str(first))
