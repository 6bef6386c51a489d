"""Everything that lives as long as the server does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from clipsearch.conditions import Condition
from clipsearch.engine import SearchEngine
from clipsearch.images.preprocess import normalise
from clipsearch.server.downloads import Downloads
from clipsearch.server.errors import RequestError
from clipsearch.server.folders import Folders
from clipsearch.server.jobs import IndexJobs
from clipsearch.server.known_photos import candidates, looking_the_same, same_bytes
from clipsearch.server.metrics import Metrics
from clipsearch.server.page_files import prepare_page
from clipsearch.server.parameters import FilterParameters
from clipsearch.server.pictures import Pictures
from clipsearch.server.thumbnail_cache import ThumbnailCache
from clipsearch.server.uploads import Upload, Uploads, received
from clipsearch.server.workers import EngineThread, SearchThread
from clipsearch.store.albums import FAVOURITES
from clipsearch.store.catalog_file import catalog_identity, has_catalog
from clipsearch.store.saved_searches import SavedSearches
from clipsearch.types import Fingerprint, ImageRecord

_T = TypeVar("_T")


class Service:
    """One index, served. `close` leaves no thread, process or file behind.

    If there is no index yet, it is made once a client asks for the `offered` photo folder. Clients may add folders below those
    that are `allowed`. `unindexed` is a folder whose photos a user may expect here: the page says that they are not indexed.

    Five threads read the index, so that quick requests do not wait for slow ones: `searches` has the model, `lookups` reads
    single photos, `counts` does what takes longer, `facets` counts by keyword and the like, and `analyses` does what may take
    minutes.

    `map_tiles` is the address of the user's own tiles for the map: "http://localhost:8080/{z}/{x}/{y}.png".
    """

    def __init__(
        self,
        index_folder: Path,
        *,
        model: str | None = None,
        device: str = "auto",
        offered: Path | None = None,
        unindexed: Path | None = None,
        allowed: Sequence[Path] = (),
        map_tiles: str | None = None,
    ) -> None:
        def make_engine() -> SearchEngine:
            return SearchEngine(index_folder, model=model, device=device)

        self.index_folder = index_folder
        self.folders = Folders(index_folder, offered, allowed, unindexed)
        self.metrics = Metrics()
        self.stopping = asyncio.Event()
        self.searches = SearchThread(make_engine, self.metrics.batch)
        self.lookups = EngineThread(make_engine, "lookups")
        self.counts = EngineThread(make_engine, "counts")
        self.analyses = EngineThread(make_engine, "analyses")
        self.facets = EngineThread(make_engine, "facets")
        self.map_tiles = map_tiles
        self.pictures = Pictures(ThumbnailCache(), self.metrics.thumbnail)
        self.uploads = Uploads()  # only the thread of `searches` uses it
        self.downloads = Downloads()
        self.saved = SavedSearches(index_folder)  # only the thread of `lookups` uses it
        self.jobs = IndexJobs(make_engine, offered)
        self._favourites: tuple[object, frozenset[int]] | None = None  # only the thread of `lookups` uses it
        self._preparations: list[Callable[[], None]] = [prepare_page]

    def load(self) -> tuple[Fingerprint | None, int]:
        """Load the model and the vectors. The model, or None for an empty index, and the number of photos.

        An index that is only offered has neither.
        """
        if self.folders.offered and not has_catalog(self.index_folder):
            return None, 0

        def load(engine: SearchEngine) -> tuple[Fingerprint | None, int]:
            status = engine.status(scan=False)
            if status.model:
                engine.search("a photo", top_k=1)
            return status.model, status.images

        return self.searches.submit(load).result()

    def warm_up(self) -> None:
        """Prepare what the first page needs: its routes and files, the index in the threads that list photos. Does not wait."""
        self.analyses.submit(lambda engine: self._prepare())
        for thread in (self.counts, self.lookups, self.facets):
            thread.submit(lambda engine: engine.browse(top_k=1))

    def prepare_later(self, prepare: Callable[[], None]) -> None:
        """Have `warm_up` call a function in a thread, before it prepares the page's files."""
        self._preparations.insert(0, prepare)

    def _prepare(self) -> None:
        for prepare in self._preparations:
            prepare()

    def watch(self, notice: Callable[[str], None]) -> None:
        """Index again after every change in the folders. ClipsearchError if watchfiles is not installed."""
        self.jobs.watch(self.index_folder, notice)

    def close(self) -> None:
        """Stop."""
        self.jobs.close()
        self.pictures.close()
        for thread in (self.searches, self.lookups, self.counts, self.facets, self.analyses):
            thread.close()

    async def answer(self, request: Request, work: Awaitable[_T]) -> _T:
        """The result of `work`. If the client disconnects or the server stops: ClientDisconnect or RequestError."""
        working = asyncio.ensure_future(work)
        leaving, stopping = asyncio.ensure_future(_disconnected(request)), asyncio.ensure_future(self.stopping.wait())
        try:
            await asyncio.wait({working, leaving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            if leaving.done():
                raise ClientDisconnect
            raise RequestError(503, "stopping", "the server is stopping")
        finally:
            for task in (working, leaving, stopping):
                task.cancel()
            await asyncio.wait({working, leaving, stopping})
            if not working.cancelled():
                working.exception()  # or asyncio reports an error that no client waits for

    async def read(self, request: Request, work: Callable[[SearchEngine], _T]) -> _T:
        """The result of a function of the engine that may take long; dropped as by `answer`."""
        return await self.answer(request, self.counts.run(work))

    async def read_facets(self, request: Request, work: Callable[[SearchEngine], _T]) -> _T:
        """The result of a function of the engine that counts by value; photos are listed meanwhile."""
        return await self.answer(request, self.facets.run(work))

    async def embed_file(self, request: Request, path: str) -> Upload:
        """A picture's file as an upload: decoded in another process, and embedded in the thread that has the model.

        ImageError if it cannot be read; RequestError if the index is empty.
        """
        if (await self.lookups.run(lambda engine: engine.model_name)) is None:
            raise RequestError(409, "empty-index", "the index has no photos yet, so there is nothing to compare with")
        async with self.uploads.decoding:
            spec = await self.searches.run(lambda engine: engine.encoder.spec.pixels)
            decoded = await self.answer(request, self.pictures.decode(path, spec))
        info = decoded.info

        def embed(engine: SearchEngine) -> Upload:
            vector = engine.encoder.encode_pixels(normalise([decoded.picture], spec))[0]
            return Upload(info.width, info.height, vector, info.content_hash, engine.encoder.spec.fingerprint.digest)

        return await self.searches.run(embed)

    async def known_photos(self, request: Request, path: str, upload: Upload) -> list[tuple[ImageRecord, bool]]:
        """The photos of the index that an upload is, each with whether it has the same bytes. `path` is the upload's file."""
        exact = await self.lookups.run(lambda engine: same_bytes(engine, upload))
        if exact:
            return [(record, True) for record in exact]
        near = await self.answer(request, self.searches.run(lambda engine: candidates(engine, upload)))
        if not near:
            return []
        return [(record, False) for record in await self.answer(request, looking_the_same(self.pictures, path, near))]

    async def embed_bytes(self, request: Request, data: bytes) -> Upload:
        """The bytes of a picture's file as an upload."""

        async def parts() -> AsyncIterator[bytes]:
            yield data

        async with received(parts()) as path:
            return await self.embed_file(request, path)

    async def filters(self, request: Request, parameters: FilterParameters) -> tuple[Condition, ...]:
        """The conditions of a request that must all hold."""
        return parameters.conditions(request.scope["query_string"])

    async def record(self, image_id: int) -> ImageRecord:
        """A photo of the index. RequestError if no photo has this id."""
        records = await self.lookups.run(lambda engine: engine.records([image_id]))
        if image_id not in records:
            raise RequestError(404, "no-such-photo", f"there is no photo {image_id} in the index")
        return records[image_id]

    async def records(self, ids: Sequence[int]) -> dict[int, ImageRecord]:
        """Photos of the index by id. Those that it does not have are left out."""
        return await self.lookups.run(lambda engine: engine.records(ids))

    async def favourites(self) -> frozenset[int]:
        """The ids of the favourites that are in the index now. The same object until they, or the index, change."""
        return await self.lookups.run(self._read_favourites)

    def _read_favourites(self, engine: SearchEngine) -> frozenset[int]:
        state = _state(engine)
        if self._favourites is None or self._favourites[0] != state:
            self._favourites = state, frozenset(engine.album(FAVOURITES).ids)
        return self._favourites[1]

    async def state(self) -> tuple[object, ...]:
        """A value that changes when the index gets a commit, is replaced by another, or its albums change."""
        return await self.lookups.run(_state)

    async def version(self) -> tuple[object, int]:
        """A value that changes when the index gets a commit, or is replaced by another."""
        return await self.lookups.run(lambda engine: (catalog_identity(engine.index_folder), engine.version))

    async def count(self) -> int:
        """The number of photos."""
        return await self.lookups.run(lambda engine: engine.browse(top_k=1)[1])

    async def pause(self, seconds: float) -> None:
        """Wait this many seconds, or until the server stops."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _state(engine: SearchEngine) -> tuple[object, ...]:
    return catalog_identity(engine.index_folder), engine.version, engine.albums.state()
