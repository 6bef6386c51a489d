"""Places, people, dates and keywords of an index that a plain query names, which only looks at the pictures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from clipsearch.conditions import Condition, Located, Test, all_of, leaves_of
from clipsearch.errors import QueryError
from clipsearch.query.hits import QueryNote
from clipsearch.query.language import terms_text, texts_of
from clipsearch.query.sentences.understood import Fact, FactKind, Understood, dates_in_words
from clipsearch.query.vector_store import SelectionT, VectorStore
from clipsearch.render.text import counted
from clipsearch.terms import Query, Term

Understand: TypeAlias = "Callable[[Query], tuple[Query, Understood]]"

_KINDS: frozenset[FactKind] = frozenset(("place", "person", "taken"))
_BEFORE: dict[FactKind, str] = {"place": "in", "person": "with"}  # a name, within a sentence
_NOT_BEFORE: dict[FactKind, str] = {"place": "not in", "person": "without"}
_MOST_WORDS = 4  # of a name in small letters
_SMALL = frozenset(("and", "or", "und", "oder", "et", "ou", "y", "e", "o", "u"))  # no capital between names


def fact_notes(
    query: Query, store: VectorStore[SelectionT], understand: Understand, asked: Query | None = None
) -> list[QueryNote]:
    """The notes on facts in a query's texts that some photos have: those that `understand` finds, and a keyword.

    A text in small letters counts if it is only names, such as "munich". `asked` is the query before facts in it became
    filters, if it is `smart`: the notes propose all of it, or nothing if no query is read as all of it.
    """
    notes = []
    names: list[str] = []
    meant, (wanted, understood) = query, understand(query)
    text = query.terms[0].content if len(query.terms) == 1 else None
    if understood.text and isinstance(text, str) and _may_be_names(text):
        _, only_names = understand(replace(query, terms=(replace(query.terms[0], content=_titled(text)),)))
        if not only_names.text:
            names = [fact.words for fact in only_names.facts]
            meant = _capitalized(query, names)
            wanted, understood = understand(meant)
    conditions = wanted.filters[len(query.filters) :]
    is_new = not conditions or any(_is_new(condition, query, store) for condition in conditions)
    is_whole = True
    if asked and understood.facts:
        is_whole = False
        for whole in _with_understood(meant, _capitalized(asked, names), understand(asked)[1]):
            read, facts_read = understand(whole)
            if all(condition in read.filters for condition in wanted.filters):
                meant, wanted, understood, is_whole = whole, read, facts_read, True
                break
    facts = [
        f"{start} {' and '.join(named)}"
        for start, is_denied in (("with", False), ("without", True))
        if is_new
        and (
            named := [
                f"a date {dates_in_words(fact.meaning)}" if fact.kind == "taken" else f"the {fact.kind} {fact.meaning}"
                for fact in understood.facts
                if fact.kind in _KINDS and fact.is_denied == is_denied
            ]
        )
    ]
    count = _count(wanted, store) if facts else 0
    if facts and (count or not understood.text):
        message = _message(query, count, facts, bool(meant.filters))
        notes.append(QueryNote("facts", message, texts_of(meant.terms) if count and is_whole else ""))
    # A hybrid search has looked for the words among the keywords.
    if isinstance(text, str) and not query.hybrid and (keyword := " ".join(text.split())):
        test = Test("keyword", "=", keyword)
        count = _count(replace(query, filters=(*query.filters, test)), store)
        if count and _is_new(test, query, store):
            message = _message(query, count, [f'with the keyword "{keyword}"'], bool(query.filters))
            notes.append(QueryNote("keyword", message, keyword))
    return notes


def _with_understood(query: Query, asked: Query, understood: Understood) -> Iterator[Query]:
    """Queries that may be read as all of one: what is `understood` in it, and what more facts in the rest, `query`, mean."""
    yield asked
    facts = [fact for fact in understood.facts if fact.kind != "without"]
    text = query.terms[0].content
    if len(asked.terms) == 1 and isinstance(text, str):
        # What is denied is a term of the rest, too; as a part of the sentence it also leaves out photos with that keyword.
        denied = [fact.words for fact in understood.facts if fact.kind == "without"]
        words = " ".join((text, *map(_within_sentence, facts), *denied))
        yield replace(asked, terms=(replace(asked.terms[0], content=words),))
    names = [_within_sentence(fact) if fact.is_denied else fact.words for fact in facts]
    yield replace(asked, terms=(*query.terms, *map(Term, names)))


def _within_sentence(fact: Fact) -> str:
    """The words of a fact, with those that join it to what is before it."""
    join = _NOT_BEFORE.get(fact.kind, "not") if fact.is_denied else _BEFORE.get(fact.kind, "")
    return f"{join} {fact.words}".lstrip()


def _may_be_names(text: str) -> bool:
    """Whether a text is short enough to be only names, but for words such as "show me photos of"."""
    if len(text.split()) <= _MOST_WORDS:
        return True
    from clipsearch.query.sentences.only_photos import words_beside_photos  # not for queries with likely photos

    count = words_beside_photos(text)
    return count is not None and count <= _MOST_WORDS


def _titled(text: str) -> str:
    """A text with capitals, but for the words between names."""
    return re.sub(r"\S+", lambda word: word[0].lower() if word[0].lower() in _SMALL else word[0], text.title())


def _capitalized(query: Query, names: Sequence[str]) -> Query:
    """The query with these names in its texts written as they are here."""

    def with_names(term: Term) -> Term:
        text = term.content
        if not isinstance(text, str):
            return term
        for name in names:
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", name, text, flags=re.IGNORECASE)
        return replace(term, content=text)

    return replace(query, terms=tuple(map(with_names, query.terms)))


def _is_new(condition: Condition, query: Query, store: VectorStore[SelectionT]) -> bool:
    """Whether a condition is not one of the query's filters, in other words: "Turkey", if only photos of there are searched."""
    fields = _fields(condition)
    if not any(fields & _fields(known) for known in query.filters):
        return True
    return _count(replace(query, filters=(*query.filters, condition)), store) < _count(query, store)


def _fields(condition: Condition) -> set[str]:
    """The facts that a condition is about."""
    leaves = leaves_of(condition)
    return {
        "place" if isinstance(leaf, Located) else leaf.field for leaf in leaves if isinstance(leaf, (Located, Test))
    }


def _count(query: Query, store: VectorStore[SelectionT]) -> int:
    """How many photos meet the filters."""
    condition = all_of(query.filters)
    try:
        return len(store.select(condition)) if condition else 0
    except QueryError:  # a vector database has none of these facts
        return 0


def _message(query: Query, count: int, facts: Sequence[str], has_filters: bool) -> str:
    """How many photos have facts and, if the query has filters, meet those."""
    photos = f"but the index has {counted(count, 'photo')}" if count else "and the index has no photo"
    among = f" that {'meet' if count > 1 else 'meets'} the filters" if has_filters else ""
    text = terms_text(query.terms)
    quoted = text if '"' in text else f'"{text}"'
    how = "as a description and as words of the photos' texts" if query.hybrid else "as a description"
    return f"{quoted} was searched {how}, {photos}{among} {' and '.join(facts)}"
