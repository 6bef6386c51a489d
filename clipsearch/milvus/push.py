"""An index into a store: its rows are added first, then published by one small row, and what is outdated is deleted last.

Rows are never changed, and no number is given twice. A photo that moves or changes gets a new row, which readers see from the
moment on at which they see the old one no more. So a reader finds, at any time and wherever a push was killed, the photos of
one published version, which is one state of the index: all that a push changes is published at once. A push that comes after a
killed one goes on with the rows that are there already.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any, TypeAlias

import numpy as np

from clipsearch.errors import CollectionBusy, CollectionDamaged, CollectionError, ModelMismatch, SyncRefused
from clipsearch.milvus.address import StoreAddress
from clipsearch.milvus.checksums import Checks, checks_in, checks_of, digest_of
from clipsearch.milvus.filters import among
from clipsearch.milvus.lease import Lease
from clipsearch.milvus.lineage import Names, lineage_of
from clipsearch.milvus.manifest import Manifest
from clipsearch.milvus.rows import CHECKS, FIELDS, VECTOR, catalog_row, checked_vector, row_of
from clipsearch.milvus.scan import windows
from clipsearch.milvus.table import Table
from clipsearch.store.collection import Collection
from clipsearch.store.rows import IMAGE_COLUMNS, record_of
from clipsearch.store.validation import WHAT_TO_DO, as_written, text

GRACE = 5.0
"""Seconds for which outdated rows are left: whoever asked for the version before it was published may still be reading it."""

_BLOCK = 2000  # rows that are read, sent and read back, or deleted, at once

Progress: TypeAlias = Callable[[int, int], None]
"""Called with how many rows were sent, and how many there are to send."""


@dataclass(slots=True)
class PushReport:
    """What a push did."""

    store: str
    version: int = 0
    images: int = 0  # in the store, counted there
    digest: str = ""  # of the checksums of all of them, read there
    sent: int = 0  # rows, each read back and compared
    resumed: int = 0  # rows that a push before this one had sent and not published
    removed: int = 0  # photos
    unchanged: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class _Found:
    """The rows of a store, by what they are to the published version."""

    current: dict[int, tuple[int, tuple[int, int]]] = field(default_factory=dict)  # image_id → row, checks
    unpublished: dict[int, list[tuple[int, tuple[int, int]]]] = field(default_factory=dict)
    outdated: list[int] = field(default_factory=list)
    last_version: int = 0


def push(
    collection: Collection,
    address: StoreAddress,
    *,
    prune: bool = False,
    take_over: bool = False,
    progress: Progress | None = None,
) -> PushReport:
    """Make a store hold what an index holds, and check that it does. `collection` is open for writing: nobody changes it.

    SyncRefused where more than half of the store's photos would go, unless `prune`, or where another copy of the index has
    pushed since this one did, or was made, unless `take_over`. ModelMismatch where it holds another model's embeddings.
    CollectionBusy while another copy is being pushed.
    """
    start = time.monotonic()
    fingerprint = collection.fingerprint
    if fingerprint is None:
        raise CollectionError(f"the index at {collection.folder} has no photos yet, so there is nothing to push")
    lineage, names = lineage_of(collection.catalog), Names(collection.catalog)
    table = Table(address)
    try:
        if not table.exists():
            table.create(fingerprint.dim)
            table.exists()
        name = names.new()
        lease = Lease(table, name, names)
        try:
            before = table.manifest()
            _require_own(before, collection, lineage, names, take_over)
            push_now = _Push(collection, table, lease, before, progress)
            push_now.run(lineage, name, prune=prune, mine=before is not None and before.copy in names)
            names.settle(new=name, before=before.copy if before else None, now=push_now.published.copy)
        finally:
            lease.release()
    finally:
        table.close()
    push_now.report.seconds = time.monotonic() - start
    return push_now.report


def _require_own(before: Manifest | None, collection: Collection, lineage: str, names: Names, take_over: bool) -> None:
    fingerprint = collection.fingerprint
    assert fingerprint
    if before is None:
        return
    mine, theirs = (fingerprint.digest, fingerprint.dim), (before.fingerprint.digest, before.fingerprint.dim)
    if mine != theirs:
        raise ModelMismatch(
            f"the store holds embeddings of the model {before.fingerprint.model!r}, and the index at {collection.folder} those "
            f"of {fingerprint.model!r}; push into another collection"
        )
    if lineage != before.lineage:
        raise SyncRefused(
            "the store holds the photos of another index; push into another collection. Nothing was changed"
        )
    if before.copy not in names and not take_over:
        raise SyncRefused(
            "the store holds what another copy of this index has pushed; to a restored backup, the index that it was made from "
            "is one. To replace it by what is here: --take-over. Nothing was changed"
        )


class _Push:
    """The state of one push."""

    def __init__(
        self, collection: Collection, table: Table, lease: Lease, before: Manifest | None, progress: Progress | None
    ) -> None:
        self._collection = collection
        self._table = table
        self._lease = lease
        self._before = before
        self._last = before  # what is published
        self._progress = progress or (lambda done, total: None)
        self.report = PushReport(table.address.shown)

    @property
    def published(self) -> Manifest:
        """What the store holds, once `run` has returned."""
        assert self._last
        return self._last

    def run(self, lineage: str, name: str, *, prune: bool, mine: bool) -> None:
        """Send, publish, delete, check. `mine` tells that what the store holds is of this copy."""
        local, found, before = checks_of(self._collection), self._found(), self._before
        same = {image_id for image_id, (_, checks) in found.current.items() if local.get(image_id) == checks}
        dead = sorted(found.current.keys() - same)
        gone = [image_id for image_id in dead if image_id not in local]
        if not prune and 2 * len(gone) > len(found.current):
            raise SyncRefused(
                f"{len(gone):,} of the {len(found.current):,} photos in the store are not in the index any more; confirm with "
                "--prune that they are to leave the store. Nothing was changed"
            )
        manifest = self._manifest(lineage, name)
        resumed, leftover = self._resumable(found, local, same)
        if found.outdated:
            time.sleep(GRACE)
        self._delete([*leftover, *found.outdated])
        todo = sorted(local.keys() - same - resumed)
        self.report.removed, self.report.unchanged, self.report.resumed = len(gone), len(same), len(resumed)
        version = found.last_version + 1
        self._send(todo, version, local)
        if todo or resumed or dead or not mine or not self._agrees(manifest):
            self._publish(
                replace(
                    manifest,
                    version=version,
                    count=len(local),
                    digest=digest_of(local),
                    dead=tuple(dead),
                    dead_until=before.version if before else 0,
                )
            )
            if dead:
                time.sleep(GRACE)
            self._delete([found.current[image_id][0] for image_id in dead])
        if self.published.dead:
            self._publish(replace(self.published, dead=(), dead_until=0))
        self._verify(local)

    def _found(self) -> _Found:
        found, before = _Found(), self._before
        version, until = (before.version, before.dead_until) if before else (0, 0)
        found.last_version = version
        withdrawn = set(before.dead) if before else set()
        for rows in windows(self._table, "row > 0", CHECKS):
            self._lease.renew()
            for row in rows:
                number, born, image_id = row["row"], row["born"], row["image_id"]
                checks = row["row_check"], row["vector_check"]
                found.last_version = max(found.last_version, born)
                if born > version:
                    found.unpublished.setdefault(image_id, []).append((number, checks))
                elif image_id in withdrawn and born <= until:
                    found.outdated.append(number)
                else:
                    found.current[image_id] = number, checks
        return found

    def _resumable(self, found: _Found, local: Checks, same: set[int]) -> tuple[set[int], list[int]]:
        """The images whose row of a push that was killed can be used, and the rows of it that cannot."""
        resumed: set[int] = set()
        leftover: list[int] = []
        for image_id, rows in found.unpublished.items():
            for number, checks in rows:
                if local.get(image_id) == checks and image_id not in same and image_id not in resumed:
                    resumed.add(image_id)
                else:
                    leftover.append(number)
        return resumed, leftover

    def _send(self, todo: list[int], born: int, local: Checks) -> None:
        """Add rows, and read each back before the next."""
        self._progress(0, len(todo))
        roots = self._collection.roots()
        for start in range(0, len(todo), _BLOCK):
            ids = todo[start : start + _BLOCK]
            marks = ",".join(map(str, ids))
            sql = f"SELECT {IMAGE_COLUMNS}, row_check, vector_check, caption FROM images WHERE image_id IN ({marks}) ORDER BY 1"  # noqa: S608
            rows = self._collection.catalog.select(sql, ())
            for row in rows:
                record_of(row, roots)  # or what clipsearch never writes would be sent on
            vectors = self._collection.vectors(ids)
            sent = [row_of(row, vector, born) for row, vector in zip(rows, vectors, strict=True)]
            self._lease.renew()
            self._table.insert(sent)
            self._require_kept(sent, local)
            self.report.sent += len(ids)
            self._progress(self.report.sent, len(todo))

    def _require_kept(self, sent: list[dict[str, Any]], local: Checks) -> None:
        dim = len(sent[0][VECTOR])
        expression = among("row", (row["row"] for row in sent))
        kept = {row["row"]: row for row in self._table.query(expression, (*FIELDS, VECTOR))}
        for row in sent:
            found = kept.get(row["row"])
            if found is None or not np.array_equal(checked_vector(found, dim), row[VECTOR]):
                raise CollectionDamaged(
                    f"the store has not kept image {row['image_id']} as it was sent; nothing was published"
                )
            if catalog_row(found)[-3:-1] != local[row["image_id"]]:
                raise CollectionDamaged(f"the index's own row of image {row['image_id']} is damaged; {WHAT_TO_DO}")

    def _manifest(self, lineage: str, name: str) -> Manifest:
        """What is to be published, but for the photos."""
        collection, catalog = self._collection, self._collection.catalog
        fingerprint = collection.fingerprint
        assert fingerprint
        _, failures, photo_bytes = catalog.counts()
        cameras, formats = (self._values(column) for column in ("camera", "format"))
        return Manifest(
            sequence=0, version=0, count=0, digest="",
            fingerprint=fingerprint, roots=collection.roots(),
            rules={root_id: rules for root_id, (_, rules) in catalog.roots().items()},
            last_id=catalog.last_id(), lineage=lineage, copy=name, cameras=cameras, formats=formats,
            photo_bytes=photo_bytes, failures=failures, pushed_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        ).fitting()  # fmt: skip

    def _values(self, column: str) -> tuple[str, ...]:
        rows = self._collection.catalog.select(
            f"SELECT DISTINCT {column} FROM images WHERE {column} IS NOT NULL ORDER BY 1",  # noqa: S608
            (),
        )
        with as_written(f"the catalog's table of images ({column})"):
            return tuple(text(value) for (value,) in rows)

    def _agrees(self, manifest: Manifest) -> bool:
        """Whether what is published says the same of everything but the photos, which are the same."""
        names = ("sequence", "version", "count", "digest", "copy", "pushed_at", "after", "dead", "dead_until")
        return replace(manifest, **{name: getattr(self._before, name) for name in names}) == self._before

    def _publish(self, manifest: Manifest) -> None:
        sequence = self._last.sequence + 1 if self._last else 1
        self._lease.require()
        self._last = replace(manifest, sequence=sequence, after=self._table.written_at)
        self._table.publish(self._last)

    def _delete(self, numbers: Sequence[int]) -> None:
        """Remove rows, as long as nobody else may be using them."""
        for start in range(0, len(numbers), _BLOCK):
            self._lease.require()
            self._table.delete(numbers[start : start + _BLOCK])

    def _verify(self, local: Checks) -> None:
        """Count what is there, and compare the checksums that are there with the index's own."""
        manifest = self.published
        there = checks_in(windows(self._table, manifest.current, CHECKS))
        self.report.images = self._table.count(manifest.current)
        self.report.version, self.report.digest = manifest.version, digest_of(there)
        if self._table.manifest() != manifest:
            raise CollectionBusy(f"somebody else has published to the store {self.report.store}; push again")
        if there != local or self.report.images != len(local) or self.report.digest != manifest.digest:
            raise CollectionDamaged(
                f"the store {self.report.store} says it has {self.report.images:,} photos and should have {len(local):,}, or "
                "has others than it should; push again"
            )
