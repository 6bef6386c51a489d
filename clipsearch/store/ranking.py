"""Exact search over several segments."""

from __future__ import annotations

from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.cpu import cores
from clipsearch.store.segments import Nearest, Segment
from clipsearch.store.vectors import exact_scores, rounding_bound
from clipsearch.types import Embeddings, Ids, Scores

_SPARE = 54  # rows asked for beyond top_k; of 131,072 real vectors, 25 to 41 were within the compact copy's bound
_BLOCK = 4096  # rows scored at once for many queries: 8 MB of 512 values, which a processor keeps at hand
_LARGE = 100_000  # rows, in all, from which a second core is worth starting a thread
FEW = 1 / 32  # of a segment's rows; as many are sooner scored one by one than passed over in a scan
_WIDEST = 4096  # rows beyond which the compact copy gives way to the vectors themselves, whose bound is far narrower


class _Part:
    """One segment's share of a search."""

    def __init__(self, segment: Segment, keep: NDArray[np.bool_] | None, query: Embeddings, count: int) -> None:
        self._segment, self._keep, self._query, self._count = segment, keep, query, count
        self._whole = False
        rows = None if keep is None else np.flatnonzero(keep)
        self._all = rows is not None and len(rows) < FEW * len(segment.ids)
        if rows is not None and self._all:
            self.found = Nearest(exact_scores(segment.vectors[rows], query), rows, 0.0)
        else:
            self.found = segment.search(query, count, keep)
        self.scores: Scores = np.empty(0)
        self.ids: Ids = np.empty(0, np.int64)

    def score(self, lowest: float) -> None:
        """Score in float64 what was found and may be at least `lowest`."""
        rows = np.sort(self.found.rows[self.found.scores + self.found.bound >= lowest])
        self.scores = exact_scores(self._segment.vectors[rows], self._query)
        self.ids = self._segment.ids[rows]

    def certain(self, kth: float) -> bool:
        """Whether no row that was not found can be as good as `kth`."""
        scores = self.found.scores
        return self._all or len(scores) < self._count or float(scores[-1]) + self.found.bound < kth

    def widen(self) -> None:
        """Find more."""
        self._count *= 4
        self._whole = self._whole or self._count > _WIDEST
        self.found = self._segment.search(self._query, self._count, self._keep, whole=self._whole)


def nearest(
    segments: list[Segment], keeps: list[NDArray[np.bool_] | None], query: Embeddings, top_k: int
) -> tuple[Scores, Ids]:
    """The best `top_k` for one query (1, dim), and all that tie with the last of them: cosines, best first, and ids.

    Candidates are taken by quick scores with a proven error bound, those that can belong are scored in float64, and the search
    widens until no row left out could have reached the k-th of these.
    """
    parts = _scanned(segments, keeps, query, top_k + _SPARE)
    unsure = parts
    while unsure:
        lowest = np.sort(np.concatenate([np.empty(0), *(part.found.scores - part.found.bound for part in parts)]))[::-1]
        least = float(lowest[top_k - 1]) if len(lowest) >= top_k else -np.inf  # top_k rows are at least as good as this
        for part in unsure:  # the others hold what may belong already
            part.score(least)
        exact = np.sort(np.concatenate([np.empty(0), *(part.scores for part in parts)]))[::-1]
        kth = float(exact[top_k - 1]) if len(exact) >= top_k else -np.inf
        unsure = [part for part in parts if not part.certain(kth)]
        for part in unsure:
            part.widen()
    all_scores = np.concatenate([np.empty(0), *(part.scores for part in parts)])
    all_ids = np.concatenate([np.empty(0, np.int64), *(part.ids for part in parts)])
    return best_first(all_scores, all_ids, top_k)


def _scanned(
    segments: list[Segment], keeps: list[NDArray[np.bool_] | None], query: Embeddings, count: int
) -> list[_Part]:
    """Every segment's share. Large ones are scanned on all cores, each by one: none waits for another but at the end."""
    if cores() < 2 or sum(segment.info.rows for segment in segments) < _LARGE:
        return [_Part(segment, keep, query, count) for segment, keep in zip(segments, keeps, strict=True)]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(cores()) as threads:
        return list(threads.map(_Part, segments, keeps, repeat(query), repeat(count)))


def nearest_to_each(
    segments: list[Segment], keeps: list[NDArray[np.bool_] | None], queries: Embeddings, top_k: int
) -> list[tuple[Scores, Ids]]:
    """`nearest` for many queries (n, dim): one matrix product for all of them, so that the vectors are read once."""
    bound = rounding_bound(queries.shape[1])
    found = [_Candidates(top_k, bound) for _ in queries]
    for segment, keep in zip(segments, keeps, strict=True):
        for start in range(0, len(segment.ids), _BLOCK):
            # A copy: in the file they do not lie at multiples of four bytes, and numpy leaves such arrays to slow loops.
            block = np.array(segment.vectors[start : start + _BLOCK])
            for candidates, scores in zip(found, queries @ block.T, strict=True):
                candidates.take(segment, start, scores, keep)
    return [candidates.ranked(query[None]) for candidates, query in zip(found, queries, strict=True)]


class _Candidates:
    """The rows that may yet be among one query's best, as blocks of scores go by."""

    def __init__(self, top_k: int, bound: float) -> None:
        self._top_k, self._bound = top_k, bound
        self._least = -np.inf  # a row with less cannot belong any more
        self._scores = np.empty(0, np.float32)
        self._rows: list[tuple[Segment, NDArray[np.int64]]] = []

    def take(self, segment: Segment, start: int, scores: NDArray[np.float32], keep: NDArray[np.bool_] | None) -> None:
        """Look at the scores (rows,) of a block that begins at row `start`."""
        rows = np.flatnonzero(scores >= self._least)
        if keep is not None:
            rows = rows[keep[start + rows]]
        if not len(rows):
            return
        best = np.concatenate([self._scores, scores[rows]])
        if len(best) > self._top_k:
            best = np.partition(best, len(best) - self._top_k)[-self._top_k :]
            # Both it and any other may be off, in opposite directions; the rest is for comparing in float32.
            self._least = float(best.min()) - 2 * self._bound - 1e-7
        self._scores = best
        self._rows.append((segment, start + rows[scores[rows] >= self._least]))

    def ranked(self, query: Embeddings) -> tuple[Scores, Ids]:
        """The best of them by float64 scores, and all that tie with the last."""
        exact = [exact_scores(segment.vectors[rows], query) for segment, rows in self._rows]
        ids = [segment.ids[rows] for segment, rows in self._rows]
        return best_first(
            np.concatenate([np.empty(0), *exact]), np.concatenate([np.empty(0, np.int64), *ids]), self._top_k
        )


def best_first(scores: Scores, ids: Ids, top_k: int) -> tuple[Scores, Ids]:
    """The best `top_k`, best first, and all that tie with the last of them."""
    order = np.argsort(-scores)
    scores, ids = scores[order], ids[order]
    if len(scores) > top_k:
        ties = int(np.searchsorted(-scores, -scores[top_k - 1], side="right"))
        scores, ids = scores[:ties], ids[:ties]
    return scores, ids
