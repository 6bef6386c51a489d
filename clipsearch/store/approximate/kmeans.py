"""Vectors in parts that lie together: spherical k-means, on all cores, that can be interrupted between blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.cpu import cores
from clipsearch.types import Embeddings

ROUNDS = 10  # after which few vectors still change their part
_BLOCK = 4096  # vectors compared with all centroids at once


def centroids_of(sample: Embeddings, count: int, tell: Callable[[int, int], None]) -> Embeddings:
    """`count` unit centroids (count, dim) of a sample (n, dim), n at least `count`; the same for the same sample.

    `tell` is called with how many rounds are done and how many there are.
    """
    random = np.random.default_rng(0)
    centroids: Embeddings = sample[np.sort(random.choice(len(sample), count, replace=False))].copy()
    for done in range(ROUNDS):
        tell(done, ROUNDS)
        parts = np.concatenate(list(nearest_centroids(iter([sample]), centroids)))
        order = np.argsort(parts, kind="stable")
        sizes = np.bincount(parts, minlength=count)
        filled = np.flatnonzero(sizes)
        starts = np.concatenate([[0], np.cumsum(sizes[filled])[:-1]])
        centroids[filled] = np.add.reduceat(sample[order], starts, axis=0)
        empty = np.flatnonzero(sizes == 0)  # they begin anew at vectors of the largest parts
        largest = np.argsort(-sizes, kind="stable")[: len(empty)]
        centroids[empty] = sample[order[np.cumsum(sizes)[largest] - 1]]
        centroids /= np.maximum(np.linalg.norm(centroids, axis=1, keepdims=True), np.float32(1e-6))
    tell(ROUNDS, ROUNDS)
    return centroids


def nearest_centroids(blocks: Iterator[Embeddings], centroids: Embeddings) -> Iterator[NDArray[np.int32]]:
    """For each block of vectors (n, dim), the parts (n,) that they belong to."""

    def compare(vectors: Embeddings) -> NDArray[np.int32]:
        parts: NDArray[np.int32] = (vectors @ centroids.T).argmax(axis=1).astype(np.int32)
        return parts

    threads = ThreadPoolExecutor(cores())
    try:
        for block in blocks:
            parts = threads.map(compare, [block[start : start + _BLOCK] for start in range(0, len(block), _BLOCK)])
            yield np.concatenate(list(parts))
    finally:
        threads.shutdown(cancel_futures=True)  # Ctrl-C does not wait for all of them
