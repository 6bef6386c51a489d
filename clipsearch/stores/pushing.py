"""An index into a store: its rows are added first, then published by one small row, and what is outdated is deleted last.

Rows are never changed, and no number is given twice. A photo that moves or changes gets a new row, which readers see from the
moment on at which they see the old one no more. So a reader finds, at any time and wherever a push was killed, the photos of
one published version; and a push that comes after a killed one goes on with the rows that are there already.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any, TypeAlias

import numpy as np

from clipsearch.errors import CollectionDamaged, CollectionError, ModelMismatch, SyncRefused
from clipsearch.store.collection import Collection
from clipsearch.store.rows import IMAGE_COLUMNS
from clipsearch.stores.address import StoreAddress
from clipsearch.stores.checks import Checks, checks_in, checks_of, digest_of, identity
from clipsearch.stores.expressions import among
from clipsearch.stores.lease import Lease
from clipsearch.stores.manifest import Manifest
from clipsearch.stores.rows import CHECKS, FIELDS, VECTOR, catalog_row, checked_vector, row_of
from clipsearch.stores.table import Table
from clipsearch.stores.walking import windows

GRACE = 5.0
"""Seconds for which outdated rows are left: whoever asked for the version before it was published may still be reading it."""

_MOST_DEAD = 4000  # rows that one version withdraws: more would not fit into its note
_BLOCK = 2000  # rows that are read, sent and read back at once

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
    collection: Collection, address: StoreAddress, *, prune: bool = False, take_over: bool = False,
    progress: Progress | None = None,
) -> PushReport:  # fmt: skip
    """Make a store hold what an index holds, and check that it does. `collection` is open for writing: nobody changes it.

    SyncRefused where more than half of the store's photos would go, unless `prune`, or where it belongs to another copy of the
    index, unless `take_over`. ModelMismatch where it holds another model's embeddings. CollectionBusy while another copy is
    being pushed.
    """
    start = time.monotonic()
    fingerprint = collection.fingerprint
    if fingerprint is None:
        raise CollectionError(f"the index at {collection.folder} has no photos yet, so there is nothing to push")
    lineage, copy = identity(collection)
    table = Table(address)
    try:
        if not table.exists():
            table.create(fingerprint.dim)
            table.exists()
        lease = Lease(table, copy)
        try:
            before = table.manifest()
            _require_own(before, collection, lineage, copy, take_over)
            report = _Push(collection, table, lease, before, progress).run(lineage, copy, prune)
        finally:
            lease.release()
    finally:
        table.close()
    report.seconds = time.monotonic() - start
    return report


def _require_own(before: Manifest | None, collection: Collection, lineage: str, copy: str, take_over: bool) -> None:
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
    if copy != before.copy and not take_over:
        raise SyncRefused(
            "another copy of this index was pushed to the store. To replace what it holds by what is here: --take-over. "
            "Nothing was changed"
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
        self._progress = progress or (lambda done, total: None)
        self._report = PushReport(table.address.shown)

    def run(self, lineage: str, copy: str, prune: bool) -> PushReport:
        """Send, publish, delete, check."""
        local, found, report = checks_of(self._collection), self._found(), self._report
        same = {image_id for image_id, (_, checks) in found.current.items() if local.get(image_id) == checks}
        dead = sorted(found.current.keys() - same)
        gone = [image_id for image_id in dead if image_id not in local]
        if not prune and 2 * len(gone) > len(found.current):
            raise SyncRefused(
                f"{len(gone):,} of the {len(found.current):,} photos in the store are not in the index any more; confirm with "
                "--prune that they are to leave the store. Nothing was changed"
            )
        resumed, leftover = self._resumable(found, local, same, dead)
        if found.outdated:
            time.sleep(GRACE)
        self._table.delete([*leftover, *found.outdated])
        todo = sorted(local.keys() - same - resumed)
        report.removed, report.unchanged, report.resumed = len(gone), len(same), len(resumed)
        first = found.last_version + 1
        chunks = self._chunks(dead, resumed)
        step_of = {image_id: step for step, chunk in enumerate(chunks) for image_id in chunk}
        self._send(todo, {image_id: first + step_of.get(image_id, 0) for image_id in todo}, local)
        state = {image_id: checks for image_id, (_, checks) in found.current.items()}
        manifest = self._manifest(lineage, copy)
        if todo or resumed or dead or self._before is None or not self._agrees(manifest):
            until = self._before.version if self._before else 0
            for step, chunk in enumerate(chunks):
                for image_id in chunk:
                    state.pop(image_id)
                new = (one for one in (*todo, *resumed) if step_of.get(one, 0) == step)
                state.update({image_id: local[image_id] for image_id in new})
                manifest = replace(
                    manifest, sequence=manifest.sequence + 1, version=first + step, count=len(state), digest=digest_of(state),
                    dead=tuple(chunk), dead_until=until,
                )  # fmt: skip
                self._publish(manifest)
                if chunk:
                    time.sleep(GRACE)
                self._table.delete([found.current[image_id][0] for image_id in chunk])
        else:
            manifest = self._before
        if manifest.dead:
            manifest = replace(manifest, sequence=manifest.sequence + 1, dead=(), dead_until=0)
            self._publish(manifest)
        self._verify(manifest, local)
        return report

    def _found(self) -> _Found:
        found, before = _Found(), self._before
        version, until = (before.version, before.dead_until) if before else (0, 0)
        found.last_version = version
        withdrawn = set(before.dead) if before else set()
        for rows in windows(self._table, "row > 0", CHECKS):
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

    def _resumable(self, found: _Found, local: Checks, same: set[int], dead: list[int]) -> tuple[set[int], list[int]]:
        """The images whose row of a push that was killed can be used, and the rows of it that cannot."""
        resumed: set[int] = set()
        leftover: list[int] = []
        outdated, replacing = set(dead), 0
        for image_id, rows in found.unpublished.items():
            for number, checks in rows:
                fits = local.get(image_id) == checks and image_id not in same and image_id not in resumed
                replacing += fits and image_id in outdated
                if fits and not (
                    image_id in outdated and replacing > _MOST_DEAD
                ):  # all of them are seen by the first step
                    resumed.add(image_id)
                else:
                    leftover.append(number)
        return resumed, leftover

    def _chunks(self, dead: list[int], resumed: set[int]) -> list[list[int]]:
        """What each version withdraws; there is at least one."""
        ordered = sorted(dead, key=lambda image_id: (image_id not in resumed, image_id))
        return [ordered[start : start + _MOST_DEAD] for start in range(0, len(ordered), _MOST_DEAD)] or [[]]

    def _send(self, todo: list[int], born: Mapping[int, int], local: Checks) -> None:
        """Add rows, and read each back before the next."""
        self._progress(0, len(todo))
        for start in range(0, len(todo), _BLOCK):
            ids = todo[start : start + _BLOCK]
            marks = ",".join(map(str, ids))
            sql = f"SELECT {IMAGE_COLUMNS}, row_check, vector_check, caption FROM images WHERE image_id IN ({marks}) ORDER BY 1"  # noqa: S608
            rows = self._collection.catalog.select(sql, ())
            vectors = self._collection.vectors(ids)
            sent = [row_of(row, vector, born[row[0]]) for row, vector in zip(rows, vectors, strict=True)]
            self._lease.renew()
            self._table.insert(sent)
            self._require_kept(sent, local)
            self._report.sent += len(ids)
            self._progress(self._report.sent, len(todo))

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
                raise CollectionDamaged(
                    f"the index's own row of image {row['image_id']} is damaged; run clipsearch verify"
                )

    def _manifest(self, lineage: str, copy: str) -> Manifest:
        collection, catalog, before = self._collection, self._collection.catalog, self._before
        fingerprint = collection.fingerprint
        assert fingerprint
        _, failures, photo_bytes = catalog.counts()
        cameras, formats = (self._values(column) for column in ("camera", "format"))
        return Manifest(
            sequence=before.sequence if before else 0, version=before.version if before else 0, count=0, digest="",
            fingerprint=fingerprint, roots=collection.roots(),
            rules={root_id: rules for root_id, (_, rules) in catalog.roots().items()},
            last_id=catalog.last_id(), lineage=lineage, copy=copy, cameras=cameras, formats=formats,
            photo_bytes=photo_bytes, failures=failures, pushed_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        )  # fmt: skip

    def _values(self, column: str) -> tuple[str, ...]:
        rows = self._collection.catalog.select(
            f"SELECT DISTINCT {column} FROM images WHERE {column} IS NOT NULL ORDER BY 1",  # noqa: S608
            (),
        )
        return tuple(value for (value,) in rows)

    def _agrees(self, manifest: Manifest) -> bool:
        """Whether what is published says the same of everything but the photos, which are the same."""
        assert self._before
        same = {
            name: getattr(self._before, name)
            for name in ("sequence", "version", "count", "digest", "pushed_at", "after")
        }
        return replace(manifest, **same, dead=self._before.dead, dead_until=self._before.dead_until) == self._before

    def _publish(self, manifest: Manifest) -> None:
        self._lease.renew()
        self._table.publish(replace(manifest, after=self._table.written_at))

    def _verify(self, manifest: Manifest, local: Checks) -> None:
        """Count what is there, and compare the checksums that are there with the index's own."""
        there = checks_in(windows(self._table, manifest.current, CHECKS))
        self._report.images = self._table.count(manifest.current)
        self._report.version, self._report.digest = manifest.version, digest_of(there)
        if there != local or self._report.images != len(local) or self._report.digest != manifest.digest:
            raise CollectionDamaged(
                f"the store {self._report.store} says it has {self._report.images:,} photos and should have {len(local):,}, or "
                "has others than it should; push again"
            )
