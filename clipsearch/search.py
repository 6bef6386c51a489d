"""From a Query to its hits."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from clipsearch.conditions import all_of
from clipsearch.encoders.base import Encoder, ModelSpec, normalise
from clipsearch.encoders.prompts import embed_with_prompts
from clipsearch.encoders.table import near_copy_cosine
from clipsearch.errors import ImageError, QueryError
from clipsearch.hits import Explanation, Hits
from clipsearch.query import EMPTY
from clipsearch.relevance import RIVALS, match
from clipsearch.schema import Embeddings, Failure, Hit, ImageFile, ImageRecord, Query, Scores, Term
from clipsearch.store.reading import CollectionReader
from clipsearch.store.segments import exact_scores

JUDGED = 1000
"""How many of the best by score are looked at, at least, for those with a `min_match`, or that are not near-copies."""

_Ranked = list[tuple[float, ImageRecord]]


@dataclass(frozen=True, slots=True)
class EmbeddedQuery:
    """A query as vectors."""

    vector: Embeddings  # (1, dim): the weighted sum of the terms' unit vectors, normalised again
    terms: Embeddings  # (terms, dim)
    own: tuple[int, ...]  # the images that are the query's own pictures, or copies of them


def search(collection: CollectionReader, encoder: Encoder, query: Query, top_k: int) -> Hits:
    """The `top_k` photos nearest to a query among those that meet its filters, best first.

    Exact, by cosine. With a `min_match` or `diverse`, they are chosen from the JUDGED best, or four times as many as asked for.
    QueryError where the query asks for nothing, or points nowhere.
    """
    if top_k < 1:
        raise QueryError(f"top_k is {top_k}; ask for at least one result")
    if query.offset < 0:
        raise QueryError(f"the offset is {query.offset}; it cannot be negative")
    if query.min_match is not None and not _is_text(query):
        raise QueryError(
            "a match can be told for texts only; leave --relevant and --min-match out where a picture is looked for"
        )
    clock = _Clock()
    with clock.stage("encode"):
        embedded = embed_query(query, encoder, collection)

    def answer() -> tuple[list[Hit], Explanation]:
        with clock.stage("filter"):
            total = len(collection)
            allowed = collection.ids(condition) if (condition := all_of(query.filters)) else None
            considered = total if allowed is None else len(allowed)
        with clock.stage("search"):
            end = query.offset + top_k
            choosing = query.diverse or query.min_match is not None
            depth = max(JUDGED, 4 * end) if choosing else max(end, RIVALS) if _is_text(query) else end
            (ranked,) = collection.search(embedded.vector, depth, allowed, () if query.keep_own else embedded.own)
        with clock.stage("choose"):
            best = _best_scores(collection, query, embedded, ranked)
            hits = _chosen(collection, encoder.spec, query, embedded, ranked, best, end)
        return hits, Explanation(
            model=encoder.spec.fingerprint.model,
            index=str(collection.folder),
            images=total,
            considered=considered,
            bytes_scanned=collection.scan_bytes(considered),
            seconds=clock.seconds,
        )

    hits, explanation = collection.at_one_state(answer)
    return Hits(_sorted(hits, query.sort), query, explanation)


def embed_query(query: Query, encoder: Encoder, collection: CollectionReader | None = None) -> EmbeddedQuery:
    """A query as vectors. A picture whose content is in `collection` is not encoded again.

    QueryError where there are no terms, or where they cancel each other out.
    """
    if not query.terms:
        raise QueryError(EMPTY)
    vectors: list[Embeddings] = []
    own: list[int] = []
    for term in query.terms:
        known, stored = _indexed(term, collection) if collection else ([], None)
        own += known
        vectors.append(_embed_term(term, encoder, query.prompts) if stored is None else stored)
    terms = np.concatenate(vectors)
    total = np.array([[term.weight for term in query.terms]]) @ terms.astype(np.float64)
    if not np.linalg.norm(total) > 1e-6:
        raise QueryError(
            "the parts of this query cancel each other out, so it points nowhere; change a part or a weight"
        )
    return EmbeddedQuery(normalise(total.astype(np.float32)), terms, tuple(own))


def _best_scores(collection: CollectionReader, query: Query, embedded: EmbeddedQuery, ranked: _Ranked) -> list[Scores]:
    """For each term of a query of texts alone, its highest scores over the whole index: the ranking's own, if it is that."""
    if not _is_text(query):
        return []
    if _is_lone(query) and not query.filters:
        return [np.array([score for score, _ in ranked[:RIVALS]])]
    return collection.best_scores(embedded.terms, RIVALS)


def _chosen(
    collection: CollectionReader, spec: ModelSpec, query: Query, embedded: EmbeddedQuery, ranked: _Ranked, best: list[Scores],
    end: int,
) -> list[Hit]:  # fmt: skip
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
        keep = _distinct(vectors, keep, near_copy_cosine(spec.fingerprint.model))
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


def _distinct(vectors: Embeddings, rows: list[int], near: float) -> list[int]:
    """Those of some rows, in order, that are no near-copy of one kept before."""
    close = vectors[rows] @ vectors[rows].T >= near
    kept: list[int] = []
    for position in range(len(rows)):
        if not close[position, kept].any():
            kept.append(position)
    return [rows[position] for position in kept]


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


def _indexed(term: Term, collection: CollectionReader) -> tuple[list[int], Embeddings | None]:
    """The images whose content is that of a picture's file, and their vector (1, dim)."""
    if not isinstance(term.content, os.PathLike):
        return [], None
    from clipsearch.images.files import ReadLimits, content_hash  # not for a text query

    try:
        digest, _ = content_hash(os.fspath(term.content), ReadLimits().max_bytes)
    except ImageError:
        return [], None  # the reader will say why

    def look() -> tuple[list[int], Embeddings | None]:
        ids = collection.catalog.ids_by_hash(digest)
        return ids, collection.vectors(ids[:1]) if ids else None

    return collection.at_one_state(look)


def _embed_term(term: Term, encoder: Encoder, prompts: Sequence[str]) -> Embeddings:
    content = term.content
    if isinstance(content, str):
        return embed_with_prompts(encoder, [content], prompts)
    if isinstance(content, os.PathLike):
        return _embed_file(os.fspath(content), encoder)
    from PIL.Image import Image  # not for a text query

    if isinstance(content, Image):
        return encoder.encode_images([content])
    vector = np.asarray(content, np.float32).reshape(1, -1)
    if vector.shape[1] != encoder.spec.dim:
        raise QueryError(f"the embedding has {vector.shape[1]} values and this index's model makes {encoder.spec.dim}")
    unit = normalise(vector)
    if not np.isfinite(unit).all():
        raise QueryError("the embedding is zero or not finite, so it points nowhere")
    return unit


def _embed_file(path: str, encoder: Encoder) -> Embeddings:
    """A picture from outside is decoded where the index's own are: in a process that can be stopped."""
    from clipsearch.images.pixels import normalise as normalise_pixels  # Pillow and processes: not for a text query
    from clipsearch.images.pool import DecoderPool

    with DecoderPool(encoder.spec.pixels, workers=1) as pool:
        (outcome,) = pool.read([ImageFile(path, 0, 0)])
    if isinstance(outcome, Failure):
        raise ImageError(f"{path}: {outcome.reason}")
    return encoder.encode_pixels(normalise_pixels([outcome.pixels], encoder.spec.pixels))
