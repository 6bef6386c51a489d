"""A chunk's photos, wherever they are, as the pipeline takes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from clipsearch._internal.paths import is_remote
from clipsearch.distributed.archives import open_archive
from clipsearch.distributed.chunks import ArchiveChunk, Chunk, FilesChunk
from clipsearch.distributed.photo_tables import open_rows
from clipsearch.distributed.prefetch import reading_ahead
from clipsearch.distributed.storage import read_remote
from clipsearch.errors import ClipsearchError, StorageError
from clipsearch.images.files import ReadLimits
from clipsearch.images.pool import RemoteFile
from clipsearch.types import Failure, ImageFile


@dataclass(slots=True)
class Photos:
    """What is in a chunk: files in order, captions by path once the file has been taken, and what failed as a whole."""

    files: Iterator[ImageFile]
    captions: dict[str, str] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)


@contextmanager
def open_chunk(chunk: Chunk, limits: ReadLimits) -> Iterator[Photos]:
    """A chunk, open until all of it has been read. An archive that cannot be read is a failure of its own."""
    if isinstance(chunk, FilesChunk):
        if not any(is_remote(file.path) for file in chunk.files):
            yield Photos(iter(chunk.files))
            return

        def read(file: ImageFile) -> bytes:
            return read_remote(file, limits.max_bytes)

        with reading_ahead(read) as ahead:
            yield Photos(RemoteFile(file.path, file.size, file.mtime_ns, ahead.later(file)) for file in chunk.files)
    elif isinstance(chunk, ArchiveChunk):
        with open_archive(chunk.archive, limits) as (files, captions, failures):
            yield Photos(iter(files), captions, failures)
    elif not chunk.stop:
        yield Photos(iter(()), {}, [Failure(chunk.archive, chunk.reason)])
    else:
        with open_rows(chunk.archive, chunk.start, chunk.stop, limits) as (rows, captions):
            photos = Photos(iter(()), captions)
            photos.files = _as_far_as_possible(rows, photos.failures, chunk.archive)
            yield photos


def _as_far_as_possible(rows: Iterator[RemoteFile], failures: list[Failure], archive: ImageFile) -> Iterator[ImageFile]:
    """Rows until the file turns out to be damaged; that is then a failure of its own."""
    try:
        yield from rows
    except StorageError:
        raise
    except ClipsearchError as error:
        failures.append(Failure(archive, str(error)))
