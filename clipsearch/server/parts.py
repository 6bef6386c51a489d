"""A file as a client gets it: the part that it asks for (RFC 9110, section 14), block by block."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from typing import IO

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from clipsearch.server.errors import RequestError
from clipsearch.server.middleware.head_requests import IS_HEAD

logger = logging.getLogger(__name__)

_BLOCK = 256 * 1024  # bytes in memory for each file that is being sent
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


def wanted_part(range_header: str | None, size: int) -> range | None:
    """The bytes that a Range header asks for; None for all of them, also if the header asks for several parts or is malformed.

    RequestError with status 416 if the file has no such bytes.
    """
    match = _RANGE.fullmatch((range_header or "").replace(" ", ""))
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match.groups()
    if first and last and int(last) < int(first):
        return None
    part = range(int(first), min(int(last or size), size - 1) + 1) if first else range(max(size - int(last), 0), size)
    if not part:
        message = f"the file has only {size} bytes"
        raise RequestError(416, "no-such-part", message, {"Content-Range": f"bytes */{size}"})
    return part


class PartResponse(Response):
    """A file or a part of it. It closes the file."""

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
                    logger.info("a file was cut off or could not be read while it was sent")
                    return
                is_last = start + count == self._part.stop
                await send({"type": "http.response.body", "body": block, "more_body": not is_last})

    def _read(self, start: int, count: int) -> bytes:
        try:
            self._file.seek(start)
            return self._file.read(count)
        except OSError:
            return b""
