"""From queries to their hits."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from clipsearch.encoders.base import ModelSpec
from clipsearch.encoders.registry import near_copy_cosine
from clipsearch.errors import QueryError
from clipsearch.query.embed import EmbeddedQuery, QueryEmbedder
from clipsearch.query.hits import Explanation, Hits
from clipsearch.query.relevance import RIVALS, match
from clipsearch.query.vector_store import SelectionT, VectorStore
from clipsearch.store.segments import exact_scores
from clipsearch.types import Condition, Embeddings, Hit, ImageRecord, Query, Scores, all_of

JUDGED = 1000
"""How many of the best by score are looked at, at least, for those with a `min_match`, or that are not near-copies."""

FARTHEST_CHOSEN = 10_000
"""The largest offset where hits are chosen so: for a page behind it, the vectors of four times as many would be looked at."""

_AT_ONCE = 256  # rows compared with each other and with what is kept; it bounds memory
_Ranked = list[tuple[float, ImageRecord]]


def search(
    collection: VectorStore[SelectionT], embedder: QueryEmbedder, queries: Sequence[Query], top_k: int
) -> list[Hits]:
    """For each query, the `top_k` photos nearest to it among those that meet its filters, best first.

    Scores are exact cosines, and so is the ranking, unless the index has an approximate one and the query does not say `exact`.
    With a `min_match` or `diverse`, they are chosen from the JUDGED best, or four times as many as asked for. All answers come
    from one committed state; their seconds are those of all queries together. QueryError where one of them asks for nothing, or
    points nowhere.
    """
    if top_k < 1:
        raise QueryError(f"top_k is {top_k}; ask for at least one result")
    for query in queries:
        _check(query)
    clock = _Clock()
    with clock.stage("encode"):
        embedded = embedder.embed(queries, collection)
    spec = embedder.encoder.spec

    def answer() -> list[tuple[list[Hit], Explanation]]:
        with clock.stage("filter"):
            total = len(collection)
            allowed = {query.filters: _allowed(collection, query) for query in queries}
        with clock.stage("search"):
            rankings = _rankings(collection, queries, embedded, top_k, allowed)
        with clock.stage("choose"):
            chosen, cards = [], []
            for query, one, ranked in zip(queries, embedded, rankings, strict=True):
                card = collection.approximation(_depth(query, top_k), allowed[query.filters], exact=query.exact)
                best = _best_scores(collection, query, one, ranked, exact=card is None)
                chosen.append(_chosen(collection, spec, query, one, ranked, best, query.offset + top_k))
                cards.append(card)
        answers = []
        for query, hits, card in zip(queries, chosen, cards, strict=True):
            some = allowed[query.filters]
            considered = total if some is None else len(some)
            explanation = Explanation(
                model=spec.fingerprint.model,
                index=collection.name,
                images=total,
                considered=considered,
                bytes_scanned=card.scan_bytes if card else collection.scan_bytes(considered),
                seconds=clock.seconds,
                approximate=card.said if card else None,
            )
            answers.append((hits, explanation))
        return answers

    answers = collection.at_one_state(answer)
    return [
        Hits(_sorted(hits, query.sort), query, explanation)
        for query, (hits, explanation) in zip(queries, answers, strict=True)
    ]


def _check(query: Query) -> None:
    if query.offset < 0:
        raise QueryError(f"the offset is {query.offset}; it cannot be negative")
    if query.offset > FARTHEST_CHOSEN and (query.diverse or query.min_match is not None):
        raise QueryError(
            f"the offset is {query.offset}; where near-copies or bad matches are left out, it is {FARTHEST_CHOSEN:,} at most"
        )
    if query.min_match is not None and not _is_text(query):
        raise QueryError(
            "a match can be told for texts only; leave --relevant and --min-match out where a picture is looked for"
        )


def _allowed(collection: VectorStore[SelectionT], query: Query) -> SelectionT | None:
    condition = all_of(query.filters)
    return collection.select(condition) if condition else None


def _rankings(
    collection: VectorStore[SelectionT],
    queries: Sequence[Query],
    embedded: Sequence[EmbeddedQuery],
    top_k: int,
    allowed: Mapping[tuple[Condition, ...], SelectionT | None],
) -> list[_Ranked]:
    """As deep a ranking for each query as is needed to choose from. Those that are alike but for their words share a scan."""
    alike: dict[Any, list[int]] = {}
    for position, (query, one) in enumerate(zip(queries, embedded, strict=True)):
        without = () if query.keep_own else one.own
        alike.setdefault((_depth(query, top_k), query.filters, without, query.exact), []).append(position)
    rankings: list[_Ranked] = [[] for _ in queries]
    for (depth, filters, without, exact), some in alike.items():
        vectors = np.concatenate([embedded[position].vector for position in some])
        found = collection.search(vectors, depth, allowed[filters], without, exact=exact)
        for position, ranked in zip(some, found, strict=True):
            rankings[position] = ranked
    return rankings


def _depth(query: Query, top_k: int) -> int:
    """How many of the best a query's hits are chosen from."""
    end = query.offset + top_k
    if query.diverse or query.min_match is not None:
        return max(JUDGED, 4 * end)
    return max(end, RIVALS) if _is_text(query) else end


def _best_scores(
    collection: VectorStore[SelectionT], query: Query, embedded: EmbeddedQuery, ranked: _Ranked, *, exact: bool
) -> list[Scores]:
    """For each term of a query of texts alone, its highest scores over the whole index: the ranking's own, if it is that.

    They are exact where the ranking is, so that a match does not change with how photos were looked for.
    """
    if not _is_text(query):
        return []
    if _is_lone(query) and not query.filters:
        return [np.array([score for score, _ in ranked[:RIVALS]])]
    return collection.best_scores(embedded.terms, RIVALS, exact=exact)


def _chosen(
    collection: VectorStore[SelectionT],
    spec: ModelSpec,
    query: Query,
    embedded: EmbeddedQuery,
    ranked: _Ranked,
    best: list[Scores],
    end: int,
) -> list[Hit]:
    """From a ranking to hits: what is good enough, without near-copies, and the page asked for."""
    if query.min_score is not None:
        ranked = [pair for pair in ranked if pair[0] >= query.min_score]
    if not (query.diverse or query.min_match is not None):
        ranked = ranked[:end]
    if not ranked:
        return []
    if query.diverse or (best and not _is_lone(query)):
        vectors = collection.vectors([record.image_id for _, record in ranked])
    matches: list[float | None] = [None] * len(ranked)
    if best:
        ranking = np.array([score for score, _ in ranked])
        scores = [ranking] if _is_lone(query) else [exact_scores(vectors, term[None]) for term in embedded.terms]
        matches = _matches(spec, query, scores, best)
    keep = [row for row, match in enumerate(matches) if query.min_match is None or (match or 0.0) >= query.min_match]
    if query.diverse:
        keep = _distinct(vectors, keep, near_copy_cosine(spec.fingerprint.model), end)
    page = list(enumerate(keep[:end], 1))[query.offset :]
    return [Hit(rank, *ranked[row], matches[row]) for rank, row in page]


def _is_text(query: Query) -> bool:
    return all(isinstance(term.content, str) for term in query.terms)


def _is_lone(query: Query) -> bool:
    """Whether it is one term that is wanted: then the ranking's scores are the term's own."""
    return len(query.terms) == 1 and query.terms[0].weight > 0


def _matches(spec: ModelSpec, query: Query, scores: list[Scores], best: list[Scores]) -> list[float | None]:
    """The probability of each image to show every text that is wanted and none that is not.

    For each term, `scores` (n,) are its cosines with the images, and `best` its highest over the whole index.
    """
    together = np.ones(len(scores[0]))
    for term, own, highest in zip(query.terms, scores, best, strict=True):
        shown = match(spec, str(term.content), own, highest)
        together *= shown if term.weight > 0 else 1 - shown
    return [float(value) for value in together]


def _distinct(vectors: Embeddings, rows: list[int], near: float, most: int) -> list[int]:
    """The first `most` of some rows, in order, that are no near-copy of one kept before."""
    kept: list[int] = []
    best = np.empty((min(most, len(rows)), vectors.shape[1]), np.float32)  # the vectors of what is kept
    for start in range(0, len(rows), _AT_ONCE):
        if len(kept) == len(best):
            break
        some = rows[start : start + _AT_ONCE]
        block, before = vectors[some], len(kept)
        close, known = block @ block.T >= near, (block @ best[:before].T >= near).any(axis=1)
        new: list[int] = []
        for position in np.flatnonzero(~known).tolist():
            if not close[position, new].any():
                new.append(position)
        new = new[: len(best) - before]
        best[before : before + len(new)] = block[new]
        kept += [some[position] for position in new]
    return kept


def _sorted(hits: list[Hit], sort: str) -> list[Hit]:
    if sort == "date":  # newest first; those without a date behind
        return sorted(hits, key=lambda hit: _date(hit.record), reverse=True)
    if sort == "name":
        return sorted(hits, key=lambda hit: (hit.record.file.name, hit.path))
    return hits


def _date(record: ImageRecord) -> str:
    return record.info.taken_at.isoformat() if record.info.taken_at else ""


class _Clock:
    """How long each stage took, in seconds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start
