"""Films as a browser gets them: the part of the file that it asks for (RFC 9110, section 14), block by block."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from typing import IO

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from clipsearch.errors import ImageError
from clipsearch.images.file_types import VIDEO_HEAD_BYTES, video_container
from clipsearch.images.files import clamped, open_regular
from clipsearch.images.thumbnails import is_same_state
from clipsearch.server.errors import RequestError
from clipsearch.server.middleware.head_requests import IS_HEAD
from clipsearch.types import ImageFile, ImageRecord

logger = logging.getLogger(__name__)

FILM_TYPES = {
    "MP4": "video/mp4",
    "M4V": "video/mp4",
    "MOV": "video/quicktime",
    "3GP": "video/3gpp",
    "WEBM": "video/webm",
    "MKV": "video/x-matroska",
    "AVI": "video/x-msvideo",
    "WMV": "video/x-ms-wmv",
    "MPEG": "video/mpeg",
    "MTS": "video/mp2t",
}
"""The media types of films, by the format that the index has for them. Browsers play MP4 and WebM, and some play others."""

_BLOCK = 256 * 1024  # bytes in memory for each film that is being sent
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


def is_film(record: ImageRecord) -> bool:
    """Whether a record is of a film."""
    return record.info.format in FILM_TYPES


def open_film(record: ImageRecord) -> IO[bytes]:
    """A film's file, opened. ImageError if it is gone or has changed since it was indexed, by its size and time."""
    name = record.file.name
    try:
        file, state = open_regular(record.file.path)
    except ImageError as error:
        raise ImageError(f"{name}: {error}", error.cause) from error
    found = ImageFile(record.file.path, state.st_size, clamped(state.st_mtime_ns))
    if not is_same_state(found, record.file) or video_container(file.read(VIDEO_HEAD_BYTES)) is None:
        file.close()
        raise ImageError(f"{name} has changed since it was indexed; index again to see it")
    return file


def wanted_part(range_header: str | None, size: int) -> range | None:
    """The bytes that a Range header asks for; None for all of them, also if the header asks for several parts or is malformed.

    RequestError with status 416 if the film has no such bytes.
    """
    match = _RANGE.fullmatch((range_header or "").replace(" ", ""))
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match.groups()
    if first and last and int(last) < int(first):
        return None
    part = range(int(first), min(int(last or size), size - 1) + 1) if first else range(max(size - int(last), 0), size)
    if not part:
        message = f"the film has only {size} bytes"
        raise RequestError(416, "no-such-part", message, {"Content-Range": f"bytes */{size}"})
    return part


class FilmResponse(Response):
    """A film or a part of it. It closes the file."""

    def __init__(
        self, file: IO[bytes], size: int, part: range | None, media_type: str, headers: Mapping[str, str]
    ) -> None:
        sent = part or range(size)
        lengths = {"Accept-Ranges": "bytes", "Content-Length": str(len(sent))}
        if part:
            lengths["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
        super().__init__(None, 206 if part else 200, {**headers, **lengths}, media_type)
        self._file = file
        self._part = sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. Memory stays small, since a block is read only when the one before has been taken."""
        with self._file:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if scope.get(IS_HEAD):
                await send({"type": "http.response.body", "body": b""})
                return
            for start in range(self._part.start, self._part.stop, _BLOCK):
                count = min(_BLOCK, self._part.stop - start)
                block = await asyncio.to_thread(self._read, start, count)
                if len(block) < count:  # the length that was stated is wrong now: breaking off says so
                    logger.info("a film was cut off or could not be read while it was sent")
                    return
                is_last = start + count == self._part.stop
                await send({"type": "http.response.body", "body": block, "more_body": not is_last})

    def _read(self, start: int, count: int) -> bytes:
        try:
            self._file.seek(start)
            return self._file.read(count)
        except OSError:
            return b""
