"""Turn facts in a query's texts into filters: "beach last summer" looks for a beach among the photos of last summer.

What a text denies is subtracted, "a beach without dogs", and photos with the keyword "dogs" or "dog" are left out. A fact that
it denies must not hold, "not in Italy". Only texts that are wanted are read, and no text in double quotes. What is not certain
stays text. A photo of which a fact is not known does not have it: "not in Italy" keeps photos without a place.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import chain, pairwise
from typing import TYPE_CHECKING

from clipsearch.conditions import Condition, Either, Located, Not, Test
from clipsearch.query.language import terms_text
from clipsearch.query.negation import (
    GAP,
    GAPS,
    LANGUAGES,
    OWN_GAP,
    PERSON_GAP,
    PLACE_GAP,
    Language,
    Negation,
    may_be_denied,
    negations,
    subtracted,
)
from clipsearch.query.quoted import masked
from clipsearch.query.sentences.date_patterns import has_preposition
from clipsearch.query.sentences.only_photos import PHOTOS, is_only_photos
from clipsearch.query.sentences.open_dates import any_of
from clipsearch.query.sentences.periods import EveryYear, When, together
from clipsearch.query.sentences.plain_letters import folded
from clipsearch.query.sentences.spoken_dates import SpokenDate, spoken_dates
from clipsearch.query.sentences.spoken_names import FindPlaces, SpokenName, spoken_names
from clipsearch.query.sentences.understood import Fact, FactKind, Understood
from clipsearch.query.usual_words import USUAL_WORDS
from clipsearch.terms import Query, Term

if TYPE_CHECKING:
    from clipsearch.gazetteer import Place

_FEW = 3  # alternatives that are named
_OR = ("or", "oder", "ou", "o", "u")
_ANDS = ("and", "und", "et", "y", "e", "&")
_AND = "and|or|und|oder|et|ou|y|e|o"
_NAME_AT_START = re.compile(r"\s*(?:[a-z\u00e0]+\s+)?[^\W\d_a-z\u00df-\u00ff]")
_NAME_AT_END = re.compile(r"(?:^|\s)[^\W\d_a-z\u00df-\u00ff][^\s,;.]*$")
"""What may be a place of which the index has no photo: "in London"."""

_NO_GAPS = dict.fromkeys(map(ord, GAPS), " ")
_BUT = "but|aber|sondern|mais|pero|sino"
_OR_WORD = re.compile(rf"(?<!\w)(?:{'|'.join(_OR)})(?!\w)", re.IGNORECASE)
_LINKS = re.compile(
    r"(?:(?:in|near|at|from|to|around|of|with|by|and|im|bei|aus|nach|von|mit|und|am|en|\u00e0|a|au|aux|dans|vers|avec|et|de|du"
    r"|desde|con|y|del|al)\s+(?:(?:the|der|den|dem|die|das|le|la|les|el|los|las)\s+|l['\u2019])?|[dl]['\u2019])(?=.)",
    re.IGNORECASE,
)
"""Words before a fact that belong to it; but they also say how it is joined to what is before it."""

_ARTICLE = r"(?:the|der|den|dem|die|das|le|la|les|el|los|las)\s+|l['\u2019]"
_BETWEEN_GAPS = re.compile(rf"{GAP}(?:\s*(?:,|&|\b(?:{_AND}|{_BUT})\b)\s*|\s+)(?:{_ARTICLE})?(?={GAP})", re.IGNORECASE)
_EMPTY = rf"(?:[\s,;{GAP}]|\b(?:{_AND}|with|mit|avec|con)\b)*"
_EMPTY_BRACKETS = re.compile(rf"\({_EMPTY}\)|\[{_EMPTY}\]|\{{{_EMPTY}\}}", re.IGNORECASE)
_PHOTOS_AND = re.compile(rf"\s*(?:,|(?:{'|'.join(_ANDS)})(?=\s))", re.IGNORECASE)
_AND_PHOTOS = re.compile(rf"\s(?:{'|'.join(_ANDS)})\s+{any_of(PHOTOS)}\s*{GAP}\s*$", re.IGNORECASE)
"""In "photos from 2016 and a dog", and "a dog and photos from 2016"."""

_BETWEEN = re.compile(r"(?<!\w)(?:between|zwischen|entre)\s+$", re.IGNORECASE)
_IN_A_PLACE = re.compile(r"(?<!\w)(?:in|near|from|aus|bei|en|\u00e0|dans)\s", re.IGNORECASE)
_FROM = re.compile(r"(?:from|von|de|desde)\s", re.IGNORECASE)
_TO = re.compile(r"(?:to|nach|\u00e0|a|hasta)\s", re.IGNORECASE)
_AT_START = re.compile(rf"^(?:[\s,;.:&/|\u2013\u2014{GAP}]|(?:{_AND}|{_BUT}|with|mit|avec|con)\b)+", re.IGNORECASE)
_AT_END = re.compile(
    rf"(?:[\s,;.:&/|\u2013\u2014{GAP}]|\b(?:{_AND}|{_BUT}|of|from|taken|with|by|von|vom|aus|aufgenommen|mit|de|du|des|avec|con|del)(?=[\s,;.:{GAP}]*$))+$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Found:
    """A fact in a text."""

    kind: FactKind
    words: str
    meaning: str
    condition: Condition | None = None  # None if it is only a term that is subtracted
    is_every_year: bool = False
    is_denied: bool = False  # the photo must not be known to have it
    text: str = ""  # in which the words are text[start:end]
    start: int = 0
    end: int = 0


def understand(
    query: Query,
    today: date,
    find_places: FindPlaces = lambda name: (),
    people: Collection[str] = (),
    languages: Collection[Language] = LANGUAGES,
    has_keyword: Callable[[str], bool] = lambda keyword: False,
    known_places: FindPlaces = lambda name: (),
) -> tuple[Query, Understood]:
    """The query with the facts in its texts as filters, and what was understood. Weights and other terms stay as they are.

    `find_places` and `people` are the places and people of the index, `known_places` gives all places of a name, and
    `has_keyword` says whether a photo has a keyword. What is denied is understood in some `languages`. If nothing is left to
    look for, the photos that meet the filters are listed, so limits of scores are dropped.
    """
    facts: list[_Found] = []
    terms: list[Term] = []
    absent: list[str] = []
    unclear = ""
    for term in query.terms:
        if not isinstance(term.content, str) or term.weight <= 0 or term.literal:
            terms.append(term)
            continue
        text = unicodedata.normalize("NFC", " ".join(term.content.translate(_NO_GAPS).split()))
        readable, _ = masked(text)
        dates = spoken_dates(readable, today, people)
        names = spoken_names(_blanked(readable, dates), find_places, people, known_places)
        parts: list[SpokenDate | SpokenName] = sorted([*dates, *names], key=lambda part: part.start)
        linked = _linked(text, parts)
        denials = negations(linked, languages)
        found_gaps = [gap for denial in denials for gap in denial.gaps]
        gaps = {part.start for part in parts if any(part.start <= gap < part.end for gap in found_gaps)}
        if why := _unclear(readable, parts, gaps, denials):
            unclear = unclear or why
            terms.append(term)
            continue
        # A place that no photo is from stays text, but if it is denied, all photos are from elsewhere.
        stays = {name.start for name in names if name.is_absent and name.start not in gaps}
        absent += [_alternatives(_labels(name.places)) for name in names if name.is_absent]
        parts = [part for part in parts if part.start not in stays]
        names = [name for name in names if name.start not in stays]
        facts += _facts(
            text,
            [spoken for spoken in dates if spoken.start not in gaps],
            [name for name in names if name.start not in gaps],
        )
        denied = _facts(
            text,
            [spoken for spoken in dates if spoken.start in gaps],
            [name for name in names if name.start in gaps],
        )
        facts += map(_denied, denied)
        for number, denial in enumerate(denials):
            names_denied = _names_denied(text, denial, find_places, known_places)
            absent += [name.meaning for name in names_denied]
            facts += map(_denied, names_denied)
            words = {name.words for name in names_denied}
            denials[number] = denial._replace(denied=tuple(what for what in denial.denied if what not in words))
        facts += [
            _without_fact(text[denial.start : denial.end], what, list(filter(has_keyword, _forms(what))))
            for denial in denials
            for what in denial.denied
        ]
        if not (dates or names or denials):
            terms.append(term)
            continue
        if rest := _without(text, [*(part for part in parts if part.start not in gaps), *denials]):
            terms.append(replace(term, content=rest))
        terms += subtracted(term, denials)
    facts = _merged(facts)
    conditions = [fact.condition for fact in facts if fact.condition is not None]
    understood = replace(query, terms=tuple(terms), filters=(*query.filters, *conditions), smart=False)
    if not terms:
        understood = replace(understood, min_score=None, min_match=None, diverse=False, right=(), wrong=())
    said = tuple(Fact(fact.kind, fact.words, fact.meaning, fact.is_denied) for fact in facts)
    return understood, Understood(said, terms_text(terms), unclear, tuple(dict.fromkeys(absent)))


def _facts(text: str, dates: Sequence[SpokenDate], names: Sequence[SpokenName]) -> list[_Found]:
    return [*_place_facts(text, names), *_person_facts(text, names), *_date_facts(text, dates)]


def _without_fact(words: str, what: str, keywords: Sequence[str]) -> _Found:
    """What is subtracted. Photos that have it as a keyword, in any of its forms, are left out."""
    tests = tuple(Test("keyword", "=", keyword) for keyword in keywords)
    if not tests:
        return _Found("without", words, what)
    return _Found("without", words, what, Not(tests[0] if len(tests) == 1 else Either(tests)), is_denied=True)


def _forms(what: str) -> list[str]:
    """What is denied, and its other number in English: "dogs" and "dog"."""
    for one, many in (("person", "people"), ("child", "children"), ("man", "men"), ("woman", "women")):
        if what.lower() in (one, many):
            return [what, one if what.lower() == many else many]
    if re.search(r"[^aeiou]ies$", what):
        return [what, f"{what[:-3]}y"]
    if re.search(r"(?:[sxz]|[cs]h)es$", what):
        return [what, what[:-2], what[:-1]]
    if re.search(r"[^su]s$", what):
        return [what, what[:-1]]
    if re.search(r"[^aeiou]y$", what):
        return [what, f"{what[:-1]}ies"]
    return [what, f"{what}es" if re.search(r"(?:[sxz]|[cs]h)$", what) else f"{what}s"]


def _denied(fact: _Found) -> _Found:
    """The opposite of a fact. Photos without a date, a place or people stay."""
    assert fact.condition is not None
    return replace(fact, condition=Not(fact.condition), is_denied=True)


def _date_facts(text: str, dates: Sequence[SpokenDate]) -> list[_Found]:
    """Each date. A lower and an upper open date, "since 2015 but before 2018", are one time, if no "or" is between them."""
    found: list[tuple[int, int, When]] = []
    end = 0
    for spoken in dates:
        start, when = spoken.start, spoken.when
        is_or = any(word in _OR for word in folded(text[end : spoken.start]).split())
        if found and not is_or and (both := together(found[-1][2], when)):
            start, when = found.pop()[0], both
        end = spoken.end
        found.append((start, end, when))
    return [
        _Found(
            "taken", text[start:end], str(when), when.condition, isinstance(when, EveryYear),
            text=text, start=start, end=end,
        )
        for start, end, when in found
    ]  # fmt: skip


def _person_facts(text: str, names: Sequence[SpokenName]) -> list[_Found]:
    """All of the people, or any of a list with "or": "Ben, Rose or Anna". A first name is anyone's who has it."""
    groups: list[list[SpokenName]] = []
    listed = 0  # the last groups with only commas between them, which an "or" joins
    end = 0
    for name in names:
        joint = folded(text[end : name.start]).strip()
        end = name.end
        if name.kind != "person":
            listed = 0
        elif listed and joint.lstrip(", ") in _OR:
            groups[-listed:] = [[*chain(*groups[-listed:]), name]]
            listed = 1
        else:
            is_item = joint == "," and text.startswith(name.name, name.start)  # no "with" before it
            listed = listed + 1 if listed and is_item and len(groups[-1]) == 1 else 1
            groups.append([name])
    return [_person_fact(text, group) for group in groups]


def _person_fact(text: str, names: Sequence[SpokenName]) -> _Found:
    people = list(dict.fromkeys(person for name in names for person in name.people))
    tests = tuple(Test("person", "=", person) for person in people)
    words = text[_span(text, names[0])[0] : _span(text, names[-1])[1]]
    return _Found("person", words, _alternatives(people), tests[0] if len(tests) == 1 else Either(tests))


def _span(text: str, name: SpokenName) -> tuple[int, int]:
    """Where a name begins and ends, without the words that belong to it."""
    start = text.index(name.name, name.start)
    return start, start + len(name.name)


def _place_facts(text: str, names: Sequence[SpokenName]) -> list[_Found]:
    """Any of the places."""
    names = [name for name in names if name.kind == "place"]
    if not names:
        return []
    found = [[place.code for place in name.places] for name in names]
    labels = {place.code: place.label for name in names for place in name.places}
    codes = [code for code in labels if not any(_is_in(code, whole) for whole in labels if whole != code)]
    meaning = _alternatives([labels[code] for code in codes])
    start, end = _span(text, names[0])[0], _span(text, names[-1])[1]
    return [_Found("place", text[start:end], meaning, _any_of(found, codes), text=text, start=start, end=end)]


def _names_denied(text: str, denial: Negation, find_places: FindPlaces, known_places: FindPlaces) -> list[_Found]:
    """The places that a denial names, but no photo is from: "not in Zanzibar"."""
    first = text.find(denial.denied[0], denial.start) if denial.denied else -1
    if first < 0 or not _IN_A_PLACE.search(text[denial.start : first]):
        return []
    found: list[_Found] = []
    for name in denial.denied:
        is_name = folded(name) not in USUAL_WORDS and not find_places(name)
        places = known_places(name) if is_name else ()
        if places and (name[0].isupper() or places[0].kind != "section"):  # "not in heritage"
            codes = tuple(place.code for place in places)
            found.append(_Found("place", name, _alternatives(_labels(places)), Located(codes)))
    return found


def _labels(places: Iterable[Place]) -> list[str]:
    return list(dict.fromkeys(place.label for place in places))


def _any_of(names: Sequence[Collection[str]], codes: Sequence[str]) -> Condition:
    """In one of the places with these codes. Each name keeps its own, so that a note can tell places that share a name."""
    groups: list[tuple[str, ...]] = []
    left = set(codes)
    for places in names:
        groups.append(tuple(code for code in places if code in left))
        left.difference_update(groups[-1])
    located = tuple(Located(group) for group in groups if group)
    return located[0] if len(located) == 1 else Either(located)


def _is_in(code: str, whole: str) -> bool:
    """Whether a place is, or is in, another one."""
    return f"{code}/".startswith(f"{whole}/")


def _alternatives(names: Sequence[str]) -> str:
    few = names if len(names) <= _FEW else [*names[: _FEW - 1], f"{len(names) - _FEW + 1} more"]
    return " or ".join(few)


def _merged(facts: Sequence[_Found]) -> list[_Found]:
    """Two dates or places are alternatives, and become one fact. But "in August" and "2018" must both hold, and all people."""
    groups: dict[object, list[_Found]] = {}
    for fact in facts:
        is_single = fact.kind in ("person", "without") or fact.is_denied  # all of these must hold
        key = (fact.kind, (fact.condition, fact.meaning) if is_single else fact.is_every_year)
        groups.setdefault(key, []).append(fact)
    return [
        group[0] if len(group) == 1 or group[0].kind in ("person", "without") else _either(group)
        for group in groups.values()
    ]


def _either(facts: Sequence[_Found]) -> _Found:
    first, last = facts[0], facts[-1]
    is_one_text = all(fact.text is first.text for fact in facts)
    words = first.text[first.start : last.end] if is_one_text else " \u2026 ".join(fact.words for fact in facts)
    meaning = " or ".join(fact.meaning for fact in facts)
    conditions = tuple(fact.condition for fact in facts if fact.condition is not None)
    return replace(first, words=words, meaning=meaning, condition=Either(conditions))


def _blanked(text: str, parts: Sequence[SpokenDate]) -> str:
    """A text of the same length without its dates."""
    for spoken in parts:
        text = f"{text[: spoken.start]}{GAP * (spoken.end - spoken.start)}{text[spoken.end :]}"
    return text


def _gap_of(part: SpokenDate | SpokenName) -> str:
    return (PLACE_GAP if part.kind == "place" else PERSON_GAP) if isinstance(part, SpokenName) else GAP


def _linked(text: str, parts: Sequence[SpokenDate | SpokenName]) -> str:
    """A text of the same length with gaps for its facts. Words such as "with" before them stay."""
    plain = folded(text)
    for part in parts:
        is_own = _is_own(plain, part)
        link = None if is_own else _LINKS.match(text, part.start, part.end)
        start = link.end() if link else part.start
        gap = _gap_of(part) * (part.end - start)
        text = f"{text[:start]}{OWN_GAP + gap[1:] if is_own else gap}{text[part.end :]}"
    return text


def _is_own(plain: str, part: SpokenDate | SpokenName) -> bool:
    """Whether a fact of a folded text has a preposition of its own that is no link: "before 2015", "close to Rome"."""
    if isinstance(part, SpokenDate):
        return has_preposition(plain, part.start)
    return not plain.startswith(folded(part.name), part.start) and not _LINKS.match(plain, part.start)


def _is_unclear_list(
    text: str, first: SpokenDate | SpokenName, other: SpokenDate | SpokenName, denied: Collection[int]
) -> bool:
    """Whether it is not certain if the denial of a date is one of the next date, too: "not before 2010, after 2015"."""
    if not (isinstance(first, SpokenDate) and isinstance(other, SpokenDate)) or first.start not in denied:
        return False
    joint = folded(text[first.end : other.start]).strip()
    word = joint.strip(" ,")
    if word and word not in _ANDS:
        return False
    first_end, other_end = _open_end(first), _open_end(other)
    if other.start in denied:  # "not before 2010, 2015"
        return first_end != other_end
    if word:  # "not in 2018 and before 2015"
        return bool(other_end)
    if isinstance(first.when, EveryYear) and not joint:  # "not in August before 2015"
        return True
    return bool(first_end and other_end) and first_end != other_end


def _open_end(date: SpokenDate) -> str:
    """Which end of a date is open: "start", "end", or "" if none is."""
    if isinstance(date.when, EveryYear):
        return ""
    return "start" if date.when.start is None else "end" if date.when.end is None else ""


def _unclear(
    text: str, parts: Sequence[SpokenDate | SpokenName], denied: Collection[int], denials: Sequence[Negation]
) -> str:
    """What is not certain, if filters could be the opposite of a text, or less than it says; "" if all is certain.

    Examples: "far from Rome", "not before 2010, after 2015", "in Rome or 2018".
    """
    for part in parts:
        if part.start not in denied and may_be_denied(text, part.start, part.end):
            return f'whether "{_words(text, part)}" is wanted'
        if _is_place(part) and _BETWEEN.search(text, 0, part.start):
            return f'whether "{_words(text, part)}" is wanted'
    for spoken, following in pairwise(parts):
        if _is_way(text, spoken, following):
            return f'whether "{_words(text, spoken)}" is wanted'
        if _is_unclear_list(text, spoken, following, denied):
            cue = next(denial.cue for denial in denials if denial.start <= spoken.start < denial.end)
            return f'whether "{cue}" is also about "{_words(text, following)}"'
    for match in _OR_WORD.finditer(text):
        if any(span.start <= match.start() < span.end for span in (*parts, *denials)):
            continue
        before, after = text[: match.start()].rstrip(" ,"), text[match.end() :]
        start = match.end() + len(after) - len(after.lstrip())
        first = next((part for part in parts if part.end == len(before)), None)
        other = next((part for part in parts if part.start == start), None)
        if first is not None and other is not None:
            is_clear = _joined_kind(first, denied) == _joined_kind(other, denied)
        elif first is not None:  # "a cat in Rome or a dog" has a place, but "Ben or a dog" may be without Ben
            is_next_denial = any(denial.start == start for denial in denials)
            rest = _without(before, [part for part in parts if part.end <= len(before)])
            is_clear = is_next_denial or bool(rest) or (_is_place(first) and _NAME_AT_START.match(after) is not None)
        else:
            is_clear = other is None or (_is_place(other) and _NAME_AT_END.search(before) is not None)
        if not is_clear:
            return f'what "{match[0]}" joins'
    return ""


def _is_way(text: str, first: SpokenDate | SpokenName, other: SpokenDate | SpokenName) -> bool:
    """Whether two places are the ends of a way: "a train from Paris to Rome" may be anywhere between them."""
    if not (_is_place(first) and _is_place(other)) or text[first.end : other.start].strip():
        return False
    return bool(_FROM.match(text, first.start) and _TO.match(text, other.start))


def _words(text: str, part: SpokenDate | SpokenName) -> str:
    """The words of a date or a name, as they were typed."""
    return part.name if isinstance(part, SpokenName) else text[part.start : part.end]


def _is_place(part: SpokenDate | SpokenName) -> bool:
    return _gap_of(part) == PLACE_GAP


def _joined_kind(part: SpokenDate | SpokenName, denied: Collection[int]) -> tuple[object, ...]:
    """Facts of one such kind become alternatives if "or" is between them."""
    is_every_year = isinstance(part, SpokenDate) and isinstance(part.when, EveryYear)
    return _gap_of(part), is_every_year, part.start in denied


def _without(text: str, parts: Sequence[SpokenDate | SpokenName | Negation]) -> str:
    """What is left of a text without its facts, and without words that only joined them; "" if it is only "photos of"."""
    for part in sorted(parts, key=lambda part: -part.start):
        text = f"{text[: part.start]}{GAP}{text[part.end :]}"
    text = _BETWEEN_GAPS.sub("", _EMPTY_BRACKETS.sub(GAP, text))
    before, _, after = text.partition(GAP)
    if before.strip() and is_only_photos(before.strip()) and (link := _PHOTOS_AND.match(after)):
        text = after[link.end() :]
    text = _AND_PHOTOS.sub("", text)
    text = _AT_END.sub("", _AT_START.sub("", text))
    text = " ".join(text.replace(GAP, " ").split())
    text = re.sub(r"([,;])(?: ?[,;])+", r"\1", re.sub(r" (?=[,;.])", "", text))
    return "" if not text or is_only_photos(text) else text
