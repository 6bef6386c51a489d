"""Read the text in the photos of an index that were not read yet. Photos need not be embedded again for that."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from clipsearch._internal.cancel import CancelToken
from clipsearch._internal.paths import is_elsewhere
from clipsearch.conditions import Condition, Either, Known, Not, Test, all_of
from clipsearch.errors import Cancelled
from clipsearch.images.file_types import is_video_name
from clipsearch.images.files import ReadLimits
from clipsearch.indexing.retries import IN_THE_FILE, MOST_ATTEMPTS
from clipsearch.store.catalog import READ_TEXT
from clipsearch.store.collection import Collection
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import Failure, ImageFile, ImageRecord, Progress, TextSpec, clean_text

if TYPE_CHECKING:  # decoders are imported only if there are photos to read
    from clipsearch.images.pool import Decoded
    from clipsearch.indexing.plan import SyncOptions
    from clipsearch.indexing.report import SyncReport

COMMIT_SECONDS = 5.0
"""A run commits after this long: the most that a crash can lose."""

_HOLDS_TEXT, _HOLDS_NONE = Known("text"), Test("text", "=", "")
WAS_READ = Either((_HOLDS_TEXT, _HOLDS_NONE))
"""The photos in which text was looked for."""

_ATTEMPTS = "attempts to read text"
"""The key in `meta` of the photos that made the reader crash, run out of memory or take too long: JSON, id → attempts."""

_AT_ONCE = 1024  # records in memory


@dataclass(slots=True)
class TextReport:
    """What a run has read."""

    read: int = 0  # photos
    with_text: int = 0  # of them
    failed: int = 0  # photos that cannot be read now; those that may be read another time are tried again
    reason: str = ""  # why the last of them failed
    interrupted: bool = False
    left: int = 0  # photos not reached before the run was cancelled


@dataclass(frozen=True, slots=True)
class TextCounts:
    """How many photos of an index have been read."""

    read: int
    with_text: int


def reads_text(collection: Collection) -> bool:
    """Whether the index was told to read the text in its photos."""
    return collection.meta(READ_TEXT) is not None


def read_new_texts(
    collection: CollectionWriter,
    report: SyncReport,
    read_text: bool | None,
    options: SyncOptions,
    progress: Progress | None,
    cancel: CancelToken | None,
) -> None:
    """After a run, read the text in its photos, and add to its report what came of it.

    The index remembers `read_text`; False only has it forget that.
    """
    if read_text is not None and read_text != reads_text(collection):
        collection.remember(READ_TEXT, "yes" if read_text else None)
        collection.publish()
    if read_text is False:
        return
    texts = read_texts(collection, options.limits, options.jobs, progress, cancel)
    report.read, report.with_text = texts.read, texts.with_text
    report.not_read, report.not_read_reason = texts.failed, texts.reason
    report.interrupted, report.left = texts.interrupted, texts.left


def count_texts(collection: Collection, condition: Condition | None = None) -> TextCounts:
    """How many photos, or of those that meet a condition, have been read, and how many of them hold text."""
    among = [condition] if condition else []
    with_text = collection.count_of(all_of([*among, _HOLDS_TEXT]))
    return TextCounts(with_text + collection.count_of(all_of([*among, _HOLDS_NONE])), with_text)


def read_texts(
    collection: CollectionWriter,
    limits: ReadLimits,
    jobs: int | None = None,
    progress: Progress | None = None,
    cancel: CancelToken | None = None,
) -> TextReport:
    """Read the photos whose text is not known, and commit on the way. Films and photos elsewhere are left out.

    A file that is broken counts as one without text. What failed for another reason is tried again by the next run; a photo
    that makes the reader crash or takes too long by MOST_ATTEMPTS runs. If cancelled, returns a report with `interrupted`, and
    what is finished is kept. Raises ClipsearchError if RapidOCR is not installed.
    """
    from clipsearch.images.text_reader import require_text_reader

    require_text_reader()
    cancel = cancel or CancelToken()
    reading = _Reading(collection, progress)
    if reading.total:
        from clipsearch.images.pool import DecoderPool

        try:
            with DecoderPool(TextSpec(), limits, jobs) as pool, cancel.listening():
                for outcome in pool.read(reading.files(), cancel):
                    reading.take(outcome)
        except Cancelled:
            reading.report.interrupted = True
        reading.publish()
        reading.report.left = reading.left
    return reading.report


class _Reading:
    """Stages the text of each photo once all its pages are read."""

    def __init__(self, collection: CollectionWriter, progress: Progress | None) -> None:
        self.report = TextReport()
        self._collection = collection
        self._progress = progress
        ids = collection.select(Not(WAS_READ)).tolist()
        self._ids = [record.image_id for record in self._records(ids)]
        self.total = len(self._ids)
        self._open: deque[tuple[ImageRecord, int]] = (
            deque()
        )  # photos that are being read, with how many pages they have
        self._pages: list[str | Failure] = []  # of the first of these
        self._attempts = _parsed(collection.meta(_ATTEMPTS))
        self._done = 0
        self._published = time.monotonic()
        self._show()

    def _records(self, ids: list[int]) -> Iterator[ImageRecord]:
        """The records of the photos that can be read here, in the order of their ids."""
        for start in range(0, len(ids), _AT_ONCE):
            records = self._collection.records(ids[start : start + _AT_ONCE])
            for image_id in sorted(records):
                record = records[image_id]
                if not is_video_name(record.file.name) and not is_elsewhere(record.file.path):
                    yield record

    @property
    def left(self) -> int:
        """How many photos are not finished."""
        return self.total - self._done

    def files(self) -> Iterator[ImageFile]:
        """The pictures to be read: each photo, or each page of a file with several. Of an animation, the first frame."""
        from clipsearch.images.pool import FileMoment

        for record in self._records(self._ids):
            file = record.file
            pages = [moment.at for moment in record.info.moments if moment.unit == "page"]
            self._open.append((record, max(1, len(pages))))
            if pages:
                yield from (FileMoment(file.path, file.size, file.mtime_ns, page) for page in pages)
            else:
                yield file

    def take(self, outcome: Decoded | Failure) -> None:
        """Note the outcome of the next picture, and stage the text of its photo if that was the last page."""
        self._pages.append(outcome if isinstance(outcome, Failure) else outcome.info.text or "")
        record, pages = self._open[0]
        if len(self._pages) < pages:
            return
        self._open.popleft()
        self._done += 1
        failures = [page for page in self._pages if isinstance(page, Failure)]
        texts = [page for page in self._pages if isinstance(page, str)]
        self._pages = []
        if failures:
            self.report.failed += 1
            self.report.reason = failures[0].reason
        if not failures or self._is_final(record, failures):
            self._stage(record, clean_text(" ".join(texts)))
        self._show()
        if time.monotonic() - self._published >= COMMIT_SECONDS:
            self.publish()

    def _is_final(self, record: ImageRecord, failures: list[Failure]) -> bool:
        """Whether a photo with failures is not tried again, until its file changes."""
        if any(failure.cause == "access" for failure in failures):
            return False
        if all(failure.cause in IN_THE_FILE for failure in failures):
            return True
        key = str(record.image_id)
        self._attempts[key] = self._attempts.get(key, 0) + 1
        return self._attempts[key] >= MOST_ATTEMPTS

    def _stage(self, record: ImageRecord, text: str) -> None:
        self._attempts.pop(str(record.image_id), None)
        self._collection.set_facts(record.image_id, replace(record.info, text=text))
        self.report.read += 1
        self.report.with_text += bool(text)

    def publish(self) -> None:
        """Commit what is staged."""
        self._collection.remember(_ATTEMPTS, json.dumps(self._attempts, sort_keys=True) if self._attempts else None)
        self._collection.publish()
        self._published = time.monotonic()

    def _show(self) -> None:
        if self._progress:
            self._progress(self._done, self.total)


def _parsed(stored: str | None) -> dict[str, int]:
    """Stored attempts; none if something else is stored."""
    with suppress(ValueError, RecursionError):
        values = json.loads(stored or "{}")
        if isinstance(values, dict) and all(isinstance(count, int) for count in values.values()):
            return values
    return {}
