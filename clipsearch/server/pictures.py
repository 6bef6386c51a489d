"""Photos as a browser gets them: the file itself, or a smaller picture of it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import IO, Literal, TypeVar
from urllib.parse import quote

from PIL import Image

from clipsearch._internal.cpu import cores
from clipsearch.errors import DecodersUnavailable, ImageError
from clipsearch.images.files import ReadLimits, content_hash, read_bytes
from clipsearch.images.pool import Decoded, DecoderPool, picture_file
from clipsearch.images.preprocess import fit_into
from clipsearch.images.thumbnails import encoded, is_as_indexed
from clipsearch.server.films import is_film, open_film
from clipsearch.server.originals import changed, unreadable
from clipsearch.server.thumbnail_cache import ThumbnailCache
from clipsearch.types import Box, Failure, ImageFile, ImageRecord, PixelSpec

LARGEST = 4096
"""The longest side, in pixels, of the JPEG that is made of a photo whose format browsers do not show."""

MOST_PROCESSES = 4
"""Decoding processes for each size. They start when they are first needed, and then stay."""

THUMBNAIL = 512
"""Pixels. Smaller thumbnails are made of pictures of this size, so that pages with two sizes share the processes."""

PICTURE_VERSION = 3
"""How pictures are made of photos. Raise it if they look different from before: caches then leave out those made before.

2: colours of other profiles are converted to sRGB. 3: thumbnails are JPEGs, and shrunk in less than half of the time.
"""

PICTURE_TYPE = "image/jpeg"
"""Of thumbnails. At the fastest, WebP saves a fifth of the bytes, but takes eight times as long: 5 ms at 512 px."""

_THUMBNAIL_QUALITY, _PICTURE_QUALITY = 82, 90  # of JPEG

BROWSER_TYPES = {
    "image/jpeg": rb"\xff\xd8\xff",
    "image/png": rb"\x89PNG\r\n\x1a\n",
    "image/gif": rb"GIF8[79]a",
    "image/webp": rb"RIFF.{4}WEBP",
    "image/avif": rb".{4}ftypavi[fs]",
}
"""The pictures that every browser shows and that cannot hold a script: their media types, and how their files begin."""

_T = TypeVar("_T")


class Pictures:
    """Decodes photos, makes pictures of them and caches thumbnails. A picture is made once, however many clients want it.

    Untrusted bytes are decoded in processes of their own. `count_lookup` is called with "hit" or "miss" for each thumbnail.
    """

    def __init__(self, cache: ThumbnailCache, count_lookup: Callable[[str], None]) -> None:
        self._cache = cache
        self._count_lookup = count_lookup
        self._decoders = _Decoders()
        self._threads = ThreadPoolExecutor(max(2, cores()), thread_name_prefix="clipsearch-pictures")
        self._in_progress: dict[str, tuple[Future[bytes], int]] = {}  # with the number of clients that wait

    def start(self) -> None:
        """Start the processes for thumbnails, as a page is about to ask for some. Does not wait for them."""
        self._threads.submit(self._decoders.start, _square(THUMBNAIL))

    async def decode(self, path: str, spec: PixelSpec) -> Decoded:
        """A file as a model's input, of a film its first picture, with the hash. ImageError if it cannot be read."""

        def decoded() -> Decoded:
            outcome = self._decoders.decode(ImageFile(path, 0, 0), spec)
            if outcome.info.content_hash:
                return outcome
            digest, _ = content_hash(path, ReadLimits().max_bytes)
            return replace(outcome, info=replace(outcome.info, content_hash=digest))

        return await self._in_thread(decoded)

    async def decode_file(self, file: ImageFile, spec: PixelSpec) -> Decoded:
        """A file, or one picture of it, as a model's input. ImageError if it cannot be read."""
        return await self._in_thread(partial(self._decoders.decode, file, spec))

    async def smaller(self, record: ImageRecord, side: int) -> bytes:
        """A photo within a square of `side` pixels, as a JPEG. ImageError if it cannot be made.

        A cached picture is returned even if the photo's file has gone.
        """
        name = _name(record, side)
        future, waiting = self._in_progress.get(name, (None, 0))
        if future is None:
            future = self._threads.submit(self._find_or_make, record, side, name)
        self._in_progress[name] = future, waiting + 1
        try:
            return await asyncio.shield(asyncio.wrap_future(future))
        finally:
            _, waiting = self._in_progress.pop(name)
            if waiting > 1:
                self._in_progress[name] = future, waiting - 1
            else:
                future.cancel()  # has an effect only if it has not started

    async def cached(self, records: Sequence[ImageRecord], side: int) -> dict[int, bytes]:
        """image_id → the picture that `smaller` returns, of those that are in the cache. They are read in one go."""

        def read() -> dict[int, bytes]:
            found = ((record.image_id, self._cache.get(_name(record, side))) for record in records)
            return {image_id: data for image_id, data in found if data is not None}

        cached = await self._in_thread(read)
        for _ in cached:
            self._count_lookup("hit")
        return cached

    async def uncached(self, records: Sequence[ImageRecord], side: int) -> list[ImageRecord]:
        """The records whose pictures are not in the cache, in order."""

        def missing() -> list[ImageRecord]:
            return [record for record in records if not self._cache.has(_name(record, side))]

        return await self._in_thread(missing)

    async def has_room(self) -> bool:
        """Whether the cache takes more pictures without removing others."""
        return await self._in_thread(lambda: self._cache.has_room)

    async def original(self, record: ImageRecord) -> tuple[bytes, str]:
        """A photo's own bytes and media type if browsers show it, else a JPEG made of it, or of its page. ImageError."""
        data = await self._in_thread(partial(indexed_bytes, record))
        kind = browser_type(data)
        if kind:
            return data, kind
        return await self.smaller(record, LARGEST), PICTURE_TYPE

    async def film(self, record: ImageRecord) -> IO[bytes]:
        """A film's file, opened. ImageError if it is gone or has changed."""
        return await self._in_thread(partial(open_film, record))

    def cached_bytes(self) -> int:
        """The size of the thumbnail cache."""
        return self._cache.size

    def close(self) -> None:
        """Stop the decoding processes, then the threads."""
        self._decoders.close()
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.wrap_future(self._threads.submit(work))

    def _find_or_make(self, record: ImageRecord, side: int, name: str) -> bytes:
        data = self._cache.get(name)
        self._count_lookup("miss" if data is None else "hit")
        if data is None:
            try:
                decoded = self._decoders.decode(picture_file(record), _square(max(side, THUMBNAIL)))
            except ImageError as error:
                _require_unchanged(record)
                raise ImageError(f"the file {record.file.name} cannot be shown: {error}") from error
            if not is_as_indexed(decoded, record):
                raise changed(record)
            quality = _PICTURE_QUALITY if side == LARGEST else _THUMBNAIL_QUALITY
            data = encoded(fit_into(Image.fromarray(decoded.picture), _square(side)), "JPEG", quality=quality)
            self._cache.put(name, data)
        return data


class _Decoders:
    """A DecoderPool for each size. For many threads; no process outlives `close`."""

    def __init__(self) -> None:
        self._pools: dict[PixelSpec | Box, DecoderPool] = {}
        self._lock = threading.Lock()
        self._closed = False

    def decode(self, file: ImageFile, spec: PixelSpec | Box) -> Decoded:
        """A file, or one picture of it, at this size. ImageError if it cannot be read."""
        (outcome,) = self._pool(spec).read([file])
        if isinstance(outcome, Failure):
            raise ImageError(outcome.reason, outcome.cause)
        return outcome

    def start(self, spec: PixelSpec | Box) -> None:
        """Start the processes for this size, unless they were started before or cannot be: then the first file says why."""
        with contextlib.suppress(ImageError, DecodersUnavailable):
            self._pool(spec, starts=True)

    def _pool(self, spec: PixelSpec | Box, *, starts: bool = False) -> DecoderPool:
        with self._lock:
            if self._closed:
                raise ImageError("the server is stopping")
            if spec not in self._pools:
                self._pools[spec] = DecoderPool(spec, workers=min(cores(), MOST_PROCESSES))
                if starts:
                    self._pools[spec].start()
            return self._pools[spec]

    def close(self) -> None:
        """Stop every process."""
        with self._lock:
            self._closed = True
        for pool in self._pools.values():
            pool.close()


def _square(side: int) -> Box:
    return Box(side, side, fast=side < LARGEST)


def _name(record: ImageRecord, side: int) -> str:
    """The name of a smaller picture in the cache."""
    return f"{cache_key(record)}-{side}.jpeg"


def cache_key(record: ImageRecord) -> str:
    """The beginning of the names of a photo's pictures in caches.

    It changes with the photo's content and PICTURE_VERSION, and is another one for each picture of a file with several.
    """
    moment = f"-{record.moment.unit}-{record.moment.at:.10g}" if record.moment else ""
    return f"{record.info.content_hash}{moment}-v{PICTURE_VERSION}"


def indexed_bytes(record: ImageRecord) -> bytes:
    """The bytes of a photo's file. ImageError if it is gone, or its bytes are not those that were indexed."""
    try:
        data, _ = read_bytes(record.file.path, ReadLimits().max_bytes)
    except ImageError as error:
        raise unreadable(record, error) from error
    if hashlib.sha256(data).hexdigest() != record.info.content_hash:
        raise changed(record)
    return data


def _require_unchanged(record: ImageRecord) -> None:
    """Raise ImageError if a photo's file is gone or has changed since it was indexed."""
    if is_film(record):
        open_film(record).close()
    else:
        indexed_bytes(record)


def browser_type(data: bytes) -> str | None:
    """The media type among BROWSER_TYPES of a file with these bytes, or None."""
    return next((kind for kind, start in BROWSER_TYPES.items() if re.match(start, data, re.DOTALL)), None)


def content_disposition(name: str, how: Literal["inline", "attachment"] = "inline") -> str:
    """A Content-Disposition header (RFC 6266) for a file name, with every special character escaped.

    Browsers show what is "inline", and save an "attachment".
    """
    plain = "".join(c if c.isascii() and (c.isalnum() or c in " ._-()") else "_" for c in name)
    return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(name.encode('utf-8', 'replace'), safe='')}"
