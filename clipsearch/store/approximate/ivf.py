"""Inverted files: vectors in parts, of which a search looks only into the nearest, by codes that lie together on the disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from clipsearch.store.approximate.file_format import Arrays, code_bytes
from clipsearch.store.approximate.info import IndexShape, Kind
from clipsearch.types import Embeddings, Ids

TRAINED_BY = 16_384
"""Vectors that codes are trained by, at most."""

_ID = 8  # bytes


@contextmanager
def one_thread() -> Iterator[None]:
    """Have faiss use one: a search is too little work to share, and two that wait for each other take longer."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


class IvfIndex:
    """An open inverted file; its codes stay on the disk until a search looks into their part."""

    def __init__(self, path: Path, shape: IndexShape, arrays: Arrays) -> None:
        sizes = arrays["sizes"]
        if sizes.min(initial=0) < 0 or int(sizes.sum()) != shape.rows or (sizes > shape.rows).any():
            raise ValueError("its parts are not as long as they should be")
        self._rotation = arrays["trained"] if shape.kind == "ivf-rabitq" else None
        self._quantizer = _flat(_turned(arrays["centroids"], self._rotation))
        self._index = _index(shape.kind, self._quantizer, arrays["trained"])
        if self._index.code_size != code_bytes(shape):
            raise ValueError("this version of faiss makes other codes")
        self._lists = _on_disk(path, shape, sizes)
        self._index.replace_invlists(self._lists, False)
        self._index.ntotal = shape.rows
        self._most = shape.lists

    def search(self, queries: Embeddings, count: int, effort: int) -> Ids:
        """For each of the queries (n, dim) the ids (n, count) of about the nearest, best first; -1 for none. `effort` parts."""
        parameters = faiss.SearchParametersIVF(nprobe=min(effort, self._most))  # type: ignore[call-arg]
        with one_thread():
            _, ids = self._index.search(_turned(queries, self._rotation), count, params=parameters)
        found: Ids = ids
        return found


def supports(kind: Kind, dim: int) -> bool:
    """Whether this faiss can make a kind of inverted file of vectors of so many values."""
    return dim % 8 == 0 if kind == "ivf-pq" else kind != "ivf-rabitq" or hasattr(faiss, "IndexIVFRaBitQ")


def trained(kind: Kind, sample: Embeddings, centroids: Embeddings) -> NDArray[np.float32]:
    """What codes of a kind need to know beforehand, learned from a sample (n, dim)."""
    dim = sample.shape[1]
    if kind == "ivf-rabitq":  # one bit a value says most where all values are alike: after a random rotation
        rotation, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((dim, dim)))
        return np.ascontiguousarray(rotation, np.float32)
    quantizer = _flat(centroids)
    index = _index(kind, quantizer, None)
    if kind == "ivf-pq":
        index.pq.cp.min_points_per_centroid = 1  # else faiss prints a warning
        index.pq.cp.niter = 12
    index.train(np.ascontiguousarray(sample))
    values: NDArray[np.float32] = faiss.vector_to_array(index.pq.centroids if kind == "ivf-pq" else index.sq.trained)
    return values


def fill(
    arrays: Arrays,
    shape: IndexShape,
    parts: NDArray[np.int32],
    blocks: Iterable[tuple[Ids, Embeddings]],
    centroids: Embeddings,
    learned: NDArray[np.float32],
) -> Iterator[int]:
    """Put vectors into a file's arrays; yields how many are in it after each block. `parts` (rows,) says where each belongs."""
    arrays["centroids"][:] = centroids
    arrays["trained"][:] = learned.reshape(arrays["trained"].shape)
    sizes = np.bincount(parts, minlength=shape.lists).astype(np.int64)
    arrays["sizes"][:] = sizes
    rotation = learned if shape.kind == "ivf-rabitq" else None
    quantizer = _flat(_turned(centroids, rotation))
    index, width = _index(shape.kind, quantizer, learned), code_bytes(shape)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]) * (width + _ID)
    entries, taken, row = arrays["entries"], np.zeros(shape.lists, np.int64), 0
    for ids, vectors in blocks:
        own = parts[row : row + len(ids)].astype(np.int64)
        codes = np.empty((len(ids), width), np.uint8)
        turned = _turned(vectors, rotation)
        index.encode_vectors(len(ids), faiss.swig_ptr(turned), faiss.swig_ptr(own), faiss.swig_ptr(codes))
        place = taken[own] + _rank_in_part(own)
        np.add.at(taken, own, 1)
        entries[(starts[own] + place * width)[:, None] + np.arange(width)] = codes
        at = starts[own] + sizes[own] * width + place * _ID
        entries[at[:, None] + np.arange(_ID)] = ids.astype("<i8").view(np.uint8).reshape(-1, _ID)
        row += len(ids)
        yield row


def _rank_in_part(parts: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many before it belong to the same part, for each of some vectors."""
    order = np.argsort(parts, kind="stable")
    _, first, counts = np.unique(parts[order], return_index=True, return_counts=True)
    rank = np.empty(len(parts), np.int64)
    rank[order] = np.arange(len(parts)) - np.repeat(first, counts)
    return rank


def _turned(vectors: Embeddings, rotation: NDArray[np.float32] | None) -> Embeddings:
    return np.ascontiguousarray(vectors if rotation is None else vectors @ rotation, np.float32)


def _flat(centroids: Embeddings) -> Any:
    quantizer = faiss.IndexFlatIP(centroids.shape[1])
    quantizer.add(np.ascontiguousarray(centroids, np.float32))
    return quantizer


def _index(kind: Kind, quantizer: Any, learned: NDArray[np.float32] | None) -> Any:
    """A faiss index of a kind, empty; trained where `learned` says how. The caller keeps the quantizer."""
    dim, lists, metric = quantizer.d, quantizer.ntotal, faiss.METRIC_INNER_PRODUCT
    index: Any
    if kind == "ivf-pq":
        index = faiss.IndexIVFPQ(quantizer, dim, lists, dim // 8, 8, metric)
        into = index.pq.centroids
    elif kind == "ivf-rabitq":
        index = faiss.IndexIVFRaBitQ(quantizer, dim, lists, metric)
        index.qb = 8  # bits of a query's values
        into = None
    else:
        index = faiss.IndexIVFScalarQuantizer(quantizer, dim, lists, faiss.ScalarQuantizer.QT_8bit, metric, False)
        into = index.sq.trained
    if learned is not None:
        if into is not None:
            faiss.copy_array_to_vector(np.ascontiguousarray(learned, np.float32).reshape(-1), into)
        index.is_trained = True
    return index


def _on_disk(path: Path, shape: IndexShape, sizes: NDArray[np.int64]) -> Any:
    """The parts' codes and ids, mapped from the file; read into memory where faiss cannot, on Windows."""
    width = code_bytes(shape)
    if not hasattr(faiss, "OnDiskInvertedLists"):
        return _in_memory(path, width, sizes)
    lists: Any = faiss.OnDiskInvertedLists(shape.lists, width, str(path))
    lengths = np.array(sizes, np.uint64)  # named, because what faiss gets is a bare address
    lists.set_all_lists_sizes(faiss.swig_ptr(lengths))
    lists.totsize = shape.rows * (width + _ID)
    lists.read_only = True
    lists.prefetch_nthread = 0  # else every search starts 32 threads that read ahead
    lists.do_mmap()
    return lists


def _in_memory(path: Path, width: int, sizes: NDArray[np.int64]) -> Any:
    lists: Any = faiss.ArrayInvertedLists(len(sizes), width)
    with path.open("rb") as stream:
        for number, size in enumerate(sizes.tolist()):
            codes = np.frombuffer(stream.read(size * width), np.uint8)
            ids = np.frombuffer(stream.read(size * _ID), "<i8")
            if size:
                lists.add_entries(number, size, faiss.swig_ptr(ids), faiss.swig_ptr(codes))
    return lists
