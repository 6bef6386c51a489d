"""Exact search in a store: its own scores find candidates, float64 products with their vectors decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from clipsearch.milvus.filters import among, both
from clipsearch.milvus.manifest import Manifest
from clipsearch.milvus.rows import FIELDS, VECTOR, checked_vector, record
from clipsearch.milvus.scan import windows
from clipsearch.milvus.table import MOST_FOUND, Table
from clipsearch.store.segments import exact_scores, rounding_bound
from clipsearch.types import Embeddings, Ids, ImageRecord, Scores

NAMED = 2000
"""Ids that are named in one expression, at most."""

_SPARE = 54  # rows asked for beyond top_k, as the index on this machine does
_TOGETHER = 2048  # rows that one call may give: a server sends 64 MB, and the longest captions of so many are 33 MB

_Found: TypeAlias = tuple[Scores, list[dict[str, Any]]]  # rows and their cosines


@dataclass(frozen=True, slots=True)
class Selection:
    """The photos that meet a condition: an expression, how many they are, and where it holds of more, which they are."""

    text: str
    count: int
    ids: Ids | None = None  # ascending

    def __len__(self) -> int:
        return self.count


def nearest(
    table: Table,
    manifest: Manifest,
    queries: Embeddings,
    top_k: int,
    allowed: Selection | None = None,
    without: Sequence[int] = (),
) -> list[_Found]:
    """For each of the queries (n, dim), float64 cosines and rows: the best `top_k`, all that tie with the last, and others.

    Candidates come by the store's float32 scores until no other row can belong, by a proven rounding bound.
    """
    wanted = Selection(manifest.current, manifest.count) if allowed is None else allowed
    if not wanted.count:
        return [(np.empty(0), []) for _ in queries]
    if wanted.ids is not None and wanted.count <= NAMED:
        wanted = replace(wanted, text=both(manifest.current, among("image_id", wanted.ids)), ids=None)
    if without:
        wanted = replace(wanted, text=both(wanted.text, f"not ({among('image_id', without)})"))
    search = _Search(table, wanted, top_k, manifest.after)
    some = max(1, _TOGETHER // search.count)
    blocks = [queries[start : start + some] for start in range(0, len(queries), some)]
    return [found for block in blocks for found in search.each(block)]


class _Search:
    """Searches among the same photos."""

    def __init__(self, table: Table, wanted: Selection, top_k: int, after: int) -> None:
        self.count = min(top_k + _SPARE, MOST_FOUND)
        self._table, self._wanted, self._top_k, self._after = table, wanted, top_k, after

    def each(self, queries: Embeddings) -> list[_Found]:
        """What `nearest` says, for some queries (n, dim)."""
        found = self._rows(queries, self.count)
        return [self._enough(query[None], *first) for query, first in zip(queries, found, strict=True)]

    def _rows(self, queries: Embeddings, count: int) -> list[_Found]:
        fields = (*FIELDS, VECTOR) if len(queries) * count <= _TOGETHER else ("row",)
        found = self._table.search(queries, self._wanted.text, count, fields, after=self._after)
        return found if VECTOR in fields else [(rough, self._whole(rows)) for rough, rows in found]

    def _whole(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Rows of which only their numbers are known. KeyError where one is not there any more."""
        numbers = [row["row"] for row in rows]
        whole: dict[int, dict[str, Any]] = {}
        for start in range(0, len(numbers), NAMED):
            named = among("row", numbers[start : start + NAMED])
            more = self._table.query(named, (*FIELDS, VECTOR), after=self._after)
            whole |= {row["row"]: row for row in more}
        return [whole[number] for number in numbers]

    def _enough(self, query: Embeddings, rough: Scores, rows: list[dict[str, Any]]) -> _Found:
        """Widen the search until no row that was not found can be as good as the k-th."""
        bound, count = rounding_bound(query.shape[1]), self.count
        while True:
            whole = len(rows) < count
            last = float(rough[-1]) if len(rows) else -np.inf
            scores, some = self._exact(query, rows)
            kth = float(np.sort(scores)[-self._top_k]) if len(scores) >= self._top_k else -np.inf
            if whole or last + bound < kth:
                return scores, some
            if count >= MOST_FOUND:
                return self._scanned(query)
            count = min(4 * count, MOST_FOUND)
            ((rough, rows),) = self._rows(query, count)

    def _scanned(self, query: Embeddings) -> _Found:
        """The same by looking at every row: where more tie, or are asked for, than a store finds at once."""
        best: list[dict[str, Any]] = []
        scores: Scores = np.empty(0)
        for rows in windows(self._table, self._wanted.text, (*FIELDS, VECTOR), after=self._after):
            more, some = self._exact(query, rows)
            scores, best = np.concatenate([scores, more]), best + some
            if len(scores) > self._top_k:
                kept = np.flatnonzero(scores >= np.sort(scores)[-self._top_k])
                scores, best = scores[kept], [best[position] for position in kept.tolist()]
        return scores, best

    def _exact(self, query: Embeddings, rows: list[dict[str, Any]]) -> _Found:
        if self._wanted.ids is not None:
            ids = np.array([row["image_id"] for row in rows], np.int64)
            rows = [rows[position] for position in np.flatnonzero(np.isin(ids, self._wanted.ids)).tolist()]
        if not rows:
            return np.empty(0), []
        vectors = np.array([checked_vector(row, query.shape[1]) for row in rows])
        return exact_scores(vectors, query), rows


def ranked(
    scores: Scores, rows: list[dict[str, Any]], top_k: int, roots: dict[int, str]
) -> list[tuple[float, ImageRecord]]:
    """Rows in order, with their records, at most `top_k`; among those that tie, paths decide which stay."""
    if not len(scores):
        return []
    kth = float(np.sort(scores)[-min(top_k, len(scores))])
    kept = np.flatnonzero(scores >= kth).tolist()
    pairs = [(float(scores[one]), record(rows[one], roots)) for one in kept]
    pairs.sort(key=lambda pair: (-pair[0], pair[1].file.path))
    return [(min(max(score, -1.0), 1.0), found) for score, found in pairs[:top_k]]
