"""Times of photos, as dates in a sentence mean them: a period, or the same days of each year."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TypeAlias

from clipsearch.conditions import All, Condition, Either, Test
from clipsearch.query.sentences.date_words import MONTHS, Unit

_NAMES = [word.capitalize() for word in MONTHS["English"]]
_MOST_DAYS = 62  # of a time in every year, which is a condition for each of its days


@dataclass(frozen=True, slots=True)
class Period:
    """A time by the camera's clock, from `start` until before `end`; None if it is open there."""

    start: datetime | None
    end: datetime | None

    @property
    def condition(self) -> Condition:
        """Taken within it."""
        tests = [Test("taken", ">=", self.start.isoformat())] if self.start else []
        tests += [Test("taken", "<", self.end.isoformat())] if self.end else []
        return tests[0] if len(tests) == 1 else All(tuple(tests))

    def __str__(self) -> str:
        """As `--taken` takes it, 2026-06..2026-08; or "before 2015", "from 2019"."""
        if self.start is None or self.end is None:
            return f"from {_short(self.start)}" if self.start else f"before {_short(self.end or datetime.max)}"
        for letters in (4, 7, 10):
            if len(_short(self.start)) <= letters and len(_short(self.end)) <= letters:
                first, last = self.start.isoformat()[:letters], (self.end - timedelta(1)).isoformat()[:letters]
                return first if first == last else f"{first}..{last}"
        last_minute = self.end - timedelta(minutes=1)
        return f"{self.start.isoformat(timespec='minutes')}..{last_minute.isoformat(timespec='minutes')}"


@dataclass(frozen=True, slots=True)
class EveryYear:
    """The same days of each year: a month, or some of its days."""

    month: int
    day: int | None = None
    days: int = 1  # from `day` on

    @property
    def condition(self) -> Condition:
        """Taken on one of these days."""
        tests = tuple(Test("taken", "~", f"????-{month_and_day}*") for month_and_day in self._days())
        return tests[0] if len(tests) == 1 else Either(tests)

    def _days(self) -> list[str]:
        if self.day is None:
            return [f"{self.month:02}-"]
        first = date(2000, self.month, self.day)
        return [(first + timedelta(days)).isoformat()[5:] for days in range(self.days)]

    def __str__(self) -> str:
        """For people: "3 May of any year"."""
        if self.day is None:
            return f"{_NAMES[self.month - 1]} of any year"
        first = date(2000, self.month, self.day)
        last = first + timedelta(self.days - 1)
        days = f"{first.day}" if first == last else f"{first.day}..{last.day}"
        if first.month != last.month:
            return f"{first.day} {_NAMES[first.month - 1]}..{last.day} {_NAMES[last.month - 1]} of any year"
        return f"{days} {_NAMES[first.month - 1]} of any year"

    def in_year(self, year: int) -> Period | None:
        """It in one year; None if that year lacks the day."""
        try:
            if self.day is None:
                return months_from(year, self.month, 1)
            return days_from(date(year, self.month, self.day), self.days)
        except ValueError:
            return None


When: TypeAlias = Period | EveryYear


def day_of(year: int, month: int, day: int) -> Period | None:
    """One day; None if there is no such day."""
    try:
        return days_from(date(year, month, day))
    except ValueError:
        return None


def days_from(first: date, count: int = 1) -> Period:
    """So many days, the first of them included."""
    start = datetime.combine(first, time())
    return Period(start, start + timedelta(count))


def month_of(year: int, month: int) -> Period | None:
    """One month; None if its number is not one of 1 to 12."""
    return months_from(year, month, 1) if 1 <= month <= 12 else None


def months_from(year: int, month: int, count: int) -> Period:
    """So many months, the first of them included. A month of more than 12 is in a later year."""
    (later, first), (latest, last) = divmod(month - 1, 12), divmod(month - 1 + count, 12)
    return Period(datetime(year + later, first + 1, 1), datetime(year + latest, last + 1, 1))


def unit_of(day: date, unit: Unit) -> Period:
    """The day, week, weekend, month or year that a day is in; of a week, the weekend at its end."""
    monday = day - timedelta(day.weekday())
    if unit == "week":
        return days_from(monday, 7)
    if unit == "weekend":
        return days_from(monday + timedelta(5), 2)
    if unit == "month":
        return months_from(day.year, day.month, 1)
    return months_from(day.year, 1, 12) if unit == "year" else days_from(day)


def last_unit(today: date, unit: Unit) -> Period:
    """The latest week, weekend, month or year that is over."""
    if unit == "weekend":
        return days_from(today - timedelta(today.weekday() + 2), 2)
    this = unit_of(today, unit)
    assert this.start is not None
    return unit_of(this.start.date() - timedelta(1), unit)


def part_of(when: When, part: int, parts: int) -> When | None:
    """One of equal parts of a month, a season, a year or a decade, counted from 0; None for other times.

    A third of a month has ten days, and the last has the rest. Months of a season or a year, and years of a decade, stay whole.
    """
    if isinstance(when, EveryYear):
        if when.day is not None:
            return None
        first, after = _days_of(calendar.monthrange(2000, when.month)[1], part, parts)
        return EveryYear(when.month, first + 1, after - first)
    if when.start is None or when.end is None or when.start.day != 1 or when.end.day != 1:
        return None
    year, month = when.start.year, when.start.month
    months = 12 * (when.end.year - year) + when.end.month - month
    if months == 1:
        first, after = _days_of(calendar.monthrange(year, month)[1], part, parts)
        return days_from(date(year, month, first + 1), after - first)
    if months not in (3, 12, 120):
        return None
    unit = 12 if months == 120 else 1
    count = months // unit
    first, after = part * count // parts, -(-(part + 1) * count // parts)
    return months_from(year, month + first * unit, (after - first) * unit)


def _days_of(days: int, part: int, parts: int) -> tuple[int, int]:
    length = 30 // parts
    return part * length, days if part == parts - 1 else (part + 1) * length


def together(first: When, second: When) -> Period | None:
    """The time from a lower open date to an upper one, in any order; None for other dates, and if they have no common time."""
    if isinstance(first, EveryYear) or isinstance(second, EveryYear):
        return None
    if first.end is not None:
        first, second = second, first
    if first.start is None or first.end is not None or second.start is not None or second.end is None:
        return None
    return Period(first.start, second.end) if first.start < second.end else None


def units_before(day: date, count: int, unit: Unit) -> date | None:
    """The day so many days, weeks, months or years earlier; None before the year 1."""
    if unit in ("month", "year"):
        year, month = divmod(12 * day.year + day.month - 1 - count * (12 if unit == "year" else 1), 12)
        if year < 1:
            return None
        return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
    days = count * (1 if unit == "day" else 7)
    return day - timedelta(days) if days < day.toordinal() else None


def joined(first: When | int, second: When, *, any_order: bool = False) -> When | None:
    """From one date to another. The first takes the month and year that it lacks from the second.

    None if the first is not earlier. In `any_order`, a whole date may be later, if both do not overlap.
    """
    if isinstance(second, EveryYear):
        return _joined_days(first, second)
    if second.start is None or second.end is None:
        return None
    if isinstance(first, int):
        beginning = day_of(second.start.year, second.start.month, first)
    elif isinstance(first, EveryYear):
        is_before = (first.month, first.day or 0) <= (second.start.month, second.start.day)
        beginning = first.in_year(second.start.year - (not is_before))
    else:
        beginning = first
    if beginning is None or beginning.start is None:
        return None
    if any_order and beginning is first and beginning.end is not None and beginning.start >= second.end:
        return Period(second.start, beginning.end)
    if beginning.start >= second.start:
        return None
    return Period(beginning.start, second.end)


def _joined_days(first: When | int, second: EveryYear) -> EveryYear | None:
    """From one day to another in every year."""
    if isinstance(first, int):
        first = EveryYear(second.month, first)
    if isinstance(first, Period) or first.day is None or second.day is None:
        return None
    try:
        days = (date(2000, second.month, second.day) - date(2000, first.month, first.day)).days + 1
    except ValueError:
        return None
    return EveryYear(first.month, first.day, days) if 1 < days <= _MOST_DAYS else None


def _short(moment: datetime) -> str:
    """2019 for the beginning of a year, 2019-05 for that of a month, 2019-05-03 for that of a day."""
    text = moment.isoformat(timespec="minutes")
    for length, rest in ((4, "-01-01T00:00"), (7, "-01T00:00"), (10, "T00:00")):
        if text[length:] == rest:
            return text[:length]
    return text
