"""A store into an index: every row and vector is checked on its way, and the whole in the end."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from clipsearch.errors import CollectionBusy, CollectionDamaged, CollectionError, SyncRefused
from clipsearch.milvus.address import StoreAddress
from clipsearch.milvus.checksums import checks_in, checks_of, digest_of
from clipsearch.milvus.filters import among, both
from clipsearch.milvus.lineage import LINEAGE, lineage_of
from clipsearch.milvus.manifest import Manifest
from clipsearch.milvus.rows import CHECKS, FIELDS, VECTOR, catalog_row, checked_vector, record
from clipsearch.milvus.store import StoreReader
from clipsearch.store.collection import Collection
from clipsearch.store.lock import OnBusy
from clipsearch.store.vectors import is_unit

_BLOCK = 2000  # rows that are fetched at once
_COMMIT = 16_384  # images after which what is here is committed: the most that a crash loses
_ATTEMPTS = 5  # versions, where somebody keeps publishing

Progress: TypeAlias = Callable[[int, int], None]
"""Called with how many rows were fetched, and how many there are to fetch."""


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
    *,
    prune: bool = False,
    progress: Progress | None = None,
    on_busy: OnBusy | None = None,
) -> PullReport:
    """Make an index hold what a store holds: a new one, or a copy of what was pushed. It can be interrupted and run again.

    SyncRefused where the folder has an index of something else, or photos that the store lacks, unless `prune`.
    """
    start = time.monotonic()
    with StoreReader(address) as reader:
        report = PullReport(reader.name, str(folder), version=reader.manifest.version)  # before a folder is made
        with Collection(folder, writable=True, on_busy=on_busy) as collection:
            _require_copy(collection, reader.manifest)
            kept = frozenset() if prune else frozenset(checks_of(collection))
            for _ in range(_ATTEMPTS):
                manifest = reader.latest()
                _take(collection, reader, manifest, kept, report, progress)
                if reader.latest().state == manifest.state:
                    return _verified(collection, manifest, report, start)
    raise CollectionBusy(f"somebody keeps publishing to {address}; pull again")


def _require_copy(collection: Collection, manifest: Manifest) -> None:
    """Refuse an index of something else; make a new one, at once, a copy of what the store holds."""
    catalog = collection.catalog
    if catalog.meta(LINEAGE) is None and not catalog.last_id():
        collection.require(manifest.fingerprint)
        lineage_of(catalog, manifest.lineage)
    elif catalog.meta(LINEAGE) != manifest.lineage:
        raise SyncRefused(f"{collection.folder} has an index of something else; pull into another folder: --index")
    collection.require(manifest.fingerprint)


def _take(
    collection: Collection,
    reader: StoreReader,
    manifest: Manifest,
    kept: frozenset[int],
    report: PullReport,
    progress: Progress | None,
) -> None:
    """Fetch what differs, and commit as it goes. Of rows that go away meanwhile, the next version's are fetched.

    SyncRefused where one of the images that are to be kept would go.
    """
    there = reader.at_one_state(lambda: checks_in(reader.walk(CHECKS)))
    local = checks_of(collection)
    gone = sorted(local.keys() - there.keys())
    if lost := kept.intersection(gone):
        raise SyncRefused(
            f"{len(lost):,} photos of the index at {collection.folder} are not in the store; confirm with --prune that they "
            "are to leave the index, or push first. None of them has left it"
        )
    todo = sorted(image_id for image_id, checks in there.items() if local.get(image_id) != checks)
    if any(image_id in local and local[image_id][1] != there[image_id][1] for image_id in todo):
        raise CollectionError(
            f"the index at {collection.folder} has other photos under the store's ids; pull into another folder"
        )
    catalog = collection.catalog
    catalog.begin()
    catalog.restore(
        "roots",
        (
            (number, os.fsencode(path), json.dumps(manifest.rules.get(number, {})))
            for number, path in manifest.roots.items()
        ),
    )
    catalog.never_reuse("images", manifest.last_id)
    buried = set(catalog.tombstones()).intersection(todo)  # removed once, and their vectors are here still
    catalog.remove_tombstones(buried)
    here = buried | local.keys()
    collection.remove(gone)
    report.removed, report.unchanged = report.removed + len(gone), len(there) - len(todo)
    dim, done = manifest.fingerprint.dim, 0
    for start in range(0, len(todo), _BLOCK):
        wanted = todo[start : start + _BLOCK]
        expression = both(manifest.current, among("image_id", wanted))
        rows = sorted(
            reader.table.query(expression, (*FIELDS, VECTOR), after=manifest.after),
            key=lambda row: int(row["image_id"]),
        )
        for row in rows:
            record(row, manifest.roots)  # or what it says makes no sense
            vector = checked_vector(row, dim)
            if not is_unit(vector):
                raise CollectionDamaged(f"the store's vector of image {row['image_id']} is not of length 1")
            collection.restore(catalog_row(row), None if row["image_id"] in here else vector)
        done += len(rows)
        report.fetched += len(rows)
        if collection.staged >= _COMMIT:
            collection.commit()
        if progress:
            progress(done, len(todo))
    collection.commit()


def _verified(collection: Collection, manifest: Manifest, report: PullReport, start: float) -> PullReport:
    """Compare the whole with what the store says that it is."""
    local = checks_of(collection)
    report.version, report.images, report.digest = manifest.version, len(local), digest_of(local)
    if (report.images, report.digest) != (manifest.count, manifest.digest):
        raise CollectionDamaged(
            f"{report.store} says it has {manifest.count:,} photos, and gave {report.images:,}, or others than it says; "
            f"the index at {report.index} is no copy of it"
        )
    report.seconds = time.monotonic() - start
    return report
