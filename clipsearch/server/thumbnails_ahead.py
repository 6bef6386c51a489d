"""Thumbnails are made while nothing is asked of the server, so that the photos are there when somebody scrolls to them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from functools import partial

from clipsearch.engine import SearchEngine
from clipsearch.errors import ClipsearchError, ImageError
from clipsearch.server.service import Service

QUIET = 2.0
"""Seconds without a request after which the server makes thumbnails."""

_PAGE = 200  # photos listed at once


class ThumbnailsAhead:
    """Makes the thumbnails of all photos, the newest first, in the size that pages asked for last.

    It begins with the first page, works on one photo at a time, and pauses as soon as there is a request. It never fills the
    cache so far that others would have to leave.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._size: int | None = None
        self._task: asyncio.Task[None] | None = None
        self._done: tuple[object, int] | None = None  # the version of the index, and the size

    def want(self, size: int) -> None:
        """A page shows thumbnails of this size."""
        self._size = size
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        service = self._service
        with contextlib.suppress(ClipsearchError):  # the index may be gone for a moment; the next page begins again
            while not service.stopping.is_set():
                await self._until_quiet()
                version, size = await service.version(), self._size
                if size is None or (version, size) == self._done:
                    return
                if await self._make_all(size):
                    self._done = version, size

    async def _make_all(self, size: int) -> bool:
        """Make what is missing. False if another size is wanted meanwhile, or the server stops."""
        offset, service = 0, self._service
        while True:
            records, _ = await service.counts.run(partial(SearchEngine.browse, offset=offset, top_k=_PAGE))
            if not records:
                return True
            for record in await service.pictures.uncached(records, size):
                await self._until_quiet()
                if service.stopping.is_set() or size != self._size:
                    return False
                if not await service.pictures.has_room():
                    return True
                with contextlib.suppress(ImageError):
                    await service.pictures.smaller(record, size)
            offset += _PAGE

    async def _until_quiet(self) -> None:
        service = self._service
        while not service.stopping.is_set():
            wait = QUIET - (time.perf_counter() - service.metrics.asked_at)
            if wait <= 0 and service.jobs.job.state != "running":
                return
            await service.pause(max(wait, 0.1))
