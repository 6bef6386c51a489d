"""Places, people, dates and keywords of an index that a plain query names, which only looks at the pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from clipsearch.errors import QueryError
from clipsearch.query.hits import QueryNote
from clipsearch.query.language import terms_text
from clipsearch.query.understood import FactKind, Understood
from clipsearch.query.vector_store import SelectionT, VectorStore
from clipsearch.render.text import counted
from clipsearch.types import Query, Test, all_of

Understand: TypeAlias = "Callable[[Query], tuple[Query, Understood]]"

_NAMES: dict[FactKind, str] = {"place": "place", "person": "person", "taken": "date"}
_MOST_WORDS = 4  # of a name in small letters


def fact_notes(query: Query, store: VectorStore[SelectionT], understand: Understand) -> list[QueryNote]:
    """The notes on facts in a query's texts that some photos have: those that `understand` finds, and a keyword.

    A text in small letters counts if it is only names, such as "munich".
    """
    notes = []
    meant, (wanted, understood) = query, understand(query)
    text = query.terms[0].content if len(query.terms) == 1 else None
    if not understood.facts and isinstance(text, str) and len(text.split()) <= _MOST_WORDS:
        named = replace(query, terms=(replace(query.terms[0], content=text.title()),))
        only_names = understand(named)
        if not only_names[1].text:
            meant, (wanted, understood) = named, only_names
    facts = [f"the {_NAMES[fact.kind]} {fact.meaning}" for fact in understood.facts if fact.kind in _NAMES]
    count = _count(wanted, store) if facts else 0
    if facts and (count or not understood.text):
        notes.append(QueryNote("facts", _message(query, count, facts), terms_text(meant.terms) if count else ""))
    if isinstance(text, str) and (keyword := " ".join(text.split())):
        filters = (*query.filters, Test("keyword", "=", keyword))
        if count := _count(replace(query, filters=filters), store):
            notes.append(QueryNote("keyword", _message(query, count, [f'the keyword "{keyword}"']), keyword))
    return notes


def _count(query: Query, store: VectorStore[SelectionT]) -> int:
    """How many photos meet the filters."""
    condition = all_of(query.filters)
    try:
        return len(store.select(condition)) if condition else 0
    except QueryError:  # a vector database has none of these facts
        return 0


def _message(query: Query, count: int, facts: Sequence[str]) -> str:
    photos = f"but the index has {counted(count, 'photo')}" if count else "and the index has no photo"
    return f'"{terms_text(query.terms)}" was searched as a description, {photos} with {" and ".join(facts)}'
