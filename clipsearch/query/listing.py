"""List photos by filters alone, without anything to look for."""

from __future__ import annotations

import math

from clipsearch.conditions import Condition, all_of
from clipsearch.errors import QueryError
from clipsearch.query.hits import Explanation, Hits
from clipsearch.query.language import EMPTY
from clipsearch.query.notes import filter_notes
from clipsearch.query.search import require_sensible, timed
from clipsearch.query.shots import Shot, first_shots
from clipsearch.query.vector_store import SelectionT, VectorStore
from clipsearch.terms import Query
from clipsearch.types import Hit, Order


def list_photos(store: VectorStore[SelectionT], query: Query, top_k: int) -> Hits:
    """The photos that meet the filters of a query without terms, in the order that it says, else newest first.

    Such hits have no score (NaN) and no match. Raises QueryError if the query has no filters, or limits the scores.
    """
    require_sensible(query, top_k)
    if not query.filters:
        raise QueryError(EMPTY)
    if query.min_score is not None or query.diverse:
        raise QueryError(
            "there is nothing to compare photos with; add a text or a picture, or leave `min_score` and `diverse` out"
        )
    seconds: dict[str, float] = {}
    with timed("filter", seconds):
        order: Order = "date" if query.sort == "score" or query.sort == "likely" else query.sort
        condition = all_of(query.filters)
        images, (shots, considered) = store.at_one_state(
            lambda: (len(store), _listed_shots(store, query, condition, order, top_k))
        )
    model = store.fingerprint.model if store.fingerprint else ""
    hits = [
        Hit(rank, math.nan, record, None, tuple(others))
        for rank, (record, *others) in enumerate(shots, query.offset + 1)
    ]
    notes = filter_notes(query, store, hits, considered)
    return Hits(hits, query, Explanation(model, store.name, images, considered, 0, seconds, notes=notes))


def _listed_shots(
    store: VectorStore[SelectionT], query: Query, condition: Condition | None, order: Order, top_k: int
) -> tuple[list[Shot], int]:
    """The shots of a list, or its files as shots of their own; and how many files it has."""
    if query.one_per_shot and not query.all_moments:
        count = query.offset + top_k
        shots, considered = first_shots(lambda start, files: store.browse(condition, order, start, files), count)
        return shots[query.offset :], considered
    records, considered = store.browse(condition, order, query.offset, top_k)
    return [(record,) for record in records], considered
