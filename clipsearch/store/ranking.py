"""Exact search over several segments."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.cpu import cores
from clipsearch.store.segments import Nearest, Segment
from clipsearch.store.vectors import exact_scores, rounding_bound
from clipsearch.types import Embeddings, Ids, Scores

_SPARE = 54  # rows requested beyond top_k; of 131,072 real vectors, 25 to 41 were within the compact copy's bound
_BLOCK = 4096  # rows scored at once for many queries: 8 MB of 512 values, which fit into a processor's cache
_LARGE = 100_000  # rows, in all, from which a second thread pays
FEW = 1 / 32  # of a segment's rows; it is faster to score so few one by one than to skip the others in a scan
_WIDEST = 4096  # rows; wider searches read the vectors instead of the compact copy, because their bound is far narrower


class _SegmentSearch:
    """One segment's share of a search."""

    def __init__(self, segment: Segment, keep: NDArray[np.bool_] | None, query: Embeddings, count: int) -> None:
        self._segment, self._keep, self._query, self._count = segment, keep, query, count
        rows = None if keep is None else np.flatnonzero(keep)
        self._complete = False
        if rows is not None and len(rows) < FEW * len(segment.ids):
            self._complete = True
            self.nearest = Nearest(exact_scores(segment.vectors[rows], query), rows, 0.0)
        else:
            self.nearest = segment.search(query, count, keep)
        self.scores: Scores = np.empty(0)
        self.ids: Ids = np.empty(0, np.int64)

    def score(self, lowest: float) -> None:
        """Score in float64 the found rows that may reach `lowest`."""
        rows = np.sort(self.nearest.rows[self.nearest.scores + self.nearest.bound >= lowest])
        self.scores = exact_scores(self._segment.vectors[rows], self._query)
        self.ids = self._segment.ids[rows]

    def is_certain(self, kth: float) -> bool:
        """Whether no other row can be as good as `kth`."""
        scores = self.nearest.scores
        return self._complete or len(scores) < self._count or float(scores[-1]) + self.nearest.bound < kth

    def widen(self) -> None:
        """Find more rows."""
        self._count *= 4
        self.nearest = self._segment.search(self._query, self._count, self._keep, whole=self._count > _WIDEST)


def nearest(
    segments: list[Segment], keeps: list[NDArray[np.bool_] | None], query: Embeddings, top_k: int
) -> tuple[Scores, Ids]:
    """The best `top_k` for one query (1, dim), and all that tie with the last of them: cosines, best first, and ids.

    Quick scores with a proven error bound select candidates; those that may be among the best are scored in float64. The search
    widens until no other row can reach the k-th of these.
    """
    searches = _scan(segments, keeps, query, top_k + _SPARE)
    unsure = searches
    while unsure:
        # At least top_k rows are as good as this. The searches that are certain hold all that may belong to the answer.
        lowest = _kth_best((search.nearest.scores - search.nearest.bound for search in searches), top_k)
        for search in unsure:
            search.score(lowest)
        kth = _kth_best((search.scores for search in searches), top_k)
        unsure = [search for search in searches if not search.is_certain(kth)]
        for search in unsure:
            search.widen()
    return _best_of([(search.scores, search.ids) for search in searches], top_k)


def _scan(
    segments: list[Segment], keeps: list[NDArray[np.bool_] | None], query: Embeddings, count: int
) -> list[_SegmentSearch]:
    """Start the search of every segment. Large collections use all cores, with one thread per segment."""
    if cores() < 2 or sum(segment.info.rows for segment in segments) < _LARGE:
        return list(map(_SegmentSearch, segments, keeps, repeat(query), repeat(count)))
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(cores()) as threads:
        return list(threads.map(_SegmentSearch, segments, keeps, repeat(query), repeat(count)))


def _kth_best(scores: Iterable[Scores], top_k: int) -> float:
    """The `top_k`-th highest of all scores; -inf if there are fewer."""
    ordered = np.sort(np.concatenate([np.empty(0), *scores]))
    return float(ordered[-top_k]) if len(ordered) >= top_k else -np.inf


def nearest_to_each(
    segments: list[Segment], keeps: list[NDArray[np.bool_] | None], queries: Embeddings, top_k: int
) -> list[tuple[Scores, Ids]]:
    """`nearest` for many queries (n, dim), in one pass over the vectors."""
    bound = rounding_bound(queries.shape[1])
    all_candidates = [_Candidates(top_k, bound) for _ in queries]
    for segment, keep in zip(segments, keeps, strict=True):
        for start in range(0, len(segment.ids), _BLOCK):
            # A copy: in the file they are not aligned to four bytes, and numpy is slow with such arrays.
            block = np.array(segment.vectors[start : start + _BLOCK])
            for candidates, scores in zip(all_candidates, queries @ block.T, strict=True):
                candidates.take(segment, start, scores, keep)
    return [candidates.ranked(query[None]) for candidates, query in zip(all_candidates, queries, strict=True)]


class _Candidates:
    """The rows that may be among one query's best, while blocks of scores arrive."""

    def __init__(self, top_k: int, bound: float) -> None:
        self._top_k, self._bound = top_k, bound
        self._least = -np.inf  # a row with a lower score cannot be among the best
        self._scores = np.empty(0, np.float32)
        self._rows: list[tuple[Segment, NDArray[np.int64]]] = []

    def take(self, segment: Segment, start: int, scores: NDArray[np.float32], keep: NDArray[np.bool_] | None) -> None:
        """Consider the scores (rows,) of a block that begins at row `start`."""
        rows = np.flatnonzero(scores >= self._least)
        if keep is not None:
            rows = rows[keep[start + rows]]
        if not len(rows):
            return
        best = np.concatenate([self._scores, scores[rows]])
        if len(best) > self._top_k:
            best = np.partition(best, len(best) - self._top_k)[-self._top_k :]
            # This score and any other may be off, in opposite directions; 1e-7 is for comparing in float32.
            self._least = float(best.min()) - 2 * self._bound - 1e-7
        self._scores = best
        self._rows.append((segment, start + rows[scores[rows] >= self._least]))

    def ranked(self, query: Embeddings) -> tuple[Scores, Ids]:
        """The best rows by float64 scores, and all that tie with the last."""
        exact = [(exact_scores(segment.vectors[rows], query), segment.ids[rows]) for segment, rows in self._rows]
        return _best_of(exact, self._top_k)


def _best_of(parts: list[tuple[Scores, Ids]], top_k: int) -> tuple[Scores, Ids]:
    scores = np.concatenate([np.empty(0), *(scores for scores, _ in parts)])
    return best_first(scores, np.concatenate([np.empty(0, np.int64), *(ids for _, ids in parts)]), top_k)


def best_first(scores: Scores, ids: Ids, top_k: int) -> tuple[Scores, Ids]:
    """The best `top_k`, best first, and all that tie with the last of them."""
    order = np.argsort(-scores)
    scores, ids = scores[order], ids[order]
    if len(scores) > top_k:
        ties = int(np.searchsorted(-scores, -scores[top_k - 1], side="right"))
        scores, ids = scores[:ties], ids[:ties]
    return scores, ids
