"""Everything that lives as long as the server does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from starlette.requests import Request

from clipsearch.engine import SearchEngine
from clipsearch.server.decoding import Decoders
from clipsearch.server.errors import ClientGone, Refusal
from clipsearch.server.jobs import Jobs
from clipsearch.server.metrics import Metrics
from clipsearch.server.pictures import Pictures
from clipsearch.server.saved import SavedSearches
from clipsearch.server.thumbnail_cache import ThumbnailCache
from clipsearch.server.uploads import Uploads
from clipsearch.server.watching import Watching
from clipsearch.server.workers import EngineThread, SearchThread, which
from clipsearch.types import ImageRecord

if TYPE_CHECKING:
    from clipsearch.types import Fingerprint

_T = TypeVar("_T")


class Service:
    """One index, served. `close` leaves no thread, process or file behind.

    Three threads ask the index, so that none waits long for another: `searches` has the model, `lookups` is for single photos,
    and `counts` for what takes its time.
    """

    def __init__(self, index_folder: Path, *, model: str | None = None, device: str = "auto") -> None:
        def make() -> SearchEngine:
            return SearchEngine(index_folder, model=model, device=device)

        self.index_folder = index_folder
        self.metrics = Metrics()
        self.stopping = asyncio.Event()
        self.searches = SearchThread(make, self.metrics.batch)
        self.lookups = EngineThread(make, "lookups")
        self.counts = EngineThread(make, "counts")
        self.decoders = Decoders()
        self.pictures = Pictures(self.decoders, ThumbnailCache(), self.metrics.thumbnail)
        self.uploads = Uploads()  # asked by `searches` alone
        self.saved = SavedSearches(index_folder)  # asked by `lookups` alone
        self.jobs = Jobs(make)
        self.watching: Watching | None = None

    def load(self) -> tuple[Fingerprint | None, int]:
        """Have the model loaded and the vectors at hand; the model, None for an empty index, and how many photos there are."""
        return self.searches.ask(_load).result()

    def watch(self, notice: Callable[[str], None]) -> None:
        """Index again whenever something changes below the folders. ClipsearchError where watchfiles is not installed."""
        self.watching = Watching(self.index_folder, self.jobs, notice)

    def close(self) -> None:
        """Stop."""
        if self.watching:
            self.watching.stop()
        self.jobs.close()
        if self.watching:
            self.watching.close()
        self.decoders.close()
        self.pictures.close()
        for thread in (self.searches, self.lookups, self.counts):
            thread.close()

    async def answer(self, request: Request, answer: Awaitable[_T]) -> _T:
        """An answer, as long as its client waits for it and the server does not stop; it is dropped otherwise.

        ClientGone where nobody waits; Refusal where the server stops.
        """
        making = asyncio.ensure_future(answer)
        leaving, ending = asyncio.ensure_future(_gone(request)), asyncio.ensure_future(self.stopping.wait())
        try:
            await asyncio.wait({making, leaving, ending}, return_when=asyncio.FIRST_COMPLETED)
            if making.done():
                return making.result()
            if leaving.done():
                raise ClientGone
            raise Refusal(503, "stopping", "the server is stopping")
        finally:
            for task in (making, leaving, ending):
                task.cancel()
            await asyncio.wait({making, leaving, ending})
            if not making.cancelled():
                making.exception()  # it has been seen, also where nobody waits for it

    async def record(self, image_id: int) -> ImageRecord:
        """A photo of the index. Refusal where there is none of this id."""
        found = await self.lookups.call(lambda engine: engine.records([image_id]))
        if image_id not in found:
            raise Refusal(404, "no-such-photo", f"there is no photo {image_id} in the index")
        return found[image_id]

    async def version(self) -> tuple[object, int]:
        """What differs once somebody has committed to the index, or put another in its place."""
        return await self.lookups.call(lambda engine: (which(engine), engine.version))

    async def count(self) -> int:
        """How many photos there are."""
        return await self.lookups.call(lambda engine: engine.browse(top_k=1)[1])

    async def pause(self, seconds: float) -> None:
        """Wait so long, or until the server stops."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _load(engine: SearchEngine) -> tuple[Fingerprint | None, int]:
    status = engine.status(scan=False)
    if status.model:
        engine.search("a photo", top_k=1)
    return status.model, status.images
