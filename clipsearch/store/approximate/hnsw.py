"""Graphs: every vector links to some near it, and a search follows the links (HNSW, arXiv:1603.09320)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from clipsearch.store.approximate.file_format import Arrays
from clipsearch.store.approximate.info import IndexShape
from clipsearch.store.segments import one_thread
from clipsearch.types import Embeddings, Ids

_LINKS = 32  # neighbours of a vector in each level; twice as many in the lowest
_CARE = 80  # candidates considered when a vector is added
_BLOCK = 1 << 22  # links checked at once


class HnswIndex:
    """An open graph. All links are checked when it is opened, because faiss follows them without a check."""

    def __init__(self, shape: IndexShape, arrays: Arrays) -> None:
        index = _index(shape.dim)
        storage = _storage(index)
        faiss.copy_array_to_vector(np.array(arrays["trained"]).reshape(-1), storage.sq.trained)
        index.is_trained = storage.is_trained = True
        per_level: NDArray[np.int32] = faiss.vector_to_array(index.hnsw.cum_nneighbor_per_level)
        entry, levels = int(arrays["entry"][0]), arrays["levels"]
        offsets = _checked(shape, entry, levels, arrays["neighbours"], per_level)
        faiss.copy_array_to_vector(np.array(levels), index.hnsw.levels)
        faiss.copy_array_to_vector(offsets.astype(np.uint64), index.hnsw.offsets)
        faiss.copy_array_to_vector(np.array(arrays["neighbours"]), index.hnsw.neighbors)
        faiss.copy_array_to_vector(np.array(arrays["codes"]).reshape(-1), storage.codes)
        index.hnsw.entry_point, index.hnsw.max_level = entry, int(levels[entry]) - 1
        index.ntotal = storage.ntotal = shape.rows
        self._index, self._ids = index, arrays["ids"]

    def search(self, queries: Embeddings, count: int, effort: int) -> Ids:
        """The ids (n, count) of about the nearest to each query, best first; -1 for none. `effort`: candidates to keep."""
        parameters = faiss.SearchParametersHNSW(efSearch=max(effort, count))  # type: ignore[attr-defined]
        with one_thread():
            _, rows = self._index.search(np.ascontiguousarray(queries), count, params=parameters)
        return np.where(rows < 0, -1, self._ids[rows])


class HnswBuilder:
    """A graph that grows in memory."""

    def __init__(self, sample: Embeddings) -> None:
        self._index = _index(sample.shape[1])
        self._index.hnsw.efConstruction = _CARE
        self._index.train(np.ascontiguousarray(sample))
        self._ids: list[Ids] = []

    def add(self, blocks: Iterable[tuple[Ids, Embeddings]]) -> Iterator[int]:
        """Add blocks of vectors. Yields the number of vectors in the graph after each block."""
        for ids, vectors in blocks:
            self._index.add(np.ascontiguousarray(vectors))
            self._ids.append(ids)
            yield self._index.ntotal

    @property
    def links(self) -> int:
        """The number of places for neighbours, in all levels."""
        return int(self._index.hnsw.neighbors.size())

    def write(self, arrays: Arrays) -> None:
        """Copy the graph into a file's arrays."""
        hnsw, storage = self._index.hnsw, _storage(self._index)
        arrays["codes"][:] = faiss.vector_to_array(storage.codes).reshape(arrays["codes"].shape)
        arrays["ids"][:] = np.concatenate(self._ids)
        arrays["neighbours"][:] = faiss.vector_to_array(hnsw.neighbors)
        arrays["levels"][:] = faiss.vector_to_array(hnsw.levels)
        arrays["entry"][:] = hnsw.entry_point
        arrays["trained"][:] = faiss.vector_to_array(storage.sq.trained).reshape(arrays["trained"].shape)


def _index(dim: int) -> Any:
    kind: Any = faiss.ScalarQuantizer.QT_8bit
    index: Any = faiss.IndexHNSWSQ(dim, kind, _LINKS, faiss.METRIC_INNER_PRODUCT)
    return index


def _storage(index: Any) -> Any:
    """The part of a graph that holds the codes."""
    return faiss.downcast_index(index.storage)


def _checked(
    shape: IndexShape, entry: int, levels: NDArray[np.int32], links: NDArray[np.int32], per_level: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Where each vector's neighbours begin, (rows + 1,). ValueError if a link leads out of the graph or out of its level."""
    wrong = ValueError("its graph is not as it was written")
    if not (0 <= entry < shape.rows and levels.min() >= 1 and levels.max() < len(per_level) and len(links)):
        raise wrong
    offsets = np.concatenate([[0], np.cumsum(per_level[levels], dtype=np.int64)])
    if offsets[-1] != len(links) or levels[entry] != levels.max():
        raise wrong
    for start in range(0, len(links), _BLOCK):
        block = links[start : start + _BLOCK]
        if block.min() < -1 or block.max() >= shape.rows:
            raise wrong
    for level in range(1, int(levels.max())):
        above = np.flatnonzero(levels > level)
        width = int(per_level[level + 1] - per_level[level])
        targets = links[(offsets[above] + per_level[level])[:, None] + np.arange(width)]
        if (levels[targets[targets >= 0]] <= level).any():
            raise wrong
    return offsets
