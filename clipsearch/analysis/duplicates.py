"""Copies of photos: exact ones by their bytes, near ones by embedding and perceptual hash."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.cancel import CancelToken
from clipsearch._internal.cpu import cores
from clipsearch._internal.paths import NOT_THERE, is_elsewhere, is_gone
from clipsearch._internal.windows import opened_as
from clipsearch.conditions import Condition
from clipsearch.encoders.registry import copy_cosines
from clipsearch.errors import CollectionDamaged
from clipsearch.render.json_output import reasons_to_json
from clipsearch.store.collection import Collection
from clipsearch.store.snapshot import Snapshot
from clipsearch.types import Embeddings, Failure, Ids, ImageFile, ImageRecord, Progress, StageProgress

if TYPE_CHECKING:  # processes are started only where photos are decoded
    from clipsearch.images.pool import DecoderPool

MAX_DIFFERING_BITS = 64
"""Bits, of 256, in which the perceptual hashes of near-copies may differ.

Measured on Flickr8k: one of its 32.7 million pairs of photos is that close, and it is a copy. The next pair differs in 70 bits
and shows two moments of a scene. Of the copies made of 297 photos, at least 97% of the cropped and framed ones are that close,
and all others.
"""

SURE_BITS = 32
"""Re-encoded, resized and brightened copies differ in no more bits. Beyond, one is cropped or framed, or two only look alike,
as letters, receipts and screenshots of one kind do. Then details decide, see `alignment`. Of 99 letters and 66 screenshots with
texts of their own, no two are closer than 40 bits, and 17 pairs are as close as MAX_DIFFERING_BITS.
"""

_REASONS = (  # in the order of _preference
    "a file of its own on this machine",
    "the most pixels",
    "the most details (date, camera, place)",
    "the largest file",
    "the oldest file",
    "the shortest path",
    "the first path",
)
_GROUPED = 1024  # photos grouped at once: at worst a million pairs, with 64 bytes of hashes each
_LAID_OVER = 4  # of a photo's nearest, if none is surely its copy: laying two over each other takes a tenth of a second
_KEPT = 64  # pictures in detail, of 200 kB each
_COMPARED = 2048  # photos compared at once with as many: 16 MB of cosines for each core
GONE = "is no longer there"
CHANGED = "has changed since it was indexed"


@dataclass(frozen=True, slots=True)
class Copy:
    """A photo that duplicates the best of its group. `cosine` and `differing_bits` (0 to 256) compare it with the best."""

    record: ImageRecord
    exact: bool  # the same bytes as the best
    cosine: float = 1.0
    differing_bits: int = 0


@dataclass(frozen=True, slots=True)
class CopyGroup:
    """A photo and its copies: exact ones first, then by path."""

    best: ImageRecord
    copies: tuple[Copy, ...]

    @property
    def spare_bytes(self) -> int:
        """Bytes that the copies take on disk."""
        return sum(copy.record.file.size for copy in self.copies)

    @property
    def reason(self) -> str:
        """Why the best was preferred to the next best."""
        second = min(_preference(copy.record) for copy in self.copies)
        criteria = zip(_REASONS, _preference(self.best), second, strict=True)
        return next(reason for reason, best, other in criteria if best != other)


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Groups of copies, those that waste most bytes first, and the photos that could not be compared, by path."""

    images: int  # compared
    groups: tuple[CopyGroup, ...]
    failures: tuple[Failure, ...]

    @property
    def copies(self) -> int:
        """Number of copies in all groups."""
        return sum(len(group.copies) for group in self.groups)

    @property
    def spare_bytes(self) -> int:
        """Bytes that all copies take on disk."""
        return sum(group.spare_bytes for group in self.groups)

    def to_json(self, photo: Callable[[ImageRecord], dict[str, Any]]) -> dict[str, Any]:
        """For JSON: "images", "copies", "bytes", "groups" and "failures". `photo` makes the object of one photo."""
        return {
            "images": self.images,
            "copies": self.copies,
            "bytes": self.spare_bytes,
            "groups": [
                {
                    "best": photo(group.best),
                    "reason": group.reason,
                    "copies": [
                        {
                            **photo(copy.record),
                            "exact": copy.exact,
                            "cosine": round(copy.cosine, 6),
                            "differing_bits": copy.differing_bits,
                        }
                        for copy in group.copies
                    ],
                }
                for group in self.groups
            ],
            "failures": reasons_to_json(self.failures),
        }


def find_duplicates(
    collection: Collection,
    condition: Condition | None,
    exact_only: bool,
    least_cosine: float | None,
    jobs: int | None,
    progress: StageProgress | None,
    cancel: CancelToken | None,
) -> Duplicates:
    """Find groups of copies among the photos that meet a condition, or all. Changes nothing, on disk or in the index.

    Near-copies have a cosine of at least `least_cosine` (None: the model's `copy_cosines`) and perceptual hashes that
    differ in at most MAX_DIFFERING_BITS. If these differ in more than SURE_BITS, the pictures' details must agree, too.
    Plain pictures, photos inside archives and in remote storage only have exact copies.
    So do films and other files with several pictures: one frame like a photo does not make a film its copy.

    The best of a group is preferably a file of its own on this machine; then the one with most pixels; then the one that knows
    most of its camera, date and place, which re-saving tends to lose; then the largest file; then the one not changed for
    longest, as copying makes a new date; then the shortest path. Photos are taken in this order. Each joins the group whose
    best is nearest to it, or starts a new group. So all photos of a group are copies of its best. A file with several names,
    by links of any kind, is one photo. Archives and remote storage are not looked at again.

    Every photo is compared with every other: n² x dim / 2 multiplications on all cores. Only photos with a neighbour
    are decoded, and only these take memory. `progress` gets the stages "comparing", which counts pairs, "reading", "grouping".
    """
    cancel = cancel or CancelToken()
    report = cancel.checked(progress)
    with collection.reading():
        snapshot = collection.snapshot()
        ids = collection.ids(condition)
        exact = _ExactGroups(collection, ids, cancel)
    failures = exact.failures
    groups: list[CopyGroup] = []
    fingerprint = collection.fingerprint
    if fingerprint and not exact_only:
        least = copy_cosines(fingerprint.model).candidate if least_cosine is None else least_cosine
        candidates = ids_with_neighbours(
            snapshot, np.setdiff1d(ids, exact.others), least, lambda done, total: report("comparing", done, total)
        )
        records, hashes, unreadable = _hash_photos(collection, candidates, jobs, report)
        failures += unreadable
        with Details() as details:
            near_groups = _near_groups(snapshot, records, hashes, least, details, report)
        for best, copies in near_groups:
            near = [Copy(record, False, *copy[1:]) for copy in copies for record in exact.group_of(copy[0])]
            same = [Copy(record, True) for record in exact.group_of(best)[1:]]
            groups.append(_copy_group(best, same + near))
    grouped = {record.image_id for group in groups for record in (group.best, *(copy.record for copy in group.copies))}
    for best_id, (best, *others) in exact.groups.items():
        if best_id not in grouped and others:
            groups.append(_copy_group(best, [Copy(record, True) for record in others]))
    groups.sort(key=lambda group: (-group.spare_bytes, group.best.file.path))
    failures.sort(key=lambda failure: failure.file.path)
    return Duplicates(len(ids), tuple(groups), tuple(failures))


def ids_with_neighbours(snapshot: Snapshot, ids: Ids, least: float, progress: Progress) -> Ids:
    """The photos among `ids` (n,) that have another with a cosine of at least `least` (in float32): int64 (m,), in their order.

    n x (n - 1) / 2 x dim multiplications on all cores, in memory that does not grow with n. `progress` is called with the
    number of pairs compared and their total.
    """
    has_neighbour = np.zeros(len(ids), bool)
    done, total = 0, len(ids) * (len(ids) - 1) // 2
    with ThreadPoolExecutor(cores()) as threads:
        for start in range(0, len(ids), _COMPARED):
            block = vectors_of(snapshot, ids[start : start + _COMPARED])
            compare = partial(_compare, snapshot, ids, least, start, block)
            for other, mine, theirs, pairs in threads.map(compare, range(start, len(ids), _COMPARED)):
                has_neighbour[start : start + len(mine)] |= mine
                has_neighbour[other : other + len(theirs)] |= theirs
                done += pairs
                progress(done, total)
    return ids[has_neighbour]


def _compare(
    snapshot: Snapshot, ids: Ids, least: float, start: int, block: Embeddings, other: int
) -> tuple[int, NDArray[np.bool_], NDArray[np.bool_], int]:
    """Compare two blocks, or one with itself: (start of the other, which photos of each have a neighbour, number of pairs)."""
    if other == start:
        near = block @ block.T >= least
        np.fill_diagonal(near, False)
        mine = near.any(axis=1)
        return other, mine, mine, len(block) * (len(block) - 1) // 2
    near = block @ vectors_of(snapshot, ids[other : other + _COMPARED]).T >= least
    return other, near.any(axis=1), near.any(axis=0), near.size


def vectors_of(snapshot: Snapshot, ids: Ids) -> Embeddings:
    """The unit vectors (n, dim) of photos, in the order of their ids (n,). CollectionDamaged if one has none."""
    try:
        return snapshot.vectors(ids)
    except KeyError as error:
        raise CollectionDamaged(
            "the index is damaged: some photos have no embedding. Index the photos again"
        ) from error


def _copy_group(best: ImageRecord, copies: list[Copy]) -> CopyGroup:
    return CopyGroup(best, tuple(sorted(copies, key=lambda copy: (not copy.exact, copy.record.file.path))))


def _preference(record: ImageRecord) -> tuple[bool, int, int, int, int, int, str]:
    """A sort key: the best photo of a group comes first."""
    info, file = record.info, record.file
    details = sum(value is not None for value in (info.taken_at, info.camera, info.gps))
    pixels = info.width * info.height
    return is_elsewhere(file.path), -pixels, -details, -file.size, file.mtime_ns, len(file.path), file.path


class _ExactGroups:
    """Photos of equal content. `groups` maps the id of the best to its group, the best first; `others` are all other ids."""

    def __init__(self, collection: Collection, ids: Ids, cancel: CancelToken) -> None:
        self.groups: dict[int, list[ImageRecord]] = {}
        self.others: list[int] = []
        self.failures: list[Failure] = []
        for same in cancel.each(collection.same_content_groups()):
            equal = np.array(same, np.int64)
            members = equal[ids.take(np.searchsorted(ids, equal), mode="clip") == equal] if len(ids) else ids
            if len(members) > 1:
                self._add(_files(collection, members))

    def group_of(self, record: ImageRecord) -> list[ImageRecord]:
        """A photo and its copies."""
        return self.groups.get(record.image_id, [record])

    def _add(self, records: list[ImageRecord]) -> None:
        """Add the unchanged photos, one name for each file: the file's own name rather than a link's."""
        files: dict[tuple[int, int] | str, ImageRecord] = {}
        for record in sorted(records, key=lambda record: (_is_link(record.file.path), _preference(record))):
            identity = _identity(record.file)
            if isinstance(identity, Failure):
                self.failures.append(identity)
            else:
                files.setdefault(identity, record)
        group = sorted(files.values(), key=_preference)
        if group:
            self.groups[group[0].image_id] = group
        self.others += [record.image_id for record in records if not group or record is not group[0]]


def _files(collection: Collection, ids: Ids) -> list[ImageRecord]:
    """The files with these ids, as a whole: without a moment."""
    return [replace(record, moment=None) for record in collection.records(ids.tolist()).values()]


def _is_link(path: str) -> bool:
    return os.path.realpath(path) != path


def _identity(file: ImageFile) -> tuple[int, int] | str | Failure:
    """An identity of the file, whatever its names; a Failure if it is gone or has changed since it was indexed.

    Files in archives and remote storage are not examined.
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


def _hash_photos(
    collection: Collection, ids: Ids, jobs: int | None, report: StageProgress
) -> tuple[list[ImageRecord], NDArray[np.uint64], list[Failure]]:
    """The photos that could be decoded, the best first, their hashes (n, 4), and failures.

    Plain pictures, and files with several pictures, are left out.
    """
    from clipsearch.analysis.perceptual_hash import HASH_PIXELS, are_plain, perceptual_hashes
    from clipsearch.images.pool import DecoderPool

    photos = sorted((file for file in _files(collection, ids) if not file.info.moments), key=_preference)
    records: list[ImageRecord] = []
    failures: list[Failure] = []
    hashes = np.empty((len(photos), 4), np.uint64)
    if not photos:
        return [], hashes, []
    with DecoderPool(HASH_PIXELS, workers=jobs) as pool:
        outcomes = pool.read(record.file for record in photos)
        for done, (record, outcome) in enumerate(zip(photos, outcomes, strict=True), 1):
            if isinstance(outcome, Failure):
                failures.append(Failure(record.file, GONE) if is_gone(record.file.path) else outcome)
            elif outcome.info.content_hash != record.info.content_hash:
                failures.append(Failure(record.file, CHANGED))
            elif not are_plain(outcome.picture[None])[0]:
                hashes[len(records)] = perceptual_hashes(outcome.picture[None])[0]
                records.append(record)
            report("reading", done, len(photos))
    return records, hashes[: len(records)], failures


class Details:
    """Tells whether two pictures agree in detail. It decodes pictures when it needs them, and keeps the last ones."""

    def __init__(self) -> None:
        self._closing = ExitStack()
        self._pool: DecoderPool | None = None
        self._pictures = lru_cache(_KEPT)(self._read)

    def __enter__(self) -> Details:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def agree(self, a: ImageFile, b: ImageFile) -> bool:
        """Whether they agree. What cannot be read any more agrees with nothing."""
        from clipsearch.analysis.alignment import LEAST_AGREEMENT, agreement

        left, right = self._pictures(a), self._pictures(b)
        return left is not None and right is not None and agreement(left, right) >= LEAST_AGREEMENT

    def _read(self, file: ImageFile) -> NDArray[np.uint8] | None:
        from clipsearch.analysis.alignment import DETAIL_PIXELS
        from clipsearch.images.pool import DecoderPool

        if self._pool is None:
            self._pool = self._closing.enter_context(DecoderPool(DETAIL_PIXELS, workers=1))
        (outcome,) = self._pool.read([file])
        return None if isinstance(outcome, Failure) else outcome.picture


def _near_groups(
    snapshot: Snapshot,
    records: list[ImageRecord],
    hashes: NDArray[np.uint64],
    least: float,
    details: Details,
    report: StageProgress,
) -> list[tuple[ImageRecord, list[tuple[ImageRecord, float, int]]]]:
    """Each best with its copies (record, cosine, differing bits). Photos without copies are left out."""
    from clipsearch.analysis.perceptual_hash import differing_bits

    ids = np.array([record.image_id for record in records], np.int64)
    copies: dict[int, list[tuple[ImageRecord, float, int]]] = {}  # by the position of the best
    for start in range(0, len(ids), _GROUPED):
        rows = np.arange(start, min(start + _GROUPED, len(ids)))
        block = vectors_of(snapshot, ids[rows])
        bests = np.fromiter(copies, np.int64)
        near: dict[int, list[tuple[float, int, int]]] = defaultdict(list)  # by position: cosine, bits, position
        for first in range(0, len(bests) + len(rows), _GROUPED):
            others = np.concatenate([bests, rows])[first : first + _GROUPED]
            cosines = block @ vectors_of(snapshot, ids[others]).T
            left, right = np.nonzero((cosines >= least) & (others < rows[:, None]))
            bits = differing_bits(hashes[rows[left]], hashes[others[right]])
            for pair in np.flatnonzero(bits <= MAX_DIFFERING_BITS).tolist():
                row, column = int(left[pair]), int(right[pair])
                near[start + row].append((float(cosines[row, column]), int(bits[pair]), int(others[column])))
        for position in rows.tolist():
            possible = sorted((neighbour for neighbour in near[position] if neighbour[2] in copies), reverse=True)
            nearest = next(
                (
                    neighbour
                    for neighbour in possible[:_LAID_OVER]
                    if neighbour[1] <= SURE_BITS or details.agree(records[neighbour[2]].file, records[position].file)
                ),
                next((neighbour for neighbour in possible if neighbour[1] <= SURE_BITS), None),
            )
            if nearest:
                cosine, differing, best = nearest
                copies[best].append((records[position], min(cosine, 1.0), differing))
            else:
                copies[position] = []
        report("grouping", start + len(rows), len(ids))
    return [(records[best], others) for best, others in copies.items() if others]
