"""What one worker does at a time: a chunk of photos, with a name that a later run gives to the same work."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import ClassVar, TypeAlias

from clipsearch._internal.paths import is_remote
from clipsearch.distributed.archives import open_archive
from clipsearch.distributed.photo_tables import open_rows
from clipsearch.distributed.storage import prefetching, read_remote
from clipsearch.errors import ClipsearchError, StorageError
from clipsearch.images.files import ReadLimits
from clipsearch.images.pool import RemoteFile
from clipsearch.types import Failure, Fingerprint, ImageFile

FEWEST, MOST = 64, 1024
"""Photos of a chunk: enough that starting one costs nothing, few enough that losing one costs little."""

_CHUNKS_PER_RUN = 32  # at least, so that many machines share a run evenly
_PART_FORMAT = 2  # of what workers write; parts of another format are made again


@dataclass(slots=True)
class ChunkPhotos:
    """The photos of a chunk in order. Captions and failures are complete once all files have been taken."""

    files: Iterator[ImageFile]
    captions: dict[str, str] = field(default_factory=dict)  # path → caption
    failures: list[Failure] = field(default_factory=list)  # of an archive that cannot be read to its end


@dataclass(frozen=True, slots=True)
class FilesChunk:
    """Photos that are files of their own."""

    files: tuple[ImageFile, ...]

    @contextmanager
    def open(self, limits: ReadLimits) -> Iterator[ChunkPhotos]:
        """The photos, readable inside the block. Raises StorageError."""
        if not any(is_remote(file.path) for file in self.files):
            yield ChunkPhotos(iter(self.files))
            return

        def read(file: ImageFile) -> bytes:
            return read_remote(file, limits.max_bytes)

        with prefetching(read) as read_later:
            yield ChunkPhotos(RemoteFile(file.path, file.size, file.mtime_ns, read_later(file)) for file in self.files)


@dataclass(frozen=True, slots=True)
class ArchiveChunk:
    """Every photo of a tar file."""

    files: ClassVar[tuple[ImageFile, ...]] = ()  # not known before the archive is read
    archive: ImageFile

    @contextmanager
    def open(self, limits: ReadLimits) -> Iterator[ChunkPhotos]:
        """The photos, readable inside the block. Raises ClipsearchError, StorageError and OSError."""
        with open_archive(self.archive, limits) as (files, captions, failures):
            yield ChunkPhotos(files, captions, failures)


@dataclass(frozen=True, slots=True)
class ManifestChunk:
    """Rows `start` to `stop` of a Parquet file. If the file cannot be read, there are no rows but a `reason`."""

    files: ClassVar[tuple[ImageFile, ...]] = ()  # not known before the rows are read
    archive: ImageFile
    start: int
    stop: int
    reason: str = ""

    @contextmanager
    def open(self, limits: ReadLimits) -> Iterator[ChunkPhotos]:
        """The photos, readable inside the block. Raises StorageError."""
        if not self.stop:
            yield ChunkPhotos(iter(()), {}, [Failure(self.archive, self.reason)])
            return
        with open_rows(self.archive, self.start, self.stop, limits) as (rows, captions):
            failures: list[Failure] = []
            yield ChunkPhotos(self._until_damaged(rows, failures), captions, failures)

    def _until_damaged(self, rows: Iterator[RemoteFile], failures: list[Failure]) -> Iterator[ImageFile]:
        """Yield rows; if the file turns out to be damaged, it is a failure of its own."""
        try:
            yield from rows
        except StorageError:
            raise
        except ClipsearchError as error:
            failures.append(Failure(self.archive, str(error)))


Chunk: TypeAlias = FilesChunk | ArchiveChunk | ManifestChunk


def chunks_of_files(files: Sequence[ImageFile]) -> Iterator[FilesChunk]:
    """Divide files into chunks, in order. A chunk's end depends on its own files: a new one changes only that chunk."""
    usual = min(max(FEWEST, 1 << (len(files) // _CHUNKS_PER_RUN).bit_length()), MOST)  # stays if a few files are added
    chunk: list[ImageFile] = []
    for file in files:
        chunk.append(file)
        ends = len(chunk) >= usual // 2 and zlib.crc32(ascii(file.path).encode()) % (usual // 2) == 0
        if ends or len(chunk) >= 2 * usual:
            yield FilesChunk(tuple(chunk))
            chunk = []
    if chunk:
        yield FilesChunk(tuple(chunk))


def chunk_id(chunk: Chunk, fingerprint: Fingerprint, limits: ReadLimits, salt: str = "") -> str:
    """A name (32 hexadecimal digits) for these photos, embedded by this model within these limits; `salt` changes it."""
    work = [_PART_FORMAT, type(chunk).__name__, asdict(chunk), asdict(fingerprint), asdict(limits)]
    if salt:
        work.append(salt)
    return hashlib.sha256(json.dumps(work, sort_keys=True).encode()).hexdigest()[:32]
