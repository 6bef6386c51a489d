"""Pushes an index into a store: rows are added first, then published by one small note, and outdated rows are deleted last.

Rows never change, and no number is used twice. A file has a row for each of its pictures. One that moves or changes gets new
rows, which readers see from the moment
they no longer see the old one. So readers always find the photos of one published version, which is one state of the index,
even if a push was killed. The next push continues with the rows that are already in the store.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.cancel import CancelToken
from clipsearch.errors import CollectionBusy, CollectionDamaged, CollectionError, ModelMismatch, SyncRefused
from clipsearch.milvus.address import StoreAddress
from clipsearch.milvus.lease import Lease
from clipsearch.milvus.lineage import PublicationNames, lineage_of
from clipsearch.milvus.manifest import Manifest
from clipsearch.milvus.rows import (
    CHECK_FIELDS,
    FIELDS,
    NOTE,
    VECTOR,
    Checks,
    catalog_row,
    checked_vector,
    checks_in,
    checks_of_files,
    checks_of_pictures,
    digest_of,
    picture_id,
    require_of_file,
    rows_of,
)
from clipsearch.milvus.table import Table
from clipsearch.store.collection import Collection
from clipsearch.store.validation import WHAT_TO_DO
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import Progress

logger = logging.getLogger(__name__)

GRACE_SECONDS = 5.0
"""How long outdated rows are kept: readers that know the previous version may still be reading them."""

_BLOCK = 2000  # rows to read, send and read back, or delete, at once


@dataclass(slots=True)
class PushReport:
    """What a push did."""

    store: str
    version: int = 0
    images: int = 0  # in the store, counted there
    digest: str = ""  # of the checksums of all of them, read there
    sent: int = 0  # rows, one a picture, each read back and compared
    resumed: int = 0  # rows that an interrupted push had sent
    removed: int = 0  # photos
    unchanged: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class _StoreRows:
    """The rows of a store, by their relation to the published version."""

    current: dict[int, tuple[int, tuple[int, int]]] = field(default_factory=dict)  # row → file, checks
    unpublished: list[tuple[int, int, tuple[int, int]]] = field(default_factory=list)  # row, file, checks
    outdated: list[int] = field(default_factory=list)  # rows
    last_version: int = 0


def push(
    collection: CollectionWriter,
    address: StoreAddress,
    *,
    prune: bool = False,
    take_over: bool = False,
    progress: Progress | None = None,
    cancel: CancelToken | None = None,
) -> PushReport:
    """Make a store contain what an index contains, and verify that it does. `collection` must be open for writing.

    The next push continues with the rows that a cancelled one has sent.
    """
    start, cancel = time.monotonic(), cancel or CancelToken()
    fingerprint = collection.fingerprint
    if fingerprint is None:
        raise CollectionError(f"the index at {collection.folder} has no photos yet, so there is nothing to push")
    lineage, names = lineage_of(collection), PublicationNames(collection)
    table = Table(address)
    try:
        if not table.exists():
            table.create(fingerprint.dim)
            table.exists()
        name = names.new()
        lease = Lease(table, name, names)
        try:
            before = table.manifest()
            if before:
                _require_own(before, collection, lineage, names, take_over)
            report = PushReport(address.shown)
            run = _PushRun(collection, table, lease, before, report, cancel.checked(progress), cancel)
            published = run.run(lineage, name, prune=prune, is_own=before is not None and before.copy in names)
            names.settle(new=name, before=before.copy if before else None, now=published.copy)
        finally:
            lease.release()
    finally:
        table.close()
    report.seconds = time.monotonic() - start
    return report


def _require_own(
    before: Manifest, collection: Collection, lineage: str, names: PublicationNames, take_over: bool
) -> None:
    """Raise unless this copy of the index may replace what the store contains."""
    own, stored = collection.fingerprint, before.fingerprint
    assert own
    if not own.is_comparable(stored):
        raise ModelMismatch(
            f"the store holds embeddings of the model {stored.model!r}, and the index at {collection.folder} those of "
            f"{own.model!r}; push into another collection"
        )
    if lineage != before.lineage:
        raise SyncRefused(
            "the store holds the photos of another index; push into another collection. Nothing was changed"
        )
    if before.copy not in names and not take_over:
        raise SyncRefused(
            "another copy of this index has pushed to the store since; for a restored backup, the original is another copy. To "
            "replace what it pushed: `take_over=True`. Nothing was changed"
        )


@dataclass(slots=True)
class _PushRun:
    """One push: it compares, sends, publishes, deletes and verifies."""

    collection: Collection
    table: Table
    lease: Lease
    before: Manifest | None  # what the store contained
    report: PushReport
    tell: Progress
    cancel: CancelToken

    def run(self, lineage: str, name: str, *, prune: bool, is_own: bool) -> Manifest:
        """Do all steps, and return what the store then contains.

        `is_own` says that this copy of the index has published what the store contained before.
        """
        files, later = self.collection.checksums(), self.collection.later_vector_checks()
        local, rows, before = checks_of_pictures(files, later), self._read_rows(), self.before
        file_of = {image_id: image_id for image_id in files}
        file_of |= {
            file_id + number: file_id for file_id, checks in later.items() for number in range(1, len(checks) + 1)
        }
        same = _whole_files(rows, local, file_of)
        stored = {file_id for file_id, _ in rows.current.values()}
        dead = sorted(stored - same)
        gone = [file_id for file_id in dead if file_id not in files]
        if not prune and 2 * len(gone) > len(stored):
            raise SyncRefused(
                f"of the {len(stored):,} photos in the store, {len(gone):,} cannot be found in the index any more; confirm "
                "with `prune=True` that the store may lose what is gone. Nothing was changed"
            )
        manifest = self._manifest(lineage, name)
        resumed: set[int] = set()  # pictures whose row a killed push has sent already
        leftover: list[int] = []  # its rows that are of no use
        for number, file_id, checks in rows.unpublished:
            image_id = picture_id(number)
            fits = local.get(image_id) == checks and file_of[image_id] == file_id
            if fits and file_id not in same and image_id not in resumed:
                resumed.add(image_id)
            else:
                leftover.append(number)
        if rows.outdated:
            self._wait_for_readers()
        self._delete([*leftover, *rows.outdated])

        new = sorted(image_id for image_id in local.keys() - resumed if file_of[image_id] not in same)
        self.report.removed, self.report.unchanged, self.report.resumed = len(gone), len(same), len(resumed)
        version = rows.last_version + 1
        logger.info(
            "version %d: %d rows to send, %d resumed, %d unchanged, %d outdated",
            *(version, len(new), len(resumed), len(same), len(dead)),
        )
        self._send(new, version, local, file_of)
        published = before
        if before is None or new or resumed or dead or not is_own or not self._describes(manifest):
            count, more = len(files), len(local) - len(files)
            manifest = replace(manifest, version=version, count=count, later=more, digest=digest_of(files))
            dead_until = before.version if before else 0
            published = self._publish(replace(manifest, dead=tuple(dead), dead_until=dead_until), before)
            if dead:
                self._wait_for_readers()
            self._delete([number for number, (file_id, _) in rows.current.items() if file_id not in same])
        assert published
        if published.dead:
            published = self._publish(replace(published, dead=(), dead_until=0), published)
        self._verify(published, local)
        return published

    def _read_rows(self) -> _StoreRows:
        before = self.before
        version, dead_until = (before.version, before.dead_until) if before else (0, 0)
        dead = set(before.dead) if before else set()
        rows = _StoreRows(last_version=version)
        for block in self.cancel.each(self.table.scan("row > 0", CHECK_FIELDS)):
            self.lease.renew()
            for row in block:
                number, born, file_id = row["row"], row["born"], row["image_id"]
                checks = row["row_check"], row["vector_check"]
                rows.last_version = max(rows.last_version, born)
                if born > version:
                    rows.unpublished.append((number, file_id, checks))
                elif file_id in dead and born <= dead_until:
                    rows.outdated.append(number)
                else:
                    rows.current[number] = file_id, checks
        return rows

    def _send(self, image_ids: list[int], born: int, local: Checks, file_of: Mapping[int, int]) -> None:
        """Add rows in blocks, and read each block back before the next. `file_of` gives the file of each picture."""
        self.tell(0, len(image_ids))
        for start in range(0, len(image_ids), _BLOCK):
            ids = image_ids[start : start + _BLOCK]
            vectors: dict[int, dict[int, NDArray[np.float32]]] = {}  # by file and picture
            for image_id, vector in zip(ids, self.collection.vectors(ids), strict=True):
                vectors.setdefault(file_of[image_id], {})[image_id] = vector
            files = {row[0]: row for row in self.collection.rows(list(vectors))}
            sent = [row for file_id in vectors for row in rows_of(files[file_id], vectors[file_id], born)]
            self.lease.renew()
            self.table.insert(sent)
            self._require_kept(sent, files, local)
            self.report.sent += len(ids)
            self.tell(self.report.sent, len(image_ids))

    def _require_kept(self, sent: list[dict[str, Any]], files: Mapping[int, tuple[Any, ...]], local: Checks) -> None:
        """Raise CollectionDamaged unless the store returns the rows as they were sent. `files` are the index's rows."""
        dim = len(sent[0][VECTOR])
        rows = self.table.fetch("row", [row["row"] for row in sent], (*FIELDS, NOTE, VECTOR))
        stored = {row["row"]: row for row in rows}
        for row in sent:
            kept = stored.get(row["row"])
            if kept is None or not np.array_equal(checked_vector(kept, dim), row[VECTOR]):
                raise CollectionDamaged(
                    f"the store has not kept image {picture_id(row['row'])} as it was sent; nothing was published"
                )
            image_id, file = picture_id(row["row"]), files[row["image_id"]]
            if image_id == file[0]:
                catalog_row(kept)  # raises if it is not as it was sent
            else:
                require_of_file(kept, file)
            if (kept["row_check"], kept["vector_check"]) != local[image_id]:
                raise CollectionDamaged(f"the index's own row of image {image_id} is damaged; {WHAT_TO_DO}")

    def _manifest(self, lineage: str, name: str) -> Manifest:
        """What will be published, without what depends on the photos."""
        collection = self.collection
        assert collection.fingerprint
        _, failures, photo_bytes = collection.counts()
        return Manifest(
            sequence=0,
            version=0,
            count=0,
            digest="",
            fingerprint=collection.fingerprint,
            roots=collection.roots(),
            rules=collection.root_rules(),
            last_id=collection.last_id,
            lineage=lineage,
            copy=name,
            cameras=collection.distinct("camera"),
            formats=collection.distinct("format"),
            photo_bytes=photo_bytes,
            failures=failures,
            pushed_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        ).fitting()

    def _describes(self, manifest: Manifest) -> bool:
        """Whether the published manifest says the same about everything but the photos."""
        names = ("sequence", "version", "count", "digest", "copy", "pushed_at", "after", "dead", "dead_until", "later")
        return replace(manifest, **{name: getattr(self.before, name) for name in names}) == self.before

    def _publish(self, manifest: Manifest, before: Manifest | None) -> Manifest:
        """Publish a manifest with the sequence after that of `before`, and return it."""
        self.lease.require()
        sequence = before.sequence + 1 if before else 1
        manifest = replace(manifest, sequence=sequence, after=self.table.written_at)
        self.table.publish(manifest)
        return manifest

    def _wait_for_readers(self) -> None:
        self.cancel.wait(GRACE_SECONDS)
        self.cancel.check()

    def _delete(self, numbers: Sequence[int]) -> None:
        """Delete rows, unless another push may be using them by now."""
        for start in range(0, len(numbers), _BLOCK):
            self.lease.require()
            self.table.delete(numbers[start : start + _BLOCK])

    def _verify(self, manifest: Manifest, local: Checks) -> None:
        """Count the store's photos, and compare the checksums of all their pictures with the index's."""
        report, count = self.report, len(checks_of_files(local))
        stored = checks_in(self.cancel.each(self.table.scan(manifest.current, CHECK_FIELDS)))
        report.images = self.table.count(manifest.files)
        report.version, report.digest = manifest.version, digest_of(checks_of_files(stored))
        if self.table.manifest() != manifest:
            raise CollectionBusy(f"another push has published to the store {report.store}; push again")
        if stored != local or report.images != count or report.digest != manifest.digest:
            raise CollectionDamaged(
                f"the store {report.store} has {report.images:,} photos and should have {count:,}, or they are not those "
                "that were sent; push again"
            )


def _whole_files(rows: _StoreRows, local: Checks, file_of: Mapping[int, int]) -> set[int]:
    """The files whose pictures are all in the store as they are in the index. `file_of` gives the file of each picture."""
    same, unfit = set(), set()
    for number, (file_id, checks) in rows.current.items():
        image_id = picture_id(number)
        if local.get(image_id) == checks and file_of[image_id] == file_id:
            same.add(image_id)
        else:
            unfit.add(file_id)
    unfit.update(file_of[image_id] for image_id in local.keys() - same)
    return {file_of[image_id] for image_id in same} - unfit
