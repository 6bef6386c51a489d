"""Copies of photos: exact ones by their bytes; near ones by embedding, and then by a perceptual hash."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.paths import NOT_THERE, is_elsewhere, is_gone
from clipsearch._internal.windows import opened_as
from clipsearch.encoders.registry import candidate_cosine
from clipsearch.store.collection import Collection
from clipsearch.store.neighbours import Vectors, ids_with_neighbours
from clipsearch.types import Condition, Failure, Ids, ImageFile, ImageRecord

MOST_BITS = 64
"""Bits, of 256, in which the perceptual hashes of near-copies may differ.

Measured on Flickr8k: of its 32.7 million pairs of photos one is that close, and it is a copy; the next has 70 and is another
moment of its scene. Of 297 photos' copies 97% and more are that close, and 100% of all but the cropped and framed ones.
"""

_REASONS = (  # in the order of _worth
    "a file of its own on this machine",
    "the most pixels",
    "the most details (date, camera, place)",
    "the largest file",
    "the shortest path",
    "the first path",
)
_BLOCK = 1024  # photos grouped at once: at worst a million pairs of them, with 64 bytes of hashes each
GONE = "is no longer there"
CHANGED = "has changed since it was indexed"

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the stage, "comparing" (in pairs of photos), "reading" or "grouping" (in photos), with how many are done, and
with how many there are."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A photo that its group can do without. `cosine` and `differing_bits` (0 to 256) are to the group's best."""

    record: ImageRecord
    exact: bool  # the same bytes as the best
    cosine: float = 1.0
    differing_bits: int = 0


@dataclass(frozen=True, slots=True)
class CopyGroup:
    """Photos that are all copies of the best of them; `copies` are the others, exact ones first, then by path."""

    best: ImageRecord
    copies: tuple[Copy, ...]

    @property
    def spare_bytes(self) -> int:
        """What the copies take on disk."""
        return sum(copy.record.file.size for copy in self.copies)

    @property
    def reason(self) -> str:
        """What makes the best the best: the first thing it has before the next best."""
        worths = zip(_REASONS, _worth(self.best), min(_worth(copy.record) for copy in self.copies), strict=True)
        return next(reason for reason, best, other in worths if best != other)


@dataclass(frozen=True, slots=True)
class Duplicates:
    """The groups with most to spare first; photos that could not be looked at, by path."""

    images: int  # looked at
    groups: tuple[CopyGroup, ...]
    failures: tuple[Failure, ...]

    @property
    def copies(self) -> int:
        """How many photos can be done without."""
        return sum(len(group.copies) for group in self.groups)

    @property
    def spare_bytes(self) -> int:
        """What they take on disk."""
        return sum(group.spare_bytes for group in self.groups)


def find_duplicates(
    collection: Collection,
    condition: Condition | None = None,
    *,
    exact_only: bool = False,
    least_cosine: float | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Duplicates:
    """Groups of copies among the photos that meet a condition, or all. Nothing is changed, on disk or in the index.

    Exact copies have the same SHA-256. Near-copies have a cosine of at least `least_cosine` (by default what `candidate_cosine`
    says for the model) and, decoded again, perceptual hashes that differ in at most MOST_BITS.

    The best of a group is a file of its own on this machine, if one is; it has the most pixels; among equals it knows more of
    its camera, date and place, which re-saving tends to lose; then it is the largest file, and has the shortest path. Photos
    are taken in that order: each joins the group to whose best it is nearest, or is the best of one of its own. So all of a
    group are copies of its best, and none is there only because it is like another that is. A file with several names, by
    links of any kind, is one photo.

    Files that are gone, have changed, or cannot be decoded are in no group, but are told. Photos inside archives and in storage
    elsewhere are taken to be what they were when indexed, and have exact copies only. Every photo is compared with every
    other: n² x dim / 2 multiplications on all cores. Only photos with a neighbour are decoded, `jobs` at once (default: one a
    core), and only these take memory. Pictures with next to nothing in them have exact copies only.
    """
    tell = progress or (lambda stage, done, total: None)
    with collection.reading():
        snapshot = collection.snapshot()
        ids = collection.ids(condition)
        exact = _Exact(collection, ids)
    failures = exact.failures
    groups: list[CopyGroup] = []
    fingerprint = collection.fingerprint
    if fingerprint and not exact_only:
        least = candidate_cosine(fingerprint.model) if least_cosine is None else least_cosine
        vectors = Vectors(snapshot, np.setdiff1d(ids, exact.others))
        maybe = ids_with_neighbours(vectors, least, lambda done, total: tell("comparing", done, total))
        hashed, unread = _read(collection, maybe, jobs, tell)
        failures += unread
        for best, copies in _near_groups(vectors, hashed, least, tell):
            near = [Copy(record, False, *copy[1:]) for copy in copies for record in exact.all_of(copy[0])]
            same = [Copy(record, True) for record in exact.all_of(best)[1:]]
            groups.append(CopyGroup(best, tuple(sorted(same + near, key=_by_kind_and_path))))
    grouped = {record.image_id for group in groups for record in (group.best, *(copy.record for copy in group.copies))}
    for best_id, (best, *others) in exact.groups.items():
        if best_id not in grouped and others:
            copies_of_best = (Copy(record, True) for record in others)
            groups.append(CopyGroup(best, tuple(sorted(copies_of_best, key=_by_kind_and_path))))
    groups.sort(key=lambda group: (-group.spare_bytes, group.best.file.path))
    failures.sort(key=lambda failure: failure.file.path)
    return Duplicates(len(ids), tuple(groups), tuple(failures))


def _by_kind_and_path(copy: Copy) -> tuple[bool, str]:
    return not copy.exact, copy.record.file.path


def _worth(record: ImageRecord) -> tuple[bool, int, int, int, int, str]:
    """Sorts the best first."""
    info, file = record.info, record.file
    known = sum(value is not None for value in (info.taken_at, info.camera, info.gps))
    return is_elsewhere(file.path), -info.width * info.height, -known, -file.size, len(file.path), file.path


class _Exact:
    """Photos of equal content. `groups` are by the id of the best, which comes first; `others` are all but these."""

    def __init__(self, collection: Collection, ids: Ids) -> None:
        self.groups: dict[int, list[ImageRecord]] = {}
        self.others: list[int] = []
        self.failures: list[Failure] = []
        for same in collection.same_content_groups():
            members = np.array(same)[_are_in(same, ids)]
            if len(members) > 1:
                self._add(list(collection.records(members.tolist()).values()))

    def all_of(self, record: ImageRecord) -> list[ImageRecord]:
        """A photo and its copies."""
        return self.groups.get(record.image_id, [record])

    def _add(self, records: list[ImageRecord]) -> None:
        """Of those that are as they were, one name for each file: that of the file itself rather than a link's."""
        files: dict[tuple[int, int] | str, ImageRecord] = {}
        for record in sorted(records, key=lambda record: (_is_link(record.file.path), _worth(record))):
            found = _identity(record.file)
            if isinstance(found, Failure):
                self.failures.append(found)
            else:
                files.setdefault(found, record)
        group = sorted(files.values(), key=_worth)
        if group:
            self.groups[group[0].image_id] = group
        self.others += [record.image_id for record in records if not group or record is not group[0]]


def _are_in(some: list[int], ids: Ids) -> NDArray[np.bool_]:
    """Which of some ids are among others (n,), ascending."""
    rows = np.searchsorted(ids, some)
    found = rows < len(ids)
    found[found] = ids[rows[found]] == np.array(some)[found]
    return found


def _is_link(path: str) -> bool:
    return os.path.realpath(path) != path


def _identity(file: ImageFile) -> tuple[int, int] | str | Failure:
    """What tells a file from all others, whatever its names; a failure where it is not as it was when indexed.

    One in an archive or in storage elsewhere is not looked at.
    """
    try:
        state = os.stat(opened_as(file.path))
    except OSError as error:
        if is_elsewhere(file.path):
            return file.path
        return Failure(file, GONE if error.errno in NOT_THERE else error.strerror or str(error))
    if (state.st_size, state.st_mtime_ns) != (file.size, file.mtime_ns):
        return Failure(file, CHANGED)
    return state.st_dev, state.st_ino


@dataclass(frozen=True, slots=True)
class _Hashed:
    """Photos that could be read, best first, and their hashes, uint64 (n, 4)."""

    records: list[ImageRecord]
    hashes: NDArray[np.uint64]


def _read(collection: Collection, ids: Ids, jobs: int | None, tell: Progress) -> tuple[_Hashed, list[Failure]]:
    """Decode photos for their hashes. Pictures with nothing in them have none."""
    from clipsearch.analysis.perceptual_hash import HASH_PIXELS, are_plain, perceptual_hashes
    from clipsearch.images.pool import DecoderPool

    wanted = sorted(collection.records(ids.tolist()).values(), key=_worth)
    records: list[ImageRecord] = []
    failures: list[Failure] = []
    hashes = np.empty((len(wanted), 4), np.uint64)
    if not wanted:
        return _Hashed([], hashes), []
    with DecoderPool(HASH_PIXELS, workers=jobs) as pool:
        outcomes = pool.read(record.file for record in wanted)
        for done, (record, outcome) in enumerate(zip(wanted, outcomes, strict=True), 1):
            if isinstance(outcome, Failure):
                failures.append(Failure(record.file, GONE) if is_gone(record.file.path) else outcome)
            elif outcome.info.content_hash != record.info.content_hash:
                failures.append(Failure(record.file, CHANGED))
            elif not are_plain(outcome.pixels[None])[0]:
                hashes[len(records)] = perceptual_hashes(outcome.pixels[None])[0]
                records.append(record)
            tell("reading", done, len(wanted))
    return _Hashed(records, hashes[: len(records)]), failures


def _near_groups(
    vectors: Vectors, hashed: _Hashed, least: float, tell: Progress
) -> list[tuple[ImageRecord, list[tuple[ImageRecord, float, int]]]]:
    """Each best with its copies: record, cosine, differing bits. Photos alone are left out."""
    from clipsearch.analysis.perceptual_hash import differing_bits

    records, hashes = hashed.records, hashed.hashes
    ids = np.array([record.image_id for record in records], np.int64)
    copies: dict[int, list[tuple[ImageRecord, float, int]]] = {}  # by the position of the best
    for start in range(0, len(ids), _BLOCK):
        here = np.arange(start, min(start + _BLOCK, len(ids)))
        block = vectors.of(ids[here])
        bests = np.fromiter(copies, np.int64)
        near: dict[int, list[tuple[float, int, int]]] = defaultdict(list)  # by position: cosine, bits, position
        for some in range(0, len(bests) + len(here), _BLOCK):
            others = np.concatenate([bests, here])[some : some + _BLOCK]
            cosines = block @ vectors.of(ids[others]).T
            rows, columns = np.nonzero((cosines >= least) & (others < here[:, None]))
            bits = differing_bits(hashes[here[rows]], hashes[others[columns]])
            for pair in np.flatnonzero(bits <= MOST_BITS).tolist():
                row, column = int(rows[pair]), int(columns[pair])
                near[start + row].append((float(cosines[row, column]), int(bits[pair]), int(others[column])))
        for position in here.tolist():
            choice = max((one for one in near[position] if one[2] in copies), default=None)
            if choice:
                copies[choice[2]].append((records[position], min(choice[0], 1.0), choice[1]))
            else:
                copies[position] = []
        tell("grouping", start + len(here), len(ids))
    return [(records[best], others) for best, others in copies.items() if others]
