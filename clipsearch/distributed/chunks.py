"""What one worker does at a time, by names that a later run gives the same work."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TypeAlias

from clipsearch.images.files import ReadLimits
from clipsearch.types import Fingerprint, ImageFile

FEWEST, MOST = 64, 1024
"""Photos of a chunk: enough that starting one costs nothing, few enough that losing one costs little."""

_SHARES = 32  # chunks that a run should have at least, so that many machines share it evenly


_PARTS = 2  # the format of what is written of a chunk; parts of another one are made again


@dataclass(frozen=True, slots=True)
class FilesChunk:
    """Photos that are files of their own."""

    files: tuple[ImageFile, ...]


@dataclass(frozen=True, slots=True)
class ArchiveChunk:
    """Every photo of a tar file."""

    archive: ImageFile


@dataclass(frozen=True, slots=True)
class ManifestChunk:
    """Rows `start` to `stop` of a Parquet file; none of one that cannot be read, for the `reason`."""

    archive: ImageFile
    start: int
    stop: int
    reason: str = ""


Chunk: TypeAlias = FilesChunk | ArchiveChunk | ManifestChunk


def chunks_of_files(files: Sequence[ImageFile]) -> Iterator[FilesChunk]:
    """Files in order, some at a time. Where a chunk ends depends on its files: a new one changes that chunk and no other."""
    usual = min(max(FEWEST, 1 << (len(files) // _SHARES).bit_length()), MOST)  # does not change with a few files more
    some: list[ImageFile] = []
    for file in files:
        some.append(file)
        ends = len(some) >= usual // 2 and zlib.crc32(ascii(file.path).encode()) % (usual // 2) == 0
        if ends or len(some) >= 2 * usual:
            yield FilesChunk(tuple(some))
            some = []
    if some:
        yield FilesChunk(tuple(some))


def chunk_id(chunk: Chunk, fingerprint: Fingerprint, limits: ReadLimits, salt: str = "") -> str:
    """A name (32 hexadecimal digits) that only the same photos, embedded by the same model within the same limits, have.

    With another `salt`, they have another.
    """
    said = [
        _PARTS,
        type(chunk).__name__,
        asdict(chunk),
        asdict(fingerprint),
        limits.to_json(),
        *([salt] if salt else []),
    ]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]
