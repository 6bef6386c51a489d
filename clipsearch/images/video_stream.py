"""A film's bytes as FFmpeg gets them, for a limited time, and its errors as ours."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import time
from collections.abc import Callable, Iterator
from typing import IO

from clipsearch.errors import ImageError, one_line
from clipsearch.images.files import clamped, open_regular
from clipsearch.images.memory import TOO_MUCH
from clipsearch.types import ImageFile

MISSING_DECODER = "a video; to read it, `pip install 'clipsearch[video]'`"

_BLOCK = 8 * 1024**2  # bytes that are read between two reports

_DAMAGED = "it is damaged"
_REASONS = {  # FFmpeg's, in other words: the drive is not to blame
    "End of file": "it ends too early",
    "Operation not permitted": _DAMAGED,
    "Input/output error": _DAMAGED,
}


class VideoStream:
    """A film's bytes, as PyAV reads them. After `seconds` of the processor's time the film ends for FFmpeg, wherever it is."""

    def __init__(self, file: IO[bytes], size: int, seconds: float, report: Callable[[], None]) -> None:
        self.file = file
        self._report = report
        self._unreported = 0
        self._deadline = time.process_time() + seconds
        self.size = size
        self.error: OSError | None = None

    @property
    def seconds_left(self) -> float:
        """The processor's time that is left."""
        return self._deadline - time.process_time()

    def read(self, count: int) -> bytes:
        """At most `count` bytes; none at the end, after an error of the drive, or if the time is over."""
        if self.error or self.seconds_left <= 0:
            return b""
        try:
            data = self.file.read(count)
        except OSError as error:
            self.error = error
            return b""
        self._unreported += len(data)
        if self._unreported >= _BLOCK:
            self._unreported = 0
            self._report()
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """The new place, or a negative errno, as FFmpeg wants it."""
        try:
            return self.file.seek(offset, whence)
        except (OSError, ValueError):  # a broken film points before its beginning
            return -errno.EINVAL

    def tell(self) -> int:
        """The place of the next byte."""
        return self.file.tell()

    def content_hash(self) -> str:
        """The whole file's sha256, hexadecimal."""
        digest = hashlib.sha256()
        self.file.seek(0)
        while block := self.file.read(_BLOCK):
            digest.update(block)
            self._report()
        return digest.hexdigest()


@contextlib.contextmanager
def opened(source: str | bytes, seconds: float, report: Callable[[], None]) -> Iterator[tuple[VideoStream, ImageFile]]:
    """A film's stream, and the file as it is. Raises ImageError if it cannot be opened, or has changed at the end."""
    if isinstance(source, bytes):
        yield VideoStream(io.BytesIO(source), len(source), seconds, report), ImageFile("", len(source), 0)
        return
    file, before = open_regular(source)
    with file:
        yield (
            VideoStream(file, before.st_size, seconds, report),
            ImageFile(source, before.st_size, clamped(before.st_mtime_ns)),
        )
        after = os.fstat(file.fileno())
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise ImageError("changed while it was read", "access")


@contextlib.contextmanager
def errors_named(stream: VideoStream) -> Iterator[None]:
    """Turn whatever FFmpeg or the drive raises into ImageError."""
    try:
        yield
    except MemoryError as error:
        raise ImageError(TOO_MUCH, "memory") from error
    except ImportError as error:
        raise ImageError(MISSING_DECODER) from error
    except Exception as error:  # FFmpeg's errors have many types
        if isinstance(error, ImageError) and error.cause != "content":
            raise
        if stream.error:
            raise ImageError(stream.error.strerror or str(stream.error), "access") from error
        if stream.seconds_left <= 0:
            raise ImageError("took too long to decode", "time") from error
        if isinstance(error, ImageError):
            raise
        if isinstance(error, OSError) and not _is_of_ffmpeg(error):
            raise ImageError(error.strerror or str(error), "access") from error
        raise ImageError(f"cannot be decoded: {reason_of(error)}") from error


def _is_of_ffmpeg(error: Exception) -> bool:
    return hasattr(error, "log")


def reason_of(error: Exception) -> str:
    """What FFmpeg says, in plainer words if we know them. Other errors say nothing that a user understands."""
    if not _is_of_ffmpeg(error):
        return _DAMAGED
    reason = str(getattr(error, "strerror", None) or one_line(error))
    return _REASONS.get(reason, reason)
