"""Vectors and metadata as one thing: written together, published by one commit, searched exactly."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.atomic_files import sync_folder
from clipsearch._internal.checksums import file_sha256
from clipsearch._internal.commands import PHOTOS, command, how_to_make
from clipsearch.errors import CollectionError, CollectionNotFound, ModelMismatch
from clipsearch.store import merge
from clipsearch.store.catalog_swap import finish
from clipsearch.store.database import CHECKED
from clipsearch.store.lock import OnBusy, WriterLock, telling_unwritable
from clipsearch.store.reading import CollectionReader
from clipsearch.store.rows import Place
from clipsearch.store.segments import Segment, write_compact, write_segment
from clipsearch.store.untrusted import absolute_root, require_own_files
from clipsearch.store.vectors import is_unit, vector_check
from clipsearch.types import Failure, Fingerprint, ImageFile, ImageInfo

MOST_STAGED = 128 * 1024**2
"""Bytes of vectors that are kept in memory; a commit of more has several segments."""


class Collection(CollectionReader):
    """An index folder, open. Use as a context manager.

    Any number of readers may be open, before, during and after a commit; each sees whole commits only. Opened with
    `writable=True`, it is the one writer, and what it stages becomes visible to others with `commit`. Where there is another
    writer, `on_busy` is asked whether to try again; without it, CollectionBusy is raised at once.
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, writable: bool = False, on_busy: OnBusy | None = None
    ) -> None:
        folder = Path(folder).absolute()
        self._lock: WriterLock | None = None
        if not writable and not (folder / "catalog.sqlite").is_file():
            raise CollectionNotFound(f"there is no index at {folder}; to make it: {how_to_make(folder)}")
        if writable:
            require_own_files(folder)
            with telling_unwritable(folder):
                _make_folder(folder / "segments")
                self._lock = WriterLock(folder / "writer.lock", on_busy)
        try:
            if writable:
                finish(folder)
            super().__init__(folder, create=writable)
        except BaseException:
            self._release()
            raise
        self._staged: dict[int, NDArray[np.float32]] = {}  # by image id, ascending
        self._written: list[Segment] = []  # staged as well, but in files that the next commit publishes
        if writable:
            try:
                self.catalog.last_id()  # or a writer would be told that the disk is full when there are no more numbers
                self._remove_leftovers()
                if self.catalog.has_unchecked:
                    self._check_vectors()
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Forget what was staged and let go of the files."""
        try:
            if self._lock:
                self.rollback()
        finally:
            super().close()
            self._release()

    def __enter__(self) -> Collection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def require(self, fingerprint: Fingerprint) -> None:
        """Raise ModelMismatch unless embeddings of this model belong here; a new index remembers it."""
        mine = self.fingerprint
        if mine is None and self._lock:
            self.catalog.begin()
            self.catalog.set_fingerprint(fingerprint)
        elif mine is None or mine.digest != fingerprint.digest or mine.dim != fingerprint.dim:
            other = f"another index: {command('index', PHOTOS, '--model', fingerprint.model, index='OTHER_DIR')}"
            if mine and mine.model == fingerprint.model:
                revisions = f" ({mine.revision}, and not {fingerprint.revision})"
                said = revisions if mine.revision != fingerprint.revision else ""
                raise ModelMismatch(
                    f"the index at {self.folder} was made with other weights of the model {mine.model!r}{said}: their "
                    f"embeddings mean different things. Make {other}"
                )
            raise ModelMismatch(
                f"the index at {self.folder} was made with the model {mine.model if mine else '(none yet)'!r} and cannot be "
                f"used with {fingerprint.model!r}: their embeddings mean different things. Leave --model out, or make {other}"
            )

    def settle_precision(self, fingerprint: Fingerprint) -> None:
        """Stage how precisely pictures are encoded from now on, where that was still open."""
        mine = self.fingerprint
        if mine and mine.precision is None and fingerprint.precision:
            self.catalog.begin()
            self.catalog.set_fingerprint(replace(mine, precision=fingerprint.precision))

    def add_root(self, path: str, rules: dict[str, object]) -> int:
        """Add a root, or change its walk's rules; its id. A root inside the index's parent is stored relative to it.

        Roots that lie inside the new one become part of it.
        """
        self.catalog.begin()
        inside = Path(path).is_relative_to(self.folder.parent)
        stored = Path(os.path.relpath(path, self.folder)).as_posix() if inside else path
        for former, _ in self.catalog.roots().values():
            if absolute_root(self.folder, former) == path:
                stored = former  # perhaps from when it had Windows' separators
        root_id = self.catalog.set_root(stored, rules)
        for other, other_path in self.roots().items():
            if other != root_id and Path(other_path).is_relative_to(path):
                self.catalog.adopt_root(other, root_id, Path(other_path).relative_to(path).as_posix())
        return root_id

    # -- writing

    def add(self, place: Place, file: ImageFile, info: ImageInfo, vector: NDArray[np.float32]) -> int:
        """Stage an image with its unit vector (dim,); its id. What was known at the place is replaced."""
        if not is_unit(vector):
            raise ValueError("an embedding must have norm 1")
        stored = np.ascontiguousarray(vector, np.float32)
        with self._all_or_nothing():
            self.discard(place)
            image_id = self.catalog.add_image(place, file, info, vector_check(stored))
            self._staged[image_id] = stored
            if len(self._staged) * stored.nbytes >= MOST_STAGED:
                self._write_staged()
        return image_id

    def restore(self, row: Sequence[Any], vector: NDArray[np.float32] | None) -> None:
        """Stage an image as another copy of this index has it, under its own id, or in place of what that id has here.

        `row` is one of the catalog's images, its two checksums behind its columns, and `vector` its unit vector (dim,), or None
        where that is here already. Images are to come in the order of their ids.
        """
        with self._all_or_nothing():
            self.catalog.begin()
            self.catalog.restore("images", [row])
        if vector is not None:
            self._staged[row[0]] = np.ascontiguousarray(vector, np.float32)

    def move(self, image_id: int, place: Place, file: ImageFile) -> None:
        """Stage that an image's content is now at a place, whatever was known there before."""
        known = self.catalog.known_at(place)
        with self._all_or_nothing():
            if known is None or known.image_id != image_id:
                self.discard(place)
            self.forget_failure(place)
            self.catalog.move_image(image_id, place, file)

    def fail(self, place: Place, failure: Failure, tried_with: str = "") -> None:
        """Stage that a file cannot be read. An image known at the place stays, and stays an answer, until it is removed.

        `tried_with` tells what decides, besides the file, whether it can be read (images.attempts). Attempts are counted here,
        as long as the file and these circumstances are the same.
        """
        with self._all_or_nothing():
            self.catalog.begin()
            before = self.catalog.failure_at(place)
            same = before and before.state == (failure.file.size, failure.file.mtime_ns)
            alike = before and (before.cause == "access") == (failure.cause == "access")
            if before and same and alike and before.tried_with == tried_with:
                failure = replace(failure, attempts=before.attempts + 1)
            self.catalog.add_failure(place, failure, tried_with)

    def forget_failure(self, place: Place) -> None:
        """Stage that a file can be read now, as far as is known. An image there stays."""
        with self._all_or_nothing():
            self.catalog.begin()
            self.catalog.remove_failure(place)

    def discard(self, place: Place) -> None:
        """Stage that nothing is known of a place."""
        with self._all_or_nothing():
            known = self.catalog.known_at(place)
            if known and known.image_id is not None:
                self.remove([known.image_id])
            self.forget_failure(place)

    def remove(self, ids: Sequence[int]) -> None:
        """Stage that images are gone."""
        if ids:
            with self._all_or_nothing():
                self.catalog.begin()
                self.catalog.remove_images(ids)

    def vector(self, image_id: int) -> NDArray[np.float32]:
        """An image's unit vector (dim,), staged or published. KeyError where there is none."""
        if image_id in self._staged:
            return self._staged[image_id]
        for segment in self._written:
            (row,) = segment.rows_of(np.array([image_id], np.int64))
            if row >= 0:
                vector: NDArray[np.float32] = segment.vectors[row]
                return vector
        return super().vector(image_id)

    @property
    def staged(self) -> int:
        """How many vectors wait for the next commit."""
        return len(self._staged) + sum(segment.info.rows for segment in self._written)

    def commit(self) -> None:
        """Publish everything staged, then tidy up. It costs nothing where nothing is staged."""
        self._require_lock()
        if self.staged or self.catalog.is_changing or any(info.wants_compact for info in self.catalog.segments()):
            self.publish()
            self.tidy()

    def publish(self) -> None:
        """Publish everything staged: the vectors' file first, whole and synced; then, at once, the catalog's transaction.

        Where that fails, everything staged is forgotten.
        """
        self._require_lock()
        with self._all_or_nothing():
            self.catalog.begin()
            if self._staged:
                self._write_staged()
            self.catalog.commit()
        self._forget_staged()

    def tidy(self) -> None:
        """Merge segments that are due, and make compact copies of large ones, each in a commit of its own."""
        self._require_lock()
        merged = False
        while group := merge.due(self._open_view()):
            self._merge(group)
            merged = True
        if merged:  # Windows deletes no file that is mapped: now none of the merged ones is, by this process
            self._remove_leftovers()
        for segment in [segment for segment in self._open_view().segments if segment.info.wants_compact]:
            info = write_compact(self._segments, segment)
            with self._all_or_nothing():
                self.catalog.begin()
                self.catalog.add_compact(segment.info.name, info)
                self.catalog.commit()
            self._outdated = True

    def rollback(self) -> None:
        """Forget everything staged since the last commit."""
        self.catalog.rollback()
        self._forget_staged()

    def _write_staged(self) -> None:
        """Put staged vectors into a file that the next commit publishes, so that memory does not grow until then."""
        ids, vectors = np.array(list(self._staged), np.int64), np.stack(list(self._staged.values()))
        info = write_segment(self._segments, self.catalog.next_segment_name(), ids, vectors)
        self.catalog.add_segment(info)
        self._written.append(Segment(self._segments, info, vectors.shape[1]))
        self._staged = {}

    def _merge(self, group: list[Segment]) -> None:
        """Put segments into one, without what is dead in them, in a commit of its own."""
        dead = self._open_view().tombstones
        ids, vectors = merge.together(group, dead)
        with self._all_or_nothing():
            self.catalog.begin()
            if len(ids):
                self.catalog.add_segment(write_segment(self._segments, self.catalog.next_segment_name(), ids, vectors))
            self.catalog.remove_segments(segment.info.name for segment in group)
            self.catalog.remove_tombstones(
                image_id for segment in group for image_id in np.intersect1d(segment.ids, dead)
            )
            self.catalog.commit()
        self._outdated = True
        self._remove_leftovers()

    def _check_vectors(self) -> None:
        """Remember every vector's checksum, once, in an index of before format 4; of files that are as they were written."""
        self.catalog.begin()
        for segment in self._open_view().segments:
            if file_sha256(self._segments / segment.info.name) == segment.info.sha256:
                checks = map(vector_check, segment.vectors)
                self.catalog.set_vector_checks(zip(checks, segment.ids.tolist(), strict=True))
        self.catalog.set_meta(CHECKED, "all")
        self.catalog.commit()

    def _remove_leftovers(self) -> None:
        """Delete files in the segments folder that no commit names."""
        segments = self.catalog.segments()
        named = {info.name for info in segments} | {info.compact_name for info in segments if info.compact}
        for path in self._segments.iterdir():
            if path.name not in named and path.name.endswith((".faiss", ".partial")):
                with contextlib.suppress(OSError):  # Windows keeps files that a reader has open; next time, then
                    path.unlink()

    @contextlib.contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """Forget everything staged where a part of it fails: SQLite drops its transaction after some errors, not after all."""
        try:
            yield
        except (CollectionError, OSError):
            self.rollback()
            raise

    def _forget_staged(self) -> None:
        self._staged = {}
        self._written = []
        self._outdated = True

    def _require_lock(self) -> None:
        if not self._lock:
            raise CollectionError("this index is open for reading only")

    def _release(self) -> None:
        if self._lock:
            self._lock.release()
            self._lock = None


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, durably."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)
