"""Every photo against every other: which of them have a near neighbour."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.cpu import cores
from clipsearch.errors import CollectionDamaged
from clipsearch.store.snapshot import Snapshot
from clipsearch.types import Embeddings, Ids

_BLOCK = 2048  # photos compared at once with as many: 16 MB of cosines for each core


class Vectors:
    """The unit vectors of some photos, read from mapped segments when they are needed. `ids` is int64 (n,)."""

    def __init__(self, snapshot: Snapshot, ids: Ids) -> None:
        self.ids = ids
        self._snapshot = snapshot

    def of(self, ids: Ids) -> Embeddings:
        """Some photos' vectors (m, dim), in the order of their ids (m,). CollectionDamaged if one has none."""
        try:
            return self._snapshot.vectors(ids)
        except KeyError as error:
            raise CollectionDamaged(
                "the index is damaged: some photos have no embedding. Index the photos again"
            ) from error


def ids_with_neighbours(vectors: Vectors, least: float, tell: Callable[[int, int], None]) -> Ids:
    """The photos of which another has a cosine of at least `least` (in float32), as int64 (m,), in the order of `vectors.ids`.

    n x (n - 1) / 2 x dim multiplications on all cores, in memory that does not grow with n. `tell` is called with how many
    pairs are compared and how many there are.
    """
    count = len(vectors.ids)
    found = np.zeros(count, bool)
    done, total = 0, count * (count - 1) // 2
    with ThreadPoolExecutor(cores()) as threads:
        for start in range(0, count, _BLOCK):
            block = vectors.of(vectors.ids[start : start + _BLOCK])
            compare = partial(_compare, vectors, least, start, block)
            for other, mine, theirs, pairs in threads.map(compare, range(start, count, _BLOCK)):
                found[start : start + len(mine)] |= mine
                found[other : other + len(theirs)] |= theirs
                done += pairs
                tell(done, total)
    return vectors.ids[found]


def _compare(
    vectors: Vectors, least: float, start: int, block: Embeddings, other: int
) -> tuple[int, NDArray[np.bool_], NDArray[np.bool_], int]:
    """Two blocks, or one with itself: where the other begins, who has a neighbour in each, how many pairs there were."""
    if other == start:
        near = block @ block.T >= least
        np.fill_diagonal(near, False)
        mine = near.any(axis=1)
        return other, mine, mine, len(block) * (len(block) - 1) // 2
    near = block @ vectors.of(vectors.ids[other : other + _BLOCK]).T >= least
    return other, near.any(axis=1), near.any(axis=0), near.size
