"""A damaged index made whole again, with all that can be proven to be as it was written, and nothing else."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from clipsearch._internal.atomic_files import put_in_place, sync_file, sync_folder
from clipsearch._internal.checksums import file_sha256
from clipsearch.errors import CollectionDamaged, CollectionError
from clipsearch.store.approximate.folder import remove as remove_approximate
from clipsearch.store.approximate.index import FOLDER as APPROXIMATE
from clipsearch.store.catalog import Catalog, root_of
from clipsearch.store.catalog_file import REPAIRED
from clipsearch.store.database import CHECKED, finish_repair
from clipsearch.store.lock import WriterLock, telling_unwritable
from clipsearch.store.rows import (
    failure_check,
    failure_in_todays_format,
    failure_of,
    in_todays_format,
    is_plausible,
    is_sound,
    path_of,
)
from clipsearch.store.segments import Segment, SegmentInfo, write_segment
from clipsearch.store.validation import MOST_IDS, absolute_root, as_written, require_own_files
from clipsearch.store.vectors import vector_check
from clipsearch.store.verify import Damage, Progress, verify
from clipsearch.types import Embeddings, Fingerprint, Ids


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did."""

    damages: tuple[Damage, ...]  # as they were found; none, and nothing was done
    kept: int  # images
    lost: tuple[str, ...]  # paths, as far as they are known, of photos that must be embedded again


def repair(folder: Path, progress: Progress | None = None) -> Repaired:
    """Keep every image whose row and vector are provably what was written; the others are as if never indexed.

    CollectionDamaged, with nothing changed, where not even the model or the folders can be made out. The damaged catalog is
    kept beside as catalog.sqlite.damaged. A reader sees the old index or the new one.
    """
    require_own_files(folder)
    with telling_unwritable(folder):
        lock = WriterLock(folder / "writer.lock")
    try:
        finish_repair(folder)
        verified = verify(folder, progress)
        if not verified.damages:
            return Repaired((), verified.images, ())
        remove_approximate(folder)  # derived: what it was made of is about to change, or it is what is damaged
        if all(damage.where.startswith(f"{APPROXIMATE}/") for damage in verified.damages):
            return Repaired(verified.damages, verified.images, ())
        salvaged = _salvaged(folder)
        kept, lost = _rebuilt(folder, salvaged)
        finish_repair(folder)
        return Repaired(verified.damages, kept, tuple(sorted(lost)))
    finally:
        lock.release()


@dataclass(slots=True)
class _Salvaged:
    """What could be read of a damaged catalog and is sound."""

    fingerprint: Fingerprint
    roots: list[tuple[Any, ...]]
    roots_proven: bool
    images: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    unsound: int = 0
    failures: list[tuple[Any, ...]] = field(default_factory=list)
    segments: list[SegmentInfo] = field(default_factory=list)
    last_id: int = 0


def _salvaged(folder: Path) -> _Salvaged:
    nothing = CollectionDamaged(
        f"nothing in {folder} can be proven to be what was written. Delete that folder and index the photos again; the photos "
        "themselves are not touched"
    )
    try:
        catalog = Catalog(folder / "catalog.sqlite")
    except CollectionDamaged as error:
        raise nothing from error
    try:
        with catalog.reading():
            damaged = _tolerant(catalog.unsound_tables, ["meta", "roots", "segments", "compact"])
            fingerprint = _tolerant(catalog.fingerprint, None)
            roots = [row for row in catalog.salvage("roots") if _is_root(folder, row)]
            if fingerprint is None or not roots or "meta" in damaged:
                raise nothing
            salvaged = _Salvaged(fingerprint, roots, "roots" not in damaged)
            salvaged.last_id = _plausible_id(_tolerant(catalog.last_id, 0))
            for row in catalog.salvage("images"):
                salvaged.last_id = max(salvaged.last_id, _plausible_id(row[0]))
                if is_sound(row):
                    salvaged.images[row[0]] = row
                else:
                    salvaged.unsound += 1
            salvaged.failures = list(catalog.salvage("failures"))
            salvaged.segments = [] if "segments" in damaged else _tolerant(catalog.segments, [])
            return salvaged
    finally:
        catalog.close()


def _plausible_id(image_id: int) -> int:
    """An image's id, or 0 for one so high that damage made it: behind it there might be none left."""
    return image_id if 0 < image_id < MOST_IDS else 0


def _tolerant(read: Callable[[], Any], instead: Any) -> Any:
    try:
        return read()
    except CollectionError:
        return instead


def _rebuilt(folder: Path, salvaged: _Salvaged) -> tuple[int, list[str]]:
    """Write the new catalog beside the old; how many images it has, and the paths that it has no more."""
    inside = folder / "segments"
    roots = {row[0]: absolute_root(folder, os.fsdecode(row[1])) for row in salvaged.roots}
    salvaged.images = {image_id: row for image_id, row in salvaged.images.items() if is_plausible(row, roots)}
    images = dict(salvaged.images)
    if not salvaged.roots_proven:  # then a photo that is where its row says proves that row's root
        images = {image_id: row for image_id, row in images.items() if _is_there(row, roots)}
    whole = [info for info in salvaged.segments if _is_whole(inside, info, salvaged.fingerprint.dim, images)]
    kept: set[int] = set()
    for info in whole:
        kept.update(Segment(inside, info, salvaged.fingerprint.dim).ids.tolist())
    held = set(kept)
    ids, vectors = _proven(inside, {info.name for info in whole}, salvaged.fingerprint.dim, images, kept)
    added = []
    if len(ids):
        added.append(write_segment(inside, _next_name(inside), ids, vectors))
        kept.update(ids.tolist())
    new_path = folder / f"{REPAIRED}.partial"
    for path in (new_path, *(folder / f"{new_path.name}{suffix}" for suffix in ("-wal", "-shm", "-journal"))):
        path.unlink(missing_ok=True)
    new = Catalog(new_path, create=True)
    living = {image_id: row for image_id, row in images.items() if image_id in kept}
    try:
        new.begin()
        new.set_fingerprint(salvaged.fingerprint)
        new.restore("roots", salvaged.roots)
        new.restore("images", map(in_todays_format, living.values()))
        failures = map(failure_in_todays_format, salvaged.failures)
        new.restore("failures", (row for row in failures if len(row) == 10 and _is_failure(row, roots)))
        new.never_reuse("images", max([salvaged.last_id, *map(_plausible_id, held)]))
        for info in [*whole, *added]:
            new.restore("segments", [(_number(info.name), info.name, info.rows, info.size, info.sha256)])
            if info.compact and _file_is(inside / info.compact_name, info.compact.size, info.compact.sha256):
                new.add_compact(info.name, info.compact)
        new.restore("tombstones", ((image_id,) for image_id in held - living.keys()))
        if all(_check(living, image_id) is not None for image_id in living):
            new.set_meta(CHECKED, "all")
        else:  # of before format 4: the next writer adds what is missing
            new.remove_meta(CHECKED)
        new.commit()
        new.gather()  # or, on a full disk, a part of it would stay beside the file, and be left behind
    finally:
        new.close()
    with new_path.open("rb+") as stream:
        sync_file(stream.fileno())
    put_in_place(new_path, folder / REPAIRED)
    sync_folder(folder)
    rest = (row for image_id, row in salvaged.images.items() if image_id not in living)
    lost = [path_of(roots, *row[1:4]) for row in rest]
    return len(living), lost


def _is_root(folder: Path, row: tuple[Any, ...]) -> bool:
    try:
        with as_written():
            return bool(absolute_root(folder, root_of(row)[1][0]))
    except CollectionDamaged:
        return False


def _is_failure(row: tuple[Any, ...], roots: dict[int, str]) -> bool:
    """Whether a row of failures, in today's format, is as it was written, and one that clipsearch could have written."""
    if failure_check(*row[:6], *row[7:]) != row[6]:
        return False
    try:
        failure_of((*row[:6], *row[7:], False), roots)  # without its checksum
    except CollectionDamaged:
        return False
    return True


def _is_there(row: tuple[Any, ...], roots: dict[int, str]) -> bool:
    try:
        state = os.stat(path_of(roots, *row[1:4]))
    except OSError:
        return False
    return (state.st_size, state.st_mtime_ns) == (row[4], row[5])


def _is_whole(inside: Path, info: SegmentInfo, dim: int, images: dict[int, tuple[Any, ...]]) -> bool:
    """Whether a segment's file is as it was written, and each of its vectors is that of its image."""
    if not _file_is(inside / info.name, info.size, info.sha256):
        return False
    try:
        segment = Segment(inside, info, dim)
    except (CollectionError, OSError):
        return False
    return all(
        _check(images, image_id) in (None, vector_check(vector))
        for image_id, vector in zip(segment.ids.tolist(), segment.vectors, strict=True)
    )


def _proven(
    inside: Path, without: Iterable[str], dim: int, images: dict[int, tuple[Any, ...]], kept: set[int]
) -> tuple[Ids, Embeddings]:
    """From files that are not whole, or that the catalog does not name: vectors that are those of images, ids ascending."""
    found: dict[int, Any] = {}
    for path in sorted(inside.glob("*.faiss")):
        if path.name in without or ".int8." in path.name:
            continue
        with contextlib.suppress(CollectionError, OSError):
            segment = Segment(inside, SegmentInfo(path.name, -1, path.stat().st_size, ""), dim)
            for image_id, vector in zip(segment.ids.tolist(), segment.vectors, strict=True):
                if image_id in images and image_id not in kept and _check(images, image_id) == vector_check(vector):
                    found[image_id] = np.array(vector)
    ids = np.array(sorted(found), np.int64)
    return ids, np.array([found[image_id] for image_id in ids.tolist()], np.float32).reshape(-1, dim)


def _check(images: dict[int, tuple[Any, ...]], image_id: int) -> int | None:
    row = images.get(image_id, ())
    return row[15] if len(row) > 15 else None


def _file_is(path: Path, size: int, sha256: str) -> bool:
    try:
        return path.stat().st_size == size and file_sha256(path) == sha256
    except OSError:
        return False


def _next_name(inside: Path) -> str:
    return f"{max([0, *(_number(path.name) for path in inside.glob('*.faiss'))]) + 1:06d}.faiss"


def _number(name: str) -> int:
    """A segment's number, which its name is made of."""
    number = name.partition(".")[0]
    return int(number) if number.isdecimal() else 0
