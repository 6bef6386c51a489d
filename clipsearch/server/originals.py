"""Photos' own files, to save them: one by one, or many as a zip archive that is made while it is sent."""

from __future__ import annotations

import mimetypes
import os
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import IO

from clipsearch._internal.file_names import distinct_names
from clipsearch._internal.paths import is_gone, missing_folder
from clipsearch._internal.windows import opened_as
from clipsearch.errors import ImageError
from clipsearch.images.files import access_error, clamped, content_hash, open_regular
from clipsearch.images.thumbnails import is_same_state
from clipsearch.render.json_output import utf8
from clipsearch.render.text import with_bytes_escaped
from clipsearch.types import ImageFile, ImageRecord

MISSING = "NOT IN THIS ARCHIVE.txt"
"""The file of an archive that lists the photos that are missing, with the reasons. It is there only if there are any."""

_INDEX_AGAIN = "look for new photos in Index"  # the panel and its button on the page
_BLOCK = 1024 * 1024  # bytes in memory
_MOST_READ = 100_000_000  # bytes, before an archive begins
_ZIP64 = 2**31 - 1  # from this size on, a file's entry has sizes of 8 bytes


def changed(record: ImageRecord) -> ImageError:
    """The error for a photo whose file is another one by now."""
    return ImageError(
        f"the file {record.file.name} has changed since it was indexed; to see it as it is now, {_INDEX_AGAIN}"
    )


def unreadable(record: ImageRecord, problem: ImageError) -> ImageError:
    """The error for a photo whose file cannot be read: it is gone, or its folder is, or the system says why."""
    path, name = record.file.path, record.file.name
    if not is_gone(path):
        return ImageError(f"the file {name} cannot be read: {problem}", problem.cause)
    if folder := missing_folder(path):
        return ImageError(
            f"the folder {folder} is not there, nor is its file {name}; connect its drive, or if it was moved, "
            f"{_INDEX_AGAIN}",
            problem.cause,
        )
    return ImageError(f"the file {name} is gone; if it was moved, {_INDEX_AGAIN}", problem.cause)


def count_others(records: Sequence[ImageRecord]) -> int:
    """How many photos' files are certainly gone or other ones.

    A file of another time is read, as a copied folder often has other times, but only _MOST_READ bytes of all files.
    """
    others, left = 0, _MOST_READ
    for record in records:
        try:
            state = os.stat(opened_as(record.file.path))
            found = ImageFile(record.file.path, state.st_size, clamped(state.st_mtime_ns))
            if is_same_state(found, record.file):
                continue
            if found.size == record.file.size:
                left -= found.size
                if left < 0:
                    continue
            others += not _is_as_indexed(found, record)
        except (ImageError, OSError):
            others += 1
    return others


def open_indexed(record: ImageRecord, is_unchanged: Callable[[IO[bytes], ImageFile], bool]) -> IO[bytes]:
    """A record's own file, opened. ImageError, which names it, if it is gone or `is_unchanged` says that it is another one.

    `is_unchanged` gets the open file, and its size and time now. It may read the file.
    """
    path = record.file.path
    try:
        file, state = open_regular(path)
        with ExitStack() as closing:
            closing.callback(file.close)
            if is_unchanged(file, ImageFile(path, state.st_size, clamped(state.st_mtime_ns))):
                closing.pop_all()
                return file
    except (ImageError, OSError) as error:
        reason = error if isinstance(error, ImageError) else access_error(path, error)
        raise unreadable(record, reason) from error
    raise changed(record)


def open_original(record: ImageRecord) -> IO[bytes]:
    """A photo's own file, opened. ImageError if it is gone, or is not what was indexed by its state and its content."""
    return open_indexed(record, lambda _, found: _is_as_indexed(found, record))


def _is_as_indexed(found: ImageFile, record: ImageRecord) -> bool:
    """Whether a file is what was indexed. If only its time is another, it is read; ImageError if it cannot be."""
    if is_same_state(found, record.file):
        return True
    is_same_size = found.size == record.file.size
    return is_same_size and content_hash(found.path, found.size)[0] == record.info.content_hash


def original_type(name: str) -> str:
    """The media type to save a photo or film as, by its name. Nothing that a browser would run."""
    kind = mimetypes.guess_type(name, strict=False)[0] or ""
    return kind if kind.startswith(("image/", "video/")) and "svg" not in kind else "application/octet-stream"


def zip_blocks(records: Sequence[ImageRecord]) -> Iterator[bytes]:
    """An archive of photos' own files, in blocks as it is made. All are in one folder; files of one name get numbers.

    Photos are not compressed, since nearly all formats are already. What cannot be read is listed in the file MISSING.
    ImageError if a file can be opened but not read to its end: what was sent of it cannot be taken back.
    """
    sink = _Sink()
    missing = []
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for record, name in zip(records, distinct_names(record.file.path for record in records), strict=True):
            try:
                file = open_original(record)
            except ImageError as error:
                missing.append(f"{record.file.path}: {error}")
                continue
            entry = zipfile.ZipInfo(name, _moment(record.file.mtime_ns))
            entry.external_attr = 0o644 << 16
            with file, archive.open(entry, "w", force_zip64=record.file.size >= _ZIP64) as target:
                left = record.file.size
                while left and (block := file.read(min(_BLOCK, left))):
                    target.write(block)
                    left -= len(block)
                    yield sink.take()
            if left:
                raise ImageError(f"{record.file.name} was cut off while it was read")
        if missing:
            archive.writestr(MISSING, utf8(with_bytes_escaped("\r\n".join([*missing, ""]))).encode())
    yield sink.take()


class _Sink:
    """A file that gives what was written to it. It cannot seek."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._blocks.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        """Nothing is open."""

    def take(self) -> bytes:
        data = b"".join(self._blocks)
        self._blocks.clear()
        return data


def _moment(mtime_ns: int) -> tuple[int, int, int, int, int, int]:
    """A file's time as zip archives have it: by this machine's clock, in the years 1980 to 2107."""
    try:
        moment = time.localtime(mtime_ns / 1e9)
    except (OverflowError, ValueError, OSError):
        return (1980, 1, 1, 0, 0, 0)
    if not 1980 <= moment.tm_year <= 2107:
        return (1980, 1, 1, 0, 0, 0)
    return (moment.tm_year, moment.tm_mon, moment.tm_mday, moment.tm_hour, moment.tm_min, moment.tm_sec)
