"""Pulls a store into an index: every row and vector is verified as it comes, and everything at the end."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from clipsearch._internal.cancel import CancelToken
from clipsearch.errors import CollectionBusy, CollectionDamaged, CollectionError, SyncRefused
from clipsearch.milvus.address import StoreAddress
from clipsearch.milvus.lineage import LINEAGE, lineage_of
from clipsearch.milvus.manifest import Manifest
from clipsearch.milvus.rows import (
    CHECK_FIELDS,
    FIELDS,
    VECTOR,
    catalog_row,
    checked_vector,
    checks_in,
    digest_of,
    record,
)
from clipsearch.milvus.store import MilvusStore
from clipsearch.store.collection import Collection
from clipsearch.store.lock import OnBusy
from clipsearch.store.vectors import is_unit
from clipsearch.types import Progress

logger = logging.getLogger(__name__)

_BLOCK = 2000  # rows to fetch at once
_COMMIT_IMAGES = 16_384  # the most that a crash can lose
_ATTEMPTS = 5  # versions to try while another process keeps publishing


@dataclass(slots=True)
class PullReport:
    """What a pull did."""

    store: str
    index: str
    version: int = 0
    images: int = 0  # in the index
    digest: str = ""  # of the checksums of all of them: the store's own
    fetched: int = 0
    removed: int = 0
    unchanged: int = 0
    seconds: float = 0.0


def pull(
    address: StoreAddress,
    folder: Path,
    prune: bool = False,
    progress: Progress | None = None,
    cancel: CancelToken | None = None,
    on_busy: OnBusy | None = None,
) -> PullReport:
    """Make an index contain what a store contains: a new index, or a copy of the pushed one."""
    start, cancel = time.monotonic(), cancel or CancelToken()
    with MilvusStore(address) as store:
        report = PullReport(store.name, str(folder), version=store.manifest.version)  # raises before a folder is made
        with Collection(folder, writable=True, on_busy=on_busy) as collection:
            _require_copy(collection, store.manifest)
            kept = frozenset() if prune else frozenset(collection.checksums())
            for _ in range(_ATTEMPTS):
                manifest = store.latest()
                _bring_up_to_date(collection, store, manifest, kept, report, progress, cancel)
                if store.latest().state == manifest.state:
                    _verify(collection, manifest, report)
                    report.seconds = time.monotonic() - start
                    return report
                logger.info("another version was published meanwhile; fetching what it changed")
    raise CollectionBusy(f"another process keeps publishing to {address}; pull again")


def _require_copy(collection: Collection, manifest: Manifest) -> None:
    """Raise SyncRefused for an index of other photos. A new index becomes, at once, a copy of what the store contains."""
    if collection.meta(LINEAGE) is None and not collection.last_id:
        collection.require(manifest.fingerprint)
        lineage_of(collection, manifest.lineage)
    elif collection.meta(LINEAGE) != manifest.lineage:
        raise SyncRefused(f"{collection.folder} has an index of other photos; pull into another folder: --index")
    collection.require(manifest.fingerprint)


def _bring_up_to_date(
    collection: Collection,
    store: MilvusStore,
    manifest: Manifest,
    kept: frozenset[int],
    report: PullReport,
    progress: Progress | None,
    cancel: CancelToken,
) -> None:
    """Fetch what differs, and commit it in parts. Rows that are deleted meanwhile come with the next version.

    SyncRefused if an image in `kept` would go.
    """
    stored = store.at_one_state(lambda: checks_in(cancel.each(store.scan(CHECK_FIELDS))))
    local = collection.checksums()
    gone = sorted(local.keys() - stored.keys())
    if lost := kept.intersection(gone):
        raise SyncRefused(
            f"{len(lost):,} photos of the index at {collection.folder} are not in the store; confirm with --prune that they "
            "may leave the index, or push first. None of them has left it"
        )
    different = sorted(image_id for image_id, checks in stored.items() if local.get(image_id) != checks)
    if any(image_id in local and local[image_id][1] != stored[image_id][1] for image_id in different):
        raise CollectionError(
            f"the index at {collection.folder} has other photos under the store's ids; pull into another folder"
        )
    collection.restore_roots(manifest.roots, manifest.rules, manifest.last_id)
    has_vector = collection.revive(different) | local.keys()
    collection.remove(gone)
    report.removed, report.unchanged = report.removed + len(gone), len(stored) - len(different)
    logger.info("version %d: %d rows to fetch, %d to remove", manifest.version, len(different), len(gone))
    done, tell = 0, cancel.checked(progress)
    for start in range(0, len(different), _BLOCK):
        block, fields = different[start : start + _BLOCK], (*FIELDS, VECTOR)
        rows = store.table.fetch("image_id", block, fields, within=manifest.current, after=manifest.after)
        for row in sorted(rows, key=lambda row: int(row["image_id"])):
            record(row, manifest.roots)  # raises if the row is damaged
            vector = checked_vector(row, manifest.fingerprint.dim)
            if not is_unit(vector):
                raise CollectionDamaged(f"the store's vector of image {row['image_id']} is not of length 1")
            collection.restore(catalog_row(row), None if row["image_id"] in has_vector else vector[None])
            done += 1
            report.fetched += 1
        if collection.staged >= _COMMIT_IMAGES:
            collection.commit()
        tell(done, len(different))
    collection.commit()


def _verify(collection: Collection, manifest: Manifest, report: PullReport) -> None:
    """Raise CollectionDamaged unless the index has exactly the photos that the store's manifest describes."""
    local = collection.checksums()
    report.version, report.images, report.digest = manifest.version, len(local), digest_of(local)
    if (report.images, report.digest) != (manifest.count, manifest.digest):
        raise CollectionDamaged(
            f"{report.store} says it has {manifest.count:,} photos, and gave {report.images:,}, or others than it says; "
            f"the index at {report.index} is not a copy of it"
        )
