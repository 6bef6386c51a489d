"""The folder of a collection's approximate index: putting one in its place, taking it away, and what is there."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clipsearch._internal.atomic_files import sync_file, sync_folder
from clipsearch._internal.checksums import file_sha256
from clipsearch.errors import CollectionDamaged, CollectionError
from clipsearch.store.approximate.file_format import opened
from clipsearch.store.approximate.index import FOLDER, open_approximate, reason_of
from clipsearch.store.approximate.info import INFO_FILE, ApproximateInfo, Kind, read_info, write_info
from clipsearch.store.catalog import Catalog
from clipsearch.store.lock import WriterLock
from clipsearch.store.snapshot import Snapshot
from clipsearch.types import Fingerprint

_LOCK = "writer.lock"


@dataclass(frozen=True, slots=True)
class ApproximateStatus:
    """An approximate index as it is now. What is None is not known, because of the `problem`."""

    problem: str | None  # why it is not used
    kind: Kind | None = None
    recall_k: int | None = None
    text_recall: float | None = None
    image_recall: float | None = None
    milliseconds: float | None = None  # median search of a text query when it was made
    exact_milliseconds: float | None = None
    bytes: int | None = None
    made: str | None = None  # ISO 8601
    images: int | None = None  # in it
    new: int | None = None  # images of the index that are not in it, and are searched exactly
    gone: int | None = None  # images in it that are no longer in the index


@contextmanager
def making(collection: Path) -> Iterator[Path]:
    """The folder to make an approximate index in, for this process alone. Files that approximate.json does not name go.

    CollectionBusy if another process is making one; CollectionError if nothing can be written.
    """
    folder = collection / FOLDER
    try:
        folder.mkdir(exist_ok=True)
        _require_folder(folder)
        lock = WriterLock(folder / _LOCK)
    except OSError as error:
        raise CollectionError(f"cannot write an approximate index at {folder}: {error.strerror or error}") from error
    try:
        _sweep(folder)
        yield folder
    finally:
        _sweep(folder)
        lock.release()


def put(folder: Path, info: ApproximateInfo) -> None:
    """Have searches use a file that was made in the folder; the one before goes."""
    with (folder / info.file).open("rb+") as stream:  # Windows syncs none that is open for reading only
        sync_file(stream.fileno())
    sync_folder(folder)
    write_info(folder, info)
    _sweep(folder)


def remove(collection: Path) -> bool:
    """Take a collection's approximate index away; whether there was one. The folder stays, with the lock in it."""
    folder = collection / FOLDER
    if not os.path.lexists(folder):
        return False
    _require_folder(folder)
    there = os.path.lexists(folder / INFO_FILE)
    with making(collection):
        (folder / INFO_FILE).unlink(missing_ok=True)
    return there


def damages(collection: Path) -> Iterator[tuple[str, str]]:
    """What is wrong with a collection's approximate index, if there is one: a file's name, and what. Reads all of it."""
    folder = collection / FOLDER
    try:
        info = read_info(folder)
        opened(folder, info)
        if file_sha256(folder / info.file) != info.sha256:
            yield f"{FOLDER}/{info.file}", "its bytes are not those that were written"
    except FileNotFoundError as error:
        if os.path.lexists(folder / INFO_FILE):
            yield f"{FOLDER}/{INFO_FILE}", f"its file {os.path.basename(str(error.filename))} is missing"
    except (OSError, ValueError, MemoryError) as error:
        yield f"{FOLDER}/{INFO_FILE}", reason_of(error)


def read_status(
    collection: Path, snapshot: Snapshot, catalog: Catalog, fingerprint: Fingerprint
) -> ApproximateStatus | None:
    """The state of a collection's approximate index; None if there is none."""
    try:
        index = open_approximate(collection / FOLDER, catalog, fingerprint)
    except (OSError, ValueError, RuntimeError, MemoryError) as error:
        return ApproximateStatus(reason_of(error))
    if index is None:
        return None
    info, measured = index.info, index.info.measured
    new = living = 0
    for segment in snapshot.segments:
        keep = snapshot.keep(segment)
        fresh = ~index.covers(segment.ids)
        living += len(segment.ids) if keep is None else int(np.count_nonzero(keep))
        new += int(np.count_nonzero(fresh if keep is None else fresh & keep))
    return ApproximateStatus(
        None, info.shape.kind, measured.k, measured.text, measured.image, measured.milliseconds, measured.exact_milliseconds,
        info.size, info.made, info.shape.rows, new, info.shape.rows - (living - new),
    )  # fmt: skip


def _require_folder(folder: Path) -> None:
    if not stat.S_ISDIR(os.lstat(folder).st_mode):
        raise CollectionDamaged(f"{folder} is not a folder, so it is not followed; delete it")


def _sweep(folder: Path) -> None:
    """Delete our files that approximate.json does not name; none if it cannot be read: a later version may have written it."""
    try:
        named = read_info(folder).file
    except FileNotFoundError:
        named = ""
    except (OSError, ValueError):
        return
    for path in folder.iterdir():
        if path.name != named and path.name.endswith((".vectors", ".partial")):
            with contextlib.suppress(OSError):  # Windows keeps files that a reader has open; next time, then
                path.unlink()
