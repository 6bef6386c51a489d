"""Photos as a browser gets them: the file itself, or a smaller picture of it."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Literal, TypeVar
from urllib.parse import quote

from PIL import Image

from clipsearch._internal.cpu import cores
from clipsearch.errors import ImageError
from clipsearch.images.files import ReadLimits, read_bytes
from clipsearch.server.decoding import Decoders
from clipsearch.server.thumbnail_cache import ThumbnailCache
from clipsearch.types import Box, ImageRecord

LARGEST = 4096
"""Pixels a side of what is made of a photo in a format that no browser shows."""

Made = Literal["image/webp", "image/jpeg"]

_SAVE: dict[Made, dict[str, object]] = {
    "image/webp": {
        "format": "WEBP",
        "quality": 80,
        "method": 2,
    },  # of 256 and 512 px photos: 4, which is usual, saves 3% in 2 to 3 times as long
    "image/jpeg": {"format": "JPEG", "quality": 90},
}
_T = TypeVar("_T")


class GoneError(ImageError):
    """The file is not there any more, or not the same picture."""


class Pictures:
    """Makes pictures of photos, each once at a time however many ask, and keeps thumbnails.

    `used` is called with "hit" or "miss" for each thumbnail.
    """

    def __init__(self, decoders: Decoders, cache: ThumbnailCache, used: Callable[[str], None]) -> None:
        self._decoders = decoders
        self._cache = cache
        self._used = used
        self.threads = ThreadPoolExecutor(max(2, cores()), thread_name_prefix="clipsearch-pictures")
        self._making: dict[str, tuple[Future[bytes], int]] = {}  # with how many wait for it

    async def smaller(self, record: ImageRecord, side: int, kind: Made = "image/webp") -> bytes:
        """A picture of a photo in a square of so many pixels. GoneError, or ImageError where it cannot be made.

        It is of the photo that was indexed, also where its file has gone meanwhile, if it was made before.
        """
        name = f"{record.info.content_hash}-{side}.{kind.rpartition('/')[2]}"
        future, waiting = self._making.get(name, (None, 0))
        if future is None:
            future = self.threads.submit(self._find_or_make, record, side, kind, name)
        self._making[name] = future, waiting + 1
        try:
            return await asyncio.shield(asyncio.wrap_future(future))
        finally:
            _, waiting = self._making.pop(name)
            if waiting > 1:
                self._making[name] = future, waiting - 1
            else:
                future.cancel()  # nobody waits for it any more; it may not have begun

    async def original(self, record: ImageRecord) -> tuple[bytes, str]:
        """A photo's own bytes and their type where browsers show it, else a JPEG made of it. GoneError, ImageError."""
        data = await self._in_thread(partial(same_bytes, record))
        kind = browser_type(data)
        if kind:
            return data, kind
        return await self.smaller(record, LARGEST, "image/jpeg"), "image/jpeg"

    def cached_bytes(self) -> int:
        """How much the cache holds."""
        return self._cache.size

    def close(self) -> None:
        """Stop making pictures; the decoders are closed by whoever made them, before."""
        self.threads.shutdown(wait=True, cancel_futures=True)

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.wrap_future(self.threads.submit(work))

    def _find_or_make(self, record: ImageRecord, side: int, kind: Made, name: str) -> bytes:
        data = self._cache.get(name)
        self._used("miss" if data is None else "hit")
        if data is None:
            try:
                decoded = self._decoders.decode(record.file.path, Box(side, side))
            except ImageError as error:
                same_bytes(record)  # says so where that is why
                raise ImageError(f"{record.file.name} cannot be shown: {error}") from error
            if decoded.info.content_hash != record.info.content_hash:
                raise _gone(record)
            data = encode(Image.fromarray(decoded.pixels), kind)
            self._cache.put(name, data)
        return data


def same_bytes(record: ImageRecord) -> bytes:
    """The bytes of a photo's file, which are those that were indexed. GoneError where they are not."""
    try:
        data, _ = read_bytes(record.file.path, ReadLimits().max_bytes)
    except ImageError as error:
        raise GoneError(f"{record.file.name}: {error}") from error
    if hashlib.sha256(data).hexdigest() != record.info.content_hash:
        raise _gone(record)
    return data


def encode(picture: Image.Image, kind: Made) -> bytes:
    """A picture as a file."""
    stream = io.BytesIO()
    picture.save(stream, **_SAVE[kind])  # type: ignore[arg-type]
    return stream.getvalue()


def browser_type(data: bytes) -> str | None:
    """The type of a picture by its first bytes, if it is one that every browser shows: nothing that could hold a script."""
    if data[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "image/gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:12] in (b"ftypavif", b"ftypavis"):
        return "image/avif"
    return None


def disposition(name: str) -> str:
    """A Content-Disposition header that no file name breaks out of (RFC 6266)."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in " ._-()") else "_" for c in name)
    return f"inline; filename=\"{plain}\"; filename*=UTF-8''{quote(name.encode('utf-8', 'replace'), safe='')}"


def _gone(record: ImageRecord) -> GoneError:
    return GoneError(f"{record.file.name} is not the picture any more that was indexed")
