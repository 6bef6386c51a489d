"""The open files of an index folder. Readers notice if a repair replaces the catalog, or a writer upgrades it, and follow."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from clipsearch.conditions import Condition
from clipsearch.errors import CollectionDamaged, ModelMismatch
from clipsearch.store.catalog import Catalog
from clipsearch.store.catalog_file import CATALOG, catalog_identity, is_replaced
from clipsearch.store.file_ids import FileIds
from clipsearch.store.name_index import NameIndex
from clipsearch.store.segments import Segment, require_length
from clipsearch.store.snapshot import Snapshot
from clipsearch.store.validation import WHAT_TO_DO
from clipsearch.types import Fingerprint, Ids

if TYPE_CHECKING:
    from clipsearch.store.approximate.index import ApproximateIndex, ApproximateLoader

logger = logging.getLogger(__name__)

_ATTEMPTS = 5  # states that a reader tries to open while a writer keeps merging them away
_T = TypeVar("_T")


class OpenIndex:
    """An index's catalog, and the segments of the last committed state.

    A writer holds the lock that keeps repairs away, so only a reader looks for a replaced catalog.
    """

    def __init__(self, folder: Path, *, writable: bool) -> None:
        self.folder = folder
        self.segments = folder / "segments"
        self._writable = writable
        self._former: list[Catalog] = []  # replaced ones; a caller may still be iterating over their rows
        self._digest = ""  # of the model, once it is known
        self._open()

    def _open(self) -> None:
        before = catalog_identity(self.folder)
        self._catalog = Catalog(self.folder / CATALOG, create=self._writable)
        self._identity = before or catalog_identity(self.folder)
        self._names = NameIndex(self._catalog.images)
        self._approximate: ApproximateLoader | None = None
        self._snapshot = _NOTHING
        self._is_stale = True

    def close(self) -> None:
        """Let go of the files."""
        self._snapshot = _NOTHING
        for catalog in (*self._former, self._catalog):
            catalog.close()

    @property
    def catalog(self) -> Catalog:
        """The open catalog. Between two transactions, a reader opens it again once it was replaced or upgraded."""
        if self._writable or self._catalog.in_transaction:
            return self._catalog
        if is_replaced(self.folder, self._identity) or self._catalog.is_outgrown:
            logger.info("the catalog in %s was replaced or upgraded; opening it again", self.folder)
            former = self._catalog
            self._open()
            self._former.append(former)
        return self._catalog

    @property
    def fingerprint(self) -> Fingerprint | None:
        """The model of the embeddings; None before the first. ModelMismatch if a replaced index has another model."""
        fingerprint = self.catalog.fingerprint()
        if fingerprint and not self._writable and self._digest not in ("", fingerprint.digest):
            raise ModelMismatch(
                f"an index of the model {fingerprint.model!r} has taken the place of {self.folder}; open it again"
            )
        self._digest = fingerprint.digest if fingerprint else self._digest
        return fingerprint

    def candidates(self, condition: Condition) -> Ids | None:
        """The only images that can meet a condition, by their file names; None if that cannot be said quickly."""
        return self._names.among(condition)

    def approximate(self, fingerprint: Fingerprint, top_k: int) -> ApproximateIndex | None:
        """The approximate index, if there is one that is fit for a search of this depth."""
        if not (self._approximate or (self.folder / "approximate").is_dir()):
            return None
        from clipsearch.store.approximate.index import DEEPEST, ApproximateLoader

        self._approximate = self._approximate or ApproximateLoader(self.folder)
        return self._approximate.current(self.catalog, fingerprint) if top_k <= DEEPEST else None

    def refresh(self) -> None:
        """Look at the segments again before the next answer: this process has changed them."""
        self._is_stale = True

    def require_segments(self) -> None:
        """Raise CollectionDamaged if a segment's file is missing or has another length. None is read."""
        for info in self.catalog.segments():
            try:
                require_length(self.segments / info.name, info)
            except FileNotFoundError as error:
                raise self._without(error) from error

    def snapshot(self) -> Snapshot:
        """The segments of the last commit; only those that a commit has changed are opened again."""
        version = self.catalog.version
        is_stale = self._is_stale or self._snapshot.version != version
        if is_stale and not self.catalog.is_changing:
            self.catalog.require_sound()  # in the middle of a change, its tables are not what was committed
        fingerprint = self.fingerprint
        if fingerprint and is_stale:
            known = {segment.info: segment for segment in self._snapshot.segments}
            segments = [
                known.get(info) or Segment(self.segments, info, fingerprint.dim) for info in self.catalog.segments()
            ]
            tombstones = np.array(self.catalog.tombstones(), np.int64)
            file_ids = self.catalog.images.file_ids()
            self._snapshot = Snapshot(version, segments, tombstones, fingerprint.dim, file_ids)
            self._is_stale = False
        return self._snapshot

    def at_one_state(self, read: Callable[[Snapshot], _T]) -> _T:
        """Call `read` on one committed state, so that all it asks comes from that state."""
        with closing(self.states()) as states:
            return read(next(states))

    def states(self) -> Generator[Snapshot, None, None]:
        """One committed state, which lasts until the generator is closed.

        If a merge has just removed its files, it is the state after the merge.
        """
        for _ in range(_ATTEMPTS):
            with self.catalog.reading():
                try:
                    snapshot = self.snapshot()
                except FileNotFoundError as error:
                    missing = error
                    continue
                yield snapshot
                return
        raise self._without(missing)

    def _without(self, missing: FileNotFoundError) -> CollectionDamaged:
        return CollectionDamaged(f"the index at {self.folder} is damaged: {missing.filename} is missing; {WHAT_TO_DO}")


_NO_IDS = np.empty(0, np.int64)
_NOTHING = Snapshot(-1, [], _NO_IDS, 0, FileIds(_NO_IDS, _NO_IDS))
