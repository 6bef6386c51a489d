"""Immutable files of vectors: FAISS inner-product indexes with their image ids, memory-mapped. The only user of faiss."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from clipsearch.errors import CollectionDamaged, CollectionError
from clipsearch.schema import Embeddings, Ids, Scores


@dataclass(frozen=True, slots=True)
class SegmentInfo:
    """What the catalog knows of a segment."""

    name: str  # of the file, inside the segments folder
    rows: int
    size: int  # bytes
    sha256: str


class Segment:
    """One open segment. Its vectors stay on disk until they are looked at; its ids are in ascending order."""

    def __init__(self, folder: Path, info: SegmentInfo, dim: int) -> None:
        self.info = info
        path = folder / info.name
        size = path.stat().st_size  # FileNotFoundError is the caller's to judge: a merge may have removed it
        if size != info.size:
            raise CollectionDamaged(f"{path} is {size} bytes long and should be {info.size}")
        try:
            mapped: Any = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
            self._flat: Any = faiss.downcast_index(mapped.index)
            self.ids: Ids = faiss.vector_to_array(mapped.id_map)
            self._mapped = mapped  # owns the memory that the others look into
        except (RuntimeError, AttributeError) as error:
            path.stat()  # FileNotFoundError again, where a merge was quicker than we
            raise CollectionDamaged(f"{path} is not a vector segment: {str(error).splitlines()[0]}") from error
        shape, expected = (self._flat.ntotal, self._flat.d, len(self.ids)), (info.rows, dim, info.rows)
        if shape != expected or self._flat.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise CollectionDamaged(f"{path} holds {shape} (rows, dim, ids) and should hold {expected}")

    @cached_property
    def vectors(self) -> Embeddings:
        """All vectors, (rows, dim), as a read-only view of the file."""
        view: Embeddings = faiss.rev_swig_ptr(self._flat.get_xb(), self._flat.ntotal * self._flat.d)
        view = view.reshape(self._flat.ntotal, self._flat.d)
        view.flags.writeable = False
        return view

    def rows_of(self, ids: Ids) -> NDArray[np.int64]:
        """Row numbers (n,) of image ids (n,); -1 where this segment does not hold one."""
        rows = np.searchsorted(self.ids, ids)
        found = rows < len(self.ids)
        found[found] = self.ids[rows[found]] == ids[found]
        return np.where(found, rows, -1)

    def search(self, query: Embeddings, count: int, keep: NDArray[np.bool_] | None) -> tuple[NDArray[np.float32], Ids]:
        """The `count` rows nearest to one query (1, dim): their float32 scores, best first, and row numbers.

        `keep` (rows,) marks the rows that may be found. Fewer come back where there are fewer.
        """
        parameters = None
        if keep is not None:
            bits = np.packbits(keep, bitorder="little")
            parameters = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bits))  # type: ignore[call-arg, arg-type]
        # One thread: a lone query is bound by memory, and a second thread on a busy machine made it seven times slower.
        threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)
        try:
            scores, rows = self._flat.search(query, min(count, self.info.rows), params=parameters)
        finally:
            faiss.omp_set_num_threads(threads)
        real = rows[0] >= 0
        return scores[0][real], rows[0][real]


def exact_scores(vectors: Embeddings, query: Embeddings) -> Scores:
    """Cosines of rows (n, dim) with one query (1, dim), in float64; equal rows get equal scores, in any place."""
    scores: Scores = (vectors.astype(np.float64) * query[0].astype(np.float64)).sum(axis=1)
    return scores


def rounding_bound(dim: int) -> float:
    """How far a float32 inner product of two unit vectors may lie from the true one, whatever order it is summed in.

    N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., equation (3.5): n u / (1 - n u), u = 2^-24.
    """
    error = dim * 2.0**-24
    return 1.01 * error / (1 - error)  # the stored rows' norms are 1 to within 1e-6


def write_segment(folder: Path, name: str, ids: Ids, vectors: Embeddings) -> SegmentInfo:
    """Write a segment, whole and on the disk before this returns. Ids (n,) ascend; vectors are (n, dim)."""
    index = faiss.IndexIDMap(faiss.IndexFlatIP(vectors.shape[1]))
    index.add_with_ids(np.ascontiguousarray(vectors, np.float32), np.ascontiguousarray(ids, np.int64))
    path, partial = folder / name, folder / f"{name}.partial"
    try:
        faiss.write_index(index, str(partial))
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise CollectionError(f"cannot write {path} ({reason}); what was committed before is safe") from error
    with partial.open("rb+") as stream:
        os.fsync(stream.fileno())
        sha256 = file_sha256(partial)
    partial.replace(path)
    sync_folder(folder)
    return SegmentInfo(name, len(ids), path.stat().st_size, sha256)


def file_sha256(path: Path) -> str:
    """A file's sha256, hexadecimal."""
    total = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            total.update(block)
    return total.hexdigest()


def sync_folder(folder: Path) -> None:
    """Make a rename in a folder durable, where the system lets a folder be synced at all."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
