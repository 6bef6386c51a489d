"""What one worker does at a time: a chunk of photos, with a name that a later run gives to the same work."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import NoReturn, TypeAlias

from clipsearch._internal.paths import is_remote
from clipsearch.distributed.archives import ArchiveChunk, ChunkPhotos
from clipsearch.distributed.photo_tables import ManifestChunk
from clipsearch.distributed.storage import prefetching, read_remote
from clipsearch.errors import ImageError
from clipsearch.images.files import ReadLimits
from clipsearch.images.own_pictures import has_mark, is_own_picture
from clipsearch.images.pool import RemoteFile
from clipsearch.types import Fingerprint, ImageFile

FEWEST, MOST = 64, 1024
"""Photos of a chunk: enough that starting one costs nothing, few enough that losing one costs little."""

_CHUNKS_PER_RUN = 32  # at least, so that many machines share a run evenly
_PART_FORMAT = 4  # of what workers write; parts of another format are made again


@dataclass(frozen=True, slots=True)
class FilesChunk:
    """Photos that are files of their own. With `leaves_own`, clipsearch's own pictures among them are not read as photos."""

    files: tuple[ImageFile, ...]
    leaves_own: bool = True

    @contextmanager
    def open(self, limits: ReadLimits) -> Iterator[ChunkPhotos]:
        """The photos, readable inside the block. Raises StorageError."""
        own: set[str] = set()
        if not any(is_remote(file.path) for file in self.files):
            yield ChunkPhotos(self._on_this_machine(own), own=own)
            return

        def read(file: ImageFile) -> bytes:
            data = read_remote(file, limits.max_bytes)
            if self.leaves_own and has_mark(data):
                own.add(file.path)
                _refuse_own()
            return data

        with prefetching(read) as read_later:
            remote = (RemoteFile(file.path, file.size, file.mtime_ns, read_later(file)) for file in self.files)
            yield ChunkPhotos(remote, own=own)

    def _on_this_machine(self, own: set[str]) -> Iterator[ImageFile]:
        for file in self.files:
            if self.leaves_own and is_own_picture(file.path):
                own.add(file.path)
                yield RemoteFile(file.path, file.size, file.mtime_ns, _refuse_own)
            else:
                yield file


Chunk: TypeAlias = FilesChunk | ArchiveChunk | ManifestChunk


def _refuse_own() -> NoReturn:
    raise ImageError("clipsearch has made this picture from photos")


def chunks_of_files(files: Sequence[ImageFile], leaves_own: bool = True) -> Iterator[FilesChunk]:
    """Divide files into chunks, in order. A chunk's end depends on its own files: a new one changes only that chunk."""
    usual = min(max(FEWEST, 1 << (len(files) // _CHUNKS_PER_RUN).bit_length()), MOST)  # stays if a few files are added
    chunk: list[ImageFile] = []
    for file in files:
        chunk.append(file)
        ends = len(chunk) >= usual // 2 and zlib.crc32(ascii(file.path).encode()) % (usual // 2) == 0
        if ends or len(chunk) >= 2 * usual:
            yield FilesChunk(tuple(chunk), leaves_own)
            chunk = []
    if chunk:
        yield FilesChunk(tuple(chunk), leaves_own)


def chunk_id(chunk: Chunk, fingerprint: Fingerprint, limits: ReadLimits, salt: str = "") -> str:
    """A name (32 hexadecimal digits) for these photos, embedded by this model within these limits; `salt` changes it."""
    work = [_PART_FORMAT, type(chunk).__name__, asdict(chunk), asdict(fingerprint), asdict(limits)]
    if salt:
        work.append(salt)
    return hashlib.sha256(json.dumps(work, sort_keys=True).encode()).hexdigest()[:32]
