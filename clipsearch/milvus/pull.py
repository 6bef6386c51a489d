"""Pulls a store into an index: every row and vector is verified as it comes, and everything at the end."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

from clipsearch._internal.cancel import CancelToken
from clipsearch.errors import CollectionBusy, CollectionDamaged, CollectionError, SyncRefused
from clipsearch.milvus.address import StoreAddress
from clipsearch.milvus.lineage import LINEAGE, lineage_of
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
)
from clipsearch.milvus.store import MilvusStore
from clipsearch.render.text import counted
from clipsearch.store.collection import Collection
from clipsearch.store.lock import OnBusy
from clipsearch.store.rows import record_of, vector_checks_of
from clipsearch.store.vectors import is_unit
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import Progress

logger = logging.getLogger(__name__)

_BLOCK = 2000  # pictures to fetch at once
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
        with CollectionWriter(folder, on_busy=on_busy) as collection:
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


def _require_copy(collection: CollectionWriter, manifest: Manifest) -> None:
    """Raise SyncRefused for an index of other photos. A new index becomes, at once, a copy of what the store contains."""
    if collection.meta(LINEAGE) is None and not collection.last_id:
        collection.require(manifest.fingerprint)
        lineage_of(collection, manifest.lineage)
    elif collection.meta(LINEAGE) != manifest.lineage:
        raise SyncRefused(
            f"{collection.folder} has an index of other photos; pull into another folder: `index=OTHER_DIR`"
        )
    collection.require(manifest.fingerprint)


def _bring_up_to_date(
    collection: CollectionWriter,
    store: MilvusStore,
    manifest: Manifest,
    kept: frozenset[int],
    report: PullReport,
    progress: Progress | None,
    cancel: CancelToken,
) -> None:
    """Fetch the files that differ, and commit them in parts. Those deleted meanwhile come with the next version.

    SyncRefused if an image in `kept` would go.
    """
    stored, later = store.at_one_state(lambda: _stored_checks(cancel.each(store.scan(CHECK_FIELDS))))
    stored_files, files = checks_of_files(stored), collection.checksums()
    gone = sorted(files.keys() - stored_files.keys())
    if lost := kept.intersection(gone):
        raise SyncRefused(
            f"the store lacks {counted(len(lost), 'photo')} of the index at {collection.folder}; confirm with `prune=True` "
            "that the index may lose what the store lacks, or push first. Nothing has left it"
        )
    different = sorted(file_id for file_id, checks in stored_files.items() if files.get(file_id) != checks)
    here = _vectors_here(collection, different, stored, later)
    collection.restore_roots(manifest.roots, manifest.rules, manifest.last_id)
    collection.remove(gone)
    report.removed, report.unchanged = report.removed + len(gone), len(stored_files) - len(different)
    logger.info("version %d: %d files to fetch, %d to remove", manifest.version, len(different), len(gone))
    done, tell = 0, cancel.checked(progress)
    for block in _blocks(different, later):
        fields = (*FIELDS, NOTE, VECTOR)
        rows = store.table.fetch("image_id", block, fields, within=manifest.current, after=manifest.after)
        ordered = sorted(rows, key=itemgetter("row"))
        for _, pictures in itertools.groupby(ordered, key=itemgetter("image_id")):
            report.fetched += _restore(collection, list(pictures), manifest, here)
        if collection.staged >= _COMMIT_IMAGES:
            collection.commit()
        done += len(block)
        tell(done, len(different))
    collection.commit()


def _stored_checks(blocks: Iterable[list[dict[str, Any]]]) -> tuple[Checks, dict[int, int]]:
    """The checksums that a store's rows claim to have; by file, how many pictures it has after its first."""
    later: dict[int, int] = {}

    def counted() -> Iterator[list[dict[str, Any]]]:
        for rows in blocks:
            for row in rows:
                if picture_id(row["row"]) != row["image_id"]:
                    later[row["image_id"]] = later.get(row["image_id"], 0) + 1
            yield rows

    return checks_in(counted()), later


def _vectors_here(
    collection: CollectionWriter, different: list[int], stored: Checks, later: Mapping[int, int]
) -> set[int]:
    """The pictures whose vectors the index has, those of removed files included, which are staged to come back.

    CollectionError if it has another vector under one of the store's ids.
    """
    local = checks_of_pictures(collection.checksums(), collection.later_vector_checks())
    wanted = (image_id for file_id in different for image_id in range(file_id, file_id + later.get(file_id, 0) + 1))
    try:
        for image_id in local.keys() & stored.keys():
            if local[image_id][1] != stored[image_id][1]:
                raise KeyError(image_id)
        return (
            collection.revive({image_id: stored[image_id][1] for image_id in wanted if image_id in stored})
            | local.keys()
        )
    except KeyError:
        raise CollectionError(
            f"the index at {collection.folder} has other photos under the store's ids; pull into another folder"
        ) from None


def _blocks(files: list[int], later: Mapping[int, int]) -> Iterator[list[int]]:
    """The files in blocks of at most _BLOCK pictures, or of one file."""
    block: list[int] = []
    pictures = 0
    for file_id in files:
        count = 1 + later.get(file_id, 0)
        if block and pictures + count > _BLOCK:
            yield block
            block, pictures = [], 0
        block.append(file_id)
        pictures += count
    if block:
        yield block


def _restore(
    collection: CollectionWriter, rows: list[dict[str, Any]], manifest: Manifest, here: Container[int]
) -> bool:
    """Stage a file from the rows of its pictures, in their order; False if a row is missing, as it was deleted meanwhile.

    CollectionDamaged if one is not what was sent.
    """
    ids = [picture_id(row["row"]) for row in rows]
    if ids[0] != rows[0]["image_id"]:
        return False
    file = catalog_row(rows[0])
    record_of(file, manifest.roots)  # raises if it has what clipsearch never writes
    if ids != list(vector_checks_of(file)):
        return False
    vectors = {}
    for image_id, row in zip(ids, rows, strict=True):
        require_of_file(row, file)
        vectors[image_id] = checked_vector(row, manifest.fingerprint.dim)
        if not is_unit(vectors[image_id]):
            raise CollectionDamaged(f"the store's vector of image {image_id} is not of length 1")
    collection.restore(file, {image_id: vector for image_id, vector in vectors.items() if image_id not in here})
    return True


def _verify(collection: Collection, manifest: Manifest, report: PullReport) -> None:
    """Raise CollectionDamaged unless the index has exactly the photos that the store's manifest describes."""
    local = collection.checksums()
    report.version, report.images, report.digest = manifest.version, len(local), digest_of(local)
    if (report.images, report.digest) != (manifest.count, manifest.digest):
        raise CollectionDamaged(
            f"{report.store} says it has {manifest.count:,} photos, and gave {report.images:,}, or others than it says; "
            f"the index at {report.index} is not a copy of it"
        )
