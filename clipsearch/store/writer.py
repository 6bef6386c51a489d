"""The only writer of an index. Vectors and metadata are staged together, and published by one commit."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.atomic_files import sync_folder
from clipsearch._internal.checksums import file_sha256
from clipsearch._internal.commands import command
from clipsearch.errors import CollectionDamaged, CollectionError, ModelMismatch
from clipsearch.store import merge
from clipsearch.store.albums import follow_moves
from clipsearch.store.catalog import Catalog
from clipsearch.store.catalog_file import NEXT, PREVIOUS, has_catalog
from clipsearch.store.collection import Collection
from clipsearch.store.database import CHECKED
from clipsearch.store.fact_table import FOLDED, how_texts_are_made
from clipsearch.store.lock import OnBusy, WriterLock, telling_unwritable
from clipsearch.store.open_index import OpenIndex
from clipsearch.store.rows import MOST_MOMENTS, Place, vector_checks_of, with_since
from clipsearch.store.segments import Segment, write_compact, write_segment
from clipsearch.store.staging import StagedVectors
from clipsearch.store.succession import SEGMENTS_AHEAD, finish_replacement, hand_over, keep
from clipsearch.store.validation import absolute_root, require_own_files
from clipsearch.store.vectors import is_unit, vector_check
from clipsearch.types import Embeddings, Failure, Fingerprint, ImageFile, ImageInfo

logger = logging.getLogger(__name__)


class CollectionWriter(Collection):
    """An index folder, open for reading and writing, and made if it is new. Use as a context manager.

    What it stages becomes visible to others with `commit`. If there is another writer, `on_busy` decides whether to try again;
    without `on_busy`, CollectionBusy is raised at once. `home` is as in `IndexReader`.
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, on_busy: OnBusy | None = None, home: Path | None = None
    ) -> None:
        self._lock: WriterLock | None = _locked(Path(folder).absolute(), on_busy)
        with contextlib.ExitStack() as undo:
            undo.callback(self._release)
            super().__init__(folder, home=home)
            undo.callback(self._index.close)
            self._staged = StagedVectors(self._index.segments)
            self._moved: dict[str, str] = {}  # where staged photos were → where they are
            self._index.require_segments()  # or a run without changes would call an index sound that no search can read
            self._catalog.last_id()  # without a number to give, a writer would be told that the disk is full
            self._remove_leftovers()
            if self._catalog.meta(CHECKED) is None:
                self._check_vectors()
            if self._catalog.meta(FOLDED) != how_texts_are_made():
                self._derive()
            undo.pop_all()

    def _open(self) -> OpenIndex:
        finish_replacement(self.folder)
        return OpenIndex(self.folder, writable=True)

    def close(self) -> None:
        """Forget what was staged and let go of the files."""
        try:
            if self._lock:
                self.rollback()
        finally:
            super().close()
            self._release()

    # -- what the index is

    def require(self, fingerprint: Fingerprint) -> None:
        """Raise ModelMismatch unless embeddings of this model belong here. A new index remembers the model."""
        if self.fingerprint is None:
            self._catalog.begin()
            self._catalog.set_fingerprint(fingerprint)
        else:
            super().require(fingerprint)

    def settle_precision(self, fingerprint: Fingerprint) -> None:
        """Stage the precision that pictures are encoded with from now on, unless it is settled already."""
        mine = self.fingerprint
        if mine and mine.precision is None and fingerprint.precision:
            self._catalog.begin()
            self._catalog.set_fingerprint(replace(mine, precision=fingerprint.precision))

    def set_text_model(self, model: str | None) -> None:
        """Stage the other model that texts are encoded with from now on, or None for the own one."""
        self._catalog.begin()
        self._catalog.set_text_model(model)

    def set_meta(self, key: str, value: str) -> None:
        """Stage a value that the index keeps under a key."""
        self._catalog.begin()
        self._catalog.set_meta(key, value)

    def remember(self, key: str, value: str | None) -> None:
        """Stage a value of the index under a key, or None to remove it. Nothing is staged if it is so already."""
        if self._catalog.meta(key) != value:
            self._catalog.begin()
            if value is None:
                self._catalog.remove_meta(key)
            else:
                self._catalog.set_meta(key, value)

    # -- folders

    def add_root(self, path: str, rules: dict[str, object]) -> int:
        """Stage a root, or new rules for its walk; its id. A root inside the index's parent is stored relative to the index.

        Roots inside the new one become part of it.
        """
        self._catalog.begin()
        root_id = self._catalog.set_root(self._root_as_stored(path), rules)
        for other, other_path in self.roots().items():
            if other != root_id and Path(other_path).is_relative_to(path):
                self._catalog.adopt_root(other, root_id, Path(other_path).relative_to(path).as_posix())
        return root_id

    def _root_as_stored(self, path: str) -> str:
        """A root's absolute path as the catalog has it: relative to the index if inside its parent, so both can move."""
        for former, _ in self._catalog.roots().values():
            if absolute_root(self.home, former) == path:
                return former  # perhaps with Windows' separators, as they once were stored
        inside = Path(path).is_relative_to(self.home.parent)
        return Path(os.path.relpath(path, self.home)).as_posix() if inside else path

    def make_roots_relative(self) -> None:
        """Stage that roots inside the index's parent are stored relative to it. An earlier `pull` stored absolute ones."""
        stored = {path: root_id for root_id, (path, _) in self._catalog.roots().items()}
        for path, root_id in stored.items():
            if Path(path).is_absolute() and Path(path).is_relative_to(self.home.parent):
                relative = Path(os.path.relpath(path, self.home)).as_posix()
                if relative not in stored:
                    self._catalog.begin()
                    self._catalog.set_root_path(root_id, relative)

    def remove_root(self, root_id: int) -> tuple[int, int]:
        """Stage that a root leaves the index with everything below it; how many images and failures go."""
        with self._staging() as catalog:
            removed = self.remove_below(root_id)
            catalog.drop_root(root_id)
            return removed

    # -- files

    def add(
        self,
        place: Place,
        file: ImageFile,
        info: ImageInfo,
        vectors: NDArray[np.float32],
        facts_from: str = "",
        placeholders: Sequence[bytes] = (),
    ) -> int:
        """Stage a file with the unit vectors of its pictures; its id. It replaces what was known of the file.

        `vectors` is (n, dim), with a row for each of `info.moments`, or (dim,) for a file with one picture. `facts_from` names
        what the facts in `info` were read from; "" if the next run of `index` is to read them. `placeholders` has one for each
        row of `vectors`; without them, the file gets those of another with its content, if there is one.
        """
        stored = np.ascontiguousarray(np.atleast_2d(vectors), np.float32)
        if len(stored) != max(len(info.moments), 1) or len(info.moments) > MOST_MOMENTS:
            raise ValueError(f"{len(stored)} embeddings for a file with {len(info.moments)} moments")
        if not all(map(is_unit, stored)):
            raise ValueError("an embedding must have norm 1")
        with self._staging() as catalog:
            self.discard(place)
            file_id = catalog.images.add(place, file, info, list(map(vector_check, stored)))
            catalog.images.facts.put(file_id, info, facts_from)
            if len(placeholders) == len(stored):
                for image_id, pixels in enumerate(placeholders, file_id):
                    catalog.images.placeholders.put(image_id, pixels)
            else:
                catalog.images.placeholders.copy(file_id, len(stored))
            for image_id, vector in enumerate(stored, file_id):
                self._staged.add(image_id, vector, catalog)
        return file_id

    def move(self, image_id: int, place: Place, file: ImageFile) -> None:
        """Stage that an image's content is in another file now. What was known of that file is forgotten."""
        before = self.records([image_id])[image_id].file.path
        with self._staging() as catalog:
            if before != file.path:
                self._moved[before] = file.path
            known = catalog.images.at(place)
            if known and known.image_id != image_id:
                self.discard(place)
            catalog.failures.remove(place)
            catalog.images.move(image_id, place, file)

    def set_facts(
        self, image_id: int, info: ImageInfo, facts_from: str | None = None, *, with_caption: bool = False
    ) -> None:
        """Stage other facts of an image: all of `info` but its size, format, content, moments and, unless asked for, caption.

        `facts_from` is as in `add`; None if that is as before.
        """
        with self._staging() as catalog:
            if with_caption:
                catalog.images.set_caption(image_id, info.caption)
            catalog.images.set_facts(image_id, info, facts_from, new_caption=with_caption)

    def fail(self, place: Place, failure: Failure, tried_with: str = "") -> None:
        """Stage that a file cannot be read. An image that is known there stays, and is found, until it is removed.

        `tried_with` names what else decides whether the file can be read (`indexing.retries.circumstances`). Attempts are
        counted as long as the file and `tried_with` are the same. The time of the first failure stays while the file does.
        """
        with self._staging() as catalog:
            before = catalog.failures.at(place)
            same = before and before.state == (failure.file.size, failure.file.mtime_ns)
            alike = before and (before.cause == "access") == (failure.cause == "access")
            if before and same and alike and before.tried_with == tried_with:
                failure = replace(failure, attempts=before.attempts + 1)
            since = before.since if before and same and before.since is not None else int(time.time())
            catalog.failures.add(place, failure, with_since(tried_with, since))

    def forget_failure(self, place: Place) -> None:
        """Stage that a file can be read now, as far as is known. Its image stays."""
        with self._staging() as catalog:
            catalog.failures.remove(place)

    def discard(self, place: Place) -> None:
        """Stage that nothing is known of a file."""
        with self._staging() as catalog:
            known = catalog.file_at(place)
            if known and known.image_id is not None:
                catalog.images.remove([known.image_id])
            catalog.failures.remove(place)

    def remove(self, ids: Sequence[int]) -> None:
        """Stage that images are gone."""
        if ids:
            with self._staging() as catalog:
                catalog.images.remove(ids)

    def remove_below(self, root_id: int, under: str = "") -> tuple[int, int]:
        """Stage that everything at or below a root's folder is gone; how many images and failures go."""
        with self._staging() as catalog:
            ids = catalog.images.ids_below(root_id, under)
            catalog.images.remove(ids)
            return len(ids), catalog.failures.remove_below(root_id, under)

    # -- vectors

    def vectors(self, ids: Sequence[int]) -> Embeddings:
        """The unit vectors (n, dim) of images, staged or published, in their order. Raises as `Collection.vectors`."""
        staged = {image_id: vector for image_id in ids if (vector := self._staged.get(image_id)) is not None}
        if not staged:
            return super().vectors(ids)
        published = [image_id for image_id in ids if image_id not in staged]
        known = staged | dict(zip(published, super().vectors(published), strict=True))
        return np.array([known[image_id] for image_id in ids], np.float32)

    # -- committing

    @property
    def staged(self) -> int:
        """How many vectors wait for the next commit."""
        return len(self._staged)

    def commit(self) -> None:
        """Publish everything staged, then tidy up. It costs nothing if nothing is staged."""
        if self.staged or self._catalog.is_changing or any(info.wants_compact for info in self.segment_infos()):
            self.publish()
            self.tidy()

    def publish(self) -> None:
        """Publish everything staged. The file of vectors is whole and synced before the catalog's transaction commits.

        If that fails, everything staged is forgotten. Albums follow the photos that have moved.
        """
        staged = self.staged
        with self._transaction() as catalog:
            self._staged.write(catalog)
        self._staged.clear()
        logger.debug("published %d vectors in %s", staged, self.folder)
        if self._moved:
            follow_moves(self.home, self._moved)
            self._moved.clear()

    def tidy(self) -> None:
        """Merge segments that are due, and make compact copies of large ones, each in a commit of its own."""
        if self._catalog.images.facts.is_mostly_outdated():
            self._derive()
        merged = False
        while group := merge.due(self._index.snapshot()):
            self._merge(group)
            merged = True
        if merged:  # Windows deletes no file that is mapped: now this process maps none of the merged ones
            self._remove_leftovers()
        for segment in [segment for segment in self._index.snapshot().segments if segment.info.wants_compact]:
            info = write_compact(self._index.segments, segment)
            with self._transaction() as catalog:
                catalog.add_compact(segment.info.name, info)

    def rollback(self) -> None:
        """Forget everything staged since the last commit."""
        self._catalog.rollback()
        self._staged.clear()
        self._moved.clear()
        self._index.refresh()

    # -- another model

    def begin_successor(self, fingerprint: Fingerprint, *, keep_old: bool) -> CollectionWriter:
        """The index of another model that will take this one's place, open for writing and made if it is new.

        It has the roots of this one; photos below others leave it. If the index that was kept is of that model, it is taken up.
        ModelMismatch if an index of a third model is being built. CollectionError if `keep_old`, and one is kept already.
        """
        folder = self.folder / NEXT
        kept = None
        if previous := self.previous():
            with previous:
                kept = previous.fingerprint
        if kept and kept.is_comparable(fingerprint) and not has_catalog(folder):
            os.replace(self.folder / PREVIOUS, folder)
            sync_folder(self.folder)
        elif kept and keep_old and self.fingerprint and not kept.is_comparable(self.fingerprint):
            raise CollectionError(
                f"the index of the model {kept.model!r} that was kept before is still in {self.folder / PREVIOUS}; delete that "
                "folder, or leave `keep_old` out"
            )
        try:
            successor = CollectionWriter(folder, home=self.folder)
            try:
                successor._follow(self, fingerprint)
            except BaseException:
                successor.close()
                raise
        except CollectionDamaged as error:
            raise CollectionDamaged(
                f"the index that is being built in {folder} is damaged. Delete that folder, and run this again: all photos are "
                "embedded again"
            ) from error
        return successor

    def _follow(self, index: Collection, fingerprint: Fingerprint) -> None:
        """Take over the roots of the index that this one will replace, in a commit of its own."""
        mine = self.fingerprint
        if mine and not mine.is_comparable(fingerprint):
            raise ModelMismatch(
                f"the model of the index at {index.folder} is being changed to {mine.model!r}, not to {fingerprint.model!r}. "
                f"To finish that: `{command('index', '--model', mine.model)}`. To drop it, delete the folder {self.folder}"
            )
        theirs, former = index._catalog.roots(), self._catalog.roots()
        for root_id in [root_id for root_id, (path, _) in former.items() if path != theirs.get(root_id, ("", {}))[0]]:
            self.remove_root(root_id)
        with self._transaction() as catalog:
            self.require(fingerprint)
            rows = ((root_id, os.fsencode(path), json.dumps(rules)) for root_id, (path, rules) in theirs.items())
            catalog.restore("roots", rows)
            if not former:
                catalog.never_reuse("segments", index._catalog.last_segment() + SEGMENTS_AHEAD)
                for failure in index.failures():  # when they began to fail is known only there; they are tried again
                    if place := None if failure.kept else self.place(failure.file.path):
                        since = int(failure.since.timestamp()) if failure.since else int(time.time())
                        catalog.failures.add(place, failure, with_since("", since))

    def hand_over(self, successor: CollectionWriter, *, keep_old: bool) -> Path | None:
        """Have the index of `begin_successor` take this one's place, at once for all readers, and close it.

        With `keep_old`, this one is copied into a folder inside first, which is returned. A process that is killed meanwhile
        leaves the one or the other, whole. This collection goes on with the new one.
        """
        for index in (successor, self):
            index.rollback()
            index._catalog.gather()
        kept = keep(self.folder, self._catalog) if keep_old else None
        successor.close()
        self._index.close()
        try:
            hand_over(self.folder)
        finally:
            self._index = OpenIndex(self.folder, writable=True)
            self._staged = StagedVectors(self._index.segments)
        self._remove_leftovers()
        return kept

    # -- from copies of the index elsewhere

    def restore_roots(self, roots: Mapping[int, str], rules: Mapping[int, dict[str, object]], last_id: int) -> None:
        """Stage the roots of another copy of this index under their ids. Image ids up to `last_id` are not given again."""
        self._catalog.begin()
        rows = [
            (root_id, os.fsencode(self._root_as_stored(path)), json.dumps(rules.get(root_id, {})))
            for root_id, path in roots.items()
        ]
        self._catalog.restore("roots", rows)
        self._catalog.never_reuse("images", last_id)

    def revive(self, checks: Mapping[int, int]) -> set[int]:
        """Stage that removed images come back under their ids; the ids of those whose vectors are still here.

        `checks` are the checksums of their vectors. KeyError if an id has another vector here.
        """
        revived = set(self._catalog.tombstones()).intersection(checks)
        for image_id, vector in self.published_vectors(sorted(revived)).items():
            if vector_check(vector) != checks[image_id]:
                raise KeyError(image_id)
        self._catalog.begin()
        self._catalog.remove_tombstones(revived)
        return revived

    def restore(self, row: Sequence[Any], vectors: Mapping[int, NDArray[np.float32]]) -> None:
        """Stage a file as another copy of this index has it, under its own id. It replaces what the id has here.

        `row` is what `rows` returns. `vectors` has the unit vectors (dim,) of its pictures, by image id, except those that are
        here already. Files have to come in the order of their ids.
        """
        with self._staging() as catalog:
            catalog.images.placeholders.remove([*vector_checks_of(tuple(row))])
            catalog.restore("images", [row])
            catalog.images.name_place(row[0])
            catalog.remove_tombstones(vector_checks_of(tuple(row)))
            for image_id in sorted(vectors):
                self._staged.add(image_id, np.ascontiguousarray(vectors[image_id], np.float32), catalog)

    # -- inside

    def _merge(self, group: list[Segment]) -> None:
        """Put segments into one, without their dead rows, in a commit of its own."""
        dead = self._index.snapshot().tombstones
        ids, vectors = merge.together(group, dead)
        with self._transaction() as catalog:
            if len(ids):
                catalog.add_segment(write_segment(self._index.segments, catalog.next_segment_name(), ids, vectors))
            catalog.remove_segments(segment.info.name for segment in group)
            catalog.remove_tombstones(image_id for segment in group for image_id in np.intersect1d(segment.ids, dead))
        logger.debug("merged %d segments into one of %d vectors", len(group), len(ids))
        self._remove_leftovers()

    def _check_vectors(self) -> None:
        """Store every vector's checksum, once, in an index from before format 4; of files that are as they were written."""
        with self._transaction() as catalog:
            for segment in self._index.snapshot().segments:
                if file_sha256(self._index.segments / segment.info.name) == segment.info.sha256:
                    checks = map(vector_check, segment.vectors)
                    catalog.images.set_vector_checks(zip(checks, segment.ids.tolist(), strict=True))
            catalog.set_meta(CHECKED, "all")

    def _derive(self) -> None:
        """Make the full-text table and the tags anew, in a commit of its own."""
        with self._transaction() as catalog:
            catalog.derive_facts()

    def _remove_leftovers(self) -> None:
        """Delete files in the segments folder that no commit names."""
        infos = self.segment_infos()
        named = {info.name for info in infos} | {info.compact_name for info in infos if info.compact}
        for path in self._index.segments.iterdir():
            if path.name not in named and path.name.endswith((".faiss", ".partial")):
                with contextlib.suppress(OSError):  # Windows keeps files that a reader has open; next time, then
                    path.unlink()

    @contextlib.contextmanager
    def _staging(self) -> Iterator[Catalog]:
        """The catalog, to be changed. If that fails, everything staged is forgotten: SQLite does so after some errors only."""
        try:
            self._catalog.begin()
            yield self._catalog
        except (CollectionError, OSError):
            self.rollback()
            raise

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Catalog]:
        """Commit, at the end of the block, everything that was staged before and inside it."""
        with self._staging() as catalog:
            yield catalog
            catalog.commit()
        self._index.refresh()

    def _release(self) -> None:
        if self._lock:
            self._lock.release()
            self._lock = None


def _locked(folder: Path, on_busy: OnBusy | None) -> WriterLock:
    """The lock of an index folder, which is made if it is new."""
    require_own_files(folder)
    with telling_unwritable(folder, is_new=not has_catalog(folder)):
        _make_folder(folder / "segments")
        lock = WriterLock(folder / "writer.lock", on_busy)
        _make_folder(folder / "segments")  # again, if an index without photos was taken back meanwhile
    return lock


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, durably."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)
