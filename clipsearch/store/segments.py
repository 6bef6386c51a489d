"""Immutable files of vectors: faiss inner-product indexes with their image ids, memory-mapped.

Files are checked before faiss allocates what a header asks for. Their layout is that of faiss's impl/index_write.cpp:
`write_index` for IndexIDMap, IndexFlat and IndexScalarQuantizer, all little-endian.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.atomic_files import new_file
from clipsearch._internal.untrusted_files import open_plain
from clipsearch.errors import CollectionDamaged, CollectionError
from clipsearch.store.validation import WHAT_TO_DO
from clipsearch.store.vectors import rounding_bound
from clipsearch.types import Embeddings, Ids, Scores

if TYPE_CHECKING:
    import faiss
else:

    class _Faiss:
        """faiss, imported when it is first used: that takes 0.1 s, and many commands need no vectors."""

        def __getattr__(self, name: str) -> Any:
            return getattr(import_module("faiss"), name)

    faiss = _Faiss()

_DECODING = 2e-5  # error of faiss's decoded codes, computed in float32; 8e-6 was measured
_BLOCK = 8192  # rows quantised at once

# Name, dim, rows, two unused numbers, whether it is trained, metric.
_HEADER = struct.Struct("<4siqqqBi")
_LENGTH = struct.Struct("<q")
# Type, range statistic and its argument, dim, bytes per row, how many numbers it was trained to.
_QUANTIZER = struct.Struct("<iifqqq")
_TRAINED_TO = 2
_INNER_PRODUCT = 0
_UNIFORM_8_BITS = 2

MAPPED_FROM = 1 << 20
"""Files of at least this many bytes are mapped. Smaller ones are read, because a mapping keeps a descriptor."""

COMPACT_ROWS = 16_384
"""Segments of at least this many rows get a compact copy; smaller ones are fast enough without."""


@dataclass(frozen=True, slots=True)
class CompactInfo:
    """The catalog's entry of a compact copy: each value is a signed 8-bit code times its dimension's scale.

    It is a quarter of the size. The error of the codes is bounded, so that a ranking by them can be proven exact.
    """

    size: int  # bytes
    sha256: str
    scales: bytes  # float32 (dim,)
    deltas: bytes  # float32 (dim,): the largest error of any row in each dimension
    error: float  # the largest error (Euclidean norm) of any row


@dataclass(frozen=True, slots=True)
class SegmentInfo:
    """The catalog's entry of a segment."""

    name: str  # of the file, inside the segments folder
    rows: int  # negative if unknown
    size: int  # bytes
    sha256: str
    compact: CompactInfo | None = None

    @property
    def wants_compact(self) -> bool:
        """Whether it is large enough for a compact copy but has none."""
        return self.rows >= COMPACT_ROWS and self.compact is None

    @property
    def compact_name(self) -> str:
        """The name of the compact copy's file."""
        return self.name.replace(".faiss", ".int8.faiss")


def require_length(path: Path, info: SegmentInfo) -> None:
    """Raise CollectionDamaged unless a segment's file has as many bytes as were written; FileNotFoundError if it is missing."""
    if (size := path.stat().st_size) != info.size:
        raise CollectionDamaged(f"{path} is {size} bytes long and should be {info.size}; {WHAT_TO_DO}")


class Segment:
    """One open segment. Its vectors stay on disk until they are used; its ids ascend."""

    def __init__(self, folder: Path, info: SegmentInfo, dim: int) -> None:
        self.info = info
        self._flat: Any
        self._folder = folder
        path = folder / info.name
        require_length(path, info)  # FileNotFoundError goes to the caller: a merge may have removed it
        try:
            require_flat(path, dim, info.rows)  # before faiss allocates what a header asks for
            self._content = _Content(path)  # must outlive the index
            index: Any = _over(self._content.bytes)
            self._flat = faiss.downcast_index(index.index)
            self.ids: Ids = faiss.vector_to_array(index.id_map)
            self._index = index  # owns the flat one
        except (RuntimeError, AttributeError, ValueError, TypeError) as error:
            path.stat()  # FileNotFoundError if a merge removed it meanwhile
            reason = (str(error) or "?").splitlines()[0]
            raise CollectionDamaged(f"{path} is not a vector segment: {reason}; {WHAT_TO_DO}") from error
        rows = len(self.ids) if info.rows < 0 else info.rows
        shape, expected = (self._flat.ntotal, self._flat.d, len(self.ids)), (rows, dim, rows)
        if shape != expected or self._flat.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise CollectionDamaged(f"{path} holds {shape} (rows, dim, ids) and should hold {expected}; {WHAT_TO_DO}")

    @property
    def vectors(self) -> Embeddings:
        """All vectors, (rows, dim), as a read-only view of the file. CollectionDamaged if the file was cut short meanwhile."""
        self._content.require_whole()
        return self._vectors

    @cached_property
    def _vectors(self) -> Embeddings:
        content = self._content.bytes
        count, start = self._flat.ntotal * self._flat.d, int(self._flat.get_xb()) - content.ctypes.data
        return np.frombuffer(content, np.float32, count, start).reshape(self._flat.ntotal, self._flat.d)

    def rows_of(self, ids: Ids) -> NDArray[np.int64]:
        """Row numbers (n,) of image ids (n,); -1 for ids that are not in this segment."""
        rows = np.searchsorted(self.ids, ids)
        here = rows < len(self.ids)
        here[here] = self.ids[rows[here]] == ids[here]
        return np.where(here, rows, -1)

    def search(self, query: Embeddings, count: int, keep: NDArray[np.bool_] | None, *, whole: bool = False) -> Nearest:
        """About the `count` rows nearest to one query (1, dim), or fewer if there are no more. `keep` (rows,) masks the rows.

        Uses the compact copy, if there is one, unless `whole`. CollectionDamaged if the file was cut short meanwhile.
        """
        compact = None if whole else self._compact
        if compact is None or compact.is_cut:
            self._content.require_whole()
            return Nearest(*self._scan(self._flat, query, count, keep), rounding_bound(query.shape[1]))
        return Nearest(*self._scan(compact.index, compact.query(query), count, keep), compact.bound(query))

    def _scan(self, index: Any, query: Embeddings, count: int, keep: NDArray[np.bool_] | None) -> tuple[Scores, Ids]:
        parameters = None
        if keep is not None:
            bits = np.packbits(keep, bitorder="little")
            parameters = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bits))  # type: ignore[call-arg, arg-type]
        with one_thread():
            scores, rows = index.search(query, min(count, self.info.rows), params=parameters)
        real = rows[0] >= 0
        return scores[0][real].astype(np.float64), rows[0][real]

    @cached_property
    def _compact(self) -> _Compact | None:
        """The compact copy; None if it is missing or does not fit. A search works without it."""
        info = self.info.compact
        if info is None:
            return None
        try:
            return _Compact(self._folder / self.info.compact_name, info, self.info.rows, self._flat.d)
        except (OSError, RuntimeError, AttributeError, ValueError, TypeError):
            return None


@dataclass(frozen=True, slots=True)
class Nearest:
    """The result of a scan: `scores` (n,), best first, each within `bound` of the true cosine, and row numbers (n,)."""

    scores: Scores
    rows: Ids
    bound: float


class _Compact:
    """An open compact copy."""

    def __init__(self, path: Path, info: CompactInfo, rows: int, dim: int) -> None:
        if path.stat().st_size != info.size:
            raise ValueError(f"{path} is not {info.size} bytes long")
        require_compact(path, dim, rows)
        self._content = _Content(path)  # must outlive the index
        self.index = index = _over(self._content.bytes)
        self._scales, self._deltas = np.frombuffer(info.scales, "<f4"), np.frombuffer(info.deltas, "<f4")
        self._error = float(info.error)
        bounds = np.array([self._error, *self._scales, *self._deltas])
        fits = (index.ntotal, index.d, index.code_size) == (rows, dim, dim) and len(bounds) == 1 + 2 * dim
        if not (fits and np.isfinite(bounds).all() and (bounds >= 0).all()):
            raise ValueError(f"{path} does not fit its segment")

    @property
    def is_cut(self) -> bool:
        """Whether the file was cut short after it was opened."""
        return self._content.missing > 0

    def query(self, query: Embeddings) -> Embeddings:
        """A query (1, dim) whose inner product with the codes approximates that of `query` with the vectors."""
        folded: Embeddings = query * self._scales
        return folded

    def bound(self, query: Embeddings) -> float:
        """The largest error of a score by the codes, from Hölder's and from Cauchy and Schwarz's inequality."""
        wide = np.abs(query[0].astype(np.float64))
        left_out = min(float(wide @ self._deltas), self._error * float(np.linalg.norm(wide)))
        decoding = _DECODING * float(wide @ self._scales)
        return left_out + decoding + rounding_bound(len(wide)) * (1 + self._error)


def write_segment(folder: Path, name: str, ids: Ids, vectors: Embeddings) -> SegmentInfo:
    """Write a segment, whole and on the disk before this returns. Ids (n,) must ascend; vectors are (n, dim)."""
    index = faiss.IndexIDMap(faiss.IndexFlatIP(vectors.shape[1]))
    index.add_with_ids(np.ascontiguousarray(vectors, np.float32), np.ascontiguousarray(ids, np.int64))
    size, sha256 = _write(index, folder, name)
    return SegmentInfo(name, len(ids), size, sha256)


def write_compact(folder: Path, segment: Segment) -> CompactInfo:
    """Write a segment's compact copy, whole and on the disk before this returns."""
    vectors = segment.vectors
    largest = np.zeros(vectors.shape[1], np.float32)
    blocks = [vectors[start : start + _BLOCK] for start in range(0, len(vectors), _BLOCK)]
    for block in blocks:
        np.maximum(largest, np.abs(block).max(axis=0), out=largest)
    scales = np.maximum(largest / np.float32(127), np.finfo(np.float32).tiny)
    # faiss's direct 8-bit codes would round the query to 8 bits as well; uniform ones from -127 to 127 do not.
    index: Any = faiss.IndexScalarQuantizer(
        vectors.shape[1], faiss.ScalarQuantizer.QT_8bit_uniform, faiss.METRIC_INNER_PRODUCT
    )
    faiss.copy_array_to_vector(np.array([-127.5, 255], np.float32), index.sq.trained)
    index.is_trained = True
    deltas, error = np.zeros(vectors.shape[1]), 0.0
    for block in blocks:
        codes = np.round(block / scales).clip(-127, 127)
        index.add(codes)
        left_out = np.abs(block.astype(np.float64) - codes.astype(np.float64) * scales)
        np.maximum(deltas, left_out.max(axis=0), out=deltas)
        error = max(error, float(np.sqrt((left_out * left_out).sum(axis=1).max())))
    size, sha256 = _write(index, folder, segment.info.compact_name)
    rounded_up = np.nextafter(deltas.astype(np.float32), np.float32(np.inf))
    return CompactInfo(size, sha256, scales.astype("<f4").tobytes(), rounded_up.astype("<f4").tobytes(), error)


def _write(index: Any, folder: Path, name: str) -> tuple[int, str]:
    """Write an index file whole or not at all; its size in bytes and its sha256."""
    path = folder / name
    total, size = hashlib.sha256(), 0

    def take(block: bytes) -> None:
        nonlocal size
        total.update(block)
        size += stream.write(block)

    try:
        with new_file(path) as stream:
            # If faiss opens the file itself, it only prints that the disk is full and reports success.
            faiss.write_index(index, faiss.PyCallbackIOWriter(take))  # type: ignore[attr-defined]
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise CollectionError(f"cannot write {path} ({reason}); what was committed before is safe") from error
    return size, total.hexdigest()


def _over(data: NDArray[np.uint8]) -> Any:
    """An index over a file's bytes (n,), which are not copied and must outlive it.

    On Windows, faiss itself cannot open a path with letters outside the system's code page.
    """
    reader = faiss.ZeroCopyIOReader(faiss.swig_ptr(data), len(data))  # type: ignore[attr-defined]
    return faiss.read_index(reader)


@contextmanager
def one_thread() -> Iterator[None]:
    """Have faiss use one thread: a search is little work, and threads that wait for each other are slow on a busy machine."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def require_flat(path: Path, dim: int, rows: int) -> None:
    """Raise ValueError unless a file's headers and length are those of an IndexIDMap over an IndexFlatIP of that shape.

    Negative `rows` accept any number. OSError if it cannot be read; only a plain file is opened.
    """
    with open_plain(path, follow_links=False) as stream:
        size = os.fstat(stream.fileno()).st_size
        outer, inner = _read(stream, _HEADER), _read(stream, _HEADER)
        (values,) = _read(stream, _LENGTH)
        rows = inner[2] if rows < 0 else rows
        _require("its kind", (outer[0], inner[0]), (b"IxMp", b"IxFI"))
        _require("its metric", (outer[6], inner[6]), (_INNER_PRODUCT, _INNER_PRODUCT))
        _require("(rows, dim)", ((outer[2], outer[1]), (inner[2], inner[1])), ((rows, dim), (rows, dim)))
        _require("its values", values, rows * dim)
        ids = stream.tell() + 4 * rows * dim
        # Bytes after the end do no harm, and a repair can use such a file.
        if rows < 0 or size < ids + _LENGTH.size + 8 * rows:
            raise ValueError("it is too short")
        stream.seek(ids)
        _require("its ids", _read(stream, _LENGTH), (rows,))


def require_compact(path: Path, dim: int, rows: int) -> None:
    """Raise ValueError unless a file is an IndexScalarQuantizer of that shape, with one byte per value. OSError as above."""
    with open_plain(path, follow_links=False) as stream:
        size = os.fstat(stream.fileno()).st_size
        kind, file_dim, file_rows, *_, metric = _read(stream, _HEADER)
        quantizer, _, _, quantizer_dim, code_size, trained = _read(stream, _QUANTIZER)
        _require("its kind", (kind, metric, quantizer), (b"IxSQ", _INNER_PRODUCT, _UNIFORM_8_BITS))
        _require("its shape", (file_rows, file_dim, quantizer_dim, code_size), (rows, dim, dim, dim))
        _require("its training", trained, _TRAINED_TO)
        stream.seek(4 * _TRAINED_TO, os.SEEK_CUR)
        _require("its codes", _read(stream, _LENGTH), (rows * dim,))
        _require("its length", size, stream.tell() + rows * dim)


class _Content:
    """A file's bytes (n,), read-only. A large file stays mapped as long as they live. OSError or ValueError as above.

    To read a mapped page that the file does not have any more ends the process, so its length is looked at before each use.
    If it is cut short during a search, the process can still end.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mapped: mmap.mmap | None = None
        with open_plain(path, follow_links=False) as stream:
            if os.fstat(stream.fileno()).st_size < MAPPED_FROM:
                self.bytes = np.frombuffer(stream.read(), np.uint8)
            else:
                self._mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
                self.bytes = np.frombuffer(self._mapped, np.uint8)

    @property
    def missing(self) -> int:
        """Bytes that the mapped file has lost since it was opened. Not above 0 if it is whole, or was read into memory."""
        return 0 if self._mapped is None else len(self.bytes) - self._mapped.size()

    def require_whole(self) -> None:
        """Raise CollectionDamaged if the file was cut short after it was opened."""
        if self.missing > 0:
            raise CollectionDamaged(
                f"{self._path} was cut short while it was open: {self.missing:,} bytes are missing; {WHAT_TO_DO}"
            )


def _read(stream: BinaryIO, form: struct.Struct) -> tuple[Any, ...]:
    data = stream.read(form.size)
    if len(data) != form.size:
        raise ValueError("it is too short")
    return form.unpack(data)


def _require(name: str, value: object, expected: object) -> None:
    if value != expected:
        raise ValueError(f"{name} should be {expected} and is {value}")


def faiss_version() -> str:
    """The version of faiss that is installed."""
    return str(faiss.__version__)
