"""Make an index agree with folders: what to do (plan_sync), and doing it (apply_sync)."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from clipsearch.errors import ImageError, SyncRefused
from clipsearch.images.discover import WalkRules, list_images
from clipsearch.images.files import ReadLimits, content_hash
from clipsearch.schema import Failure, ImageFile
from clipsearch.store.catalog import Catalog
from clipsearch.store.collection import Collection
from clipsearch.store.rows import Place

if TYPE_CHECKING:  # what decodes and encodes is imported when there is something to decode
    from clipsearch.encoders.base import Encoder
    from clipsearch.images.pool import DecoderPool
    from clipsearch.pipeline import Embedded

COMMIT_IMAGES = 2048
COMMIT_SECONDS = 5.0
"""A run commits after this many new images or this long, whichever is first: the most that a crash can lose."""


@dataclass(slots=True)
class SyncPlan:
    """How a folder differs from an index. Files are listed by path, with the place each has in the catalog."""

    folder: str
    todo: list[tuple[Place, ImageFile]] = field(default_factory=list)  # new, or changed since
    missing: dict[int, int] = field(default_factory=dict)  # image_id → size in bytes of images no longer there
    missing_failures: list[Place] = field(default_factory=list)
    changed: int = 0  # how many of `todo` were known before
    unchanged: int = 0
    doubted: list[tuple[Place, ImageFile]] = field(default_factory=list)  # of the unchanged: to be compared by content
    recent: range = range(0)  # files of such a time, in nanoseconds, may still be being written: left for a later run
    waiting: int = 0  # how many of those there are, new or changed
    known_failures: int = 0  # unchanged files that could not be read before
    others: int = 0  # files beside the photos that are none
    unreadable: list[Failure] = field(default_factory=list)  # folders that could not be listed: none is missing


@dataclass(slots=True)
class SyncReport:
    """What a run did."""

    added: int = 0
    updated: int = 0
    moved: int = 0
    copied: int = 0  # of `added` and `updated`: content known already, not embedded again
    removed: int = 0
    failed: int = 0  # in this run
    known_failures: int = 0  # not tried again: they have not changed
    unchanged: int = 0
    waiting: int = 0  # written a moment ago, and left for a later run
    others: int = 0
    unreadable: list[Failure] = field(default_factory=list)
    interrupted: bool = False
    left: int = 0  # files not reached before the interruption
    seconds: float = 0.0  # walk, model and all


_HOW_TO_GO_ON = (
    "If a drive is not mounted, mount it and run this again; if they are really gone, confirm with --prune. "
    "Nothing was changed"
)
_COPIES_LOOKED_AT = 64  # of a content, for one that has moved here; beyond it, a further copy is only a copy

Progress = Callable[[SyncReport, int, int], None]
"""Called with the report so far, how many files are finished, and how many there are to do."""


def plan_sync(
    collection: Collection, folder: str, root_id: int, rules: WalkRules, *, paranoid: bool = False, settled_for: float = 0.0
) -> SyncPlan:  # fmt: skip
    """Compare a folder at or below a root with what the index knows of it. An unchanged file costs one stat.

    If `paranoid`, photos of the same size and time are not believed to be unchanged: they will be read. Files written within
    the last `settled_for` seconds are left for a later run.
    """
    root = collection.roots()[root_id]
    under = "" if folder == root else Path(folder).relative_to(root).as_posix()
    now, moment = time.time_ns(), int(settled_for * 1e9)
    plan = SyncPlan(folder, recent=range(now - moment, now + moment))
    catalog = collection.catalog
    unseen = catalog.folders(root_id, under)
    for listing in list_images(root, rules, under):
        unseen.discard(listing.folder)
        plan.others += listing.others
        if listing.error:
            plan.unreadable.append(Failure(ImageFile(listing.path, 0, 0), f"cannot list this folder: {listing.error}"))
            unseen = {name for name in unseen if listing.folder and not name.startswith(f"{listing.folder}/")}
            continue
        _compare(plan, catalog, root_id, listing.folder, listing.path, listing.states, paranoid)
    for name in sorted(unseen):
        _compare(plan, catalog, root_id, name, "", {})
    return plan


def _compare(
    plan: SyncPlan,
    catalog: Catalog,
    root_id: int,
    folder: str,
    path: str,
    found: dict[str, tuple[int, int]],
    paranoid: bool = False,
) -> None:
    """One folder. Whole folders are compared at once: a loop over their files would take as long as asking the disk."""
    images, failures = catalog.known_in(root_id, folder)
    if paranoid:
        plan.doubted += [
            (Place(root_id, folder, name), ImageFile(os.path.join(path, name), *state))
            for name, state in sorted(images.items() & found.items())
        ]
    if found == images and not failures:
        plan.unchanged += len(found)
        return
    plan.unchanged += len(images.items() & found.items())
    plan.known_failures += len(failures.items() & found.items())
    known = images | failures
    for name, state in sorted(found.items()):
        if known.get(name) != state and state[1] in plan.recent:
            plan.waiting += 1
        elif known.get(name) != state:
            plan.todo.append((Place(root_id, folder, name), ImageFile(os.path.join(path, name), *state)))
            plan.changed += name in known
    for name in sorted(images.keys() - found.keys()):
        row = catalog.known_at(Place(root_id, folder, name))
        if row and row.image_id is not None:
            plan.missing[row.image_id] = row.size
    plan.missing_failures += [Place(root_id, folder, name) for name in sorted(failures.keys() - found.keys())]


def check_loss(plans: list[SyncPlan], total: int) -> None:
    """Raise SyncRefused where a folder has lost every photo, or an index of `total` images would lose more than half.

    A missing photo does not count where a new file of its size may be the same photo under another name.
    """
    for plan in plans:
        if plan.missing and not (plan.todo or plan.unchanged or plan.known_failures):
            raise SyncRefused(
                f"{plan.folder} has no photos any more, and {len(plan.missing):,} are indexed there. {_HOW_TO_GO_ON}"
            )
    arrivals = Counter(file.size for plan in plans for _, file in plan.todo)
    departures = Counter(size for plan in plans for size in plan.missing.values())
    lost = sum((departures - arrivals).values())
    if lost * 2 > total:
        raise SyncRefused(f"{lost:,} of the {total:,} indexed photos are no longer there. {_HOW_TO_GO_ON}")


def apply_sync(
    collection: Collection,
    plans: list[SyncPlan],
    load_encoder: Callable[[], Encoder],
    *,
    limits: ReadLimits | None = None,
    jobs: int | None = None,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> SyncReport:
    """Carry plans out, committing as it goes. Ctrl-C ends it early with everything finished so far committed.

    `load_encoder` is called only once there is a picture to encode: moves and removals need no model.
    """
    limits = limits or ReadLimits()
    report = SyncReport(
        known_failures=sum(plan.known_failures for plan in plans),
        unchanged=sum(plan.unchanged - len(plan.doubted) for plan in plans),
        waiting=sum(plan.waiting for plan in plans),
        others=sum(plan.others for plan in plans),
        unreadable=[failure for plan in plans for failure in plan.unreadable],
    )
    todo = [item for plan in plans for item in (*plan.todo, *plan.doubted)]
    run = _Run(collection, report, {image_id for plan in plans for image_id in plan.missing}, limits)
    run.on_finished = lambda: progress(report, run.done, len(todo)) if progress else None
    run.on_finished()
    try:
        places: dict[str, Place] = {}
        fresh = run.without_known_content(todo, places)
        for first in fresh:  # at most once: what is behind the first is taken inside
            from clipsearch.images.pool import DecoderPool
            from clipsearch.pipeline import embed_files

            encoder = load_encoder()
            with DecoderPool(encoder.spec.pixels, limits, jobs) as pool:
                files = _settle_precision(collection, encoder, pool, itertools.chain([first], fresh))
                for outcomes in embed_files(files, encoder, pool, known=run.knows, batch_size=batch_size):
                    with uninterrupted():
                        for outcome in outcomes:
                            run.take(places.pop(outcome.file.path), outcome)
                        run.commit_if_due()
        with uninterrupted():
            run.remove_missing([place for plan in plans for place in plan.missing_failures])
    except KeyboardInterrupt:
        report.interrupted = True
    collection.commit()
    report.left = len(todo) - run.done
    return report


def _settle_precision(
    collection: Collection, encoder: Encoder, pool: DecoderPool, files: Iterator[ImageFile]
) -> Iterator[ImageFile]:
    """Let the encoder choose by the first photos, unless index, user or model say; the index remembers. The files come back."""
    from clipsearch.encoders.precision import JUDGED_PHOTOS
    from clipsearch.pipeline import decode_for

    if encoder.spec.fingerprint.precision is None:
        judged = list(itertools.islice(files, JUDGED_PHOTOS))
        encoder.settle_precision(lambda: decode_for(encoder, judged, pool))
        files = itertools.chain(judged, files)
    collection.settle_precision(encoder.spec.fingerprint)
    return files


class _Run:
    """The state of one apply_sync: what is still missing, and when to commit."""

    def __init__(self, collection: Collection, report: SyncReport, missing: set[int], limits: ReadLimits) -> None:
        self.done = 0
        self.on_finished: Callable[[], None] = lambda: None
        self._collection = collection
        self._report = report
        self._missing = missing  # images whose file is gone, until their content turns up somewhere else
        self._limits = limits
        self._committed = time.monotonic()

    def without_known_content(
        self, todo: list[tuple[Place, ImageFile]], places: dict[str, Place]
    ) -> Iterator[ImageFile]:
        """The files that must be decoded; those whose size and then hash are known are settled here without."""
        for place, file in todo:
            if self._collection.catalog.has_size(file.size):
                try:
                    digest, as_read = content_hash(file.path, self._limits.max_bytes)
                except ImageError:
                    pass  # the reader will say why
                else:
                    with uninterrupted():
                        settled = self._settle(place, as_read, digest)
                    if settled:
                        self._finished()
                        continue
            places[file.path] = place
            yield file

    def knows(self, digest: str) -> bool:
        """Whether some image has this content."""
        return bool(self._collection.catalog.ids_by_hash(digest))

    def take(self, place: Place, outcome: Embedded | Failure) -> None:
        """Stage one outcome."""
        if isinstance(outcome, Failure):
            self._collection.fail(place, outcome.file, outcome.reason)
            self._report.failed += 1
        elif not self._settle(place, outcome.file, outcome.info.content_hash):
            if outcome.vector is None:  # the copy it was taken for has gone meanwhile; the next run will see it as new
                self._report.failed += 1
            else:
                self._count(place)
                self._collection.add(place, outcome.file, outcome.info, outcome.vector)
        self._finished()

    def commit_if_due(self) -> None:
        """Publish what is staged, where enough of it or of time has gathered."""
        if self._collection.staged >= COMMIT_IMAGES or time.monotonic() - self._committed >= COMMIT_SECONDS:
            self._collection.commit()
            self._committed = time.monotonic()

    def remove_missing(self, failures: list[Place]) -> None:
        """Drop what is still missing at the end, when every move has been recognised."""
        self._collection.remove(sorted(self._missing))
        self._report.removed += len(self._missing)
        for place in failures:
            self._collection.discard(place)

    def _settle(self, place: Place, file: ImageFile, digest: str) -> bool:
        """Stage a file whose content some image has already: the same one touched, one that moved here, or a copy."""
        same = self._collection.catalog.ids_by_hash(digest)[:_COPIES_LOOKED_AT]
        if not same:
            return False
        known = self._collection.catalog.known_at(place)
        if known and known.image_id in same and (known.size, known.mtime_ns) == (file.size, file.mtime_ns):
            self._report.unchanged += 1
            return True
        if known and known.image_id in same:
            self._collection.move(known.image_id, place, file)
            self._report.updated += 1
            return True
        records = self._collection.records(same)
        for image_id in same:
            if image_id in self._missing or not os.path.lexists(records[image_id].file.path):
                self._missing.discard(image_id)
                self._collection.move(image_id, place, file)
                self._report.moved += 1
                return True
        self._count(place)
        self._report.copied += 1
        source = records[same[0]]
        self._collection.add(place, file, source.info, self._collection.vector(source.image_id))
        return True

    def _count(self, place: Place) -> None:
        known = self._collection.catalog.known_at(place)
        if known and known.image_id is not None:
            self._report.updated += 1
        else:
            self._report.added += 1

    def _finished(self) -> None:
        self.done += 1
        self.on_finished()


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold a Ctrl-C back until the block is done, so that no image is staged without its vector."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt
