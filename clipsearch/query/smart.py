"""Turn facts in a query's texts into filters: "beach last summer" looks for a beach among the photos of last summer.

Only texts that are wanted are read, and no text in double quotes. What is not certain stays text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from clipsearch.query.spoken_dates import EveryYear, SpokenDate, spoken_dates
from clipsearch.query.understood import Fact, FactKind, Understood
from clipsearch.types import Condition, Either, Query, Term

_GAP = "\0"  # in place of a fact, while the rest of a text is tidied
_AND = "and|or|und|oder|et|ou|y|e|o"
_BETWEEN_GAPS = re.compile(rf"{_GAP}(?:\s*(?:,|\b(?:{_AND})\b)\s*|\s+)(?={_GAP})", re.IGNORECASE)
_AT_START = re.compile(rf"^(?:[\s,;.:{_GAP}]|(?:{_AND})\b)+", re.IGNORECASE)
_AT_END = re.compile(
    rf"(?:[\s,;.:{_GAP}]|\b(?:{_AND}|of|from|taken|with|by|von|vom|aus|aufgenommen|mit|de|du|des|avec|con|del)(?=[\s,;.:{_GAP}]*$))+$",
    re.IGNORECASE,
)
_ONLY_PHOTOS = re.compile(
    r"(?:(?:all|any|my|our|the|some|photos?|pictures?|pics?|images?|alle|meine|unsere|die|fotos?|bild|bilder|aufnahmen|toutes|mes|nos"
    r"|les|images?|todas|mis|nuestras|las|imagen|imagenes|imágenes)\s*)+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Found:
    """A fact in a text: text[start:end]."""

    start: int
    end: int
    kind: FactKind
    words: str
    meaning: str
    condition: Condition
    is_every_year: bool = False


def understand(query: Query, today: date) -> tuple[Query, Understood]:
    """The query with the facts in its texts as filters, and what was understood. Weights and other terms stay as they are.

    If nothing is left to look for, the photos that meet the filters are listed, so limits of scores are dropped.
    """
    facts: list[_Found] = []
    terms: list[Term] = []
    for term in query.terms:
        if not isinstance(term.content, str) or term.weight <= 0 or term.literal:
            terms.append(term)
            continue
        text = unicodedata.normalize("NFC", " ".join(term.content.split()))
        found = _facts(text, today)
        rest = _without(text, found) if found else term.content
        facts += found
        if rest:
            terms.append(replace(term, content=rest))
    facts = _merged(facts)
    conditions = [fact.condition for fact in facts]
    understood = replace(query, terms=tuple(terms), filters=(*query.filters, *conditions), smart=False)
    if not terms:
        understood = replace(understood, min_score=None, min_match=None, diverse=False, right=(), wrong=())
    return understood, Understood(
        tuple(Fact(fact.kind, fact.words, fact.meaning) for fact in facts), _looking_for(terms)
    )


def _facts(text: str, today: date) -> list[_Found]:
    """The facts in a text, in its order. They do not overlap."""
    return [_date_fact(text, spoken) for spoken in spoken_dates(text, today)]


def _date_fact(text: str, spoken: SpokenDate) -> _Found:
    when = spoken.when
    words = text[spoken.start : spoken.end]
    is_every_year = isinstance(when, EveryYear)
    return _Found(spoken.start, spoken.end, "taken", words, str(when), when.condition, is_every_year)


def _merged(facts: Sequence[_Found]) -> list[_Found]:
    """Two dates are alternatives, so they become one fact; but "in August" and "2018" must both hold."""
    groups: dict[tuple[FactKind, bool], list[_Found]] = {}
    for fact in facts:
        groups.setdefault((fact.kind, fact.is_every_year), []).append(fact)
    return [group[0] if len(group) == 1 else _either(group) for group in groups.values()]


def _either(facts: Sequence[_Found]) -> _Found:
    words, meaning = (" or ".join(getattr(fact, name) for fact in facts) for name in ("words", "meaning"))
    return replace(facts[0], words=words, meaning=meaning, condition=Either(tuple(fact.condition for fact in facts)))


def _without(text: str, facts: Sequence[_Found]) -> str:
    """What is left of a text without its facts, and without words that only joined them; "" if it is only "photos of"."""
    for fact in reversed(facts):
        text = f"{text[: fact.start]}{_GAP}{text[fact.end :]}"
    text = _BETWEEN_GAPS.sub("", text)
    text = _AT_END.sub("", _AT_START.sub("", text))
    text = " ".join(text.replace(_GAP, " ").split())
    text = re.sub(r" (?=[,;.])", "", text)
    return "" if _ONLY_PHOTOS.fullmatch(text) else text


def _looking_for(terms: Sequence[Term]) -> str:
    """The terms in the query language, for people."""
    words: list[str] = []
    for term in terms:
        weight = "" if abs(term.weight) == 1 else f"{abs(term.weight):g}:"
        content = term.content if isinstance(term.content, str) else "a picture"
        words += ["-" if term.weight < 0 else "+", f"{weight}{content}"]
    return " ".join(words[words[:1] == ["+"] :])
