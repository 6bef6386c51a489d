"""Inverted files: vectors divided into parts. A search visits only the nearest parts; their codes lie together on the disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from clipsearch.store.approximate.file_format import ID_BYTES, Arrays, code_bytes
from clipsearch.store.approximate.info import IndexShape, Kind
from clipsearch.store.segments import one_thread
from clipsearch.types import Embeddings, Ids

TRAINED_BY = 16_384
"""Codes are trained with at most this many vectors."""


class IvfIndex:
    """An open inverted file. Its codes stay on the disk until a search visits their part."""

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
        """The ids (n, count) of about the nearest to each query, best first; -1 for none. `effort`: parts to visit."""
        parameters = faiss.SearchParametersIVF(nprobe=min(effort, self._most))  # type: ignore[call-arg]
        with one_thread():
            _, ids = self._index.search(_turned(queries, self._rotation), count, params=parameters)
        return np.asarray(ids, np.int64)


def supports(kind: Kind, dim: int) -> bool:
    """Whether the installed faiss can make a kind of inverted file for vectors of this length."""
    return dim % 8 == 0 if kind == "ivf-pq" else kind != "ivf-rabitq" or hasattr(faiss, "IndexIVFRaBitQ")


def trained(kind: Kind, sample: Embeddings, centroids: Embeddings) -> NDArray[np.float32]:
    """The parameters of a kind's codes, learned from a sample (n, dim)."""
    dim = sample.shape[1]
    if kind == "ivf-rabitq":  # one bit a value says most if all values are alike, as after a random rotation
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
    """Fill a file's arrays. `parts` (rows,) are the vectors' parts. Yields the number of vectors in it after each block."""
    arrays["centroids"][:] = centroids
    arrays["trained"][:] = learned.reshape(arrays["trained"].shape)
    sizes = np.bincount(parts, minlength=shape.lists).astype(np.int64)
    arrays["sizes"][:] = sizes
    rotation = learned if shape.kind == "ivf-rabitq" else None
    quantizer = _flat(_turned(centroids, rotation))
    index, width = _index(shape.kind, quantizer, learned), code_bytes(shape)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]) * (width + ID_BYTES)
    entries, taken, row = arrays["entries"], np.zeros(shape.lists, np.int64), 0
    for ids, vectors in blocks:
        own = parts[row : row + len(ids)].astype(np.int64)
        codes = np.empty((len(ids), width), np.uint8)
        turned = _turned(vectors, rotation)
        index.encode_vectors(len(ids), faiss.swig_ptr(turned), faiss.swig_ptr(own), faiss.swig_ptr(codes))
        place = taken[own] + _rank_in_part(own)
        np.add.at(taken, own, 1)
        entries[(starts[own] + place * width)[:, None] + np.arange(width)] = codes
        at = starts[own] + sizes[own] * width + place * ID_BYTES
        entries[at[:, None] + np.arange(ID_BYTES)] = ids.astype("<i8").view(np.uint8).reshape(-1, ID_BYTES)
        row += len(ids)
        yield row


def _rank_in_part(parts: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each vector, the number of earlier ones in the same part."""
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
    """An empty faiss index of a kind, trained if `learned` is given. The caller keeps the quantizer alive."""
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
    """The parts' codes and ids, mapped from the file. On Windows faiss cannot map them, so they are read into memory."""
    width = code_bytes(shape)
    if not hasattr(faiss, "OnDiskInvertedLists"):
        return _in_memory(path, width, sizes)
    lists: Any = faiss.OnDiskInvertedLists(shape.lists, width, str(path))
    lengths = np.array(sizes, np.uint64)  # named, because faiss only gets its address
    lists.set_all_lists_sizes(faiss.swig_ptr(lengths))
    lists.totsize = shape.rows * (width + ID_BYTES)
    lists.read_only = True
    lists.prefetch_nthread = 0  # otherwise every search starts 32 threads that read ahead
    lists.do_mmap()
    return lists


def _in_memory(path: Path, width: int, sizes: NDArray[np.int64]) -> Any:
    lists: Any = faiss.ArrayInvertedLists(len(sizes), width)
    with path.open("rb") as stream:
        for number, size in enumerate(sizes.tolist()):
            codes = np.frombuffer(stream.read(size * width), np.uint8)
            ids = np.frombuffer(stream.read(size * ID_BYTES), "<i8")
            if size:
                lists.add_entries(number, size, faiss.swig_ptr(ids), faiss.swig_ptr(codes))
    return lists
