"""Write an approximate index's file from a collection's segments, block by block."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.checksums import file_sha256
from clipsearch._internal.cpu import cores
from clipsearch.store.approximate.file_format import file_size, small_crc, writing
from clipsearch.store.approximate.info import ApproximateInfo, IndexShape, Kind, Measurement, parts_for
from clipsearch.store.segments import faiss_version
from clipsearch.store.snapshot import Snapshot
from clipsearch.store.vectors import vector_check
from clipsearch.types import Embeddings, Ids, StageProgress

_BLOCK = 8192  # vectors read at once
_COMPARED = 4096  # vectors compared with all centroids at once
_FOR_EACH_PART = 32  # vectors of the sample
_ROUNDS = 10  # of k-means; after them few vectors still change their part
_SAMPLES = 32  # images that identify the collection
_UNMEASURED = Measurement(0, 1, 0, 0, 0, 0, 0, 0, 0)


class VectorSource:
    """The living vectors of one committed state, which can be read again and again. Keeps the state's files open."""

    def __init__(self, snapshot: Snapshot, digest: str) -> None:
        self.snapshot, self.digest, self.dim = snapshot, digest, snapshot.dim
        self._segments = [(segment, snapshot.keep(segment)) for segment in snapshot.segments]
        living = (segment.ids if keep is None else segment.ids[keep] for segment, keep in self._segments)
        self.ids: Ids = np.concatenate([np.empty(0, np.int64), *living])
        self._parts: tuple[Embeddings, NDArray[np.int32]] | None = None

    def blocks(self) -> Iterator[tuple[Ids, Embeddings]]:
        """All vectors, always in the same order: ids (n,) and vectors (n, dim)."""
        for segment, keep in self._segments:
            for start in range(0, len(segment.ids), _BLOCK):
                rows = slice(start, start + _BLOCK)
                chosen = slice(None) if keep is None else keep[rows]
                ids, vectors = np.array(segment.ids[rows][chosen]), np.array(segment.vectors[rows][chosen])
                if len(ids):
                    yield ids, vectors

    def sample(self, count: int) -> Embeddings:
        """About `count` vectors, evenly spaced."""
        step = max(len(self.ids) // count, 1)
        taken, row = [], 0
        for ids, vectors in self.blocks():
            taken.append(vectors[-row % step :: step])
            row += len(ids)
        return np.concatenate(taken)

    def parts(self, progress: StageProgress) -> tuple[Embeddings, NDArray[np.int32]]:
        """Centroids (lists, dim) and the part (rows,) of each vector. Computed once, for all kinds."""
        if self._parts is None:
            lists = parts_for(len(self.ids))
            centroids = _centroids(self.sample(_FOR_EACH_PART * lists), lists, progress)
            parts, row = [], 0
            for block in _nearest_centroids((vectors for _, vectors in self.blocks()), centroids):
                parts.append(block)
                row += len(block)
                progress("dividing into parts", row, len(self.ids))
            self._parts = centroids, np.concatenate(parts)
        return self._parts

    def complete_segments(self) -> tuple[str, ...]:
        """The sha256 of each segment without removed images. An older catalog could bring removed images back."""
        return tuple(segment.info.sha256 for segment, keep in self._segments if keep is None)

    def samples(self) -> Iterator[tuple[int, int]]:
        """Image ids with their vectors' checksums: some from everywhere, and the last, which a restored catalog gives again."""
        ids = np.sort(self.ids)
        wanted = np.union1d(ids[:: max(len(ids) // _SAMPLES, 1)][:_SAMPLES], ids[-_SAMPLES:])
        for image_id, vector in zip(wanted.tolist(), self.snapshot.vectors(wanted), strict=True):
            yield image_id, vector_check(vector)


def expected_bytes(kind: Kind, source: VectorSource) -> int:
    """The size of a file before it is written; an estimate for a graph."""
    rows, last_id = len(source.ids), int(source.ids.max(initial=0))
    return file_size(IndexShape(kind, rows, source.dim, parts_for(rows), 66 * rows, last_id))


def build(folder: Path, kind: Kind, source: VectorSource, progress: StageProgress) -> ApproximateInfo:
    """Write an index of a kind into a folder; nothing refers to it yet. Its info has no setting and no measurement yet."""
    path = folder / f"{secrets.token_hex(8)}.vectors"
    shape = IndexShape(kind, len(source.ids), source.dim, 0, 0, int(source.ids.max()))
    if kind == "hnsw-sq8":
        from clipsearch.store.approximate.hnsw import HnswBuilder

        graph = HnswBuilder(source.sample(_BLOCK))
        for done in graph.add(source.blocks()):
            progress(f"building {kind}", done, shape.rows)
        shape = replace(shape, links=graph.links)
    else:
        from clipsearch.store.approximate.ivf import TRAINED_BY, fill, trained

        centroids, parts = source.parts(progress)
        learned = trained(kind, source.sample(TRAINED_BY), centroids)
        shape = replace(shape, lists=len(centroids))
    with writing(path, shape) as arrays:
        if kind == "hnsw-sq8":
            graph.write(arrays)
        else:
            for done in fill(arrays, shape, parts, source.blocks(), centroids, learned):
                progress(f"building {kind}", done, shape.rows)
        np.bitwise_or.at(arrays["covered"], source.ids >> 3, (1 << (source.ids & 7)).astype(np.uint8))
        crc = small_crc(arrays)
    return ApproximateInfo(
        shape=shape,
        file=path.name,
        size=path.stat().st_size,
        sha256=file_sha256(path),
        small_crc=crc,
        effort=1,
        candidates=1,
        digest=source.digest,
        segments=source.complete_segments(),
        samples=tuple(source.samples()),
        measured=_UNMEASURED,
        faiss=faiss_version(),
        made=datetime.now().astimezone().isoformat(timespec="seconds"),
    )


def _centroids(sample: Embeddings, count: int, progress: StageProgress) -> Embeddings:
    """`count` unit centroids (count, dim) of a sample (n, dim) by spherical k-means; the same for the same sample."""
    random = np.random.default_rng(0)
    centroids: Embeddings = sample[np.sort(random.choice(len(sample), count, replace=False))].copy()
    for done in range(_ROUNDS):
        progress("finding parts", done, _ROUNDS)
        parts = np.concatenate(list(_nearest_centroids([sample], centroids)))
        order = np.argsort(parts, kind="stable")
        sizes = np.bincount(parts, minlength=count)
        filled = np.flatnonzero(sizes)
        starts = np.concatenate([[0], np.cumsum(sizes[filled])[:-1]])
        centroids[filled] = np.add.reduceat(sample[order], starts, axis=0)
        empty = np.flatnonzero(sizes == 0)  # they begin anew at vectors of the largest parts
        largest = np.argsort(-sizes, kind="stable")[: len(empty)]
        centroids[empty] = sample[order[np.cumsum(sizes)[largest] - 1]]
        centroids /= np.maximum(np.linalg.norm(centroids, axis=1, keepdims=True), np.float32(1e-6))
    progress("finding parts", _ROUNDS, _ROUNDS)
    return centroids


def _nearest_centroids(blocks: Iterable[Embeddings], centroids: Embeddings) -> Iterator[NDArray[np.int32]]:
    """For each block of vectors (n, dim), their parts (n,). Uses all cores."""

    def compare(vectors: Embeddings) -> NDArray[np.int32]:
        parts: NDArray[np.int32] = (vectors @ centroids.T).argmax(axis=1).astype(np.int32)
        return parts

    threads = ThreadPoolExecutor(cores())
    try:
        for block in blocks:
            pieces = [block[start : start + _COMPARED] for start in range(0, len(block), _COMPARED)]
            yield np.concatenate(list(threads.map(compare, pieces)))
    finally:
        threads.shutdown(cancel_futures=True)  # an interruption does not wait for all of them
