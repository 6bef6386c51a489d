"""The folder of a collection's approximate index: publish one, remove it, check it, report its state."""

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
    """The state of an approximate index. If there is a `problem`, the other values are None."""

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
    new: int | None = None  # images of the index that are not in it; these are searched exactly
    gone: int | None = None  # images in it that are no longer in the index


@contextmanager
def making(collection: Path) -> Iterator[Path]:
    """Lock the folder for building an approximate index. Deletes files that approximate.json does not name.

    Raises CollectionBusy if another process is building one, CollectionError if the folder cannot be written.
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
    """Publish a file that was built in the folder. It replaces the one before."""
    with (folder / info.file).open("rb+") as stream:  # Windows cannot sync a file that is open for reading only
        sync_file(stream.fileno())
    sync_folder(folder)
    write_info(folder, info)
    _sweep(folder)


def remove(collection: Path) -> bool:
    """Remove a collection's approximate index; whether there was one. The folder and the lock in it stay."""
    folder = collection / FOLDER
    if not os.path.lexists(folder):
        return False
    _require_folder(folder)
    existed = os.path.lexists(folder / INFO_FILE)
    with making(collection):
        (folder / INFO_FILE).unlink(missing_ok=True)
    return existed


def damages(collection: Path) -> Iterator[tuple[str, str]]:
    """Read a collection's whole approximate index, if there is one. Yields (file name, problem)."""
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
        covered = index.covers(segment.ids if keep is None else segment.ids[keep])
        living += len(covered)
        new += len(covered) - int(np.count_nonzero(covered))
    return ApproximateStatus(
        problem=None,
        kind=info.shape.kind,
        recall_k=measured.k,
        text_recall=measured.text,
        image_recall=measured.image,
        milliseconds=measured.milliseconds,
        exact_milliseconds=measured.exact_milliseconds,
        bytes=info.size,
        made=info.made,
        images=info.shape.rows,
        new=new,
        gone=info.shape.rows - (living - new),
    )


def _require_folder(folder: Path) -> None:
    if not stat.S_ISDIR(os.lstat(folder).st_mode):
        raise CollectionDamaged(f"{folder} is not a folder; delete it")


def _sweep(folder: Path) -> None:
    """Delete our files that approximate.json does not name. If it cannot be read, a later version may need them: keep all."""
    try:
        named = read_info(folder).file
    except FileNotFoundError:
        named = ""
    except (OSError, ValueError):
        return
    for path in folder.iterdir():
        if path.name != named and path.name.endswith((".vectors", ".partial")):
            with contextlib.suppress(OSError):  # Windows keeps files that a reader has open; a later run deletes them
                path.unlink()
