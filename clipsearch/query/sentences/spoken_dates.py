"""Find dates in a sentence: "last summer", "im Juli 2021", "entre 2015 et 2017", "hace dos años".

English, German, French and Spanish, by rules and tables alone (`date_words.py`). A word that may mean something else is a date
only with a clear context: "may" and "march" need a year, a day or "in". What is not certain stays text.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

from clipsearch.query.sentences import date_patterns as patterns
from clipsearch.query.sentences.date_parts import (
    LISTED,
    month_number,
    name_at,
    named_in,
    part_at,
    repeated_at,
    share_year,
    shared,
)
from clipsearch.query.sentences.date_spans import narrowed_at
from clipsearch.query.sentences.date_words import (
    DECADES,
    MONTHS_THAT_ARE_WORDS,
    SHORT_MONTHS,
)
from clipsearch.query.sentences.dates_ago import dates_ago
from clipsearch.query.sentences.open_dates import (
    AGO,
    AGO_FIRST,
    BOUND,
    BOUND_AFTER,
    GOES_ON,
    INCLUDED,
    Bound,
    age_at,
    bound_of,
    is_unsure,
    opened,
)
from clipsearch.query.sentences.periods import (
    EveryYear,
    Period,
    When,
    day_of,
    joined,
    months_from,
    part_of,
    together,
)
from clipsearch.query.sentences.plain_letters import folded
from clipsearch.query.sentences.relative_dates import last_few, relative_dates
from clipsearch.query.sentences.whole_dates import opening_date, whole_dates

_MOST_LISTED = 12  # dates before the last of a list


@dataclass(frozen=True, slots=True)
class SpokenDate:
    """A date in a text: text[start:end] says when."""

    start: int
    end: int
    when: When


def spoken_dates(text: str, today: date, people: Collection[str] = ()) -> list[SpokenDate]:
    """The dates in a text in the form NFC, in its order. They do not overlap. "from the" before a date is part of it.

    The names of `people` tell a month from a person: "August in Germany".
    """
    return _Reader(text, today, people).dates()


_Found: TypeAlias = "tuple[int, When]"


class _Reader:
    """Reads the dates of one text, on one day."""

    def __init__(self, text: str, today: date, people: Collection[str]) -> None:
        self._text = text
        self._plain = folded(text)
        self._today = today
        self._people = people
        self._found: dict[int, list[_Found]] = {}  # by where they begin, as lists and ranges look there again

    def dates(self) -> list[SpokenDate]:
        found: list[SpokenDate] = []
        end = 0
        for match in re.finditer(r"(?<![\w./'-])['\w]", self._plain):
            start = match.start()
            if start < end:
                continue
            best = self._longest(start)
            listed, is_certain_list = self._listed(start)
            if (part := self._narrowed(start)) and (best is None or part[0] > best[0]):
                end, when = part
                dates, is_certain = ([SpokenDate(start, end, when)], True) if when else ([], False)
            elif listed and (best is None or listed[-1].end > best[0]):
                dates, is_certain = listed, is_certain_list
            elif best:
                date = SpokenDate(start, *best)
                dates, is_certain = [date, *self._repeated(date)], True
            else:
                continue
            end = dates[-1].end if dates else end
            if is_certain and self._is_certain(dates):
                found += dates
        return found

    def _repeated(self, first: SpokenDate) -> list[SpokenDate]:
        """The same in years or decades that follow: "Christmas 2017 and 2018", "the 80s and 90s"."""
        dates: list[SpokenDate] = []
        end, words = first.end, self._plain[first.start : first.end]
        if isinstance(first.when, Period) and None in (first.when.start, first.when.end):
            return dates
        while (joint := LISTED.match(self._plain, end)) and (again := self._again(words, joint.end())):
            end, when = again
            if not patterns.AFTER_A_YEAR.match(self._plain, end):
                break
            dates.append(SpokenDate(joint.end(), end, when))
        return dates

    def _again(self, words: str, start: int) -> _Found | None:
        """The date in `words` in another year or decade, which stands here: "2019" after "summer 2018-" is summer 2019."""
        end, other = repeated_at(self._plain, start, words) or (start, "")
        dates = spoken_dates(other, self._today)
        return (end, dates[0].when) if dates else None

    def _is_certain(self, dates: list[SpokenDate]) -> bool:
        """Whether no word around dates, such as "around", makes them another time."""
        when = dates[0].when
        if isinstance(when, Period) and (when.start is None or when.end is None):
            return True
        return not is_unsure(self._plain, dates[0].start, dates[-1].end)

    def _longest(self, start: int) -> _Found | None:
        """The longest date that begins here, perhaps after words such as "from the"."""
        best = opening_date(self._text, self._people) if start == 0 else None
        for position in self._after_prefixes(start):
            is_after_word = position > start
            for candidate in (
                self._single(position, self._plain[start:position] if is_after_word else ""),  # "winter 2018-2019"
                self._range(position),
                self._bound(position),
                self._bound_after(position),
                self._long_ago(position),
            ):
                if candidate and (best is None or candidate[0] > best[0]) and self._is_whole(candidate[0]):
                    best = candidate
        return best

    def _narrowed(self, start: int) -> tuple[int, When | None] | None:
        """The longest part of a date that begins here, as in "the first week of May 2018", with its time if that is certain."""
        places = self._after_prefixes(start)
        found = [narrowed_at(self._plain, at, self._date_at) for at in places]
        found += [self._bound_of_part(at) for at in places]
        return max(filter(None, found), key=lambda part: part[0], default=None)

    def _bound_of_part(self, start: int) -> tuple[int, When | None] | None:
        """Since, after, before or until a part of a date."""
        if not (words := self._bound_words(start)):
            return None
        after, bound = words
        inner = [
            part for at in self._after_articles(after.end()) if (part := narrowed_at(self._plain, at, self._date_at))
        ]
        end, when = max(inner, key=lambda part: part[0], default=(0, None))
        if not end:
            return None
        if not isinstance(when, Period) or when.start is None or when.end is None:
            return end, None
        return end, opened(when, bound)

    def _date_at(self, start: int) -> tuple[int, When | None] | None:
        """The longest date that begins here, perhaps after articles; a list of dates is no single time."""
        listed, _ = self._listed(start)
        lists = [(listed[-1].end, None)] if listed else []
        dates = [
            found for found in (self._range(start), *self._parts_of_range(start)) if found and self._is_whole(found[0])
        ]
        return max([*dates, *lists], key=lambda date: date[0], default=None)

    def _is_whole(self, end: int) -> bool:
        """Whether no part of a word is left. "2019-model" goes on."""
        return not re.match(r"-\w|\w", self._plain[end:])

    def _after_prefixes(self, start: int) -> list[int]:
        positions = [start]
        while len(positions) <= patterns.MOST_PREFIXES and (match := patterns.PREFIX.match(self._plain, positions[-1])):
            if patterns.LOS_ANGELES.match(self._text, positions[-1]):
                break
            positions.append(match.end())
        return positions

    # -- two dates, or one with an open end

    def _range(self, start: int) -> _Found | None:
        """From one date to another: "between 2015 and 2017", "3-7 May 2019"."""
        if between := patterns.BETWEEN.match(self._plain, start):
            return self._from_to(between.end(), patterns.AND, any_order=True)
        if before := patterns.FROM.match(self._plain, start):
            found = self._from_to(before.end(), patterns.TO_AFTER_FROM, any_order=True)
            if found or (found := self._from_before(before.end())):
                return found
        return self._from_to(start, patterns.TO)

    def _from_before(self, start: int) -> _Found | None:
        """From one date to before another: "from 2015 and before 2018"."""
        for end, first in self._parts_of_range(start):
            if isinstance(first, Period) and (between := patterns.BUT.match(self._plain, end)):
                end, last = self._bound(between.end()) or (0, None)
                if last and (period := together(opened(first, "since"), last)):
                    return end, period
        return None

    def _from_to(self, start: int, joint: re.Pattern[str], *, any_order: bool = False) -> _Found | None:
        firsts: list[tuple[int, When | int]] = list(self._parts_of_range(start))
        if day := patterns.DAY_ONLY.match(self._plain, self._after_articles(start)[-1]):
            firsts.append((day.end(), int(day["day"])))
        for end, first in sorted(firsts, key=lambda found: -found[0]):
            if not (between := joint.match(self._plain, end)):
                continue
            is_sign = not between[0].strip(" -\u2013\u2014")
            again = self._again(self._plain[start:end], between.end()) if is_sign else None
            for second_end, second in [again] if again else self._parts_of_range(between.end()):
                if when := joined(first, second, any_order=any_order):
                    return second_end, when
        return None

    def _bound_words(self, start: int) -> tuple[re.Match[str], Bound] | None:
        """The words that stand before a date and leave one end open, and which."""
        if not (match := BOUND.match(self._plain, start)) or not (bound := bound_of(match, self._plain[:start])):
            return None
        if match[0] == "post " and self._text[start].isupper():  # the German for mail
            return None
        if match["des"] and self._text[start + 1].casefold() != "\u00e8":  # French "dès" is since
            return None
        return match, bound

    def _bound(self, start: int) -> _Found | None:
        """Since, after, before or until a date."""
        if not (words := self._bound_words(start)):
            return None
        match, bound = words
        end, period = next(iter(self._parts_of_range(match.end())), (0, None))
        end = included.end() if (included := INCLUDED.match(self._plain, end)) else end
        if not isinstance(period, Period) or period.start is None or period.end is None:
            return None
        is_clear = not match["count"] or patterns.AFTER_A_YEAR.match(self._plain, end)
        return (end, opened(period, bound)) if is_clear else None

    def _bound_after(self, start: int) -> _Found | None:
        """A date and words for an open end: "2010 or earlier", "from 2022 on"."""
        for end, period in self._parts_of_range(start):
            match = BOUND_AFTER.match(self._plain, end)
            if match is None or not isinstance(period, Period) or period.start is None or period.end is None:
                continue
            if match["on"]:
                goes_on = GOES_ON.match(self._plain, match.end()) and patterns.FROM_BEFORE.match(self._plain[:start])
            else:
                goes_on = patterns.AFTER_A_YEAR.match(self._plain, match.end())
            if goes_on:
                return match.end(), opened(period, "until" if match["until"] else "since")
        return None

    def _long_ago(self, start: int) -> _Found | None:
        """More or less than so many years ago."""
        match = AGO.match(self._plain, start) or AGO_FIRST.match(self._plain, start)
        match = match or age_at(self._plain, start)
        found = last_few(match, self._today) if match else None
        if match is None or not isinstance(found, Period):
            return None
        groups = match.groupdict()
        is_more = any(groups.get(name) for name in ("more", "mehr", "plus", "mas")) != bool(groups.get("denied"))
        return match.end(), opened(found, "before") if is_more else found

    def _listed(self, start: int) -> tuple[list[SpokenDate], bool]:
        """Dates of which only the last has the year or the month, "May and June 2018", and whether that is certain."""
        for position in self._after_prefixes(start):
            at, begin = position, start
            firsts: list[When | int | str] = []
            spans: list[tuple[int, int]] = []
            while (
                len(firsts) < _MOST_LISTED
                and (item := self._without_year(at))
                and (joint := LISTED.match(self._plain, item[0]))
            ):
                spans.append((begin, item[0]))
                firsts.append(item[1])
                begin = joint.end()
                at = self._after_prefixes(joint.end())[-1]
                for end, last in self._parts_of_range(at):
                    if not self._is_whole(end) or not self._shares(at, end, last, firsts[0], position):
                        continue
                    if dates := shared(firsts, last):
                        parts = zip([*spans, (begin, end)], [*dates, last], strict=True)
                        is_certain = share_year(firsts, last, self._plain[at:end])
                        return [SpokenDate(*span, when) for span, when in parts], is_certain
        return [], True

    def _shares(self, start: int, end: int, last: When, first: When | int | str, position: int) -> bool:
        """Whether the last date of a list has what the others lack. Without a year, they need "in", or a day."""
        if isinstance(last, Period):
            return bool(patterns.HAS_YEAR.fullmatch(self._plain, start, end))
        if isinstance(first, EveryYear) and first.day is None:
            return bool(patterns.MONTH_ALONE.match(self._plain, position)) and last.day is None
        return isinstance(first, int) and last.day is not None

    def _without_year(self, start: int) -> tuple[int, When | int | str] | None:
        """A month, day, season or holiday of a list that begins here."""
        for end, when in self._parts_of_range(start):
            if isinstance(when, EveryYear) and LISTED.match(self._plain, end):
                return end, when
        if day := patterns.DAY_ONLY.match(self._plain, start):
            return day.end(), int(day["day"])
        return name_at(self._plain, start)

    def _parts_of_range(self, start: int) -> list[_Found]:
        """The dates that begin here or after articles, the longest first. Parts of a range need no context."""
        if start not in self._found:
            found = [date for at in self._after_articles(start) for date in self._singles(at, is_in_range=True)]
            self._found[start] = sorted(found, key=lambda date: -date[0])
        return self._found[start]

    def _after_articles(self, start: int) -> list[int]:
        positions = [start]
        while len(positions) <= patterns.MOST_PREFIXES and (
            match := patterns.ARTICLE.match(self._plain, positions[-1])
        ):
            positions.append(match.end())
        return positions

    # -- one date

    def _single(self, start: int, before: str = "", *, is_in_range: bool = False) -> _Found | None:
        found = self._singles(start, before, is_in_range=is_in_range)
        return max(found, key=lambda candidate: candidate[0], default=None)

    def _singles(self, start: int, before: str = "", *, is_in_range: bool = False) -> list[_Found]:
        """All dates that begin here. `before` is what stands before them; parts of a range need no context."""
        found: list[_Found] = list(whole_dates(self._plain, start))
        for pattern, read in self._READERS:
            if not (match := pattern.match(self._plain, start)):
                continue
            with suppress(OverflowError, ValueError):  # the time is before the year 1, or after 9999
                if when := read(self, match):
                    found.append((match.end(), when))
        if match := patterns.BARE_YEAR.match(self._plain, start):
            year = self._year(match)
            is_clear = (
                is_in_range
                or patterns.BEFORE_A_YEAR.match(before)
                or patterns.AFTER_A_YEAR.match(self._plain, match.end())
            )
            if year is not None and is_clear and not patterns.MONTH_BEFORE.match(self._plain[:start]):
                with suppress(ValueError):  # the year 9999 has no end that Python can tell
                    found.append((match.end(), months_from(year, 1, 12)))
        if (
            is_in_range
            and (match := patterns.BARE_MONTH.match(self._plain, start))
            and (month := month_number(match["month"]))
        ):
            found.append((match.end(), EveryYear(month)))
        found += relative_dates(self._text, self._plain, start, self._today)
        found += dates_ago(self._text, self._plain, start, self._today, self._days_and_months)
        return [*found, *self._parts(start)]

    def _days_and_months(self, start: int, is_after_in: bool) -> list[tuple[int, EveryYear]]:
        """The days and months without a year that begin here. After "in", a month needs no other context."""
        found: list[tuple[int, EveryYear]] = []
        for pattern in (patterns.DAY_MONTH, patterns.MONTH_DAY):
            if match := pattern.match(self._plain, start):
                when = self._day_and_month(match)
                found += [(match.end(), when)] if isinstance(when, EveryYear) else []
        if (match := patterns.BARE_MONTH.match(self._plain, start)) and (month := month_number(match["month"])):
            found += [(match.end(), EveryYear(month))] if is_after_in or self._is_clear_month(match) else []
        return found

    def _parts(self, start: int) -> list[_Found]:
        """Early, middle and late parts of dates: "late July", "the first half of 2018"."""
        if not (part := part_at(self._plain, start)):
            return []
        inner = self._after_articles(part.end)[-1]
        wholes = self._parts_of_range(part.end)
        if decade := patterns.DECADE_AFTER_PART.match(self._plain, inner):
            number = int(decade["tens"] or 0) + 1900 if decade["tens"] else DECADES.get(decade["name"], 0)
            if number and (years := self._years(number)):
                wholes.append((decade.end(), years))
        if (month := patterns.BARE_MONTH.match(self._plain, inner)) and not self._is_clear_month(month):
            wholes = [(end, when) for end, when in wholes if isinstance(when, Period)]
        return [(end, cut) for end, when in wholes if (cut := part_of(when, part.part, part.parts))]

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

    def _day_and_month(self, match: re.Match[str]) -> When | None:
        month, day = month_number(match["month"]), int(match["day"])
        if not month:
            return None
        if match["year"]:
            year = self._year(match)
            return None if year is None else day_of(year, month, day)
        is_day = 1 <= day <= calendar.monthrange(2000, month)[1]
        return EveryYear(month, day) if is_day and self._is_clear_month(match) else None

    def _month_and_year(self, match: re.Match[str]) -> When | None:
        year, month = self._year(match), month_number(match["month"])
        if (
            year is None or not month or patterns.DAY_BEFORE.match(self._plain[: match.start()])
        ):  # 30 February 2019 is no day
            return None
        return months_from(year, month, 1)

    def _name_and_year(self, match: re.Match[str]) -> When | None:
        year = self._year(match)
        is_other = "new year" in match["name"] and patterns.OTHER_NEW_YEAR.match(self._plain[: match.start()])
        return None if year is None or is_other else named_in(year, match["name"])

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

    _READERS = (
        (patterns.DAY_MONTH, _day_and_month),
        (patterns.MONTH_DAY, _day_and_month),
        (patterns.MONTH_YEAR, _month_and_year),
        (patterns.NAME_YEAR, _name_and_year),
        (patterns.YEAR_NAME, _name_and_year),
        (patterns.FOUR_DIGITS, _decade),
        (patterns.TWO_DIGITS, _short_decade),
        (patterns.NAMED_DECADE, _named_decade),
    )
