"""Words that make a date another time: "the weekend of 25 December 2011", "the first week of August", "Christmas week 2011".

A week or weekend is read if it has all days of the date, and a part with a number by `numbered_parts.py`. Other parts, such as
"the last days of 2012", are text. All patterns are for texts in small letters and without accents.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from clipsearch.query.sentences.date_parts import LISTED
from clipsearch.query.sentences.date_patterns import ALL_MONTHS, ARTICLE, ISO, LAST, LAST_NAME, TO
from clipsearch.query.sentences.date_words import HOLIDAYS, MONTHS, NUMBERS, SEASONS, UNITS, WEEKDAYS, Unit
from clipsearch.query.sentences.numbered_parts import numbered_part
from clipsearch.query.sentences.open_dates import any_of
from clipsearch.query.sentences.periods import EveryYear, Period, When, unit_of

DateAt = Callable[[int], "tuple[int, When | None] | None"]
"""The end of the longest date or list of dates that begins at a place, and the date if it is one."""

_ORDINAL = (
    r"(?:(?:second|third|next)[ -]to[ -]last|penultimate|avant-derniere?|penultim[oa]"
    r"|\d\d?(?:st|nd|rd|th|ere?|e|eme|\.)|first|second|third|fourth|fifth|last|final|next|other|opening|closing|past|previous"
    r"|(?:erste|zweite|dritte|vierte|funfte|(?:vor)?letzte|nachste)[nrsm]?"
    r"|premiere?s?|deuxiemes?|secondes?|troisiemes?|quatriemes?|dernier(?:e?s?)"
    r"|primer[oa]?s?|segund[oa]s?|tercer[oa]?s?|cuart[oa]s?|ultim[oa]s?)"
)
_COUNT = rf"(?:few|couple of|several|paar|einigen?|quelques|\d\d?|{any_of(NUMBERS)})"
_DAYS = rf"(?:{any_of(WEEKDAYS)})s?|week ends?|weekends|week-ends|wochenenden|fines de semana|finde"
_PORTION = (
    r"(?:quarter|third|half(?:[ -]year)?|rest|remainder|most|bulk|part|eve|vigil|quartal|drittel|viertel|halbjahr"
    r"|grossteil|teil|vorabend|reste|trimestre|semestre|tiers|veille|plupart|partie|resto|tercio|vispera|parte|mayoria)s?"
)
_OF = r"(?: (?:of|des|der|vom|von|du|de|del) | d')"
_LINKS = (
    rf"(?:(?P<of>{_OF})|(?P<in> (?:in|im|en|dans|within|during) )"
    r"|(?P<span> (?:(?:starting|beginning|commencing|ending|until|till|ab|bis)(?: on| in| with| am| im)?|from) )|(?P<direct> ))"
)
_NARROWING = re.compile(
    rf"(?P<ordinal>(?:{_ORDINAL} (?:(?:and|und|et|y|&) {_ORDINAL} )?)?(?:{_COUNT} )?(?:{_ORDINAL} )?)"
    rf"(?:(?P<unit>{any_of(UNITS)})|(?P<days>{_DAYS})|(?P<season>{any_of(SEASONS)})|(?P<portion>{_PORTION})){_LINKS}"
)
_MOST_DAYS: dict[Unit, int] = {"week": 8, "weekend": 4}  # of a range that people call so
_HAS_ORDINAL = re.compile(rf"(?:.* )?{_ORDINAL} ")
_ORDINAL_ALONE = re.compile(
    rf"(?!\d|(?:last|past|previous|next|letzte) [a-z]){_ORDINAL}(?:{_OF}| (?={any_of(ALL_MONTHS)}\b))"
)
_DAY_IN_WORDS = re.compile(
    rf"(?:(?:(?:twenty|thirty)[- ][a-z]+|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|[a-z]+teenth|twentieth|thirtieth"
    rf"|[a-z]+(?:te|ste)[nr]|dieci[a-z]+|trece|catorce|quince|veint[a-z]+|treinta)(?:{_OF}| )|{any_of(NUMBERS)}{_OF})"
    rf"(?={any_of(ALL_MONTHS)}\b)"
)
_YEAR = r"(?:19|20)\d\d(?![\w-])"
_LAST_OF = re.compile(rf"(?:last|final|letzte[nrsm]?){_OF}")
_NAMED = re.compile(
    rf"(?:{any_of(HOLIDAYS)}(?:'s)? (?:weeks?|week ?end|days?|eve|season|holidays?|break|vacation|sunday|monday|friday)"
    rf"|{any_of(ALL_MONTHS)} (?:week|week ?end|days?|(?:{any_of(WEEKDAYS)})s?)),?(?: of| in)? {_YEAR}"
    rf"|(?:{_ORDINAL} )?(?:{any_of(MONTHS['German'])})(?:woche|wochenende|halfte|tage)\b(?: {_YEAR})?"
    rf"|(?:week|cw|kw|kalenderwoche|woche|semaine|semana) \d\d?(?:,? | of | in | de |/){_YEAR}"
)
_QUARTER = re.compile(rf"q ?(?P<number>[1-4])(?:,? of | in |[ /-]|(?=\d))(?P<year>{_YEAR})")
_QUARTER_LAST = re.compile(rf"(?P<year>{_YEAR}) q ?(?P<number>[1-4])\b")
_STILL_OF = re.compile(_OF)  # after "the last week", if that was read as the one before today's
_BEFORE_MORE = re.compile(rf"(?:of|von|vom) |{ARTICLE.pattern}")


def narrowed_at(text: str, start: int, date_at: DateAt) -> tuple[int, When | None] | None:
    """The end of a part of a date that begins at a place of a folded text, and its time; None for the time if it is text.

    None if no date is narrowed there.
    """
    if named := _NAMED.match(text, start):
        return named.end(), None
    if quarter := _QUARTER.match(text, start) or _QUARTER_LAST.match(text, start):
        _, year = date_at(quarter.start("year")) or (0, None)
        return quarter.end(), numbered_part(f"{quarter['number']}.", "quarter", year) if year else None
    if match := _NARROWING.match(text, start):
        return _narrowed(text, match, date_at)
    if (match := _first_match(text, start)) and (date := date_at(match.end())):
        return _end_of_list(text, date[0], date_at), None
    return None


def _first_match(text: str, start: int) -> re.Match[str] | None:
    return next(filter(None, (words.match(text, start) for words in (_LAST_OF, _ORDINAL_ALONE, _DAY_IN_WORDS))), None)


def _narrowed(text: str, match: re.Match[str], date_at: DateAt) -> tuple[int, When | None] | None:
    unit = UNITS.get(match["unit"] or "")
    has_ordinal = bool(_HAS_ORDINAL.match(match["ordinal"]))
    if match["season"] and not (has_ordinal and match["of"]):
        return None  # "the summer of 2018"
    if match["direct"] and (not has_ordinal or match["days"] or unit == "year"):
        return None  # "Sunday 3 May"
    is_last = unit != "day" and re.match(LAST, match["ordinal"])
    if match["direct"] and is_last and (other := LAST_NAME.match(text, match.end())):
        return other.end(), None  # "last week this year" is rather the week before this one
    if match["span"] and unit not in ("week", "weekend"):
        return None
    if match["in"] and not has_ordinal and not (match["days"] or "").endswith("s"):
        return None  # "a week in August"
    if not (date := date_at(match.end())):
        return None
    end, when = date
    is_range = TO.search(text, match.end(), end) is not None and not ISO.match(text, match.end())
    if match["in"] and unit == "year" and isinstance(when, EveryYear):
        return None  # "last year in May"
    if match["span"] and is_range:
        return None  # "the week from 3 to 9 May"
    if match["of"] and unit and when and not match["ordinal"]:
        if _is_unit(when, unit):
            return None  # "the month of May"
        if is_range and _days(when) <= _MOST_DAYS.get(unit, 0):
            return end, when
        if (week := _around(when, unit)) and _end_of_list(text, end, date_at) == end:
            return end, week
    list_end = _end_of_list(text, end, date_at)
    name = match["unit"] or match["days"] or match["portion"]
    if name and when and list_end == end:
        return end, numbered_part(match["ordinal"].strip(), name, when)
    return list_end, None


def _is_unit(when: When, unit: Unit) -> bool:
    """Whether a time is a whole day, month or year anyhow."""
    if isinstance(when, EveryYear):
        return unit == ("month" if when.day is None else "day") and when.days == 1
    return when.start is not None and when == unit_of(when.start.date(), unit)


def _days(when: When) -> float:
    if isinstance(when, EveryYear):
        return when.days
    return (when.end - when.start).days if when.start and when.end else math.inf


def _around(when: When, unit: Unit) -> Period | None:
    """The week or weekend that has all of a time."""
    if unit not in ("week", "weekend") or isinstance(when, EveryYear) or when.start is None or when.end is None:
        return None
    whole = unit_of(when.start.date(), unit)
    assert whole.start is not None and whole.end is not None
    return whole if whole.start <= when.start and when.end <= whole.end else None


def _end_of_list(text: str, end: int, date_at: DateAt) -> int:
    """The end of more dates that follow, to which the words may belong, too: "the first week of May 2011 and June 2011"."""
    while joint := LISTED.match(text, end) or TO.match(text, end) or _STILL_OF.match(text, end):
        start = joint.end()
        while before := _BEFORE_MORE.match(text, start):
            start = before.end()
        starts = [joint.end(), start, *([part.end()] if (part := _NARROWING.match(text, start)) else ())]
        ends = [date[0] for at in starts if (date := date_at(at))]
        if not ends:
            break
        end = max(ends)
    return end
