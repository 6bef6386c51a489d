"""Make a damaged index whole again, from everything that is provably as it was written."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.atomic_files import put_in_place, sync_file, sync_folder
from clipsearch.errors import CollectionDamaged, CollectionError
from clipsearch.store.approximate.index import FOLDER as APPROXIMATE
from clipsearch.store.approximate.index import remove as remove_approximate
from clipsearch.store.catalog import READ_AS_TIFF, SETTINGS, Catalog
from clipsearch.store.catalog_file import CATALOG, DAMAGED, REPAIRED
from clipsearch.store.database import CHECKED
from clipsearch.store.fact_table import is_plausible_row
from clipsearch.store.lock import WriterLock, telling_unwritable
from clipsearch.store.placeholder_table import is_sound_placeholder
from clipsearch.store.rows import (
    MOST_MOMENTS,
    failure_check,
    failure_of,
    is_plausible,
    is_sound,
    path_of,
    vector_checks_of,
)
from clipsearch.store.segments import Segment, SegmentInfo, write_segment
from clipsearch.store.succession import finish_replacement
from clipsearch.store.validation import BEGIN_ANEW, MOST_IDS, absolute_root, as_written, require_own_files
from clipsearch.store.vectors import vector_check
from clipsearch.store.verify import Damage, file_problem, foundation_of, read_or, verify
from clipsearch.types import Fingerprint, Progress

_Row: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Repaired:
    """The result of a repair."""

    damages: tuple[Damage, ...]  # found before the repair; those with an advice are left as they are
    kept: int  # images
    lost: tuple[str, ...]  # known paths of photos that must be embedded again
    lost_unnamed: int = 0  # other photos that must be embedded again: their names are lost with their rows
    former_catalog: str | None = None  # the path of the old catalog, if it was replaced


def repair(folder: Path, progress: Progress | None = None) -> Repaired:
    """Keep every image whose row and vector are provably what was written, and drop the others.

    The damaged catalog is kept as catalog.sqlite.damaged, in the place of that of an earlier repair. A reader sees the old
    index or the new one. Raises CollectionDamaged, with nothing changed, if the model or the folders cannot be recovered.
    """
    require_own_files(folder)
    with telling_unwritable(folder, is_new=False):
        lock = WriterLock(folder / "writer.lock")
    try:
        finish_replacement(folder)
        verified = verify(folder, progress)
        of_index = [damage for damage in verified.damages if not damage.advice]
        if not of_index:
            return Repaired(verified.damages, verified.images, ())
        remove_approximate(folder)  # it is damaged, or its source is about to change
        if all(damage.where.startswith(f"{APPROXIMATE}/") for damage in of_index):
            return Repaired(verified.damages, verified.images, ())
        kept, lost, unnamed = _rebuild(folder, _salvage(folder))
        finish_replacement(folder)
        return Repaired(verified.damages, kept, tuple(sorted(lost)), unnamed, str(folder / DAMAGED))
    finally:
        lock.release()


@dataclass(slots=True)
class _Salvaged:
    """The sound parts of a damaged catalog."""

    fingerprint: Fingerprint
    roots: list[_Row]
    roots_proven: bool
    text_model: str | None
    settings: dict[str, str]
    images: dict[int, _Row] = field(default_factory=dict)
    unsound: dict[int, _Row] = field(default_factory=dict)  # rows of images that are not as they were written
    facts: list[_Row] = field(default_factory=list)  # others are read again by the next run of `index`
    placeholders: list[_Row] = field(default_factory=list)
    failures: list[_Row] = field(default_factory=list)
    segments: list[SegmentInfo] = field(default_factory=list)
    removed: set[int] | None = None  # ids that have a vector and no row any more; None if that cannot be read
    last_id: int = 0


def _salvage(folder: Path) -> _Salvaged:
    nothing = CollectionDamaged(f"nothing in {folder} can be proven to be what was written. {BEGIN_ANEW}")
    try:
        catalog = Catalog(folder / CATALOG)
    except CollectionDamaged as error:
        raise nothing from error
    try:
        with catalog.reading():
            foundation = foundation_of(folder, catalog)
            if foundation is None:
                raise nothing
            damaged, text_model = foundation.damaged_tables, read_or(None, catalog.text_model)
            keys = (*SETTINGS, READ_AS_TIFF)  # without the latter, such files would be embedded again
            settings = {key: value for key in keys if (value := catalog.meta(key)) is not None}
            salvaged = _Salvaged(foundation.fingerprint, foundation.roots, "roots" not in damaged, text_model, settings)
            salvaged.last_id = _plausible_id(read_or(0, catalog.last_id))
            for row in catalog.salvage("images"):
                salvaged.last_id = max(salvaged.last_id, _plausible_id(row[0]))
                if is_sound(row):
                    salvaged.images[row[0]] = row
                else:
                    salvaged.unsound[row[0]] = row
            salvaged.facts = list(catalog.salvage("facts"))
            salvaged.placeholders = list(catalog.salvage("placeholders"))
            salvaged.failures = list(catalog.salvage("failures"))
            salvaged.removed = read_or(None, lambda: set(catalog.tombstones()))
            salvaged.segments = [] if "segments" in damaged else read_or([], catalog.segments)
            return salvaged
    finally:
        catalog.close()


def _plausible_id(image_id: int) -> int:
    """An image's id, or 0 if damage made it so high that few ids might be left."""
    return image_id if 0 < image_id < MOST_IDS else 0


def _rebuild(folder: Path, salvaged: _Salvaged) -> tuple[int, list[str], int]:
    """Write a new catalog beside the old one.

    Returns its number of images, the paths of the images that are lost, and how many others are lost.
    """
    inside, dim = folder / "segments", salvaged.fingerprint.dim
    roots = {row[0]: absolute_root(folder, os.fsdecode(row[1])) for row in salvaged.roots}
    plausible = {image_id: row for image_id, row in salvaged.images.items() if is_plausible(row, roots)}
    images = plausible
    if not salvaged.roots_proven:  # then a photo that is where its row says proves that row's root
        images = {image_id: row for image_id, row in plausible.items() if _is_there(row, roots)}
    checks = {file_id: vector_checks_of(row) for file_id, row in images.items()}  # of all pictures of each file
    all_checks = {image_id: check for of_file in checks.values() for image_id, check in of_file.items()}
    segments: list[SegmentInfo] = []
    stored: set[int] = set()
    for info in salvaged.segments:
        ids = _ids_if_whole(inside, info, dim, all_checks)
        if ids is not None:
            segments.append(info)
            stored.update(ids)
    missing = {image_id: check for image_id, check in all_checks.items() if image_id not in stored}
    proven = _proven_vectors(inside, {info.name for info in segments}, dim, missing)
    living = {file_id: row for file_id, row in images.items() if checks[file_id].keys() <= stored | proven.keys()}
    living_ids = {image_id for file_id in living for image_id in checks[file_id]}
    tombstones = stored - living_ids
    if wanted := sorted(proven.keys() & living_ids):
        number = max((_number(path.name) for path in inside.glob("*.faiss")), default=0) + 1
        vectors = np.array([proven[image_id] for image_id in wanted], np.float32)
        segments.append(write_segment(inside, f"{number:06d}.faiss", np.array(wanted, np.int64), vectors))
    new_path = folder / f"{REPAIRED}.partial"
    for suffix in ("", "-wal", "-shm", "-journal"):
        (folder / f"{new_path.name}{suffix}").unlink(missing_ok=True)
    new = Catalog(new_path, create=True)
    try:
        new.begin()
        new.set_fingerprint(salvaged.fingerprint)
        new.set_text_model(salvaged.text_model)
        for key, value in salvaged.settings.items():
            new.set_meta(key, value)
        new.restore("roots", salvaged.roots)
        new.restore("images", living.values())
        new.restore("facts", (row for row in salvaged.facts if row[0] in living and is_plausible_row(row)))
        new.derive_facts()
        sound = (row for row in salvaged.placeholders if row[0] in living_ids and is_sound_placeholder(row))
        new.restore("placeholders", sound)
        new.restore("failures", (row for row in salvaged.failures if _is_failure(row, roots)))
        new.never_reuse("images", max([salvaged.last_id, *map(_plausible_id, stored | all_checks.keys())]))
        for info in segments:
            new.restore("segments", [(_number(info.name), info.name, info.rows, info.size, info.sha256)])
            if info.compact and not file_problem(inside / info.compact_name, info.compact):
                new.add_compact(info.name, info.compact)
        new.restore("tombstones", ((image_id,) for image_id in tombstones))
        if all(all_checks[image_id] is not None for image_id in living_ids):
            new.set_meta(CHECKED, "all")
        else:  # rows from before format 4: the next writer adds their checksums
            new.remove_meta(CHECKED)
        new.commit()
        new.gather()  # otherwise, on a full disk, a part of it would stay in a file beside it
    finally:
        new.close()
    with new_path.open("rb+") as stream:
        sync_file(stream.fileno())
    put_in_place(new_path, folder / REPAIRED)
    sync_folder(folder)
    unproven = {key: row for key, row in (salvaged.unsound | salvaged.images).items() if key not in plausible}
    told = _told_paths(unproven.values(), roots, {tuple(row[1:4]) for row in plausible.values()}) if unproven else []
    lost = [path_of(roots, *row[1:4]) for key, row in plausible.items() if key not in living]
    without_row = _count_without_row(stored, salvaged.removed, plausible.values(), unproven)
    return len(living), [*lost, *told], len(unproven) - len(told) + without_row


def _told_paths(rows: Iterable[_Row], roots: dict[int, str], known: set[tuple[Any, ...]]) -> list[str]:
    """The paths in rows that cannot be proven, of those that name a file that is there and that no proven row names."""
    paths = set()
    for row in rows:
        with suppress(CollectionDamaged), as_written():
            path = path_of(roots, *row[1:4])
            if tuple(row[1:4]) not in known and os.path.lexists(path):
                paths.add(path)
    return list(paths)


def _count_without_row(
    stored: set[int], removed: set[int] | None, proven: Iterable[_Row], unproven: dict[int, _Row]
) -> int:
    """How many images have vectors, were not removed, and have no row that could be read, not even a damaged one."""
    if removed is None:
        return 0
    left = stored - removed
    for row in proven:
        left.difference_update(vector_checks_of(row))
    for image_id, row in unproven.items():
        pictures = row[-2] if type(row[-2]) is int and 0 < row[-2] <= MOST_MOMENTS else 1
        left.difference_update(range(image_id, image_id + pictures))
    elsewhere = sum(image_id not in stored for image_id in unproven)  # damage may have changed the id in these rows
    return max(0, len(left) - elsewhere)


def _is_failure(row: _Row, roots: dict[int, str]) -> bool:
    """Whether a row of failures is as it was written and could come from clipsearch."""
    with suppress(CollectionDamaged):
        failure_of((*row[:6], *row[7:], False), roots)  # without its checksum
        return bool(failure_check(*row[:6], *row[7:]) == row[6])
    return False


def _is_there(row: _Row, roots: dict[int, str]) -> bool:
    with suppress(OSError):
        state = os.stat(path_of(roots, *row[1:4]))
        return (state.st_size, state.st_mtime_ns) == tuple(row[4:6])
    return False


def _ids_if_whole(inside: Path, info: SegmentInfo, dim: int, checks: dict[int, int | None]) -> list[int] | None:
    """A segment's image ids, if its file is as it was written and each vector is that of its image; else None."""
    if file_problem(inside / info.name, info):
        return None
    with suppress(CollectionError, OSError):
        segment = Segment(inside, info, dim)
        ids: list[int] = segment.ids.tolist()
        pairs = zip(ids, segment.vectors, strict=True)
        if all(checks.get(image_id) in (None, vector_check(vector)) for image_id, vector in pairs):
            return ids
    return None


def _proven_vectors(
    inside: Path, without: set[str], dim: int, checks: dict[int, int | None]
) -> dict[int, NDArray[np.float32]]:
    """image_id → the vector (dim,) that has the checksum in `checks`, from all segment files but `without`."""
    proven: dict[int, NDArray[np.float32]] = {}
    for path in sorted(inside.glob("*.faiss")):
        if path.name in without or ".int8." in path.name:
            continue
        with suppress(CollectionError, OSError):
            segment = Segment(inside, SegmentInfo(path.name, -1, path.stat().st_size, ""), dim)
            for image_id, vector in zip(segment.ids.tolist(), segment.vectors, strict=True):
                if image_id in checks and checks[image_id] == vector_check(vector):
                    proven[image_id] = np.array(vector)
    return proven


def _number(name: str) -> int:
    """The number in a segment's name."""
    number = name.partition(".")[0]
    return int(number) if number.isdecimal() else 0
