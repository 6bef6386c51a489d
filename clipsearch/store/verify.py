"""Whether an index is, byte for byte, what was written: every file, every row, every vector."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clipsearch._internal.checksums import file_sha256
from clipsearch.errors import CollectionDamaged, CollectionError
from clipsearch.store.approximate.folder import damages as approximate_damages
from clipsearch.store.catalog import Catalog
from clipsearch.store.segments import Segment, SegmentInfo
from clipsearch.store.validation import absolute_root
from clipsearch.store.vectors import vector_check
from clipsearch.types import Ids

_BLOCK = 4096  # vectors looked at together


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that is not as it was written."""

    where: str  # a file's name, or a table of the catalog's, and where in it
    what: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found. `images` have a row and a vector that were looked at, whatever their state."""

    images: int
    segments: int
    bytes_read: int
    damages: tuple[Damage, ...]


Progress = Callable[[int, int], None]
"""Called with how many bytes of vectors have been read, and how many there are."""


def verify(folder: Path, progress: Progress | None = None) -> Verified:
    """Read everything in an index folder and compare it with its checksums.

    CollectionError for an index of a newer format. Changes nothing; a writer may be at work meanwhile.
    """
    try:
        catalog = Catalog(folder / "catalog.sqlite")
    except CollectionDamaged as error:
        return Verified(0, 0, 0, (Damage("catalog.sqlite", str(error)),))
    try:
        with catalog.reading():
            return _Examination(folder, catalog, progress or (lambda done, total: None)).verified()
    finally:
        catalog.close()


class _Examination:
    def __init__(self, folder: Path, catalog: Catalog, progress: Progress) -> None:
        self._folder, self._catalog, self._progress = folder / "segments", catalog, progress
        self._tables = (("images", catalog.images), ("failures", catalog.failures))
        self._read = 0

    def verified(self) -> Verified:
        damages, images, segments = [], 0, 0
        try:
            damages += list(self._catalog_damages())
            infos = self._catalog.segments()
            segments = len(infos)
            known = self._catalog.images.all_ids()
            images = len(known)
            damages += list(self._vector_damages(infos, known))
        except CollectionError as error:  # the catalog cannot be read to its end
            damages.append(Damage("catalog.sqlite", str(error)))
        damages += [Damage(where, what) for where, what in approximate_damages(self._folder.parent)]
        return Verified(images, segments, self._read, tuple(damages))

    def _catalog_damages(self) -> Iterator[Damage]:
        for line in self._catalog.integrity():
            yield Damage("catalog.sqlite", line)
        try:
            self._catalog.require_sound()
        except CollectionDamaged:
            yield Damage("catalog.sqlite", "what it says of folders, files and the model is not what was written")
        for name, table in self._tables:
            for number, row in table.unsound():
                yield Damage(f"catalog.sqlite, {name}, row {number}", f"not as it was written: {row!a}"[:300])
        try:
            self._catalog.last_id()
            self._catalog.next_segment_name()
            roots = self._catalog.roots().items()
            places = {root_id: absolute_root(self._folder.parent, path) for root_id, (path, _) in roots}
        except CollectionDamaged as error:
            yield Damage("catalog.sqlite", str(error))
            return
        for _, table in self._tables:
            for problem in table.implausible(places):
                yield Damage("catalog.sqlite", problem)

    def _vector_damages(self, infos: list[SegmentInfo], known: Ids) -> Iterator[Damage]:
        total = sum(info.size + (info.compact.size if info.compact else 0) for info in infos)
        fingerprint = self._catalog.fingerprint()
        dim = fingerprint.dim if fingerprint else 0
        held: list[Ids] = []
        for info in infos:
            yield from self._file_damages(info.name, info.size, info.sha256)
            if info.compact:
                yield from self._file_damages(info.compact_name, info.compact.size, info.compact.sha256)
            self._progress(self._read, total)
            try:
                segment = Segment(self._folder, info, dim)
            except (CollectionError, OSError):
                continue  # what is wrong with its file was said
            held.append(segment.ids)
            yield from self._row_damages(segment)
        ids = np.concatenate([np.empty(0, np.int64), *held])
        gone = np.array(self._catalog.tombstones(), np.int64)
        if len(np.unique(ids)) < len(ids):
            yield Damage("segments", "some image has two vectors")
        if len(missing := np.setdiff1d(known, ids)):
            yield Damage("segments", f"{len(missing):,} images have no vector, beginning with image {missing[0]}")
        if len(stray := np.setdiff1d(np.setdiff1d(ids, gone), known)):
            yield Damage("segments", f"{len(stray):,} vectors are of no image, beginning with image {stray[0]}")
        if len(np.intersect1d(gone, known)):
            yield Damage("catalog.sqlite, tombstones", "an image that is there is said to be gone")

    def _file_damages(self, name: str, size: int, sha256: str) -> Iterator[Damage]:
        path = self._folder / name
        try:
            found = path.stat().st_size
            self._read += found
            if found != size:
                yield Damage(name, f"{found:,} bytes long; it was {size:,}")
            elif file_sha256(path) != sha256:
                yield Damage(name, "its bytes are not those that were written")
        except OSError as error:
            yield Damage(name, error.strerror or str(error))

    def _row_damages(self, segment: Segment) -> Iterator[Damage]:
        """Vectors that are not those of the images whose ids they have, whatever the file's own checksum says."""
        wrong = list(unproven(self._catalog, segment))
        if wrong:
            yield Damage(
                segment.info.name, f"{len(wrong):,} vectors are not as they were, first that of image {wrong[0]}"
            )
        if (np.diff(segment.ids) <= 0).any():
            yield Damage(segment.info.name, "its ids are out of order")


def unproven(catalog: Catalog, segment: Segment) -> Iterator[int]:
    """The ids of images whose vector in a segment is not what was stored for them."""
    for start in range(0, len(segment.ids), _BLOCK):
        ids = segment.ids[start : start + _BLOCK].tolist()
        checks = catalog.images.vector_checks(ids)
        for image_id, vector in zip(ids, segment.vectors[start : start + _BLOCK], strict=True):
            said = checks.get(image_id)
            if said is None and not abs(float(np.linalg.norm(vector)) - 1) < 1e-4 and image_id in checks:
                yield image_id  # no checksum, but no unit vector either; NaN is none
            elif said is not None and said != vector_check(vector):
                yield image_id
