"""What one worker does at a time: a chunk of photos, with a name that a later run gives to the same work."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TypeAlias

from clipsearch._internal.paths import is_remote
from clipsearch.distributed.archives import ArchiveChunk, ChunkPhotos
from clipsearch.distributed.photo_tables import ManifestChunk
from clipsearch.distributed.storage import prefetching, read_remote
from clipsearch.images.files import ReadLimits
from clipsearch.images.pool import RemoteFile
from clipsearch.types import Fingerprint, ImageFile

FEWEST, MOST = 64, 1024
"""Photos of a chunk: enough that starting one costs nothing, few enough that losing one costs little."""

_CHUNKS_PER_RUN = 32  # at least, so that many machines share a run evenly
_PART_FORMAT = 2  # of what workers write; parts of another format are made again


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
