"""Which segments to merge, and when: in tiers, so that each vector is rewritten O(log n) times."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from clipsearch.store.segments import Segment
from clipsearch.store.snapshot import Snapshot
from clipsearch.types import Embeddings, Ids

FAN_IN = 8  # this many segments of a tier become one of the next
SMALLEST_TIER = 256  # rows; smaller segments are in the first tier
FULL_BYTES = 256 * 1024**2  # of vectors; a segment of half of it is left alone, which bounds a merge's memory
DEAD_SHARE = 0.3  # of a segment's rows; beyond it, the segment is rewritten alone


def due(snapshot: Snapshot) -> list[Segment]:
    """Segments to merge now, if any. Call again after merging them."""
    tiers: dict[int, list[Segment]] = {}
    for segment in snapshot.segments:
        dead = np.count_nonzero(segment.rows_of(snapshot.tombstones) >= 0)
        if dead > DEAD_SHARE * len(segment.ids):
            return [segment]
        if segment.vectors.nbytes < FULL_BYTES / 2:
            tier = int(math.log(max(len(segment.ids), SMALLEST_TIER) / SMALLEST_TIER, FAN_IN))
            tiers.setdefault(tier, []).append(segment)
    for _, group in sorted(tiers.items()):
        if len(group) >= FAN_IN:
            return _that_fit(group[:FAN_IN])
    return []


def together(group: list[Segment], dead: Ids) -> tuple[Ids, Embeddings]:
    """The living rows of several segments: ids in ascending order and their vectors."""
    ids = np.concatenate([segment.ids for segment in group])
    alive: NDArray[np.bool_] = np.isin(ids, dead, invert=True)
    vectors = np.concatenate([segment.vectors for segment in group])[alive]
    order = np.argsort(ids[alive])
    return ids[alive][order], vectors[order]


def _that_fit(group: list[Segment]) -> list[Segment]:
    """The oldest of the group that fit into a full segment, at least two."""
    sizes = np.cumsum([segment.vectors.nbytes for segment in group])
    return group[: max(2, int(np.count_nonzero(sizes <= FULL_BYTES)))]
