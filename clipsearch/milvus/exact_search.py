"""Exact search in a store: its own scores find candidates, float64 products with their vectors rank them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from clipsearch.milvus.filters import among, both
from clipsearch.milvus.manifest import Manifest
from clipsearch.milvus.rows import (
    FIELDS,
    NOTE,
    VECTOR,
    catalog_row,
    checked_vector,
    is_of_one_picture,
    picture_in,
    record,
)
from clipsearch.milvus.table import MAX_HITS, MAX_IDS, Table
from clipsearch.store.ranking import best_first
from clipsearch.store.vectors import exact_scores, rounding_bound
from clipsearch.types import Embeddings, Ids, ImageRecord, Scores

_EXTRA_HITS = 54  # beyond top_k, as in a search of an index
_FILES_AT_ONCE = 500  # with the moments of all their pictures, which are some kilobytes of a long film
_MAX_ROWS = 2048  # in the answer to one call: a server sends 64 MB, and the longest captions of so many rows are 33 MB

_ScoredRows: TypeAlias = tuple[Scores, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Selection:
    """The files that meet a condition: an expression and their number; if the expression is wider, also their ids."""

    expression: str  # for the rows of all their pictures
    count: int
    ids: Ids | None = None  # of the files, ascending

    def __len__(self) -> int:
        return self.count


def nearest(
    table: Table,
    manifest: Manifest,
    queries: Embeddings,
    top_k: int,
    allowed: Selection | None = None,
    without: Sequence[int] = (),
    *,
    all_moments: bool = False,
) -> list[_ScoredRows]:
    """For each of the queries (n, dim), float64 cosines and rows: the best `top_k`, all that tie with the last, and others.

    Candidates come by the store's float32 scores, until a proven rounding bound says that no other row can belong. A file has
    one row in the answer, that of its best picture, unless `all_moments`. `without` has the ids of files.
    """
    wanted = Selection(manifest.current, manifest.count) if allowed is None else allowed
    if not wanted.count:
        return [(np.empty(0), []) for _ in queries]
    if wanted.ids is not None and wanted.count <= MAX_IDS:
        wanted = replace(wanted, expression=both(manifest.current, among("image_id", wanted.ids)), ids=None)
    if without:
        wanted = replace(wanted, expression=both(wanted.expression, f"not ({among('image_id', without)})"))
    once = bool(manifest.later) and not all_moments
    return _Search(table, wanted, top_k, manifest.after, once=once).run(queries)


class _Search:
    """A search of the same photos for several queries. With `once`, only the best picture of a file counts."""

    def __init__(self, table: Table, wanted: Selection, top_k: int, after: int, *, once: bool) -> None:
        self._hits = min(top_k + _EXTRA_HITS, MAX_HITS)
        self._table, self._wanted, self._top_k, self._after, self._once = table, wanted, top_k, after, once

    def run(self, queries: Embeddings) -> list[_ScoredRows]:
        """What `nearest` returns."""
        block = max(1, _MAX_ROWS // self._hits)
        blocks = (queries[start : start + block] for start in range(0, len(queries), block))
        candidates = itertools.chain.from_iterable(self._candidates(block, self._hits) for block in blocks)
        return [self._widen(query[None], *first) for query, first in zip(queries, candidates, strict=True)]

    def _candidates(self, queries: Embeddings, count: int) -> list[_ScoredRows]:
        """For each query the `count` best rows by the store's float32 scores."""
        fits = len(queries) * count <= _MAX_ROWS
        fields = (*FIELDS, VECTOR) if fits else ("row",)
        answers = self._table.search(queries, self._wanted.expression, count, fields, after=self._after)
        return answers if fits else [(scores, self._whole_rows(rows)) for scores, rows in answers]

    def _whole_rows(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """All fields of rows with only their number. KeyError if a row is gone."""
        numbers = [row["row"] for row in rows]
        whole = {row["row"]: row for row in self._table.fetch("row", numbers, (*FIELDS, VECTOR), after=self._after)}
        return [whole[number] for number in numbers]

    def _widen(self, query: Embeddings, rough: Scores, rows: list[dict[str, Any]]) -> _ScoredRows:
        """Ask for more candidates until no other row can be as good as the k-th."""
        bound, count = rounding_bound(query.shape[1]), self._hits
        while True:
            complete = len(rows) < count
            last = float(rough[-1]) if len(rows) else -np.inf
            scores, allowed_rows = self._exact(query, rows)
            kth = float(np.sort(scores)[-self._top_k]) if len(scores) >= self._top_k else -np.inf
            if complete or last + bound < kth:
                return scores, allowed_rows
            if count >= MAX_HITS:
                return self._scan(query)
            count = min(4 * count, MAX_HITS)
            ((rough, rows),) = self._candidates(query, count)

    def _scan(self, query: Embeddings) -> _ScoredRows:
        """Score every row. It is needed if more rows tie, or are wanted, than one search may return."""
        best: list[dict[str, Any]] = []
        scores: Scores = np.empty(0)
        for block in self._table.scan(self._wanted.expression, (*FIELDS, VECTOR), after=self._after):
            block_scores, rows = self._exact(query, block)
            scores, best = self._of_files(np.concatenate([scores, block_scores]), best + rows)
            scores, order = best_first(scores, np.arange(len(scores)), self._top_k)
            best = [best[position] for position in order]
        return scores, best

    def _exact(self, query: Embeddings, rows: list[dict[str, Any]]) -> _ScoredRows:
        """Those of the rows that are wanted and count, with their float64 scores."""
        if self._wanted.ids is not None:
            rows = list(itertools.compress(rows, np.isin([row["image_id"] for row in rows], self._wanted.ids)))
        if not rows:
            return np.empty(0), []
        vectors = np.array([checked_vector(row, query.shape[1]) for row in rows])
        return self._of_files(exact_scores(vectors, query), rows)

    def _of_files(self, scores: Scores, rows: list[dict[str, Any]]) -> _ScoredRows:
        """Of each file's rows the best, if only that counts; of equal ones the earliest picture."""
        if not self._once:
            return scores, rows
        order = np.lexsort(([row["row"] for row in rows], -scores))
        _, first = np.unique(np.array([rows[position]["image_id"] for position in order]), return_index=True)
        best = order[first]
        return scores[best], [rows[position] for position in best]


def ranked(
    table: Table, manifest: Manifest, scores: Scores, rows: list[dict[str, Any]], top_k: int
) -> list[tuple[float, ImageRecord]]:
    """The records of the `top_k` best rows, best first; rows that tie are ordered by their paths, then by their pictures."""
    scores, order = best_first(scores, np.arange(len(scores)), top_k)
    records = records_of(table, manifest, [rows[position] for position in order])
    hits = list(zip(scores.tolist(), records, strict=True))
    hits.sort(key=lambda hit: (-hit[0], hit[1].file.path, hit[1].image_id))
    return [(min(max(score, -1.0), 1.0), image) for score, image in hits[:top_k]]


def records_of(table: Table, manifest: Manifest, rows: list[dict[str, Any]]) -> list[ImageRecord]:
    """The pictures in rows that were read without NOTE, in their order. The moments are read from the rows of their files."""
    several = {row["image_id"] for row in rows if manifest.later and not is_of_one_picture(row)}
    files = {file[0]: file for file in _files(table, manifest, sorted(several))}
    roots = manifest.roots
    return [
        picture_in(row, files[row["image_id"]], roots) if row["image_id"] in files else record(row, roots)
        for row in rows
    ]


def _files(table: Table, manifest: Manifest, ids: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    """The catalog's rows of files."""
    for start in range(0, len(ids), _FILES_AT_ONCE):
        block, fields = ids[start : start + _FILES_AT_ONCE], (*FIELDS, NOTE)
        for row in table.fetch("image_id", block, fields, within=manifest.files, after=manifest.after):
            yield catalog_row(row)
