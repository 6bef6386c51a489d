"""Which words of a photo's texts a search has found, with a short excerpt around them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from clipsearch.conditions import All, Condition, Contains, Either
from clipsearch.query.hits import Hits
from clipsearch.store.full_text import Phrase, occurrences, phrases
from clipsearch.types import FoundIn, ImageInfo

_EXCERPT = 80  # characters
_BEFORE = 24  # of them, those before the first word that was found
_BETWEEN = ", "  # two keywords or people in an excerpt
_FIELDS = ("title", "description", "caption", "keywords", "people", "place", "text")
"""Where words are looked for, the most telling first."""


def wanted_phrases(conditions: Sequence[Condition], words: str = "") -> tuple[Phrase, ...]:
    """The phrases that conditions ask for, and each of some words. What must not be there is left out."""
    found = [phrase for condition in conditions for phrase in _phrases(condition)]
    return (*found, *(phrases(words) if words else ()))


def _phrases(condition: Condition) -> Iterator[Phrase]:
    if isinstance(condition, Contains):
        yield from phrases(condition.text)
    elif isinstance(condition, All | Either):
        for part in condition.conditions:
            yield from _phrases(part)


def found_in(info: ImageInfo, wanted: Sequence[Phrase]) -> tuple[FoundIn, ...]:
    """The fields that have some phrases, those with most of them first, each with an excerpt around the first one.

    Of keywords, people and names of the place, the excerpt has each one that has a phrase.
    """
    found: list[tuple[int, FoundIn]] = []
    for field in _FIELDS:
        value = getattr(info, field)
        if field == "place" and value and wanted:
            value = _place_texts(value)
        texts = [
            text for text in (value if isinstance(value, tuple) else (value,)) if text and occurrences(text, wanted)
        ]
        count = sum(any(occurrences(text, [phrase]) for text in texts) for phrase in wanted)
        if count:
            found.append((count, _excerpt(field, *_joined(texts, wanted))))
    return tuple(part for _, part in sorted(found, key=lambda each: -each[0]))


def _place_texts(code: str) -> tuple[str, ...]:
    from clipsearch import gazetteer  # few queries need it

    return gazetteer.texts(code)


def _joined(texts: Sequence[str], wanted: Sequence[Phrase]) -> tuple[str, list[tuple[int, int]]]:
    """Texts in one, and the places of phrases in it. No phrase reaches from one text into the next."""
    places: list[tuple[int, int]] = []
    start = 0
    for text in texts:
        places += [(start + begin, start + end) for begin, end in occurrences(text, wanted)]
        start += len(text) + len(_BETWEEN)
    return _BETWEEN.join(texts), places


def _excerpt(field: str, text: str, places: Sequence[tuple[int, int]]) -> FoundIn:
    """About _EXCERPT characters of a text around the first place, cut between words, and the places within them."""
    start, end = 0, len(text)
    if end > _EXCERPT:
        first = places[0][0]
        start = max(0, min(first - _BEFORE, end - _EXCERPT))
        if start:
            start = min(first, text.find(" ", start) + 1 or first)
        end = min(end, start + _EXCERPT)
        if end < len(text):
            end = max(places[0][1], text.rfind(" ", start, end))
    before, after = "…" if start else "", "…" if end < len(text) else ""
    shift = len(before) - start
    marks = tuple((begin + shift, min(stop, end) + shift) for begin, stop in places if start <= begin < end)
    return FoundIn(field, before + text[start:end] + after, marks)


def with_found_words(hits: Hits) -> Hits:
    """The same hits, each with the words that its texts have of the query's filters, and of a hybrid query's words."""
    by_filter = wanted_phrases(hits.query.filters)
    of_both = wanted_phrases(hits.query.filters, hits.explanation.text_words)
    if of_both:
        for place, hit in enumerate(hits):
            first, *others = found_in(hit.record.info, of_both if "text" in hit.found_by else by_filter) or (None,)
            hits[place] = replace(hit, found_in=first, also_found_in=tuple(filter(None, others)))
    return hits
