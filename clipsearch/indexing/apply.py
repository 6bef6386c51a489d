"""Make an index agree with folders, as plans say."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from clipsearch._internal.cancel import CancelToken
from clipsearch._internal.paths import is_elsewhere, is_gone
from clipsearch.errors import Cancelled, CollectionError, ImageError
from clipsearch.images.files import ReadLimits, content_hash
from clipsearch.indexing.plan import SyncPlan
from clipsearch.indexing.retries import IN_THE_FILE, circumstances
from clipsearch.indexing.roots import holds_something
from clipsearch.store.collection import Collection
from clipsearch.store.rows import Place
from clipsearch.types import Failure, ImageFile, ImageInfo

if TYPE_CHECKING:  # what decodes and encodes is imported when there is something to decode
    import numpy as np
    from numpy.typing import NDArray

    from clipsearch.encoders.base import Encoder
    from clipsearch.images.pool import DecoderPool
    from clipsearch.indexing.pipeline import Embedded

COMMIT_IMAGES = 2048
COMMIT_SECONDS = 5.0
"""A run commits after this many new images or this long, whichever is first: the most that a crash can lose."""


@dataclass(slots=True)
class SyncReport:
    """What a run did."""

    added: int = 0
    updated: int = 0
    moved: int = 0
    copied: int = 0  # of `added` and `updated`: content known already, not embedded again
    removed: int = 0
    failed: int = 0  # in this run
    kept: int = 0  # of `failed`: photos that are indexed already, and stay in the index as they were
    withheld: int = 0  # of `kept`: their files are broken, but they are too many to let them go without `prune`
    known_failures: int = 0  # not tried again: they have not changed
    unchanged: int = 0
    waiting: int = 0  # written a moment ago, and left for a later run
    others: int = 0
    placeholders: int = 0  # in a cloud alone, and not read
    unreadable: list[Failure] = field(default_factory=list)
    interrupted: bool = False
    left: int = 0  # files not reached before the interruption
    seconds: float = 0.0  # walk, model and all


_COPIES_LOOKED_AT = 8  # of a content, for one that has moved here; beyond them, a further copy is only a copy
_MOST_REPLACED = 4096  # contents remembered at once that were replaced; of one beyond them, its embedding is made again

Progress = Callable[[SyncReport, int, int], None]
"""Called with the report so far, how many files are finished, and how many there are to do."""


def apply_sync(
    collection: Collection,
    plans: list[SyncPlan],
    load_encoder: Callable[[], Encoder],
    *,
    limits: ReadLimits | None = None,
    jobs: int | None = None,
    batch_size: int | None = None,
    prune: bool = False,
    progress: Progress | None = None,
    cancel: CancelToken | None = None,
    outcomes: Iterator[list[Embedded | Failure]] | None = None,
) -> SyncReport:
    """Carry plans out, committing as it goes. If cancelled, it ends early, with everything finished so far committed.

    A photo that is indexed and cannot be read now stays in the index, and is listed as a failure. It leaves when its file is
    known to have changed into something that cannot be decoded; but if more than half of the index would go, only with `prune`.

    `load_encoder` is called only once there is a picture to encode: moves and removals need no model. With `outcomes`, files
    are not read here: what came of them elsewhere is taken, in any order, and all of it is committed at once. If cancelled, it
    then leaves everything as it was, and raises Cancelled.
    """
    cancel = cancel or CancelToken()
    limits = limits or ReadLimits()
    report = SyncReport(
        known_failures=sum(plan.known_failures for plan in plans),
        unchanged=sum(plan.unchanged - len(plan.doubted) for plan in plans),
        waiting=sum(plan.waiting for plan in plans),
        others=sum(plan.others for plan in plans),
        placeholders=sum(plan.placeholders for plan in plans),
        unreadable=[failure for plan in plans for failure in plan.unreadable],
    )
    todo = [item for plan in plans for item in (*plan.todo, *plan.doubted)]
    run = _Run(collection, report, plans, limits, prune)
    run.on_finished = lambda: progress(report, run.done, len(todo)) if progress else None
    try:
        run.on_finished()
        places: dict[str, Place] = {}
        if outcomes is not None:
            places.update((file.path, place) for place, file in todo)
            with cancel.listening():
                for some in outcomes:
                    cancel.check()
                    for outcome in some:
                        if place := places.pop(outcome.file.path, None):
                            run.take(place, outcome)
        fresh = run.without_known_content(todo if outcomes is None else [], places, cancel)
        with cancel.listening():
            first = next(fresh, None)
        if first:
            from clipsearch.images.pool import DecoderPool
            from clipsearch.indexing.pipeline import embed_files

            encoder = load_encoder()
            with DecoderPool(encoder.spec.pixels, limits, jobs) as pool:
                files = _settle_precision(collection, encoder, pool, itertools.chain([first], fresh))
                with cancel.listening():
                    for some in embed_files(
                        files, encoder, pool, known=run.knows, batch_size=batch_size, cancel=cancel
                    ):
                        for outcome in some:
                            run.take(places.pop(outcome.file.path), outcome)
                        run.commit_if_due()
        run.remove_missing([place for plan in plans for place in plan.missing_failures])
    except Cancelled:
        if outcomes is not None:
            collection.rollback()
            raise
        report.interrupted = True
    run.settle_broken()
    if report.interrupted:
        collection.publish()  # merging can wait for the next run
    else:
        collection.commit()
    report.left = len(todo) - run.done
    return report


def _settle_precision(
    collection: Collection, encoder: Encoder, pool: DecoderPool, files: Iterator[ImageFile]
) -> Iterator[ImageFile]:
    """Let the encoder choose by the first photos, unless index, user or model say; the index remembers. The files come back."""
    from clipsearch.encoders.precision import JUDGED_PHOTOS
    from clipsearch.indexing.pipeline import decode_for

    if encoder.spec.fingerprint.precision is None:
        judged = list(itertools.islice(files, JUDGED_PHOTOS))
        encoder.settle_precision(lambda: decode_for(encoder, judged, pool))
        files = itertools.chain(judged, files)
    collection.settle_precision(encoder.spec.fingerprint)
    return files


class _Run:
    """The state of one apply_sync: what is still missing, and when to commit."""

    def __init__(
        self, collection: Collection, report: SyncReport, plans: list[SyncPlan], limits: ReadLimits, prune: bool
    ) -> None:
        self.done = 0
        self._broken: dict[int, Place] = {}  # image_id → where its file is, which has changed and cannot be decoded
        self._indexed = len(collection)
        self._prune = prune
        self.on_finished: Callable[[], None] = lambda: None
        self._collection = collection
        self._report = report
        self._missing = {image_id: size for plan in plans for image_id, size in plan.missing.items()}
        """Images whose file is gone, with its size, until their content turns up somewhere else."""
        self._unread: Counter[int] = Counter()  # by size: files whose bytes could not be had
        said = [plan for plan in plans if plan.says_captions]
        self._captioned = {file.path for plan in said for _, file in plan.todo}
        """Files whose captions are said, also that they have none."""
        self._were_captioned = {image_id for plan in said for image_id in plan.missing}
        self._limits = limits
        self._replaced: dict[str, tuple[ImageInfo, NDArray[np.float32]]] = {}  # by hash, as it may turn up elsewhere
        self._replaced_sizes: set[int] = set()
        self._committed = time.monotonic()

    def without_known_content(
        self, todo: list[tuple[Place, ImageFile]], places: dict[str, Place], cancel: CancelToken
    ) -> Iterator[ImageFile]:
        """The files that must be decoded; those whose size and then hash are known are settled here without."""
        for place, file in todo:
            cancel.check()
            if file.size in self._replaced_sizes or self._collection.has_size(file.size):
                try:
                    digest, as_read = content_hash(file.path, self._limits.max_bytes, cancel)
                except ImageError:
                    pass  # the reader will say why
                else:
                    if self._settle(place, as_read, digest):
                        self._finished()
                        continue
            places[file.path] = place
            yield file

    def knows(self, digest: str) -> bool:
        """Whether some image has this content, or had it until now."""
        return digest in self._replaced or bool(self._collection.same_content(digest, 1))

    def take(self, place: Place, outcome: Embedded | Failure) -> None:
        """Stage one outcome."""
        if isinstance(outcome, Failure):
            if not is_gone(outcome.file.path):  # else the next walk tells: a drive that went is no damage to its photos
                self._fail(place, outcome)
                self._unread[outcome.file.size] += outcome.cause == "access"
            self._report.failed += 1
            self._finished()
            return
        said = outcome.info if outcome.file.path in self._captioned else None
        if not self._settle(place, outcome.file, outcome.info.content_hash, said):
            if outcome.vector is None:  # the copy it was taken for has gone meanwhile; the next run will see it as new
                self._report.failed += 1
            else:
                self._count(place)
                self._remember_replaced(place)
                self._collection.add(place, outcome.file, outcome.info, outcome.vector)
        self._finished()

    def _fail(self, place: Place, failure: Failure) -> None:
        """Stage a failure. An image that is known there stays, until it is certain that it is not what the file shows."""
        self._collection.fail(place, failure, circumstances(self._limits))
        known = self._collection.known_file(place)
        if known and known.image_id is not None:
            self._report.kept += 1
            if self._has_changed(known.image_id, failure):
                self._broken[known.image_id] = place

    def _has_changed(self, image_id: int, failure: Failure) -> bool:
        """Whether the bytes of a file that cannot be decoded are known to be others than those of its image."""
        if is_elsewhere(failure.file.path):
            return failure.cause in IN_THE_FILE
        known = self._collection.records([image_id])[image_id]
        try:
            digest, _ = content_hash(failure.file.path, max(self._limits.max_bytes, known.file.size))
        except ImageError as error:
            return error.cause in IN_THE_FILE
        return digest != known.info.content_hash

    def settle_broken(self) -> None:
        """Drop the images whose files have changed into something else; or none, where too many would go."""
        for image_id, place in list(self._broken.items()):
            known = self._collection.known_file(place)
            if known is None or known.image_id != image_id:  # it has moved meanwhile, or left
                del self._broken[image_id]
        if (self._report.removed + len(self._broken)) * 2 > self._indexed and not self._prune:
            self._report.withheld = len(self._broken)
            return
        self._collection.remove(sorted(self._broken))
        self._report.kept -= len(self._broken)

    def commit_if_due(self) -> None:
        """Publish what is staged, where enough of it or of time has gathered."""
        if self._collection.staged >= COMMIT_IMAGES or time.monotonic() - self._committed >= COMMIT_SECONDS:
            self._collection.commit()
            self._committed = time.monotonic()

    def remove_missing(self, failures: list[Place]) -> None:
        """Drop what is still missing at the end, when every move has been recognised.

        A file that could not be read may be a missing photo of its size under another name: until it is read, that one stays.
        """
        gone = []
        for image_id, size in sorted(self._missing.items()):
            if self._unread[size] > 0:
                self._unread[size] -= 1
            else:
                gone.append(image_id)
        self._collection.remove(gone)
        self._report.removed += len(gone)
        for place in failures:
            self._collection.discard(place)

    def _settle(self, place: Place, file: ImageFile, digest: str, said: ImageInfo | None = None) -> bool:
        """Stage a file whose content some image has already: the same one touched, one that moved here, or a copy.

        Where its caption is `said`, it has that or none; a photo from elsewhere keeps its own where none is said here.
        """
        same = self._collection.same_content(digest, _COPIES_LOOKED_AT)
        if not same and digest not in self._replaced:
            return False
        known = self._collection.known_file(place)
        if known and known.image_id is not None and known.image_id not in same:  # of many copies, it may be a later one
            itself = self._collection.records([known.image_id])[known.image_id]
            same += [known.image_id] if itself.info.content_hash == digest else []
        if known and known.image_id in same and (known.size, known.mtime_ns) == (file.size, file.mtime_ns):
            if self._collection.known_failure(place):
                self._collection.forget_failure(place)
            self._report.unchanged += 1
            return True
        if known and known.image_id in same:
            self._move(known.image_id, place, file, said)
            self._report.updated += 1
            return True
        records = self._collection.records(same)
        gone = {i: records[i].file.path for i in same if i in self._missing or self._is_gone(records[i].file.path)}
        if gone:  # of several, the one with the most alike path: b/1.jpg was a/1.jpg and not a/2.jpg
            image_id = max(gone, key=lambda i: _alike_at_the_end(gone[i], file.path))
            self._missing.pop(image_id, None)
            self._remember_replaced(place)
            keeps = said is None or (said.caption is None and image_id not in self._were_captioned)
            self._move(image_id, place, file, None if keeps else said)
            self._report.moved += 1
            return True
        self._count(place)
        self._report.copied += 1
        self._remember_replaced(place)
        if digest in self._replaced:
            info, vector = self._replaced.pop(digest)
        else:
            info, vector = records[same[0]].info, self._collection.vectors(same[:1])[0]
        self._collection.add(place, file, replace(info, caption=said.caption) if said else info, vector)
        return True

    def _remember_replaced(self, place: Place) -> None:
        """Keep what the image at a place is, before another takes its place: two that swap names both go on as they were."""
        known = self._collection.known_file(place)
        if known and known.image_id is not None and len(self._replaced) < _MOST_REPLACED:
            with suppress(KeyError, CollectionError):  # then it is encoded again, should it turn up
                vector = self._collection.vectors([known.image_id])[0]
                info = self._collection.records([known.image_id])[known.image_id].info
                self._replaced[info.content_hash] = info, vector
                self._replaced_sizes.add(known.size)

    def _is_gone(self, path: str) -> bool:
        """Whether a photo is gone, and not the drive that it is on."""
        place = self._collection.place(path)
        return is_gone(path) and place is not None and holds_something(self._collection.roots()[place.root_id])

    def _move(self, image_id: int, place: Place, file: ImageFile, said: ImageInfo | None) -> None:
        """Stage that an image is at a place now, with the caption that is said there."""
        info = self._collection.records([image_id])[image_id].info if said else None
        if said is None or info is None or info.caption == said.caption:
            self._collection.move(image_id, place, file)
        else:
            vector = self._collection.vectors([image_id])[0]
            self._collection.remove([image_id])
            self._collection.add(place, file, replace(info, caption=said.caption), vector)

    def _count(self, place: Place) -> None:
        known = self._collection.known_file(place)
        if known and known.image_id is not None:
            self._report.updated += 1
        else:
            self._report.added += 1

    def _finished(self) -> None:
        self.done += 1
        self.on_finished()


def _alike_at_the_end(path: str, other: str) -> int:
    """How many of the last characters of two paths are the same."""
    pairs = zip(reversed(path), reversed(other), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
