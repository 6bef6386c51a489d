"""Exact search over several segments."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clipsearch.schema import Embeddings, Ids, Scores
from clipsearch.store.segments import Segment, exact_scores

_SPARE = 54  # rows asked for beyond top_k; of 131,072 real vectors, 25 to 41 were within the compact copy's bound
_WIDEST = 4096  # rows beyond which the compact copy gives way to the vectors themselves, whose bound is far narrower


class View:
    """The segments and tombstones of one committed state."""

    def __init__(self, version: int, segments: list[Segment], tombstones: Ids) -> None:
        self.version = version
        self.segments = segments
        self.tombstones = tombstones

    def keep(self, segment: Segment, allowed: Ids | None) -> NDArray[np.bool_] | None:
        """Which rows of a segment may be found; None for all."""
        keep = None
        if allowed is not None:
            keep = np.isin(segment.ids, allowed)
        if len(self.tombstones):
            rows = segment.rows_of(self.tombstones)
            rows = rows[rows >= 0]
            if len(rows):
                keep = np.ones(len(segment.ids), bool) if keep is None else keep
                keep[rows] = False
        return keep


class _Part:
    """One segment's share of a search."""

    def __init__(self, segment: Segment, keep: NDArray[np.bool_] | None, query: Embeddings, count: int) -> None:
        self._segment, self._keep, self._query, self._count = segment, keep, query, count
        self._whole = False
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
        return len(scores) < self._count or float(scores[-1]) + self.found.bound < kth

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
    parts = [_Part(segment, keep, query, top_k + _SPARE) for segment, keep in zip(segments, keeps, strict=True)]
    while True:
        lowest = np.sort(np.concatenate([np.empty(0), *(part.found.scores - part.found.bound for part in parts)]))[::-1]
        least = float(lowest[top_k - 1]) if len(lowest) >= top_k else -np.inf  # top_k rows are at least as good as this
        for part in parts:
            part.score(least)
        exact = np.sort(np.concatenate([np.empty(0), *(part.scores for part in parts)]))[::-1]
        kth = float(exact[top_k - 1]) if len(exact) >= top_k else -np.inf
        doubtful = [part for part in parts if not part.certain(kth)]
        if not doubtful:
            break
        for part in doubtful:
            part.widen()
    all_scores = np.concatenate([np.empty(0), *(part.scores for part in parts)])
    all_ids = np.concatenate([np.empty(0, np.int64), *(part.ids for part in parts)])
    order = np.argsort(-all_scores)
    all_scores, all_ids = all_scores[order], all_ids[order]
    if len(all_scores) > top_k:
        ties = int(np.searchsorted(-all_scores, -all_scores[top_k - 1], side="right"))
        all_scores, all_ids = all_scores[:ties], all_ids[:ties]
    return all_scores, all_ids
