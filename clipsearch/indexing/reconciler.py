"""Stage what became of each file of a run: added, moved, copied, kept, or gone."""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from clipsearch._internal.cancel import CancelToken
from clipsearch._internal.paths import is_elsewhere, is_gone
from clipsearch.errors import CollectionError, ImageError
from clipsearch.images.files import INCOMPLETE, content_hash
from clipsearch.images.own_pictures import OwnPicture, is_own_picture
from clipsearch.indexing import roots
from clipsearch.indexing.facts import FactSources, with_facts_of, with_sources, without_facts, without_name
from clipsearch.indexing.plan import SyncOptions, SyncPlan, dates_from_files
from clipsearch.indexing.raw_thumbnails import keep_raw_thumbnails, raw_thumbnails
from clipsearch.indexing.report import IndexProgress, SyncReport
from clipsearch.indexing.retries import IN_THE_FILE, circumstances
from clipsearch.indexing.walk import ARCHIVES_ONLY
from clipsearch.store.rows import Place
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import Embeddings, Failure, ImageFile, ImageInfo

if TYPE_CHECKING:  # decoders and encoders are imported only if there are files to decode
    from clipsearch.indexing.pipeline import Embedded

logger = logging.getLogger(__name__)

COMMIT_IMAGES = 2048
COMMIT_SECONDS = 5.0
"""A run commits after this many new images or this long, whichever is first: the most that a crash can lose."""

_COPIES_LOOKED_AT = 8  # images of one content that are checked for a move; with more, a new file counts as a copy
_MOST_REPLACED = 4096  # replaced images whose embeddings are kept; content beyond them is encoded again


class Reconciler:
    """Stages the outcome of each file, so that `report` always counts the staged and committed files.

    If an image's file is gone or its content was replaced, it is remembered until the end of the run. Its content may turn up
    at another place.
    """

    def __init__(
        self, collection: CollectionWriter, plans: list[SyncPlan], options: SyncOptions, progress: IndexProgress | None
    ) -> None:
        self.collection = collection
        self._limits = options.limits
        self._prune = options.prune
        self._progress = progress
        self.report = SyncReport(
            known_failures=sum(plan.known_failures for plan in plans),
            unchanged=sum(plan.unchanged - len(plan.doubted) for plan in plans),
            waiting=sum(plan.waiting for plan in plans),
            others=sum(plan.others for plan in plans),
            placeholders=sum(plan.placeholders for plan in plans),
            unreadable=[failure for plan in plans for failure in plan.unreadable],
            skipped=dict(sum((plan.skipped for plan in plans), Counter[str]()).most_common()),
            links=sum(plan.links for plan in plans),
            left_alone=sum(plan.left_alone for plan in plans),
            exclude=list(
                dict.fromkeys(
                    pattern for plan in plans for pattern in plan.rules.exclude if plan.rules != ARCHIVES_ONLY
                )
            ),
            excluded=dict(sum((plan.excluded for plan in plans), Counter[str]()).most_common()),
            excluded_folders=dict(sum((plan.excluded_folders for plan in plans), Counter[str]()).most_common()),
        )
        self._left_out = {image_id: reason for plan in plans for image_id, reason in plan.left_out.items()}
        self._taking_own = {
            place.root_id for plan in plans if not plan.rules.defaults for place, _ in (*plan.todo, *plan.doubted)
        }
        self._todo = [item for plan in plans for item in (*plan.todo, *plan.doubted)]
        if options.newest_first:
            self._todo.sort(key=lambda item: -item[1].mtime_ns)
        self._sources = {path: sources for plan in plans for path, sources in plan.sources.items()}
        self._usual_facts = next((plan.usual_facts for plan in plans if plan.usual_facts), "")
        self._date_from_files = dates_from_files(collection, options)
        self._facts_to_read = {file.path: (place, file) for plan in plans for place, file in plan.outdated_facts}
        self._moved: set[str] = set()  # of these: copies, and photos that are elsewhere now
        self._files = len(self._todo) + len(self._facts_to_read)
        self._done = 0  # files
        self._expected: dict[str, Place] = {}  # path → place of files without an outcome yet
        self._images_before = len(collection)
        self._missing = {image_id: size for plan in plans for image_id, size in plan.missing.items()}
        self._missing_failures = [place for plan in plans for place in plan.missing_failures]
        self._broken: dict[int, Place] = {}  # image_id → place of its file, which is known to be broken now
        self._unread: Counter[int] = Counter()  # size → files whose bytes could not be read
        captioned = [plan for plan in plans if plan.says_captions]
        self._captioned = {file.path for plan in captioned for _, file in plan.todo}
        self._were_captioned = {image_id for plan in captioned for image_id in plan.missing}
        self._replaced: dict[str, tuple[ImageInfo, ImageInfo | None, Embeddings]] = {}  # by content hash
        self._replaced_sizes: set[int] = set()
        self._raw_thumbnails = raw_thumbnails(collection)
        self._outdated = {record.info.content_hash for record in self._raw_thumbnails.values()}  # until read again
        self._read_again: dict[str, int] = {}  # content hash → the image with the new embedding
        self._has_incomplete = any(failure.cause == "incomplete" for failure in collection.failures())
        self._committed = -math.inf  # the first batch is committed at once, so that queries find photos soon
        self._show_progress()

    @property
    def left(self) -> int:
        """How many files are not finished."""
        return self._files - self._done

    def expect_all(self) -> None:
        """Expect the outcome of every file."""
        self._expected = {file.path: place for place, file in self._todo}

    def files_to_decode(self, cancel: CancelToken) -> Iterator[ImageFile]:
        """The expected files that need decoding. Files of a known size and then a known hash are staged without it."""
        for place, file in self._todo:
            cancel.check()
            if place.root_id not in self._taking_own and is_own_picture(file.path):
                self._leave_alone(place)
                self._finish_file()
                continue
            if file.size in self._replaced_sizes or self.collection.has_size(file.size):
                with suppress(ImageError):  # the decoder will report why
                    digest, as_read = content_hash(file.path, self._limits.max_bytes, cancel)
                    if self._stage_known_content(place, as_read, digest):
                        self._finish_file()
                        continue
            self._expected[file.path] = place
            yield file

    def knows(self, digest: str) -> bool:
        """Whether an image has this content, or had it until this run."""
        if digest in self._outdated:
            return False
        return digest in self._replaced or bool(self.collection.same_content(digest, 1))

    def take(self, outcomes: Iterable[Embedded | Failure | OwnPicture]) -> None:
        """Stage the outcomes of expected files; others are ignored."""
        for outcome in outcomes:
            place = self._expected.pop(outcome.file.path, None)
            if place is None:
                continue
            if isinstance(outcome, Failure):
                self._stage_failure(place, outcome)
            elif isinstance(outcome, OwnPicture):
                self._leave_alone(place)
            else:
                self._stage_embedded(place, outcome)
            self._finish_file()

    def files_with_outdated_facts(self) -> list[ImageFile]:
        """The embedded photos whose facts are to be read again: planned ones, and those that have moved or are copies."""
        return [file for _, file in self._facts_to_read.values()]

    def take_facts(self, file: ImageFile, read: ImageInfo | Failure) -> None:
        """Stage what was read of a photo's facts. If its file cannot be read now, they stay, and the next run reads them."""
        place, _ = self._facts_to_read.pop(file.path)
        image_id = self._image_at(place)
        if image_id is not None and not (isinstance(read, Failure) and read.cause not in IN_THE_FILE):
            info = self._info(image_id)
            own = without_facts(info) if isinstance(read, Failure) else read
            sources = self._sources_of(file)
            known = with_sources(own, file, sources, date_from_files=self._date_from_files)
            self.collection.set_facts(image_id, with_facts_of(info, known), sources.key)
            self.report.facts += file.path not in self._moved
        self._finish_file()

    def _sources_of(self, file: ImageFile) -> FactSources:
        return self._sources.get(file.path) or FactSources((), self._usual_facts)

    def _own_info(self, image_id: int) -> ImageInfo | None:
        """What a photo itself says; None if files beside it have added to it, or it is to be read again."""
        if self.collection.facts_key(image_id) != self._usual_facts:
            return None
        return without_name(self._info(image_id))

    def _renew_facts(self, place: Place, file: ImageFile, own: ImageInfo | None) -> None:
        """Stage the facts of a photo that is a copy, or has moved: from what it itself says, or by reading it later."""
        image_id = self._image_at(place)
        if own is not None and image_id is not None:
            sources = self._sources_of(file)
            known = with_sources(own, file, sources, date_from_files=self._date_from_files)
            self.collection.set_facts(image_id, with_facts_of(self._info(image_id), known), sources.key)
        elif not is_elsewhere(file.path) and file.path not in self._facts_to_read:
            self._facts_to_read[file.path] = place, file
            self._moved.add(file.path)
            self._done -= 1  # it is finished once its facts are read

    def commit_if_due(self) -> None:
        """Commit once enough images are staged or enough time has passed."""
        if self.collection.staged >= COMMIT_IMAGES or time.monotonic() - self._committed >= COMMIT_SECONDS:
            logger.debug("committing %d images; %d files are left", self.collection.staged, self.left)
            self.collection.commit()
            self._committed = time.monotonic()

    def remove_missing(self) -> None:
        """Remove the images that are still missing after every move has been recognised.

        An unreadable file may be a missing photo of its size under another name. That photo stays until the file is read.
        """
        gone = []
        for image_id, size in sorted(self._missing.items()):
            if self._unread[size] > 0:
                self._unread[size] -= 1
            else:
                gone.append(image_id)
        self.collection.remove(gone)
        self.report.removed += len(gone)
        self.report.left_out = dict(
            Counter(self._left_out[image_id] for image_id in gone if image_id in self._left_out)
        )
        for place in self._missing_failures:
            self.collection.discard(place)

    def remove_broken(self) -> None:
        """Remove the images whose files are broken now. If too many would go, keep all of them."""
        for image_id, place in list(self._broken.items()):
            if self._image_at(place) != image_id:  # it has moved or left meanwhile
                del self._broken[image_id]
        if (self.report.removed + len(self._broken)) * 2 > self._images_before and not self._prune:
            self.report.withheld = len(self._broken)
            return
        self.collection.remove(sorted(self._broken))
        self.report.kept -= len(self._broken)
        self.report.removed += len(self._broken)

    def keep_raw_thumbnails(self) -> None:
        """Stage which raw files are still to be read again."""
        keep_raw_thumbnails(self.collection, self._raw_thumbnails)

    def _leave_alone(self, place: Place) -> None:
        """Stage that a file is clipsearch's own picture. The photo that was indexed there before leaves the index."""
        self.report.own += 1
        image_id = self._image_at(place)
        if image_id is not None:
            self._remember_replaced(place)
            self.report.removed += 1
        if image_id is not None or self.collection.known_failure(place):
            self.collection.discard(place)

    def _stage_failure(self, place: Place, failure: Failure) -> None:
        """Stage a failure. An image at this place stays until it is certain that the file no longer shows it."""
        self.report.failed += 1
        if is_gone(failure.file.path):  # the next walk decides, because an unplugged drive does not damage its photos
            return
        self.collection.fail(place, failure, circumstances(self._limits))
        self._unread[failure.file.size] += failure.cause == "access"
        image_id = self._image_at(place)
        if image_id is not None:
            self.report.kept += 1
            if self._has_changed(image_id, failure):
                self._broken[image_id] = place

    def _stage_embedded(self, place: Place, embedded: Embedded) -> None:
        captioned = embedded.info if embedded.file.path in self._captioned else None
        if not self._stage_known_content(place, embedded.file, embedded.info.content_hash, captioned):
            if (
                embedded.vectors is None
            ):  # the image that had its content has left meanwhile; the next run takes it as new
                self.report.failed += 1
                return
            self._count_change(place)
            self._remember_replaced(place)
            sources = self._sources_of(embedded.file)
            info = with_sources(embedded.info, embedded.file, sources, date_from_files=self._date_from_files)
            before = self._raw_thumbnails.get(self._image_at(place) or 0)
            if before:
                info = replace(info, caption=before.info.caption)
            image_id = self.collection.add(
                place, embedded.file, info, embedded.vectors, sources.key, embedded.placeholders
            )
            if info.content_hash in self._outdated:
                self._outdated.discard(info.content_hash)
                self._read_again[info.content_hash] = image_id
        if embedded.info.incomplete:
            self._note_incomplete(place, embedded.file)

    def _stage_known_content(
        self, place: Place, file: ImageFile, digest: str, captioned: ImageInfo | None = None
    ) -> bool:
        """Stage a file if an image has its content: the same photo touched, a photo that moved here, or a copy. Else False.

        With `captioned`, the image gets the file's caption, or none. But if a photo moved here and the file has no caption, the
        photo keeps its caption from elsewhere.
        """
        if digest in self._outdated:
            return False
        if self._stage_copy_read_again(place, file, digest):
            return True
        same = self.collection.same_content(digest, _COPIES_LOOKED_AT)
        same = [image_id for image_id in same if image_id not in self._raw_thumbnails]
        if not same and digest not in self._replaced:
            return False
        known = self.collection.known_file(place)
        image_id = known.image_id if known else None
        if image_id is not None and image_id not in same:  # it may be one of many copies
            same += [image_id] if self.collection.records([image_id])[image_id].info.content_hash == digest else []
        if known and image_id is not None and image_id in same:
            if (known.size, known.mtime_ns) != (file.size, file.mtime_ns):
                self._move(image_id, place, file, captioned)
                self.report.updated += 1
                self.report.copied += 1
            else:
                failure = self.collection.known_failure(place)
                if failure and failure.cause != "incomplete":
                    self.collection.forget_failure(place)
                self.report.unchanged += 1
            return True
        records = self.collection.records(same)
        gone = {i: records[i].file.path for i in same if i in self._missing or self._is_gone(records[i].file.path)}
        if gone:  # the image with the most similar path moved: b/1.jpg was a/1.jpg and not a/2.jpg
            moved_id = max(gone, key=lambda i: _common_suffix_length(gone[i], file.path))
            self._missing.pop(moved_id, None)
            self._remember_replaced(place)
            keeps = captioned is None or (captioned.caption is None and moved_id not in self._were_captioned)
            self._move(moved_id, place, file, None if keeps else captioned)
            self.report.moved += 1
            return True
        self._count_change(place)
        self.report.copied += 1
        self._remember_replaced(place)
        if digest in self._replaced:
            info, own, vectors = self._replaced.pop(digest)
        else:
            info, own, vectors = self._info(same[0]), self._own_info(same[0]), self.collection.file_vectors(same[0])
        self.collection.add(place, file, replace(info, caption=captioned.caption) if captioned else info, vectors)
        self._renew_facts(place, file, own)
        if info.incomplete:
            self._note_incomplete(place, file)
        return True

    def _stage_copy_read_again(self, place: Place, file: ImageFile, digest: str) -> bool:
        """Stage a raw file that is to be read again, if a copy of it was. Else False."""
        source, before = self._read_again.get(digest), self._raw_thumbnails.get(self._image_at(place) or 0)
        if source is None or before is None:
            return False
        info = replace(self._info(source), caption=before.info.caption)
        self.collection.add(place, file, info, self.collection.file_vectors(source))
        self._renew_facts(place, file, self._own_info(source))
        self.report.updated += 1
        self.report.copied += 1
        return True

    def _move(self, image_id: int, place: Place, file: ImageFile, captioned: ImageInfo | None) -> None:
        """Stage that an image is at a place now, with the caption of `captioned`, if given."""
        info, own = self._info(image_id), self._own_info(image_id)
        self.collection.move(image_id, place, file)
        if captioned is not None and info.caption != captioned.caption:
            self.collection.set_facts(image_id, replace(info, caption=captioned.caption), with_caption=True)
        self._renew_facts(place, file, own)
        if info.incomplete:
            self._note_incomplete(place, file)

    def _remember_replaced(self, place: Place) -> None:
        """Keep the embedding of the image at a place before another takes the place: two photos may swap their names."""
        known = self.collection.known_file(place)
        if known and known.image_id is not None and len(self._replaced) < _MOST_REPLACED:
            if known.image_id in self._raw_thumbnails:
                return
            with suppress(KeyError, CollectionError):  # without it, the content is encoded again if it turns up
                vectors, info = self.collection.file_vectors(known.image_id), self._info(known.image_id)
                self._replaced[info.content_hash] = info, self._own_info(known.image_id), vectors
                self._replaced_sizes.add(known.size)

    def _info(self, image_id: int) -> ImageInfo:
        """The stored information about an image, and whether its end is missing."""
        record = self.collection.records([image_id])[image_id]
        place = self.collection.place(record.file.path) if self._has_incomplete else None
        failure = self.collection.known_failure(place) if place else None
        return replace(record.info, incomplete=failure is not None and failure.cause == "incomplete")

    def _note_incomplete(self, place: Place, file: ImageFile) -> None:
        """Stage that the photo at a place is indexed, although its end is missing."""
        self._has_incomplete = True
        self.collection.fail(place, Failure(file, INCOMPLETE, "incomplete"), circumstances(self._limits))

    def _has_changed(self, image_id: int, failure: Failure) -> bool:
        """Whether a file that cannot be decoded is known to differ from its image in content."""
        if is_elsewhere(failure.file.path):
            return failure.cause in IN_THE_FILE
        record = self.collection.records([image_id])[image_id]
        try:
            digest, _ = content_hash(failure.file.path, max(self._limits.max_bytes, record.file.size))
        except ImageError as error:
            return error.cause in IN_THE_FILE
        return digest != record.info.content_hash

    def _is_gone(self, path: str) -> bool:
        """Whether a photo is gone while its drive is still there."""
        place = self.collection.place(path)
        return is_gone(path) and place is not None and roots.holds_something(self.collection.roots()[place.root_id])

    def _image_at(self, place: Place) -> int | None:
        known = self.collection.known_file(place)
        return known.image_id if known else None

    def _count_change(self, place: Place) -> None:
        is_new = self._image_at(place) is None
        self.report.added += is_new
        self.report.updated += not is_new

    def _finish_file(self) -> None:
        self._done += 1
        self._show_progress()

    def _show_progress(self) -> None:
        if self._progress:
            self._progress(self.report, self._done, self._files)


def _common_suffix_length(path: str, other: str) -> int:
    """How many of the last characters of two paths are equal."""
    pairs = zip(reversed(path), reversed(other), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
