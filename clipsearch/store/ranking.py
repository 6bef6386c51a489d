"""Exact search over several segments."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clipsearch.schema import Embeddings, Ids, Scores
from clipsearch.store.segments import Segment, exact_scores, rounding_bound

_SPARE = 16  # rows asked for beyond top_k, to tell at once whether the k-th is certain


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


def nearest(
    segments: list[Segment], keeps: list[NDArray[np.bool_] | None], query: Embeddings, top_k: int
) -> tuple[Scores, Ids]:
    """The best `top_k` for one query (1, dim), and all that tie with the last of them: cosines, best first, and ids.

    Candidates are taken by float32 scores until no other row can belong, and ranked in float64.
    """
    bound = rounding_bound(query.shape[1])
    count = top_k + _SPARE
    while True:
        found = [segment.search(query, count, keep) for segment, keep in zip(segments, keeps, strict=True)]
        best = np.sort(np.concatenate([np.empty(0, np.float32), *(scores for scores, _ in found)]))[::-1]
        # Both the k-th score and any other may be off by the bound, in opposite directions.
        threshold = float(best[top_k - 1]) - 2 * bound if len(best) >= top_k else -np.inf
        if not any(len(scores) >= count and float(scores[-1]) >= threshold for scores, _ in found):
            break
        count *= 4
    exact, ids = [np.empty(0, np.float64)], [np.empty(0, np.int64)]
    for segment, (scores, rows) in zip(segments, found, strict=True):
        rows = np.sort(rows[scores >= threshold])
        exact.append(exact_scores(segment.vectors[rows], query))
        ids.append(segment.ids[rows])
    all_scores, all_ids = np.concatenate(exact), np.concatenate(ids)
    order = np.argsort(-all_scores)
    all_scores, all_ids = all_scores[order], all_ids[order]
    if len(all_scores) > top_k:
        ties = int(np.searchsorted(-all_scores, -all_scores[top_k - 1], side="right"))
        all_scores, all_ids = all_scores[:ties], all_ids[:ties]
    return all_scores, all_ids
