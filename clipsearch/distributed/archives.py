"""Read tar files of photos and captions in the layout of WebDataset and img2dataset: KEY.jpg, KEY.txt, KEY.json.

Nothing is unpacked: members are read into memory, and their names are never used as file names here.
"""

from __future__ import annotations

import os
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, ClassVar

from clipsearch._internal.untrusted_files import parse_json
from clipsearch.distributed.storage import open_whole
from clipsearch.errors import ClipsearchError, ImageError, StorageError, one_line
from clipsearch.images.file_types import SIGNATURE_BYTES, is_image_name, looks_like_image
from clipsearch.images.files import ReadLimits, require_at_most
from clipsearch.images.pool import RemoteFile
from clipsearch.types import Failure, ImageFile, clean_caption

MOST_MEMBERS = 1_000_000
_LARGEST_HEADER = 1 << 20
_LARGEST_TEXT = 1 << 20
_TEXTS = (".txt", ".caption", ".text")


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    offset: int  # bytes
    size: int


@dataclass(slots=True)
class ChunkPhotos:
    """The photos of a chunk in order. Captions and failures are complete once all files have been taken."""

    files: Iterator[ImageFile]
    captions: dict[str, str] = field(default_factory=dict)  # path → caption
    failures: list[Failure] = field(default_factory=list)  # of an archive that cannot be read to its end
    own: set[str] = field(default_factory=set)  # paths of clipsearch's own pictures; loading them fails


@dataclass(frozen=True, slots=True)
class ArchiveChunk:
    """Every photo of a tar file.

    A photo's path is that of the tar file, "/" and the member's name; its time is that of the tar file.
    """

    files: ClassVar[tuple[ImageFile, ...]] = ()  # not known before the archive is read
    archive: ImageFile

    @contextmanager
    def open(self, limits: ReadLimits) -> Iterator[ChunkPhotos]:
        """The photos in the order of the tar file, readable inside the block.

        If the file cannot be read to its end, it is itself a failure. Raises ClipsearchError if it is not the file that was
        planned, and StorageError or OSError if its storage cannot be read.
        """
        archive = self.archive
        with open_whole(archive.path) as stream:
            size = stream.seek(0, os.SEEK_END)
            if size != archive.size:
                raise ClipsearchError(f"{archive.path} changed while it was read; run this again")
            reader = _SharedReader(stream, size)
            try:
                images, texts, broken = _members(reader)
            except OSError as error:  # this machine's disk is to blame, not the archive
                raise StorageError(f"{archive.path} cannot be read: {error.strerror or error}") from error
            captions = _captions(archive.path, images, texts, reader)
            failures = [Failure(archive, broken)] if broken else []
            yield ChunkPhotos(_files(archive, images, reader, limits), captions, failures)


class _SharedReader:
    """A stream for many threads, and for tarfile, which may read no more at once than a header has."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream = stream
        self.size = size
        self._at = 0
        self._lock = threading.Lock()

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + (0 if whence == os.SEEK_SET else self._at if whence == os.SEEK_CUR else self.size)
        return self._at

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LARGEST_HEADER:
            raise tarfile.ReadError("a header that is too large")
        data = self.part(self._at, size)
        self._at += len(data)
        return data

    def part(self, offset: int, size: int) -> bytes:
        if not 0 <= offset <= self.size:
            return b""
        with self._lock:
            self._stream.seek(offset)
            return self._stream.read(size)


def _members(reader: _SharedReader) -> tuple[list[_Member], dict[str, _Member], str]:
    """(photos, texts by name with the suffix in lower case, what is wrong with the archive or "")."""
    images: list[_Member] = []
    texts: dict[str, _Member] = {}
    seen: set[str] = set()
    before = -1
    try:
        with tarfile.open(fileobj=reader, mode="r:") as tar:  # type: ignore[call-overload]
            while (member := tar.next()) is not None:
                tar.members = []  # tarfile keeps all of them otherwise
                if member.size < 0 or tar.offset <= before:  # it would be read over and over
                    raise tarfile.ReadError("a member with an impossible size")
                before = tar.offset
                name = _plain(member.name)
                if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.sparse or not name or name in seen:
                    continue
                seen.add(name)
                if len(seen) > MOST_MEMBERS:
                    return images, texts, f"it has more than {MOST_MEMBERS:,} members"
                entry = _Member(name, member.offset_data, member.size)
                suffix = next((suffix for suffix in (*_TEXTS, ".json") if name.lower().endswith(suffix)), "")
                if suffix:
                    texts.setdefault(name[: -len(suffix)] + suffix, entry)
                elif _is_image(entry, reader):
                    images.append(entry)
            at = tar.offset
        if reader.part(at, tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):  # tarfile does not tell a missing end
            return images, texts, f"the tar file has no end; what can be read ends at byte {at:,}"
    except OSError:
        raise
    except Exception as error:  # broken files make tarfile raise anything, even RecursionError and IndexError
        reason = one_line(error, 200)
        return images, texts, f"the tar file cannot be read to its end: {reason}"
    return images, texts, ""


def _plain(name: str) -> str:
    """A member's name as a path on a disk would have it, so that two names of one file become equal."""
    name = "/".join(part for part in name.replace("\0", "").split("/") if part not in ("", ".", ".."))
    return os.fsdecode(os.fsencode(name))[:1024]


def _is_image(member: _Member, reader: _SharedReader) -> bool:
    named = is_image_name(member.name.rpartition("/")[2])
    return looks_like_image(reader.part(member.offset, SIGNATURE_BYTES)) if named is None else named


def _captions(archive: str, images: list[_Member], texts: dict[str, _Member], reader: _SharedReader) -> dict[str, str]:
    """Path → caption: from the text with the photo's key, or else from "caption" in its JSON."""
    captions = {}
    for image in images:
        folder, slash, name = image.name.rpartition("/")
        key = f"{folder}{slash}{name.partition('.')[0]}"  # WebDataset's: up to the first dot
        for suffix in (*_TEXTS, ".json"):
            member = texts.get(f"{key}{suffix}")
            if member and member.size <= _LARGEST_TEXT:
                text = reader.part(member.offset, member.size).decode("utf-8", "replace")
                if caption := clean_caption(_json_caption(text) if suffix == ".json" else text):
                    captions[f"{archive}/{image.name}"] = caption
                    break
    return captions


def _json_caption(text: str) -> object:
    try:
        data = parse_json(text)
    except ValueError:
        return None
    return data.get("caption") if isinstance(data, dict) else None


def _files(
    archive: ImageFile, images: list[_Member], reader: _SharedReader, limits: ReadLimits
) -> Iterator[RemoteFile]:
    for member in images:

        def load(member: _Member = member) -> bytes:
            require_at_most(limits.max_bytes, member.size)
            data = reader.part(member.offset, member.size)
            if len(data) != member.size:
                raise ImageError("the archive ends in the middle of this photo")
            return data

        yield RemoteFile(f"{archive.path}/{member.name}", member.size, archive.mtime_ns, load)
