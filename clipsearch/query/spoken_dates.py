"""Find dates in a sentence: "last summer", "im Juli 2021", "entre 2015 et 2017", "hace dos años".

English, German, French and Spanish, by rules and tables alone (`date_words.py`). A word that may mean something else is a date
only with a clear context: "may" and "march" need a year, a day or "in". What is not certain stays text.
"""

from __future__ import annotations

import calendar
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TypeAlias

from clipsearch.query.date_words import (
    DATES_BY_NAME,
    DAYS_AGO,
    DECADES,
    HOLIDAYS,
    MONTHS,
    MONTHS_THAT_ARE_WORDS,
    MOVABLE,
    NUMBERS,
    SEASON_BEGINS,
    SEASONS,
    SHORT_MONTHS,
    UNITS,
    WEEKDAYS,
)
from clipsearch.query.periods import (
    EveryYear,
    Period,
    When,
    day_of,
    days_from,
    joined,
    last_unit,
    month_of,
    months_from,
    unit_of,
)

_MOST_UNITS = 1000  # of "the last 3 weeks"; more is no time of photos


@dataclass(frozen=True, slots=True)
class SpokenDate:
    """A date in a text: text[start:end] says when."""

    start: int
    end: int
    when: When


def folded(text: str) -> str:
    """A text in small letters and without accents. It has as many characters as the text in the form NFC."""
    letters = []
    for sign in unicodedata.normalize("NFC", text):
        simple = unicodedata.normalize("NFKD", sign)[:1].casefold()
        letters.append(simple if len(simple) == 1 else sign)
    return "".join(letters).replace("\u2019", "'")


def spoken_dates(text: str, today: date) -> list[SpokenDate]:
    """The dates in a text in the form NFC, in its order. They do not overlap. "from the" before a date is part of it."""
    return _Reader(text, today).dates()


def _any_of(words: Iterable[str]) -> str:
    return "(?:" + "|".join(map(re.escape, sorted(words, key=len, reverse=True))) + ")"


_ALL_MONTHS = {word: number for language in MONTHS.values() for word, number in language.items()}
_MONTH = (
    r"(?P<month>[a-z]+)\b\.?"  # the tables say whether a word is a month: patterns with all words take long to compile
)
_NAME = rf"(?P<name>{_any_of(word for word in (*UNITS, *HOLIDAYS) if not word.isalpha())}|[a-z]+)(?![\w-])"
_NUMBER = r"(?P<number>\d{1,4}|[a-z]+)"
_YEAR = r"(?P<year>(?:19|20)\d\d|'\d\d)(?!\w|[.,:/]\d)"
_OF = r"(?:,? (?:(?:of|de|del|d'|im jahre?|of the year|en l'an|de l'an|de l'annee|del ano|de l'annee) ?)?)"
_IN = rf"(?:{_OF}|,? in )"
_ORDINAL = r"(?:st|nd|rd|th|er|\.)?"

_PREFIX = re.compile(
    r"(?:(?:in|on|at|from|of|during|over|taken|dated|the|year|im|am|an|aus|vom|von|zu|an|wahrend|aufgenommen|der|die|das|dem|den|des"
    r"|jahre?|en|au|aux|a|cours|le|la|les|du|de|dans|pendant|durant|prises?|annees?|el|los|las|del|durante|tomadas?|ano) "
    r"|d'|l')"
)
_MOST_PREFIXES = 5  # "taken in the year of ..."
_BEFORE_A_YEAR = re.compile(
    r"(?:^|.*[ '])(?:in|from|of|during|taken|dated|year|im|aus|vom|von|jahre?|en|dans|du|de|annees?|durante|del|ano) "
    r"(?:l'|el )?$"
)
_AFTER_A_YEAR = re.compile(
    r"$|[,;.!?)]| (?:in|at|with|from|near|on|by|and|or|im|am|an|auf|mit|bei|von|aus|und|oder|en|a|au|aux|avec|dans|et|ou|con|y"
    r"|o|the)\b"
)

_BOUND = re.compile(
    r"(?:(?P<since>since|as of|seit|ab|depuis|desde)|(?P<after>after|nach|apres|despues de|despues del)"
    r"|(?P<before>before|vor|avant|antes de|antes del)|(?P<until>until|till|up to|bis|jusqu'en|jusqu'a|jusqu'au|hasta)) "
)
_ARTICLES = re.compile(
    r"(?:(?:the|dem|der|den|zum|zur|le|la|les|l'|el|los|las|du|del|de|year|jahre?|ano|annee)(?:(?<=') ?| ))*"
)
_BETWEEN = re.compile(r"(?:between|zwischen|entre) ")
_AND = re.compile(r" (?:and|und|et|y|e) ")
_FROM = re.compile(r"(?:from|von|vom|de|du|depuis|desde|del) ")
_TO = re.compile(
    r" ?(?:-|\u2013|\u2014|\.\.\.?|\u2026) ?| (?:to|until|till|through|bis|jusqu'en|jusqu'a|jusqu'au|hasta) "
)
_TO_AFTER_FROM = re.compile(
    r" ?(?:-|\u2013|\u2014|\.\.\.?) ?| (?:to|until|till|through|bis|a|au|al|jusqu'en|jusqu'a|jusqu'au|hasta) "
)
_DAY_ONLY = re.compile(r"(?P<day>\d{1,2})(?:st|nd|rd|th|er|\.)?(?= ?-| ?\u2013| [a-z])")

_MONTH_BEFORE = re.compile(rf"(?:.*\W)?{_any_of(_ALL_MONTHS)} $")
_DAY_BEFORE = re.compile(r"(?:.*\D)?\d{1,2}(?:st|nd|rd|th|er|\.)? (?:of |de )?$")
_BOUND_BEFORE = re.compile(rf"(?:.* )?(?:{_BOUND.pattern}|{_BETWEEN.pattern}){_ARTICLES.pattern}$")

_LAST = "last|past|previous|letzte[nrsm]?|vorige[nrsm]?|vergangene[nrsm]?|derniere?s?|passee?s?|pasad[oa]s?|ultim[oa]s?"
_THIS = "this|diese[nrsm]?|cette|cet|ce|est[ea]"
_ISO = re.compile(r"(?P<year>(?:19|20)\d\d)-(?P<month>\d\d)(?:-(?P<day>\d\d))?(?![\w-])")
_NUMERIC = re.compile(r"(?P<first>\d{1,2})(?P<sign>[./])(?P<second>\d{1,2})(?P=sign)(?P<year>(?:19|20)\d\d)(?![\w/])")
_MONTH_OF_YEAR = re.compile(r"(?P<month>\d{1,2})/(?P<year>(?:19|20)\d\d)(?![\w/])")
_DAY_MONTH = re.compile(rf"(?P<day>\d{{1,2}}){_ORDINAL} ?(?:of |de )?{_MONTH}(?:{_OF}{_YEAR})?")
_MONTH_DAY = re.compile(rf"{_MONTH} (?:the )?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?!\w|[.:]\d)(?:{_OF}{_YEAR})?")
_MONTH_YEAR = re.compile(rf"{_MONTH}{_OF}{_YEAR}")
_MONTH_ALONE = re.compile(
    r"(?:{} (?P<English>{})|{} (?P<German>{})|{}(?P<French>{})|{} (?P<Spanish>{}))\b".format(
        *("(?:in|during|every)(?: the month of)?", _any_of(MONTHS["English"])),
        *("(?:im|jeden)(?: monat)?", _any_of(MONTHS["German"])),
        *("(?:(?:en|au mois de|pendant) |au mois d')", _any_of(MONTHS["French"])),
        *("(?:en|durante)(?: el mes de)?", _any_of(MONTHS["Spanish"])),
    )
)
_NAME_YEAR = re.compile(rf"{_NAME}{_IN}{_YEAR}")
_YEAR_NAME = re.compile(rf"{_YEAR} {_NAME}")
_WINTER_OF_TWO_YEARS = re.compile(rf"{_NAME}{_IN}(?P<year>(?:19|20)\d\d)(?:/|-|\u2013)(?P<next>(?:19|20)?\d\d)(?!\w)")
_DATE_BY_NAME = re.compile(rf"(?P<name>{_any_of(DATES_BY_NAME)})(?!\w)")
_AT_HOLIDAY = re.compile(rf"(?:at|over|on|an|zu|uber|a|en|durante) (?:la )?{_NAME}")
_FOUR_DIGITS = re.compile(r"(?P<decade>(?:19|20)\d0)(?:'?s|er[ns]?(?: jahren?)?)\b")
_TWO_DIGITS = re.compile(
    r"(?:(?:the |')(?P<a>[03-9]0)s|(?P<b>[3-9]0)er[ns]?(?: jahren?)?|(?:annees|anos) (?P<c>(?:19|20)\d0|[3-9]0))\b"
)
_NAMED_DECADE = re.compile(
    r"(?:the |den |die |der |anos )(?P<name>[a-z]+?)(?: ?jahren?)?\b|(?P<german>[a-z]+?) ?jahren?\b"
)
_RELATIVE_DAY = re.compile(rf"(?P<word>{_any_of(DAYS_AGO)})(?:'s)?(?!\w)")
_LAST_NAME = re.compile(rf"(?:(?P<last>{_LAST})|(?P<this>{_THIS})) {_NAME}(?:'s)?(?!\w)")
_NAME_LAST = re.compile(rf"{_NAME} (?:derniere?|passee?|pasad[oa])(?!\w)")
_LAST_FEW = re.compile(rf"(?:{_LAST}) {_NUMBER} (?P<unit>[a-z]+)(?!\w)")
_FEW_LAST = re.compile(rf"{_NUMBER} (?:{_LAST}) (?P<unit>[a-z]+)(?!\w)")
_AGO = re.compile(rf"{_NUMBER} (?P<unit>[a-z]+) ago(?!\w)")
_AGO_FIRST = re.compile(rf"(?:vor|il y a|hace) {_NUMBER} (?P<unit>[a-z]+)(?!\w)")
_BARE_YEAR = re.compile(_YEAR)
_BARE_MONTH = re.compile(_MONTH)
_FRENCH = re.compile(r"\b(?:le|la|les|des|du|une|au|aux|et|mon|ma|mes|avec|photos? d')|l'|d'")
_GERMAN = re.compile(r"\b(?:der|die|das|den|dem|ein|eine|und|ist|im|am|auf|mit)\b")

_Found: TypeAlias = "tuple[int, When]"


class _Reader:
    """Reads the dates of one text, on one day."""

    def __init__(self, text: str, today: date) -> None:
        self._text = text
        self._plain = folded(text)
        self._today = today

    def dates(self) -> list[SpokenDate]:
        found: list[SpokenDate] = []
        for match in re.finditer(r"(?<![\w./'-])['\w]", self._plain):
            start = match.start()
            if found and start < found[-1].end:
                continue
            if best := self._longest(start):
                found.append(SpokenDate(start, *best))
        return found

    def _longest(self, start: int) -> _Found | None:
        """The longest date that begins here, perhaps after words such as "from the"."""
        best: _Found | None = None
        for position in self._after_prefixes(start):
            is_after_word = position > start
            for candidate in (
                self._range(position),
                self._bound(position),
                self._single(position, self._plain[start:position] if is_after_word else ""),
            ):
                if candidate and (best is None or candidate[0] > best[0]) and self._is_whole(position, *candidate):
                    best = candidate
        return best

    def _is_whole(self, start: int, end: int, when: When) -> bool:
        """Whether all that belongs to a date was understood. "2019-model" goes on; "before 3 May" has no year."""
        if re.match(r"-\w|\w", self._plain[end:]):
            return False
        return isinstance(when, Period) or not _BOUND_BEFORE.match(self._plain[:start])

    def _after_prefixes(self, start: int) -> list[int]:
        positions = [start]
        while len(positions) <= _MOST_PREFIXES and (match := _PREFIX.match(self._plain, positions[-1])):
            positions.append(match.end())
        return positions

    # -- two dates, or one with an open end

    def _range(self, start: int) -> _Found | None:
        """From one date to another: "between 2015 and 2017", "3-7 May 2019"."""
        if between := _BETWEEN.match(self._plain, start):
            return self._from_to(between.end(), _AND, any_order=True)
        before = _FROM.match(self._plain, start)
        if before and (found := self._from_to(before.end(), _TO_AFTER_FROM, any_order=True)):
            return found
        return self._from_to(start, _TO)

    def _from_to(self, start: int, joint: re.Pattern[str], *, any_order: bool = False) -> _Found | None:
        start = self._after_articles(start)
        firsts: list[tuple[int, When | int]] = list(self._singles(start, is_in_range=True))
        if day := _DAY_ONLY.match(self._plain, start):
            firsts.append((day.end(), int(day["day"])))
        for end, first in sorted(firsts, key=lambda found: -found[0]):
            if not (between := joint.match(self._plain, end)):
                continue
            seconds = self._singles(self._after_articles(between.end()), is_in_range=True)
            for second_end, second in sorted(seconds, key=lambda found: -found[0]):
                if when := joined(first, second, any_order=any_order):
                    return second_end, when
        return None

    def _bound(self, start: int) -> _Found | None:
        """Since, after, before or until a date."""
        if not (match := _BOUND.match(self._plain, start)):
            return None
        end, period = self._single(self._after_articles(match.end()), is_in_range=True) or (0, None)
        if not isinstance(period, Period):
            return None
        if match["since"] or match["after"]:
            return end, Period(period.start if match["since"] else period.end, None)
        return end, Period(None, period.start if match["before"] else period.end)

    def _after_articles(self, start: int) -> int:
        match = _ARTICLES.match(self._plain, start)
        return match.end() if match else start

    # -- one date

    def _single(self, start: int, before: str = "", *, is_in_range: bool = False) -> _Found | None:
        found = self._singles(start, before, is_in_range=is_in_range)
        return max(found, key=lambda candidate: candidate[0], default=None)

    def _singles(self, start: int, before: str = "", *, is_in_range: bool = False) -> list[_Found]:
        """All dates that begin here. `before` is what stands before them; parts of a range need no context."""
        found: list[_Found] = []
        for pattern, read in self._READERS:
            if (match := pattern.match(self._plain, start)) and (when := read(self, match)):
                found.append((match.end(), when))
        if match := _BARE_YEAR.match(self._plain, start):
            year = self._year(match)
            is_clear = is_in_range or _BEFORE_A_YEAR.match(before) or _AFTER_A_YEAR.match(self._plain, match.end())
            if year is not None and is_clear and not _MONTH_BEFORE.match(self._plain[:start]):
                found.append((match.end(), months_from(year, 1, 12)))
        if is_in_range and (match := _BARE_MONTH.match(self._plain, start)) and (month := _month(match["month"])):
            found.append((match.end(), EveryYear(month)))
        return found

    def _year(self, match: re.Match[str]) -> int | None:
        """The year that a match has; None for years to come."""
        text = match["year"]
        year = int(text.lstrip("'"))
        if text.startswith("'"):
            year += 2000 if 2000 + year <= self._today.year else 1900
        return year if year <= self._today.year else None

    def _is_clear_month(self, match: re.Match[str]) -> bool:
        """Whether a month without a year is one. "may", "march" and short names need a capital letter."""
        word = match["month"]
        return not (word in MONTHS_THAT_ARE_WORDS or word in SHORT_MONTHS) or self._text[match.start("month")].isupper()

    def _iso(self, match: re.Match[str]) -> When | None:
        if match["day"]:
            return day_of(int(match["year"]), int(match["month"]), int(match["day"]))
        return month_of(int(match["year"]), int(match["month"]))

    def _numeric(self, match: re.Match[str]) -> When | None:
        """3.5.2020 is the third of May. 3/5/2020 may be March or May, so it is not read as a date."""
        first, second = int(match["first"]), int(match["second"])
        if match["sign"] == "/" and first <= 12 and second <= 12 and first != second:
            return None
        day, month = (second, first) if match["sign"] == "/" and second > 12 else (first, second)
        return day_of(int(match["year"]), month, day)

    def _month_of_year(self, match: re.Match[str]) -> When | None:
        return month_of(int(match["year"]), int(match["month"]))

    def _day_and_month(self, match: re.Match[str]) -> When | None:
        month, day = _month(match["month"]), int(match["day"])
        if not month:
            return None
        if match["year"]:
            year = self._year(match)
            return None if year is None else day_of(year, month, day)
        is_day = 1 <= day <= calendar.monthrange(2000, month)[1]
        return EveryYear(month, day) if is_day and self._is_clear_month(match) else None

    def _month_and_year(self, match: re.Match[str]) -> When | None:
        year, month = self._year(match), _month(match["month"])
        if year is None or not month or _DAY_BEFORE.match(self._plain[: match.start()]):  # 30 February 2019 is no day
            return None
        return months_from(year, month, 1)

    def _month_alone(self, match: re.Match[str]) -> When | None:
        language = str(match.lastgroup)
        return EveryYear(MONTHS[language][match[language]])

    def _name_and_year(self, match: re.Match[str]) -> When | None:
        year = self._year(match)
        return None if year is None else _season_or_holiday(year, match["name"])

    def _winter(self, match: re.Match[str]) -> When | None:
        year = int(match["year"])
        if SEASONS.get(match["name"]) != "winter" or int(match["next"]) % 100 != (year + 1) % 100:
            return None
        return _season_or_holiday(year, match["name"])

    def _date_by_name(self, match: re.Match[str]) -> When | None:
        name = match["name"]
        if name in MOVABLE or name not in HOLIDAYS:
            return None
        first, after = HOLIDAYS[name](2000)
        return EveryYear(first.month, first.day, (after - first).days)

    def _at_holiday(self, match: re.Match[str]) -> When | None:
        """As in "at Christmas", but not in "at Christmas market"."""
        return self._date_by_name(match) if _AFTER_A_YEAR.match(self._plain, match.end()) else None

    def _decade(self, match: re.Match[str]) -> When | None:
        return self._years(int(match["decade"]))

    def _short_decade(self, match: re.Match[str]) -> When | None:
        decade = int(match["a"] or match["b"] or match["c"])
        return self._years(decade if decade > 100 else 2000 if decade == 0 else 1900 + decade)

    def _named_decade(self, match: re.Match[str]) -> When | None:
        decade = DECADES.get(match["name"] or match["german"])
        return self._years(decade) if decade else None

    def _years(self, decade: int) -> When | None:
        return months_from(decade, 1, 120) if decade <= self._today.year else None

    def _relative_day(self, match: re.Match[str]) -> When | None:
        if match["word"] == "hier" and not self._is_french(match.start()):
            return None
        return days_from(self._today - timedelta(DAYS_AGO[match["word"]]))

    def _is_french(self, end: int) -> bool:
        """Whether "hier" is yesterday: in German it is "here"."""
        rest = self._plain[:end] + self._plain[end + len("hier") :]
        return not rest.strip() or (_FRENCH.search(rest) is not None and not _GERMAN.search(rest))

    def _last_or_this(self, match: re.Match[str]) -> When | None:
        name = match["name"]
        if name == "an" or (match["last"] == "past" and name not in UNITS):  # "past an old man", "past fall leaves"
            return None
        if name in SHORT_MONTHS or (name in MONTHS_THAT_ARE_WORDS and not self._text[match.start("name")].isupper()):
            return None
        return self._this(match) if match["this"] else self._last(match)

    def _last(self, match: re.Match[str]) -> When | None:
        """The latest week, May, Monday, summer or Christmas that is over."""
        name, today = match["name"], self._today
        if unit := UNITS.get(name):
            return None if unit == "day" else last_unit(today, unit)
        if name in WEEKDAYS:
            return days_from(today - timedelta((today.weekday() - WEEKDAYS[name] - 1) % 7 + 1))
        now = datetime.combine(today, time())
        for year in (today.year, today.year - 1, today.year - 2):
            period = _named(year, name)
            if period and period.end and period.end <= now:
                return period
        return None

    def _this(self, match: re.Match[str]) -> When | None:
        name, today = match["name"], self._today
        if unit := UNITS.get(name):
            return None if unit == "day" else unit_of(today, unit)
        if name in WEEKDAYS:
            return days_from(today + timedelta(WEEKDAYS[name] - today.weekday()))
        is_late_winter = SEASONS.get(name) == "winter" and today.month < 12
        return _named(today.year - is_late_winter, name)

    def _last_few(self, match: re.Match[str]) -> When | None:
        start = self._back(match)
        tomorrow = datetime.combine(self._today + timedelta(1), time())
        return Period(datetime.combine(start, time()), tomorrow) if start else None

    def _ago(self, match: re.Match[str]) -> When | None:
        day = self._back(match)
        return unit_of(day, UNITS[match["unit"]]) if day else None

    def _back(self, match: re.Match[str]) -> date | None:
        """So many units before today."""
        number, unit = match["number"], UNITS.get(match["unit"])
        count = NUMBERS.get(number) or int(number if number.isdecimal() else 0)
        if unit is None or not 1 <= count <= _MOST_UNITS:
            return None
        today = self._today
        if unit in ("month", "year"):
            month = 12 * today.year + today.month - 1 - count * (12 if unit == "year" else 1)
            year, month = divmod(month, 12)
            if year < 1:
                return None
            return date(year, month + 1, min(today.day, calendar.monthrange(year, month + 1)[1]))
        return today - timedelta(count * (1 if unit == "day" else 7))

    _READERS = (
        (_ISO, _iso),
        (_NUMERIC, _numeric),
        (_MONTH_OF_YEAR, _month_of_year),
        (_DAY_MONTH, _day_and_month),
        (_MONTH_DAY, _day_and_month),
        (_MONTH_YEAR, _month_and_year),
        (_MONTH_ALONE, _month_alone),
        (_NAME_YEAR, _name_and_year),
        (_YEAR_NAME, _name_and_year),
        (_WINTER_OF_TWO_YEARS, _winter),
        (_DATE_BY_NAME, _date_by_name),
        (_AT_HOLIDAY, _at_holiday),
        (_FOUR_DIGITS, _decade),
        (_TWO_DIGITS, _short_decade),
        (_NAMED_DECADE, _named_decade),
        (_RELATIVE_DAY, _relative_day),
        (_LAST_NAME, _last_or_this),
        (_NAME_LAST, _last),
        (_LAST_FEW, _last_few),
        (_FEW_LAST, _last_few),
        (_AGO, _ago),
        (_AGO_FIRST, _ago),
    )


def _month(word: str) -> int:
    """1 to 12; 0 for another word."""
    return _ALL_MONTHS.get(word) or SHORT_MONTHS.get(word, 0)


def _named(year: int, name: str) -> Period | None:
    """A month, season or holiday of a year; None for another word."""
    month = _ALL_MONTHS.get(name)
    return months_from(year, month, 1) if month else _season_or_holiday(year, name)


def _season_or_holiday(year: int, name: str) -> Period | None:
    """Winter begins in the year, and ends in the next. None for another word."""
    if season := SEASONS.get(name):
        return months_from(year, SEASON_BEGINS[season], 3)
    if name not in HOLIDAYS:
        return None
    first, after = HOLIDAYS[name](year)
    return days_from(first, (after - first).days)
