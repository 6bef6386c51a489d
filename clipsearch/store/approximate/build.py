"""Making an approximate index's file from a collection's segments, block by block."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.checksums import file_sha256
from clipsearch.store.approximate.file_format import Arrays, file_size, small_crc, writing
from clipsearch.store.approximate.info import ApproximateInfo, IndexShape, Kind, Measurement, parts_for
from clipsearch.store.approximate.kmeans import centroids_of, nearest_centroids
from clipsearch.store.segments import Segment, faiss_version
from clipsearch.store.snapshot import Snapshot
from clipsearch.store.vectors import vector_check
from clipsearch.types import Embeddings, Ids

_BLOCK = 8192  # vectors read at once
_FOR_EACH_PART = 32  # vectors of the sample
_SAMPLES = 32  # images by which the index is known to be of this collection
_UNMEASURED = Measurement(0, 1, 0, 0, 0, 0, 0, 0, 0)

Tell = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


class VectorSource:
    """The living vectors of one committed state, to be read as often as needed. The state's files are kept open meanwhile."""

    def __init__(self, snapshot: Snapshot, digest: str) -> None:
        self.snapshot, self.digest = snapshot, digest
        self._keeps = [snapshot.keep(segment) for segment in snapshot.segments]
        self._parts: tuple[Embeddings, NDArray[np.int32]] | None = None
        self.ids: Ids = np.concatenate([np.empty(0, np.int64), *(ids for ids, _ in self._selected())])
        self.dim = snapshot.segments[0].vectors.shape[1] if snapshot.segments else 0

    def blocks(self) -> Iterator[tuple[Ids, Embeddings]]:
        """All of them, always in the same order: ids (n,) and vectors (n, dim)."""
        for keep, segment in zip(self._keeps, self.snapshot.segments, strict=True):
            for start in range(0, len(segment.ids), _BLOCK):
                rows = slice(start, start + _BLOCK)
                ids, vectors = segment.ids[rows], segment.vectors[rows]
                if keep is not None:
                    ids, vectors = ids[keep[rows]], vectors[keep[rows]]
                if len(ids):
                    yield np.array(ids), np.array(vectors)

    def sample(self, count: int) -> Embeddings:
        """About `count` of the vectors, evenly from all."""
        step = max(len(self.ids) // count, 1)
        taken, row = [], 0
        for ids, vectors in self.blocks():
            taken.append(vectors[-row % step :: step])
            row += len(ids)
        return np.concatenate(taken)

    def parts(self, tell: Tell) -> tuple[Embeddings, NDArray[np.int32]]:
        """Centroids (lists, dim), and which part each vector (rows,) belongs to; found once, for all kinds."""
        if self._parts is None:
            lists = parts_for(len(self.ids))
            sample = self.sample(_FOR_EACH_PART * lists)
            centroids = centroids_of(sample, lists, lambda done, total: tell("finding parts", done, total))
            del sample
            found, row = [], 0
            for some in nearest_centroids((vectors for _, vectors in self.blocks()), centroids):
                found.append(some)
                row += len(some)
                tell("dividing into parts", row, len(self.ids))
            self._parts = centroids, np.concatenate(found)
        return self._parts

    @property
    def whole(self) -> list[Segment]:
        """Segments none of whose images were removed: those of the others could come back, with an older catalog."""
        return [segment for keep, segment in zip(self._keeps, self.snapshot.segments, strict=True) if keep is None]

    def _selected(self) -> Iterator[tuple[Ids, Segment]]:
        for keep, segment in zip(self._keeps, self.snapshot.segments, strict=True):
            yield (segment.ids if keep is None else segment.ids[keep]), segment


def expected_bytes(kind: Kind, source: VectorSource) -> int:
    """The size of a file, before it is made; for a graph, about."""
    rows, last_id = len(source.ids), int(source.ids.max(initial=0))
    return file_size(IndexShape(kind, rows, source.dim, parts_for(rows), 66 * rows, last_id))


def build(folder: Path, kind: Kind, source: VectorSource, tell: Tell) -> ApproximateInfo:
    """Write an index of a kind into a folder, in which nothing names it yet; its info has no setting and no measurement yet."""
    name = f"{secrets.token_hex(8)}.vectors"
    shape = IndexShape(kind, len(source.ids), source.dim, 0, 0, int(source.ids.max()))
    if kind == "hnsw-sq8":
        from clipsearch.store.approximate.hnsw import HnswBuilder

        graph = HnswBuilder(source.sample(_BLOCK))
        for done in graph.add(source.blocks()):
            tell(f"building {kind}", done, shape.rows)
        shape = IndexShape(kind, shape.rows, shape.dim, 0, graph.links, shape.last_id)
        with writing(folder / name, shape) as arrays:
            graph.write(arrays)
            crc = _finish(arrays, source.ids)
    else:
        from clipsearch.store.approximate.ivf import TRAINED_BY, fill, trained

        centroids, parts = source.parts(tell)
        learned = trained(kind, source.sample(TRAINED_BY), centroids)
        shape = IndexShape(kind, shape.rows, shape.dim, len(centroids), 0, shape.last_id)
        with writing(folder / name, shape) as arrays:
            for done in fill(arrays, shape, parts, source.blocks(), centroids, learned):
                tell(f"building {kind}", done, shape.rows)
            crc = _finish(arrays, source.ids)
    path = folder / name
    return ApproximateInfo(
        shape=shape,
        file=name,
        size=path.stat().st_size,
        sha256=file_sha256(path),
        small_crc=crc,
        effort=1,
        candidates=1,
        digest=source.digest,
        segments=tuple(segment.info.sha256 for segment in source.whole),
        samples=tuple(_samples(source)),
        measured=_UNMEASURED,
        faiss=faiss_version(),
        made=datetime.now().astimezone().isoformat(timespec="seconds"),
    )


def _finish(arrays: Arrays, ids: Ids) -> int:
    np.bitwise_or.at(arrays["covered"], ids >> 3, (1 << (ids & 7)).astype(np.uint8))
    return small_crc(arrays)


def _samples(source: VectorSource) -> Iterator[tuple[int, int]]:
    """Images with their vectors' checksums: from everywhere, and the last, whose ids a restored catalog would give again."""
    ids = np.sort(source.ids)
    wanted = np.union1d(ids[:: max(len(ids) // _SAMPLES, 1)][:_SAMPLES], ids[-_SAMPLES:])
    for segment in source.snapshot.segments:
        rows = segment.rows_of(wanted)
        for image_id, row in zip(wanted[rows >= 0].tolist(), rows[rows >= 0].tolist(), strict=True):
            yield image_id, vector_check(np.array(segment.vectors[row]))
