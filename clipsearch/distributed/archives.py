"""Tar files of photos and captions, as WebDataset and img2dataset make them: KEY.jpg, KEY.txt, KEY.json.

Nothing is unpacked: members are read in memory, and their names are never names of files here.
"""

from __future__ import annotations

import json
import os
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from clipsearch.distributed.storage import open_whole
from clipsearch.errors import ClipsearchError, ImageError, StorageError, one_line
from clipsearch.images.files import ReadLimits, require_at_most
from clipsearch.images.formats import SIGNATURE_BYTES, is_image_name, looks_like_image
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


@contextmanager
def open_archive(
    archive: ImageFile, limits: ReadLimits
) -> Iterator[tuple[Iterator[RemoteFile], dict[str, str], list[Failure]]]:
    """The photos of a tar file in its order, captions by their paths, and why the rest of it could not be read, if so.

    A photo's path is the tar file's with its name inside behind it; its time is the tar file's. ClipsearchError where the tar
    file is not the one that was planned, StorageError and OSError where its storage cannot be read.
    """
    with open_whole(archive.path) as stream:
        size = stream.seek(0, os.SEEK_END)
        if size != archive.size:
            raise ClipsearchError(f"{archive.path} changed while it was read; run this again")
        reading = _Reading(stream, size)
        try:
            images, texts, broken = _members(reading)
        except OSError as error:  # of this machine's disk: no verdict on the archive
            raise StorageError(f"{archive.path} cannot be read: {error.strerror or error}") from error
        captions = _captions(archive.path, images, texts, reading)
        failures = [Failure(archive, broken)] if broken else []
        yield (_files(archive, images, reading, limits), captions, failures)


class _Reading:
    """A stream for many threads, and for tarfile: it gives no more at once than a header may have."""

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
            raise tarfile.ReadError("a header larger than any that is needed")
        data = self.part(self._at, size)
        self._at += len(data)
        return data

    def part(self, offset: int, size: int) -> bytes:
        if not 0 <= offset <= self.size:
            return b""
        with self._lock:
            self._stream.seek(offset)
            return self._stream.read(size)


def _members(reading: _Reading) -> tuple[list[_Member], dict[str, _Member], str]:
    """The photos, the texts by their names with the suffix in lower case, and why there are no more, if something is wrong."""
    images: list[_Member] = []
    texts: dict[str, _Member] = {}
    seen: set[str] = set()
    before = -1
    try:
        with tarfile.open(fileobj=reading, mode="r:") as tar:  # type: ignore[call-overload]
            while (member := tar.next()) is not None:
                tar.members = []  # or it would remember all of them
                if member.size < 0 or tar.offset <= before:  # which would be read again and again
                    raise tarfile.ReadError("a member of a size that cannot be")
                before = tar.offset
                name = _plain(member.name)
                if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.sparse or not name or name in seen:
                    continue
                seen.add(name)
                if len(seen) > MOST_MEMBERS:
                    return images, texts, f"it has more than {MOST_MEMBERS:,} members"
                one = _Member(name, member.offset_data, member.size)
                suffix = next((suffix for suffix in (*_TEXTS, ".json") if name.lower().endswith(suffix)), "")
                if suffix:
                    texts.setdefault(name[: -len(suffix)] + suffix, one)
                elif _is_image(one, reading):
                    images.append(one)
            at = tar.offset
        if reading.part(at, tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):  # which tarfile takes for an end too
            return images, texts, f"not a tar file that can be read to its end: that is missing, at byte {at:,}"
    except OSError:
        raise
    except Exception as error:  # what tarfile raises of broken files is not listed: RecursionError and IndexError too
        said = one_line(error, 200) or type(error).__name__
        return images, texts, f"not a tar file that can be read to its end: {said}"
    return images, texts, ""


def _plain(name: str) -> str:
    """A member's name as the path of a file can end with it: two names that are one on a disk are one here."""
    name = "/".join(part for part in name.replace("\0", "").split("/") if part not in ("", ".", ".."))
    return os.fsdecode(os.fsencode(name))[:1024]


def _is_image(member: _Member, reading: _Reading) -> bool:
    named = is_image_name(member.name.rpartition("/")[2])
    return looks_like_image(reading.part(member.offset, SIGNATURE_BYTES)) if named is None else named


def _captions(archive: str, images: list[_Member], texts: dict[str, _Member], reading: _Reading) -> dict[str, str]:
    """Path → caption: of the text with a photo's key, else of the "caption" in its JSON."""
    found = {}
    for image in images:
        folder, slash, name = image.name.rpartition("/")
        key = f"{folder}{slash}{name.partition('.')[0]}"  # WebDataset's: up to the first dot
        for suffix in (*_TEXTS, ".json"):
            member = texts.get(f"{key}{suffix}")
            if member and member.size <= _LARGEST_TEXT:
                text = reading.part(member.offset, member.size).decode("utf-8", "replace")
                if caption := clean_caption(_said(text) if suffix == ".json" else text):
                    found[f"{archive}/{image.name}"] = caption
                    break
    return found


def _said(text: str) -> object:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data.get("caption") if isinstance(data, dict) else None


def _files(archive: ImageFile, images: list[_Member], reading: _Reading, limits: ReadLimits) -> Iterator[RemoteFile]:
    for member in images:

        def load(member: _Member = member) -> bytes:
            require_at_most(limits.max_bytes, member.size)
            data = reading.part(member.offset, member.size)
            if len(data) != member.size:
                raise ImageError("the archive ends in the middle of it")
            return data

        yield RemoteFile(f"{archive.path}/{member.name}", member.size, archive.mtime_ns, load)
