"""What was understood of a sentence: the facts in it, and what is left to look for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

FactKind: TypeAlias = Literal["place", "person", "taken", "without"]
"""`without` is what a text denies, which is subtracted; the others became filters."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A part of a sentence that became a filter, or is subtracted: `words` as typed, and what they mean, for people."""

    kind: FactKind
    words: str  # "last summer"
    meaning: str  # "2026-06..2026-08"
    is_denied: bool = False  # photos known to have it are left out; of `without`, those with it as a keyword


_DATE = re.compile(r"(?P<year>\d{4})(?:-(?P<month>\d\d))?(?:-(?P<day>\d\d))?(?:T(?P<time>\d\d:\d\d))?")
_EVERY_YEAR = " of any year"


def dates_in_words(meaning: str) -> str:
    """What a date in a text means, within a sentence: "from June to August 2011 or in 2012" for 2011-06..2011-08 or 2012."""
    return " or ".join(map(_period_in_words, meaning.split(" or ")))


def _period_in_words(period: str) -> str:
    first, _, last = period.partition("..")
    if period.endswith(_EVERY_YEAR):
        return f"from {first} to {last}" if last else f"{'on' if first[0].isdigit() else 'in'} {first}"
    word, _, date = period.rpartition(" ")
    if word:  # "before 2015", "from 2019"
        return f"{word} {_date_in_words(date)}{' on' if word == 'from' else ''}"
    if not last:
        return f"{'on' if first.count('-') == 2 else 'in'} {_date_in_words(first)}"
    start, end = _date_in_words(first), _date_in_words(last)
    if "T" not in period and first.count("-"):  # what both have is said once, at the end
        shared = 2 if first[:7] == last[:7] else 1 if first[:4] == last[:4] else 0
        start = " ".join(start.split()[: len(start.split()) - shared])
    return f"from {start} to {end}"


def _date_in_words(date: str) -> str:
    """A date such as "14 July 2024, 12:30", or as much of it as 2024-07-14T12:30 says; other texts stay as they are."""
    from clipsearch.query.sentences.date_words import MONTHS  # not for queries without a date

    parts = _DATE.fullmatch(date)
    if parts is None:
        return date
    month = list(MONTHS["English"])[int(parts["month"]) - 1].capitalize() if parts["month"] else ""
    day = str(int(parts["day"])) if parts["day"] else ""
    return " ".join(filter(None, (day, month, parts["year"]))) + (f", {parts['time']}" if parts["time"] else "")


def _fact_in_words(fact: Fact) -> str:
    if fact.kind == "without":
        return f"without: {fact.meaning}{', also as a keyword' if fact.is_denied else ''}"
    return f"{fact.kind}: {'not ' if fact.is_denied else ''}{fact.meaning}"


@dataclass(frozen=True, slots=True)
class Understood:
    """The facts in a query's texts, in their order, and the rest of the texts; "" if there is no rest."""

    facts: tuple[Fact, ...]
    text: str
    unclear: str = ""  # why a text with facts was left as it is: 'what "or" joins'; a note says it in an answer
    absent: tuple[str, ...] = ()  # places that no photo is from, searched as text if they are not denied; notes say so

    def __str__(self) -> str:
        """For people: "place: Italy, taken: 2026-06..2026-08, looking for: beach"."""
        looking_for = f"looking for: {self.text or 'all photos'}"
        return ", ".join([*map(_fact_in_words, self.facts), looking_for])

    def to_json(self) -> dict[str, Any]:
        """{"summary", "text", "facts": [{"kind", "words", "meaning", "denied"}]}."""
        facts = [
            {"kind": fact.kind, "words": fact.words, "meaning": fact.meaning, "denied": fact.is_denied}
            for fact in self.facts
        ]
        return {"summary": str(self), "text": self.text, "facts": facts}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Understood:
        """The inverse of `to_json`."""
        facts = tuple(
            Fact(fact["kind"], fact["words"], fact["meaning"], fact.get("denied", False)) for fact in values["facts"]
        )
        return cls(facts, values["text"])
