"""Check that an index is, byte for byte, what was written: every file, every row, every vector."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from clipsearch._internal.checksums import file_sha256
from clipsearch.errors import CatalogUnreadable, CollectionDamaged, CollectionError
from clipsearch.store.albums import ALBUMS_FILE, Albums
from clipsearch.store.approximate.index import damages as approximate_damages
from clipsearch.store.catalog import Catalog, root_of
from clipsearch.store.catalog_file import CATALOG
from clipsearch.store.index_reader import IndexReader
from clipsearch.store.saved_searches import SavedSearches
from clipsearch.store.segments import CompactInfo, Segment, SegmentInfo
from clipsearch.store.validation import (
    BEGIN_ANEW,
    WHAT_TO_DO,
    absolute_root,
    as_written,
    belong_to_no_image,
    require_own_files,
    without_advice,
)
from clipsearch.store.vectors import vector_check
from clipsearch.types import Fingerprint, Ids, Progress

_BLOCK = 4096  # vectors checked at once
_LONGEST_NAME = 255  # bytes that are shown
_MOST_FAULTS = 100  # that SQLite lists
_OF_AN_INDEX = re.compile(r"row \d+ missing from index|wrong # of entries in index|non-unique entry in index")


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that is not as it was written."""

    where: str  # a file's name, or a table of the catalog and the place in it
    what: str
    details: tuple[str, ...] = ()  # what SQLite says of it, for experts
    advice: str = ""  # what to do, if it is a file of the user's own making, which `repair` leaves as it is


@dataclass(frozen=True, slots=True)
class Verified:
    """The result of a verification. `images` counts the catalog's images, damaged or not.

    `readable` is False if so little can be read of the catalog that `repair` can keep nothing. Then `advice` is what helps, or
    empty if the damage itself says it.
    """

    images: int
    segments: int
    bytes_read: int
    damages: tuple[Damage, ...]
    readable: bool = True
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Foundation:
    """The parts of a catalog without which nothing can be kept, and the names of small tables that are damaged."""

    fingerprint: Fingerprint
    roots: list[tuple[Any, ...]]  # those that could be clipsearch's
    damaged_tables: list[str]


def verify(folder: Path, progress: Progress | None = None) -> Verified:
    """Read everything in an index folder and compare it with its checksums. Changes nothing, and a writer may be active.

    The albums and the saved searches of this user are read too. `progress` gets the bytes of vectors read so far, and their
    total.

    Raises CollectionError if the index has a newer format.
    """
    verified = _verify_index(folder, progress)
    return replace(verified, damages=(*verified.damages, *own_damages(folder)))


def require_whole_vectors(index: IndexReader, check: Callable[[], None]) -> None:
    """Raise CollectionDamaged unless the files of vectors are, byte for byte, what was written: 0.6 s a gigabyte, if in memory.

    A query checks only the vectors of its hits. If damage lowers a score, the photo is no hit, and nobody would notice.
    `check` is called now and then, and may raise.
    """
    for info in index.segment_infos():
        for name, written in _files_of(info):
            if problem := file_problem(index.folder / "segments" / name, written, check):
                raise CollectionDamaged(f"{name} is damaged: {problem}; {WHAT_TO_DO}")


def own_damages(folder: Path) -> Iterator[Damage]:
    """What is wrong with files that the user has filled and no run of `index` can make again: albums and saved searches."""
    if problem := Albums(folder).damage():
        what, advice = problem
        yield Damage(ALBUMS_FILE, what, advice=advice)
    if found := SavedSearches(folder).damage():
        where, what, advice = found
        yield Damage(where, what, advice=advice)


def _verify_index(folder: Path, progress: Progress | None) -> Verified:
    try:
        require_own_files(folder)
    except CollectionDamaged as error:
        return Verified(0, 0, 0, (Damage(CATALOG, str(error)),), readable=False)
    try:
        catalog = Catalog(folder / CATALOG)
    except CatalogUnreadable as error:
        damage = Damage(CATALOG, f"it cannot be read ({error.reason})")
        return Verified(0, 0, 0, (damage,), readable=False, advice=error.advice)
    except CollectionDamaged as error:
        return Verified(0, 0, 0, (Damage(CATALOG, without_advice(str(error))),), readable=False, advice=BEGIN_ANEW)
    try:
        with catalog.reading():
            return _Verification(folder, catalog, progress or (lambda done, total: None)).result()
    finally:
        catalog.close()


def beyond_repair(folder: Path) -> str | None:
    """What helps a damaged index of which `repair` can keep nothing: empty if the error of opening it says it.

    None if `repair` can keep something.
    """
    try:
        require_own_files(folder)
        catalog = Catalog(folder / CATALOG)
    except CollectionDamaged as error:
        return BEGIN_ANEW if WHAT_TO_DO in str(error) else ""
    try:
        with catalog.reading():
            return None if foundation_of(folder, catalog) else BEGIN_ANEW
    finally:
        catalog.close()


def foundation_of(folder: Path, catalog: Catalog) -> Foundation | None:
    """What `repair` builds on: the model and the folders; None if they cannot be recovered."""
    damaged = read_or(["meta", "roots", "segments", "compact"], catalog.unsound_tables)
    fingerprint = read_or(None, catalog.fingerprint)
    roots = [row for row in catalog.salvage("roots") if _is_root(folder, row)]
    return None if fingerprint is None or not roots or "meta" in damaged else Foundation(fingerprint, roots, damaged)


def read_or(default: Any, read: Callable[[], Any]) -> Any:
    """What can be read of a damaged catalog, or a default."""
    with suppress(CollectionError):
        return read()
    return default


def _is_root(folder: Path, row: tuple[Any, ...]) -> bool:
    with suppress(CollectionDamaged), as_written():
        return bool(absolute_root(folder, root_of(row)[1][0]))
    return False


class _Verification:
    def __init__(self, folder: Path, catalog: Catalog, progress: Progress) -> None:
        self._folder, self._catalog, self._progress = folder / "segments", catalog, progress
        self._tables = (("images", catalog.images), ("failures", catalog.failures))
        self._read = 0

    def result(self) -> Verified:
        damages, images, segments = [], 0, 0
        try:
            damages += list(self._catalog_damages())
            infos = self._catalog.segments()
            segments = len(infos)
            known = self._catalog.images.ids(None, lambda folder: ())
            images = len(known)
            damages += list(self._vector_damages(infos, self._catalog.images.file_ids().expanded(known)))
        except CollectionError as error:  # the rest of the catalog cannot be read
            damages.append(Damage(CATALOG, without_advice(str(error))))
        folder = self._folder.parent
        is_readable = not damages or foundation_of(folder, self._catalog) is not None
        damages += [Damage(where, what) for where, what in approximate_damages(folder)]
        advice = "" if is_readable else BEGIN_ANEW
        return Verified(images, segments, self._read, tuple(damages), is_readable, advice)

    def _catalog_damages(self) -> Iterator[Damage]:
        if lines := self._catalog.integrity():
            yield _unsound_file(lines)
        try:
            self._catalog.require_sound()
        except CollectionDamaged:
            yield Damage(CATALOG, "its entries for folders, files or the model are not as they were written")
        for name, table in self._tables:
            for number, row in table.unsound():
                yield Damage(f"{CATALOG}, {name}, row {number}", _unsound_row(name, row))
        try:
            self._catalog.last_id()
            self._catalog.next_segment_name()
            roots = self._catalog.roots().items()
            places = {root_id: absolute_root(self._folder.parent, path) for root_id, (path, _) in roots}
        except CollectionDamaged as error:
            yield Damage(CATALOG, without_advice(str(error)))
            return
        for _, table in self._tables:
            for problem in table.implausible(places):
                yield Damage(CATALOG, without_advice(problem))
        for where, what in self._catalog.images.facts.problems():
            yield Damage(f"{CATALOG}, {where}", what)
        ids = self._catalog.images.file_ids().expanded(self._catalog.images.ids(None, lambda folder: ()))
        for where, what in self._catalog.images.placeholders.problems(set(ids.tolist())):
            yield Damage(f"{CATALOG}, {where}", what)

    def _vector_damages(self, infos: list[SegmentInfo], known: Ids) -> Iterator[Damage]:
        total = sum(info.size + (info.compact.size if info.compact else 0) for info in infos)
        fingerprint = self._catalog.fingerprint()
        dim = fingerprint.dim if fingerprint else 0
        stored: list[Ids] = []
        for info in infos:
            for name, written in _files_of(info):
                self._read += written.size
                if problem := file_problem(self._folder / name, written):
                    yield Damage(name, problem)
            self._progress(self._read, total)
            try:
                segment = Segment(self._folder, info, dim)
            except (CollectionError, OSError):
                continue  # its file is damaged, which was reported above
            stored.append(segment.ids)
            yield from self._row_damages(segment)
        if len(np.unique(known)) < len(known):
            yield Damage(f"{CATALOG}, images", "two files have the same id for a picture")
        ids = np.concatenate([np.empty(0, np.int64), *stored])
        removed = np.array(self._catalog.tombstones(), np.int64)
        if len(np.unique(ids)) < len(ids):
            yield Damage("segments", "some image has two vectors")
        if len(missing := np.setdiff1d(known, ids)):
            have = "1 image has" if len(missing) == 1 else f"{len(missing):,} images have"
            yield Damage("segments", f"{have} no vector, first image {missing[0]}")
        if len(stray := np.setdiff1d(np.setdiff1d(ids, removed), known)):
            yield Damage("segments", f"{belong_to_no_image(len(stray), 'vector')}, first that of image {stray[0]}")
        if len(np.intersect1d(removed, known)):
            yield Damage(f"{CATALOG}, tombstones", "an image that exists is marked as removed")

    def _row_damages(self, segment: Segment) -> Iterator[Damage]:
        """Compare vectors with their images' checksums, whatever the file's own checksum says."""
        wrong = []
        for start in range(0, len(segment.ids), _BLOCK):
            ids = segment.ids[start : start + _BLOCK].tolist()
            checks = self._catalog.images.vector_checks(ids)
            for image_id, vector in zip(ids, segment.vectors[start : start + _BLOCK], strict=True):
                check = checks.get(image_id)
                if check is not None:
                    is_wrong = check != vector_check(vector)
                else:  # before format 4 there was no checksum; the norm must be 1, which NaN is not
                    is_wrong = image_id in checks and not abs(float(np.linalg.norm(vector)) - 1) < 1e-4
                if is_wrong:
                    wrong.append(image_id)
        if wrong:
            are = "1 vector is not as it was" if len(wrong) == 1 else f"{len(wrong):,} vectors are not as they were"
            yield Damage(segment.info.name, f"{are}, first that of image {wrong[0]}")
        if (np.diff(segment.ids) <= 0).any():
            yield Damage(segment.info.name, "its ids are out of order")


def _unsound_file(lines: Sequence[str]) -> Damage:
    """What SQLite finds wrong with the catalog's file, in a sentence and in its own words."""
    faults = [fault for line in lines for fault in line.splitlines() if not fault.startswith("***")]
    of_indexes = sum(bool(_OF_AN_INDEX.match(fault)) for fault in faults)
    least = "at least " if len(lines) >= _MOST_FAULTS else ""
    what = f"its file is damaged in {least}{len(faults):,} {'place' if len(faults) == 1 else 'places'}"
    if of_indexes:
        these = "" if of_indexes == len(faults) else f", {of_indexes:,} of them"
        what += f"{these} in the lists by which photos are looked up"
    return Damage(CATALOG, what, tuple(faults))


def _unsound_row(table: str, row: tuple[Any, ...]) -> str:
    """What is wrong with a row of photos or failures. Its values may be anything, and are shown as far as they can be."""
    number, _, _, name = row[:4] if table == "images" else (None, *row[:3])
    which = "photo" if number is None else f"photo {number!a:.20}"
    if isinstance(name, bytes):
        shown = os.fsdecode(name[:_LONGEST_NAME])
        which += f", {shown}," if number is not None else f" {shown}"
    return f"the {'row' if table == 'images' else 'failure'} of {which} is not as it was written"


def _files_of(info: SegmentInfo) -> list[tuple[str, SegmentInfo | CompactInfo]]:
    """The names of a segment's files, and what was written into each."""
    return [(info.name, info), *([(info.compact_name, info.compact)] if info.compact else ())]


def file_problem(path: Path, written: SegmentInfo | CompactInfo, check: Callable[[], None] | None = None) -> str:
    """Why a file is not the one that was written; "" if it is. `check` is called now and then, and may raise."""
    try:
        length = path.stat().st_size
        if length != written.size:
            return f"{length:,} bytes long; it was {written.size:,}"
        return "" if file_sha256(path, check) == written.sha256 else "its bytes are not those that were written"
    except OSError as error:
        return error.strerror or str(error)
