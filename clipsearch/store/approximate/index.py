"""An approximate index: its folder, and searches with it.

It proposes candidates, and these are scored exactly with their stored vectors.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.atomic_files import sync_file, sync_folder
from clipsearch._internal.checksums import file_sha256
from clipsearch._internal.untrusted_files import why
from clipsearch._internal.warn import warn
from clipsearch.errors import CollectionDamaged, CollectionError
from clipsearch.store.approximate.file_format import opened
from clipsearch.store.approximate.info import INFO_FILE, ApproximateInfo, Kind, read_info, write_info
from clipsearch.store.catalog import Catalog
from clipsearch.store.lock import WriterLock
from clipsearch.store.ranking import best_first, nearest
from clipsearch.store.segments import Segment, faiss_version
from clipsearch.store.snapshot import Snapshot
from clipsearch.store.vectors import exact_scores, rounding_bound
from clipsearch.types import Embeddings, Fingerprint, Ids, Scores

FOLDER = "approximate"
DEEPEST = 100
"""It answers requests for up to this many results; deeper rankings are exact."""

_MOST_TIMES = 64  # the usual effort, if candidates were removed from the collection; beyond it the search is exact
_ATTEMPTS = 3  # to open it while another `optimize` replaces it


@dataclass(frozen=True, slots=True)
class ApproximateStatus:
    """The state of an approximate index. If there is a `problem`, the other values are None."""

    problem: str | None  # why it is not used
    kind: Kind | None = None
    recall_k: int | None = None
    text_recall: float | None = None
    image_recall: float | None = None
    milliseconds: float | None = None  # median search of a text query when it was made
    exact_milliseconds: float | None = None
    bytes: int | None = None
    made: str | None = None  # ISO 8601
    images: int | None = None  # pictures in it; a file may have several
    new: int | None = None  # pictures of the index that are not in it; these are searched exactly
    gone: int | None = None  # pictures in it that are no longer in the index


class Searcher(Protocol):
    """A faiss index over the file's arrays."""

    def search(self, queries: Embeddings, count: int, effort: int) -> Ids:
        """The ids (n, count) of about the nearest to each of the queries (n, dim), best first; -1 for none."""


class ApproximateIndex:
    """An open approximate index. `effort` and `candidates` come from its info, except while it is being tuned."""

    def __init__(self, folder: Path, info: ApproximateInfo) -> None:
        arrays, self._mapped = opened(folder, info)
        self.info, self.effort, self.candidates = info, info.effort, info.candidates
        self._covered: NDArray[np.uint8] = arrays["covered"]
        self._whole = frozenset(info.segments)
        self._uncovered: dict[str, NDArray[np.bool_]] = {}  # sha256 of a segment that is not whole → its rows not in it
        self._fresh: list[tuple[Segment, NDArray[np.bool_]]] = []  # segments with living rows that are not in it
        self._snapshot: Snapshot | None = None
        self._searcher: Searcher
        if info.shape.kind == "hnsw-sq8":
            from clipsearch.store.approximate.hnsw import HnswIndex

            self._searcher = HnswIndex(info.shape, arrays)
        else:
            from clipsearch.store.approximate.ivf import IvfIndex

            if info.shape.kind == "ivf-rabitq" and info.faiss != faiss_version():
                raise ValueError(f"faiss {info.faiss} made it, and faiss {faiss_version()} may use another layout")
            self._searcher = IvfIndex(folder / info.file, info.shape, arrays)

    def require_whole(self) -> None:
        """Raise ValueError if its file was cut short after it was opened. To read on would end the process."""
        if self._mapped.size() < self.info.size:
            raise ValueError("its file was cut short while it was open")

    def candidate_ids(self, queries: Embeddings, count: int, *, times: int = 1) -> Ids:
        """The candidates (n, count) of each of the queries (n, dim), best first; -1 for none. Uses its effort `times` over."""
        rows = self.info.shape.rows
        return self._searcher.search(queries, min(count, rows), min(self.effort * times, rows))

    def covers(self, ids: Ids) -> NDArray[np.bool_]:
        """Which of the image ids (n,) are in it."""
        known = (ids >= 0) & (ids >> 3 < len(self._covered))
        known[known] = (self._covered[ids[known] >> 3] >> (ids[known] & 7)) & 1 == 1
        return known

    def nearest(
        self, snapshot: Snapshot, queries: Embeddings, top_k: int, without: Sequence[int] = ()
    ) -> list[tuple[Scores, Ids]]:
        """About the best `top_k` of each query (n, dim): cosines, best first, and ids. Other photos are searched exactly."""
        self._look_at(snapshot)
        count = max(self.candidates, top_k)
        candidates = self.candidate_ids(queries, count)
        return [
            self._answer(snapshot, query[None], top_k, without, ids)
            for query, ids in zip(queries, candidates, strict=True)
        ]

    def _answer(
        self, snapshot: Snapshot, query: Embeddings, top_k: int, without: Sequence[int], ids: Ids
    ) -> tuple[Scores, Ids]:
        count, times, rows = len(ids), 1, self.info.shape.rows
        living, vectors = self._living(snapshot, ids, without)
        while len(living) < count:
            named = int(np.count_nonzero(ids >= 0))
            if named - len(living) <= named // 8 + len(without):
                break
            times *= 4  # many are gone, perhaps all that were near
            if times > _MOST_TIMES or count * times >= rows:
                return snapshot.nearest(query, top_k, None, without)[0]
            ids = self.candidate_ids(query, count * times, times=times)[0]
            living, vectors = self._living(snapshot, ids, without)
        scores, ids = _scored(vectors, living, query, top_k)
        if self._fresh:
            keeps: list[NDArray[np.bool_] | None] = []
            for segment, fresh in self._fresh:
                keep = snapshot.keep(segment, None, without) if len(without) else None
                keeps.append(fresh if keep is None else fresh & keep)
            more_scores, more_ids = nearest([segment for segment, _ in self._fresh], keeps, query, top_k)
            scores, ids = np.concatenate([scores, more_scores]), np.concatenate([ids, more_ids])
        if len(ids) < top_k:  # the visited parts have no more
            return snapshot.nearest(query, top_k, None, without)[0]
        return best_first(scores, ids, top_k)

    def _living(self, snapshot: Snapshot, ids: Ids, without: Sequence[int]) -> tuple[Ids, Embeddings]:
        """The ids (n,) that are in it and in the collection, and not in `without`; and their vectors (n, dim)."""
        ids = np.unique(ids)
        ids = ids[self.covers(ids)]
        if len(without):
            ids = ids[np.isin(ids, np.array(without, np.int64), invert=True)]
        gone = snapshot.tombstones
        if len(gone):
            at = np.minimum(np.searchsorted(gone, ids), len(gone) - 1)
            ids = ids[gone[at] != ids]
        vectors, here = snapshot.lookup(ids)
        return ids[here], vectors[here]

    def _look_at(self, snapshot: Snapshot) -> None:
        if self._snapshot is snapshot:
            return
        uncovered: dict[str, NDArray[np.bool_]] = {}
        fresh: list[tuple[Segment, NDArray[np.bool_]]] = []
        for segment in snapshot.segments:
            key = segment.info.sha256
            if key in self._whole:
                continue
            rows = uncovered[key] = self._uncovered[key] if key in self._uncovered else ~self.covers(segment.ids)
            keep = snapshot.keep(segment)
            living = rows if keep is None else rows & keep
            if living.any():
                fresh.append((segment, living))
        self._snapshot, self._uncovered, self._fresh = snapshot, uncovered, fresh


class ApproximateLoader:
    """The approximate index of a collection, if it has one that fits; opened again after it has changed."""

    def __init__(self, collection: Path) -> None:
        self._folder = collection / FOLDER
        self._identity: tuple[int, ...] | None = None
        self._index: ApproximateIndex | None = None

    def current(self, catalog: Catalog, fingerprint: Fingerprint) -> ApproximateIndex | None:
        """The index to search with, for a collection of that model. Warns once if there is one that cannot be used."""
        try:
            state = os.lstat(self._folder / INFO_FILE)
            identity = (state.st_ino, state.st_size, state.st_mtime_ns)
        except OSError:
            identity = None
        try:
            if identity != self._identity:
                self._identity, self._index = identity, None
                if identity is not None:
                    self._index = open_approximate(self._folder, catalog, fingerprint)
            elif self._index is not None:
                self._index.require_whole()
        except (OSError, ValueError, RuntimeError, MemoryError) as error:
            self._index = None
            warn(
                f"the approximate index in {self._folder} is not used: {why(error)}. The search is exact; "
                "to build a new one: `clipsearch optimize`"
            )
        return self._index


def open_approximate(folder: Path, catalog: Catalog, fingerprint: Fingerprint) -> ApproximateIndex | None:
    """Open the approximate index in a folder; None if it has none. ValueError if it is damaged or of other images."""
    for _ in range(_ATTEMPTS):
        try:
            info = read_info(folder)
        except FileNotFoundError:
            return None
        _require_same_images(info, catalog, fingerprint)
        try:
            return ApproximateIndex(folder, info)
        except FileNotFoundError:
            continue
    raise ValueError(f"its file {info.file} is missing")


def _require_same_images(info: ApproximateInfo, catalog: Catalog, fingerprint: Fingerprint) -> None:
    """Raise ValueError unless an approximate index was built from the images of a catalog."""
    if (info.digest, info.shape.dim) != (fingerprint.digest, fingerprint.dim):
        raise ValueError("it was made with another model")
    try:
        checks = catalog.images.vector_checks([image_id for image_id, _ in info.samples])
        last_id = catalog.last_id()
    except CollectionError as error:
        raise ValueError(str(error)) from error
    if info.shape.last_id > last_id or any(
        checks.get(image_id) not in (None, check) for image_id, check in info.samples
    ):
        raise ValueError("it was made of other images")


def _scored(vectors: Embeddings, ids: Ids, query: Embeddings, top_k: int) -> tuple[Scores, Ids]:
    """Cosines (float64) and ids of the vectors (n, dim) that can be among the best `top_k`."""
    if len(ids) > top_k:
        quick = vectors @ query[0]
        least = np.partition(quick, len(quick) - top_k)[-top_k] - 2 * rounding_bound(vectors.shape[1]) - 1e-7
        vectors, ids = vectors[quick >= least], ids[quick >= least]
    return exact_scores(vectors, query), ids


@contextmanager
def making(collection: Path) -> Iterator[Path]:
    """Lock the folder for building an approximate index. Deletes files that approximate.json does not name.

    Raises CollectionBusy if another process is building one, CollectionError if the folder cannot be written.
    """
    folder = collection / FOLDER
    try:
        folder.mkdir(exist_ok=True)
        _require_folder(folder)
        lock = WriterLock(folder / "writer.lock")
    except OSError as error:
        raise CollectionError(f"cannot write an approximate index at {folder}: {error.strerror or error}") from error
    try:
        _sweep(folder)
        yield folder
    finally:
        _sweep(folder)
        lock.release()


def put(folder: Path, info: ApproximateInfo) -> None:
    """Publish a file that was built in the folder. It replaces the one before."""
    with (folder / info.file).open("rb+") as stream:  # Windows cannot sync a file that is open for reading only
        sync_file(stream.fileno())
    sync_folder(folder)
    write_info(folder, info)
    _sweep(folder)


def remove(collection: Path) -> bool:
    """Remove a collection's approximate index; whether there was one. The folder and the lock in it stay."""
    folder = collection / FOLDER
    if not os.path.lexists(folder):
        return False
    _require_folder(folder)
    existed = os.path.lexists(folder / INFO_FILE)
    with making(collection):
        (folder / INFO_FILE).unlink(missing_ok=True)
    return existed


def damages(collection: Path) -> Iterator[tuple[str, str]]:
    """Read a collection's whole approximate index, if there is one. Yields (file name, problem)."""
    folder = collection / FOLDER
    try:
        info = read_info(folder)
        opened(folder, info)
        if file_sha256(folder / info.file) != info.sha256:
            yield f"{FOLDER}/{info.file}", "its bytes are not those that were written"
    except FileNotFoundError as error:
        if os.path.lexists(folder / INFO_FILE):
            yield f"{FOLDER}/{INFO_FILE}", f"its file {os.path.basename(str(error.filename))} is missing"
    except (OSError, ValueError, MemoryError) as error:
        yield f"{FOLDER}/{INFO_FILE}", why(error)


def read_status(
    collection: Path, snapshot: Snapshot, catalog: Catalog, fingerprint: Fingerprint
) -> ApproximateStatus | None:
    """The state of a collection's approximate index, or None."""
    try:
        index = open_approximate(collection / FOLDER, catalog, fingerprint)
    except (OSError, ValueError, RuntimeError, MemoryError) as error:
        return ApproximateStatus(why(error))
    if index is None:
        return None
    info, measured = index.info, index.info.measured
    new = living = 0
    for segment in snapshot.segments:
        keep = snapshot.keep(segment)
        covered = index.covers(segment.ids if keep is None else segment.ids[keep])
        living += len(covered)
        new += len(covered) - int(np.count_nonzero(covered))
    return ApproximateStatus(
        problem=None,
        kind=info.shape.kind,
        recall_k=measured.k,
        text_recall=measured.text,
        image_recall=measured.image,
        milliseconds=measured.milliseconds,
        exact_milliseconds=measured.exact_milliseconds,
        bytes=info.size,
        made=info.made,
        images=info.shape.rows,
        new=new,
        gone=info.shape.rows - (living - new),
    )


def _require_folder(folder: Path) -> None:
    if not stat.S_ISDIR(os.lstat(folder).st_mode):
        raise CollectionDamaged(f"{folder} is not a folder; delete it")


def _sweep(folder: Path) -> None:
    """Delete our files that approximate.json does not name. If it cannot be read, a later version may need them: keep all."""
    try:
        named = read_info(folder).file
    except FileNotFoundError:
        named = ""
    except (OSError, ValueError):
        return
    for path in folder.iterdir():
        if path.name != named and path.name.endswith((".vectors", ".partial")):
            with suppress(OSError):  # Windows keeps files that a reader has open; a later run deletes them
                path.unlink()
