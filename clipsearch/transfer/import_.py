"""Imports embeddings made elsewhere, for photos that are on disk and are what they were."""

from __future__ import annotations

import itertools
import logging
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from clipsearch._internal.cancel import CancelToken
from clipsearch._internal.cpu import cores
from clipsearch.errors import Cancelled, CollectionNotFound, ImageError, QueryError
from clipsearch.images.files import ReadLimits, content_hash
from clipsearch.images.pool import Decoded, DecoderPool
from clipsearch.indexing import roots
from clipsearch.store.catalog_file import has_catalog
from clipsearch.store.rows import Place
from clipsearch.store.writer import CollectionWriter
from clipsearch.transfer.admission import FileRows, PhotoFinder, agreed_model, by_file, unit_blocks
from clipsearch.transfer.fields import EmbeddingReader, Row
from clipsearch.transfer.formats import JsonlReader, NpyReader
from clipsearch.transfer.parquet import ParquetReader
from clipsearch.types import Embeddings, Failure, Fingerprint, ImageFile, ImageInfo, Moment, PixelSpec

logger = logging.getLogger(__name__)

COMMIT_IMAGES = 16_384
COMMIT_SECONDS = 15.0
"""A run commits after this many images or this long. A crash or a cancelled run loses no more than that."""

_FEW_PIXELS = PixelSpec(None, (32, 32), None, 3, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))  # they are not used
_STALE = "stale: the photo is not the one that was embedded (its content hash differs)"
_TWICE = "this photo had a row before; the first one counts"
_READERS: dict[str, Callable[[Path], EmbeddingReader]] = {
    ".npy": NpyReader,
    ".jsonl": JsonlReader,
    ".parquet": ParquetReader,
}

ImportProgress: TypeAlias = Callable[["ImportReport", int, int], None]
"""Called with the report so far, how many rows are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that was not taken, and why. `row` counts from 1. Of a file with several rows it is the first."""

    row: int
    path: str
    reason: str


@dataclass(slots=True)
class ImportReport:
    """What a run did with each row. A file with several pictures, and a row for each, counts once."""

    added: int = 0
    updated: int = 0  # photos that were indexed with other content or another vector
    unchanged: int = 0
    refused: list[RefusedRow] = field(default_factory=list)
    interrupted: bool = False
    no_index: bool = False  # no row was taken for a new index, so that none was made
    left: int = 0  # rows that an interrupted run did not reach or keep
    seconds: float = 0.0  # including all checks

    @property
    def failed(self) -> int:
        """How many photos were not taken."""
        return len(self.refused)


def open_embeddings(path: Path) -> EmbeddingReader:
    """Open a .npy file (with its .jsonl beside it), a .jsonl or a .parquet file. QueryError for any other file."""
    if not path.is_file():
        raise QueryError(f"{path} is not a regular file" if path.exists() else f"there is no file {path}")
    if reader := _READERS.get(path.suffix.lower()):
        return reader(path)
    raise QueryError(f"{path}: import reads .npy (with its .jsonl beside it), .jsonl and .parquet files")


def import_file(
    index_folder: Path,
    index: Fingerprint | None,
    file: str | os.PathLike[str],
    named: Callable[[], Fingerprint | None],
    folder: str | os.PathLike[str] | None,
    any_length: bool,
    trust_model: bool,
    jobs: int | None,
    progress: ImportProgress | None,
    cancel: CancelToken | None,
) -> ImportReport:
    """Add a file's embeddings to an index, for photos below its roots, or below `folder`, which becomes a root.

    `index` is the index's model, None for a new index; `named` returns that of the model that the user names, if any. A row is
    taken if its photo is what the file says it was. The whole file is checked before anything is written. A file without rows
    changes nothing.
    """
    start = time.monotonic()
    below = None if folder is None else roots.absolute(folder)
    if below is not None:
        roots.require_folder(below)
    elif not has_catalog(index_folder):
        raise CollectionNotFound(
            f"there is no index at {index_folder}; for a new one, say where the photos are: `folder=FOLDER`"
        )
    source = open_embeddings(Path(roots.absolute(file)))
    if source.rows == 0:  # as `export` writes it if no photo is chosen
        return ImportReport(seconds=time.monotonic() - start)
    fingerprint = agreed_model(source, index, named(), trust=trust_model)
    total = sum(len(rows) for rows, _ in unit_blocks(source, any_length=any_length))
    logger.info("%s has %d rows of %d values", source.path, total, source.dim)
    cancel = cancel or CancelToken()
    with CollectionWriter(index_folder) as collection:
        collection.require(fingerprint)
        collection.settle_precision(fingerprint)
        if below is not None:
            roots.targets(collection, [below], None, False)
        with cancel.listening(), closing(_ImportRun(collection, below, jobs or cores(), cancel)) as run:
            report = run.run(unit_blocks(source, any_length=any_length), total, progress)
    report.seconds = time.monotonic() - start
    return report


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A photo that exists, and its row. `image_id` is that of the indexed photo in its place, if any.

    A file with several pictures has as many vectors (n, dim) and moments, and the first of its rows. `has_vectors` says whether
    that photo has these vectors already.
    """

    row: Row
    vectors: Embeddings
    moments: tuple[Moment, ...]
    place: Place
    file: ImageFile
    image_id: int | None = None
    has_vectors: bool = False


class _ImportRun:
    """One import: it knows which photos had their row, and owns the threads and processes that read photos."""

    def __init__(self, collection: CollectionWriter, folder: str | None, jobs: int, cancel: CancelToken) -> None:
        self._collection = collection
        self._finder = PhotoFinder(collection, folder)
        self._report = ImportReport()
        self._limits = ReadLimits()
        self._jobs = jobs
        self._cancel = cancel
        self._threads = ThreadPoolExecutor(jobs, thread_name_prefix="clipsearch-hash")
        self._pool: DecoderPool | None = None
        self._done: set[int] = set()  # image ids
        self._renewed = 0  # photos since the last commit that kept their ids and vectors

    def close(self) -> None:
        """Stop the threads and processes."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        if self._pool:
            self._pool.close()

    def run(
        self, blocks: Iterator[tuple[list[Row], Embeddings]], total: int, progress: ImportProgress | None
    ) -> ImportReport:
        """Take all rows, and commit now and then.

        What was staged before, such as the model, is committed with the first rows, and rolled back if no row is taken.
        """
        report, committed = self._report, ImportReport(left=total)
        done, committed_at = 0, time.monotonic()

        def commit() -> None:
            nonlocal committed, committed_at
            has_changes = bool(self._collection.staged or self._renewed)
            if has_changes:
                self._collection.publish()
                self._renewed = 0
            committed = replace(report, refused=list(report.refused), left=total - done)
            if has_changes:
                self._collection.tidy()
            committed_at = time.monotonic()

        try:
            for files in by_file(blocks):
                self._cancel.check()
                self._take(files)
                done += sum(len(file.rows) for file in files)
                if progress:
                    progress(report, done, total)
                if (
                    self._collection.staged + self._renewed >= COMMIT_IMAGES
                    or time.monotonic() - committed_at >= COMMIT_SECONDS
                ):
                    commit()
            commit()
        except Cancelled:
            self._collection.rollback()
            return replace(committed, interrupted=True)
        return report

    def _take(self, files: list[FileRows]) -> None:
        """Stage those of some files that can be taken."""
        candidates: list[_Candidate] = []
        for file in files:
            row = file.rows[0]
            photo = self._finder.find(row.path)
            try:
                moments = file.moments()
            except ValueError as error:
                photo = str(error)
            if isinstance(photo, str):
                self._refuse(row, photo)
            else:
                candidates.append(_Candidate(row, file.vectors, moments, *photo))
        while candidates:  # the first row of each photo; then, for photos whose row was refused, the next one
            first: dict[Place, _Candidate] = {}
            later = []
            for candidate in candidates:
                known = self._collection.known_file(candidate.place)
                image_id = known.image_id if known else None
                if image_id in self._done:
                    self._refuse(candidate.row, _TWICE)
                elif candidate.place in first:
                    later.append(candidate)
                else:
                    first[candidate.place] = replace(candidate, image_id=image_id)
            self._stage(list(first.values()))
            candidates = later

    def _stage(self, candidates: list[_Candidate]) -> None:
        """Stage those that can be taken of candidates for different photos."""
        for candidate, photo in self._read(self._changed(candidates)):
            row, image_id = candidate.row, candidate.image_id
            if isinstance(photo, str):
                self._refuse(row, photo)
                continue
            file, info = photo
            before = self._same_content(image_id, info)
            caption = row.caption or (before.caption if before else None)
            info = replace(info, caption=caption, moments=candidate.moments)
            if image_id is not None and before and candidate.has_vectors:
                # Its id stays, which links and the marks of a search have.
                self._collection.move(image_id, candidate.place, file)
                self._collection.set_facts(image_id, info, "", with_caption=True)
                self._done.add(image_id)
                self._renewed += 1
            else:
                self._done.add(self._collection.add(candidate.place, file, info, candidate.vectors))
            self._report.added += image_id is None
            self._report.updated += image_id is not None

    def _same_content(self, image_id: int | None, info: ImageInfo) -> ImageInfo | None:
        """What is known of an indexed image, if it has the same content."""
        record = self._collection.records([image_id]).get(image_id) if image_id is not None else None
        return record.info if record and record.info.content_hash == info.content_hash else None

    def _changed(self, candidates: list[_Candidate]) -> list[_Candidate]:
        """Those that differ from what is indexed: in the file's size or time, the content, the caption or the vectors."""
        records = self._collection.records([file.image_id for file in candidates if file.image_id is not None])
        pictures = {
            image_id: range(image_id, image_id + max(1, len(record.info.moments)))
            for image_id, record in records.items()
        }
        stored = self._collection.published_vectors(list(itertools.chain.from_iterable(pictures.values())))
        changed = []
        for candidate in candidates:
            image_id, row = candidate.image_id, candidate.row
            record = records.get(image_id) if image_id is not None else None
            has_vectors = (
                image_id is not None
                and record is not None
                and record.info.moments == candidate.moments
                and np.array_equal(
                    [stored[number] for number in pictures[image_id] if number in stored], candidate.vectors
                )
            )
            if (
                image_id is not None
                and record
                and has_vectors
                and record.file == candidate.file
                and row.content_hash in (None, record.info.content_hash)
                and row.caption in (None, record.info.caption)
            ):
                self._done.add(image_id)
                self._report.unchanged += 1
            else:
                changed.append(replace(candidate, has_vectors=has_vectors))
        return changed

    def _read(self, candidates: list[_Candidate]) -> Iterator[tuple[_Candidate, tuple[ImageFile, ImageInfo] | str]]:
        """Each photo as it is on disk, or the reason why its row cannot be taken."""
        hashed = [candidate for candidate in candidates if candidate.row.info]
        decoded = [candidate for candidate in candidates if not candidate.row.info]
        for candidate, photo in zip(hashed, self._threads.map(self._hash, hashed), strict=True):
            self._cancel.check()
            yield candidate, photo
        if decoded:
            self._pool = self._pool or DecoderPool(_FEW_PIXELS, self._limits, self._jobs)
            pictures = self._pool.read((candidate.file for candidate in decoded), self._cancel)
            for candidate, picture in zip(decoded, pictures, strict=True):
                yield candidate, self._judged(candidate.row, picture)

    def _hash(self, candidate: _Candidate) -> tuple[ImageFile, ImageInfo] | str:
        """The photo as the row describes it, if its content has the row's hash."""
        row = candidate.row
        assert row.info
        try:
            digest, file = content_hash(candidate.file.path, self._limits.max_bytes, self._cancel)
        except ImageError as error:
            return str(error)
        return (file, row.info) if digest == row.content_hash else _STALE

    def _judged(self, row: Row, picture: Decoded | Failure) -> tuple[ImageFile, ImageInfo] | str:
        if isinstance(picture, Failure):
            return picture.reason
        if row.content_hash not in (None, picture.info.content_hash):
            return _STALE
        return picture.file, picture.info

    def _refuse(self, row: Row, reason: str) -> None:
        self._report.refused.append(RefusedRow(row.number, row.path, reason))
