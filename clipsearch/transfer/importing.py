"""Into an index: embeddings made elsewhere, for photos that are here and are what they were."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.cancel import CancelToken
from clipsearch._internal.cpu import cores
from clipsearch.errors import Cancelled, ImageError
from clipsearch.images.files import ReadLimits, content_hash
from clipsearch.images.pool import Decoded, DecoderPool
from clipsearch.store.collection import Collection
from clipsearch.store.rows import KnownFile, Place
from clipsearch.transfer.checking import checked
from clipsearch.transfer.fields import Row
from clipsearch.transfer.placing import Places
from clipsearch.transfer.readers import Source
from clipsearch.types import Embeddings, Failure, ImageFile, ImageInfo, PixelSpec

COMMIT_IMAGES = 16_384
COMMIT_SECONDS = 15.0
"""A run commits after this many images or this long, whichever is first: the most that a crash or a cancelled run can lose."""

_SMALL = PixelSpec(
    None, (32, 32), None, 3, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
)  # pixels are not wanted, so let them be few
_STALE = "stale: the photo is not the one that was embedded (its content hash differs)"
_TWICE = "this photo had a row before; the first one counts"

Progress: TypeAlias = Callable[["ImportReport", int, int], None]
"""Called with the report so far, how many rows are finished, and how many there are."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that was not taken, and why. `row` counts from 1."""

    row: int
    path: str
    reason: str


@dataclass(slots=True)
class ImportReport:
    """What a run did; every row is one of these."""

    added: int = 0
    updated: int = 0  # photos that were indexed with another content or another vector
    unchanged: int = 0
    refused: list[Refused] = field(default_factory=list)
    interrupted: bool = False
    left: int = 0  # rows not reached, or not kept, before the interruption
    seconds: float = 0.0  # checks and all

    @property
    def failed(self) -> int:
        """How many rows were not taken."""
        return len(self.refused)


def import_rows(
    collection: Collection,
    source: Source,
    total: int,
    *,
    folder: str | None = None,
    any_length: bool = False,
    jobs: int | None = None,
    limits: ReadLimits | None = None,
    progress: Progress | None = None,
    cancel: CancelToken | None = None,
) -> ImportReport:
    """Take the rows whose photo is below an indexed root, and below `folder` if given, and is what the file says it was.

    `total` is what count_rows() said of the file. What was staged before, such as the model, is committed with the first rows,
    and forgotten where no row is taken. Rows that are not taken are in the report. Cancelling ends it early; what was committed
    stays, and the next run finds it unchanged.
    """
    cancel = cancel or CancelToken()
    report, kept = ImportReport(), ImportReport(left=total)
    done, committed = 0, time.monotonic()

    def commit() -> None:
        nonlocal kept, committed
        changes = bool(collection.staged)
        if changes:
            collection.publish()
        kept = replace(report, refused=list(report.refused), left=total - done)
        if changes:
            collection.tidy()
        committed = time.monotonic()

    try:
        with (
            cancel.listening(),
            _Run(collection, report, folder, limits or ReadLimits(), jobs or cores(), cancel) as run,
        ):
            for rows, vectors in checked(source, any_length=any_length):
                cancel.check()
                run.take(rows, vectors)
                done += len(rows)
                if progress:
                    progress(report, done, total)
                if collection.staged >= COMMIT_IMAGES or time.monotonic() - committed >= COMMIT_SECONDS:
                    commit()
            commit()
    except Cancelled:
        collection.rollback()
        return replace(kept, interrupted=True)
    return report


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A row whose photo is there."""

    row: Row
    vector: NDArray[np.float32]
    place: Place
    file: ImageFile
    known: KnownFile | None


class _Run:
    """The state of one import: which photos had their row, and who reads files."""

    def __init__(
        self,
        collection: Collection,
        report: ImportReport,
        folder: str | None,
        limits: ReadLimits,
        jobs: int,
        cancel: CancelToken,
    ) -> None:
        self._collection = collection
        self._report = report
        self._places = Places(collection, folder)
        self._limits = limits
        self._jobs = jobs
        self._cancel = cancel
        self._threads = ThreadPoolExecutor(jobs, thread_name_prefix="clipsearch-hash")
        self._pool: DecoderPool | None = None
        self._had: set[int] = set()  # image ids

    def __enter__(self) -> _Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        if self._pool:
            self._pool.close()

    def take(self, rows: list[Row], vectors: Embeddings) -> None:
        """Stage what can be taken of some rows."""
        found: list[tuple[Row, NDArray[np.float32], Place, ImageFile]] = []
        for row, vector in zip(rows, vectors, strict=True):
            there = self._places.find(row.path)
            if isinstance(there, str):
                self._refuse(row, there)
            else:
                found.append((row, vector, *there))
        while found:  # the first row of each photo; then, in case that cannot be taken, the second
            first: dict[Place, _Candidate] = {}
            later = []
            for one in found:
                known = self._collection.known_file(one[2])
                if known and known.image_id in self._had:
                    self._refuse(one[0], _TWICE)
                elif one[2] in first:
                    later.append(one)
                else:
                    first[one[2]] = _Candidate(*one, known)
            self._take(list(first.values()))
            found = later

    def _take(self, candidates: list[_Candidate]) -> None:
        """Stage what can be taken of rows of different photos."""
        for candidate, outcome in self._read(self._without_unchanged(candidates)):
            row = candidate.row
            if isinstance(outcome, str):
                self._refuse(row, outcome)
                continue
            file, info = outcome
            replaces = candidate.known.image_id if candidate.known else None
            info = replace(info, caption=row.caption or self._former_caption(replaces, info))
            self._had.add(self._collection.add(candidate.place, file, info, candidate.vector))
            self._report.added += replaces is None
            self._report.updated += replaces is not None

    def _former_caption(self, image_id: int | None, info: ImageInfo) -> str | None:
        """The caption that an image has, if it is of this content."""
        record = self._collection.records([image_id]).get(image_id) if image_id is not None else None
        return record.info.caption if record and record.info.content_hash == info.content_hash else None

    def _without_unchanged(self, candidates: list[_Candidate]) -> list[_Candidate]:
        """Those that differ from what is indexed: in the file's size or time, the content or the vector."""
        ids = [one.known.image_id for one in candidates if one.known and one.known.image_id is not None]
        records = self._collection.records(ids)
        stored = self._vectors(ids)
        todo = []
        for one in candidates:
            image_id = one.known.image_id if one.known else None
            record = records.get(image_id) if image_id is not None else None
            if (
                image_id is not None
                and record
                and record.file == one.file
                and one.row.content_hash in (None, record.info.content_hash)
                and one.row.caption in (None, record.info.caption)
                and np.array_equal(stored.get(image_id, ()), one.vector)
            ):
                self._had.add(image_id)
                self._report.unchanged += 1
            else:
                todo.append(one)
        return todo

    def _vectors(self, ids: list[int]) -> dict[int, NDArray[np.float32]]:
        """The published vectors (dim,) of some images."""
        wanted = np.array(ids, np.int64)
        vectors, found = self._collection.snapshot().lookup(wanted)
        return dict(zip(wanted[found].tolist(), vectors[found], strict=True))

    def _read(self, todo: list[_Candidate]) -> Iterator[tuple[_Candidate, tuple[ImageFile, ImageInfo] | str]]:
        """Each photo as it is on disk, or why its row cannot be taken."""
        hashed = [one for one in todo if one.row.info]
        decoded = [one for one in todo if not one.row.info]
        for one, outcome in zip(hashed, self._threads.map(self._hash, hashed), strict=True):
            self._cancel.check()
            if isinstance(outcome, str):
                yield one, outcome
            else:
                digest, file = outcome
                assert one.row.info
                yield one, (file, one.row.info) if digest == one.row.content_hash else _STALE
        if decoded:
            self._pool = self._pool or DecoderPool(_SMALL, self._limits, self._jobs)
            for one, picture in zip(decoded, self._pool.read((one.file for one in decoded), self._cancel), strict=True):
                yield one, self._judged(one.row, picture)

    def _hash(self, candidate: _Candidate) -> tuple[str, ImageFile] | str:
        try:
            return content_hash(candidate.file.path, self._limits.max_bytes, self._cancel)
        except ImageError as error:
            return str(error)

    def _judged(self, row: Row, picture: Decoded | Failure) -> tuple[ImageFile, ImageInfo] | str:
        if isinstance(picture, Failure):
            return picture.reason
        if row.content_hash not in (None, picture.info.content_hash):
            return _STALE
        return picture.file, picture.info

    def _refuse(self, row: Row, reason: str) -> None:
        self._report.refused.append(Refused(row.number, row.path, reason))
