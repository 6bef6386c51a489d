"""Vectors and metadata as one thing: written together, published by one commit, searched exactly."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from clipsearch.conditions import Condition
from clipsearch.errors import CollectionDamaged, CollectionError, CollectionNotFound, ModelMismatch
from clipsearch.schema import Embeddings, Failure, Fingerprint, Ids, ImageFile, ImageInfo, ImageRecord, Scores
from clipsearch.store import merge
from clipsearch.store.catalog import Catalog, Place
from clipsearch.store.lock import WriterLock
from clipsearch.store.ranking import View, nearest, nearest_to_each
from clipsearch.store.segments import Segment, write_compact, write_segment

_UNIT_TOLERANCE = 1e-5
_TOGETHER = 4  # queries from which reading the vectors once for all is quicker than a compact copy for each
_ATTEMPTS = 5  # states a reader tries to open while a writer keeps merging them away
_T = TypeVar("_T")


class Collection:
    """An index folder, open. Use as a context manager.

    Any number of readers may be open, before, during and after a commit; each sees whole commits only. Opened with
    `writable=True`, it is the one writer, and what it stages becomes visible to others with `commit`.
    """

    def __init__(self, folder: str | os.PathLike[str], *, writable: bool = False) -> None:
        self.folder = Path(folder).absolute()
        self._lock: WriterLock | None = None
        catalog = self.folder / "catalog.sqlite"
        if not writable and not catalog.is_file():
            raise CollectionNotFound(f"there is no index at {self.folder}; make one with: clipsearch index FOLDER")
        if writable:
            try:
                (self.folder / "segments").mkdir(parents=True, exist_ok=True)
                self._lock = WriterLock(self.folder / "writer.lock")
            except OSError as error:
                raise CollectionError(f"cannot write an index at {self.folder}: {error.strerror or error}") from error
        try:
            self.catalog = Catalog(catalog, create=writable)
        except BaseException:
            self._release()
            raise
        self._staged: dict[int, NDArray[np.float32]] = {}  # by image id, ascending
        self._view = View(-1, [], np.empty(0, np.int64))
        self._outdated = True
        if writable:
            self._remove_leftovers()

    def close(self) -> None:
        """Forget what was staged and let go of the files."""
        self.rollback()
        self._view = View(-1, [], np.empty(0, np.int64))
        self.catalog.close()
        self._release()

    def __enter__(self) -> Collection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- what it is

    @property
    def fingerprint(self) -> Fingerprint | None:
        """The model whose embeddings it holds; None before the first."""
        return self.catalog.fingerprint()

    def require(self, fingerprint: Fingerprint) -> None:
        """Raise ModelMismatch unless embeddings of this model belong here; a new index remembers it."""
        mine = self.fingerprint
        if mine is None and self._lock:
            self.catalog.begin()
            self.catalog.set_fingerprint(fingerprint)
        elif mine is None or mine.digest != fingerprint.digest or mine.dim != fingerprint.dim:
            raise ModelMismatch(
                f"the index at {self.folder} was made with the model {mine.model if mine else '(none yet)'!r} and cannot be "
                f"used with {fingerprint.model!r}: their embeddings mean different things. Leave --model out, or make "
                f"another index: clipsearch index FOLDER --model {fingerprint.model} --index OTHER_DIR"
            )

    def settle_precision(self, fingerprint: Fingerprint) -> None:
        """Stage how precisely pictures are encoded from now on, where that was still open."""
        mine = self.fingerprint
        if mine and mine.precision is None and fingerprint.precision:
            self.catalog.begin()
            self.catalog.set_fingerprint(replace(mine, precision=fingerprint.precision))

    def roots(self) -> dict[int, str]:
        """root_id → the absolute path it has today, wherever the index folder has been moved to."""
        return {
            root_id: os.path.normpath(os.path.join(self.folder, path))
            for root_id, (path, _) in self.catalog.roots().items()
        }

    def add_root(self, path: str, rules: dict[str, object]) -> int:
        """Add a root, or change its walk's rules; its id. A root inside the index's parent is stored relative to it.

        Roots that lie inside the new one become part of it.
        """
        self.catalog.begin()
        inside = Path(path).is_relative_to(self.folder.parent)
        stored = os.path.relpath(path, self.folder) if inside else path
        root_id = self.catalog.set_root(stored, rules)
        for other, other_path in self.roots().items():
            if other != root_id and Path(other_path).is_relative_to(path):
                self.catalog.adopt_root(other, root_id, Path(other_path).relative_to(path).as_posix())
        return root_id

    def place(self, path: str) -> Place | None:
        """Where a path is in the catalog's terms; None where no root holds it."""
        for root_id, root in self.roots().items():
            if (relative := _relative(path, root)) is not None:
                folder, _, name = relative.rpartition("/")
                return Place(root_id, folder, name)
        return None

    # -- writing

    def add(self, place: Place, file: ImageFile, info: ImageInfo, vector: NDArray[np.float32]) -> int:
        """Stage an image with its unit vector (dim,); its id. What was known at the place is replaced."""
        if not abs(float(np.linalg.norm(vector.astype(np.float64))) - 1) <= _UNIT_TOLERANCE:  # NaN fails it too
            raise ValueError("an embedding must have norm 1")
        self.discard(place)
        image_id = self.catalog.add_image(place, file, info)
        self._staged[image_id] = np.asarray(vector, np.float32)
        return image_id

    def move(self, image_id: int, place: Place, file: ImageFile) -> None:
        """Stage that an image's content is now at a place, whatever was known there before."""
        known = self.catalog.known_at(place)
        if known is None or known.image_id != image_id:
            self.discard(place)
        self.catalog.begin()
        self.catalog.move_image(image_id, place, file)

    def fail(self, place: Place, file: ImageFile, reason: str) -> None:
        """Stage that a file cannot be read. An image known at the place is dropped: its content is gone."""
        self.discard(place)
        self.catalog.add_failure(place, file, reason)

    def discard(self, place: Place) -> None:
        """Stage that nothing is known of a place."""
        self.catalog.begin()
        known = self.catalog.known_at(place)
        if known and known.image_id is not None:
            self.remove([known.image_id])
        elif known:
            self.catalog.remove_failure(place)

    def remove(self, ids: Sequence[int]) -> None:
        """Stage that images are gone."""
        if ids:
            self.catalog.begin()
            self.catalog.remove_images(ids)

    @property
    def staged(self) -> int:
        """How many vectors wait for the next commit."""
        return len(self._staged)

    def commit(self) -> None:
        """Publish everything staged, then tidy up. It costs nothing where nothing is staged."""
        self._require_lock()
        if self._staged or self.catalog.is_changing or any(info.wants_compact for info in self.catalog.segments()):
            self.publish()
            self.tidy()

    def publish(self) -> None:
        """Publish everything staged: the vectors' file first, whole and synced; then, at once, the catalog's transaction."""
        self._require_lock()
        self.catalog.begin()
        if self._staged:
            ids, vectors = np.array(list(self._staged), np.int64), np.stack(list(self._staged.values()))
            self.catalog.add_segment(write_segment(self._segments, self.catalog.next_segment_name(), ids, vectors))
        self.catalog.commit()
        self._forget_staged()

    def tidy(self) -> None:
        """Merge segments that are due, and make compact copies of large ones, each in a commit of its own."""
        self._require_lock()
        while group := merge.due(self._open_view()):
            self._merge(group)
        for segment in [segment for segment in self._open_view().segments if segment.info.wants_compact]:
            info = write_compact(self._segments, segment)
            self.catalog.begin()
            self.catalog.add_compact(segment.info.name, info)
            self.catalog.commit()
            self._outdated = True

    def rollback(self) -> None:
        """Forget everything staged since the last commit."""
        self.catalog.rollback()
        self._forget_staged()

    # -- reading

    def __len__(self) -> int:
        return self.catalog.count()

    def records(self, ids: Sequence[int]) -> dict[int, ImageRecord]:
        """image_id → record, for those that exist."""
        return self.catalog.records(ids, self.roots())

    def failures(self) -> list[Failure]:
        """Every file that could not be read, by path."""
        return self.catalog.failures(self.roots())

    def published_segments(self) -> list[Segment]:
        """The segments of the last commit, open."""
        return self._consistently(lambda view: view.segments)

    def vector(self, image_id: int) -> NDArray[np.float32]:
        """An image's unit vector (dim,), staged or published. KeyError where there is none."""
        if image_id in self._staged:
            return self._staged[image_id]

        def find(view: View) -> NDArray[np.float32]:
            for segment in view.segments:
                row = segment.rows_of(np.array([image_id], np.int64))[0]
                if row >= 0:
                    return np.array(segment.vectors[row])
            raise KeyError(image_id)

        return self._consistently(find)

    def search(
        self, queries: Embeddings, top_k: int, allowed: Ids | None = None, without: Sequence[int] = ()
    ) -> list[list[tuple[float, ImageRecord]]]:
        """For each of the queries (n, dim) its nearest images: (cosine, record), best first, at most `top_k`.

        Exact: the ranking is that of float64 inner products over the stored vectors, ties in the order of their paths.
        `allowed` (m,), ascending, limits the search to those ids, and `without` leaves some out. All answers come from one
        committed state.
        """

        def answer(view: View) -> list[list[tuple[float, ImageRecord]]]:
            keeps = [view.keep(segment, allowed, without) for segment in view.segments]
            if len(queries) >= _TOGETHER:
                found = nearest_to_each(view.segments, keeps, queries, top_k)
            else:
                found = [nearest(view.segments, keeps, query[None], top_k) for query in queries]
            return [self._ranked(*one, top_k) for one in found]

        return self._consistently(answer)

    def ids(self, condition: Condition | None = None) -> Ids:
        """The images that meet a condition, or all, int64 (n,), ascending."""
        return self.catalog.ids(condition, self._places)

    def scan(
        self, condition: Condition | None = None, block: int = 4096
    ) -> Iterator[tuple[list[ImageRecord], Embeddings]]:
        """Every image that meets a condition, or all, `block` at a time: records and vectors (n, dim), by image id.

        All blocks are of one committed state.
        """
        with self.catalog.reading():
            segments = self._consistently(lambda view: view.segments)
            ids = self.ids(condition)
            for start in range(0, len(ids), block):
                some = ids[start : start + block]
                vectors = np.empty((len(some), segments[0].vectors.shape[1]), np.float32)
                for segment in segments:
                    rows = segment.rows_of(some)
                    vectors[rows >= 0] = segment.vectors[rows[rows >= 0]]
                records = self.records(some.tolist())
                yield [records[image_id] for image_id in some.tolist()], vectors

    def _ranked(self, scores: Scores, ids: Ids, top_k: int) -> list[tuple[float, ImageRecord]]:
        """Candidates with their records, in order; among those that tie, paths decide which stay."""
        records = self.records(ids.tolist())
        pairs = [(score, records[image_id]) for score, image_id in zip(scores.tolist(), ids.tolist(), strict=True)]
        pairs.sort(key=lambda pair: (-pair[0], pair[1].file.path))
        return [(min(max(score, -1.0), 1.0), record) for score, record in pairs[:top_k]]

    # -- inside

    def _places(self, folder: str) -> list[tuple[int, str]]:
        """A folder in the catalog's terms: itself below a root, or every root below it."""
        inside = [(root_id, "") for root_id, root in self.roots().items() if _relative(root, folder) is not None]
        place = self.place(folder)
        if place and not inside:
            inside = [(place.root_id, f"{place.folder}/{place.name}" if place.folder else place.name)]
        return inside

    @property
    def _segments(self) -> Path:
        return self.folder / "segments"

    def _consistently(self, read: Callable[[View], _T]) -> _T:
        """Call `read` on one committed state; on the next one where a merge has just removed this one's files."""
        for _ in range(_ATTEMPTS):
            with self.catalog.reading():
                try:
                    view = self._open_view()
                except FileNotFoundError as error:
                    missing = error.filename
                    continue
                return read(view)
        raise CollectionDamaged(
            f"the index at {self.folder} is damaged: {missing} is missing. Delete the index folder and index the photos again"
        )

    def _open_view(self) -> View:
        """The published segments; only those that a commit has changed are opened again."""
        version = self.catalog.version
        fingerprint = self.fingerprint
        if fingerprint and (self._outdated or self._view.version != version):
            known = {segment.info: segment for segment in self._view.segments}
            segments = [
                known.get(info) or Segment(self._segments, info, fingerprint.dim) for info in self.catalog.segments()
            ]
            self._view = View(version, segments, np.array(self.catalog.tombstones(), np.int64))
            self._outdated = False
        return self._view

    def _merge(self, group: list[Segment]) -> None:
        """Put segments into one, without what is dead in them, in a commit of its own."""
        dead = self._open_view().tombstones
        ids, vectors = merge.together(group, dead)
        self.catalog.begin()
        if len(ids):
            self.catalog.add_segment(write_segment(self._segments, self.catalog.next_segment_name(), ids, vectors))
        self.catalog.remove_segments(segment.info.name for segment in group)
        self.catalog.remove_tombstones(image_id for segment in group for image_id in np.intersect1d(segment.ids, dead))
        self.catalog.commit()
        self._outdated = True
        self._remove_leftovers()

    def _remove_leftovers(self) -> None:
        """Delete files in the segments folder that no commit names."""
        segments = self.catalog.segments()
        named = {info.name for info in segments} | {info.compact_name for info in segments if info.compact}
        for path in self._segments.iterdir():
            if path.name not in named and path.name.endswith((".faiss", ".partial")):
                with contextlib.suppress(OSError):  # Windows keeps files that a reader has open; next time, then
                    path.unlink()

    def _forget_staged(self) -> None:
        self._staged = {}
        self._outdated = True

    def _require_lock(self) -> None:
        if not self._lock:
            raise CollectionError("this index is open for reading only")

    def _release(self) -> None:
        if self._lock:
            self._lock.release()
            self._lock = None


def _relative(path: str, root: str) -> str | None:
    """`path` below `root`, with "/" between parts; None where it is not below it."""
    if path == root:
        return ""
    prefix = root if root.endswith(os.sep) else root + os.sep
    return path[len(prefix) :].replace(os.sep, "/") if path.startswith(prefix) else None
