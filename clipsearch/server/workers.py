"""Threads that own a SearchEngine each and take work from a queue: SQLite and encoders belong to one thread at a time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from clipsearch.engine import SearchEngine
from clipsearch.query.hits import Hits
from clipsearch.server.errors import IndexGone
from clipsearch.store.catalog_file import catalog_identity, is_replaced
from clipsearch.terms import Query

logger = logging.getLogger(__name__)

LARGEST_BATCH = 64
"""The most searches that are answered together."""

_T = TypeVar("_T")
_Job: TypeAlias = "tuple[Callable[[SearchEngine], Any], Future[Any]]"


class EngineThread:
    """A thread with a SearchEngine of its own. Work is done in order; work whose future was cancelled is dropped."""

    def __init__(self, make_engine: Callable[[], SearchEngine], name: str) -> None:
        self._make_engine = make_engine
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()  # None ends the thread
        self._thread = threading.Thread(target=self._loop, name=f"clipsearch-{name}", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[SearchEngine], _T]) -> Future[_T]:
        """The future result of a function of the engine."""
        future: Future[_T] = Future()
        self._queue.put((work, future))
        return future

    async def run(self, work: Callable[[SearchEngine], _T]) -> _T:
        """The result of a function of the engine."""
        return await asyncio.wrap_future(self.submit(work))

    def close(self, seconds: float = 5.0) -> None:
        """Drop what waits, and wait this many seconds at most for what is being done."""
        with contextlib.suppress(queue.Empty):
            while True:
                if job := self._queue.get_nowait():
                    job[1].cancel()
        self._queue.put(None)
        self._thread.join(seconds)

    def _loop(self) -> None:
        with self._make_engine() as engine:
            known = catalog_identity(engine.index_folder)
            while batch := self._batch():
                if known and catalog_identity(engine.index_folder) is None:
                    engine.close()  # the files that it still has open are not the index any more
                    _refuse(batch, engine.index_folder)
                    continue
                if known and is_replaced(engine.index_folder, known):
                    logger.info("the index at %s was replaced; opening it again", engine.index_folder)
                    with contextlib.suppress(Exception):
                        engine.close()  # it opens the index again when it is used
                known = catalog_identity(engine.index_folder) or known
                self._work(engine, batch)

    def _batch(self) -> list[_Job]:
        """All that waits: at least one job, or nothing at the end."""
        batch = []
        while (job := self._queue.get()) is not None:
            batch.append(job)
            if len(batch) >= LARGEST_BATCH or self._queue.empty():
                return batch
        self._queue.put(None)
        return batch

    def _work(self, engine: SearchEngine, batch: list[_Job]) -> None:
        for work, future in batch:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work(engine))
                except Exception as error:
                    future.set_exception(error)


def _refuse(batch: list[_Job], index_folder: Path) -> None:
    for _, future in batch:
        if future.set_running_or_notify_cancel():
            future.set_exception(
                IndexGone(
                    f"the index at {index_folder} is not there any more. If it is on a drive, connect that again; "
                    "the server goes on by itself"
                )
            )


@dataclass(frozen=True)
class SearchTask:
    """A search for the `top_k` hits of a query. `make_query` gets the engine, since some terms are looked up in the index."""

    make_query: Callable[[SearchEngine], Query]
    top_k: int

    def __call__(self, engine: SearchEngine) -> Hits:
        """Search for this alone."""
        return engine.search(self.make_query(engine), self.top_k)


class SearchThread(EngineThread):
    """An EngineThread that answers searches in batches: their texts are encoded together, and they share scans.

    `on_batch` is called with the number of searches and the seconds that they took.
    """

    def __init__(self, make_engine: Callable[[], SearchEngine], on_batch: Callable[[int, float], None]) -> None:
        self._on_batch = on_batch
        super().__init__(make_engine, "search")

    def _work(self, engine: SearchEngine, batch: list[_Job]) -> None:
        groups: dict[int, list[tuple[Query, Future[Any]]]] = {}
        for work, future in batch:
            if not isinstance(work, SearchTask):
                super()._work(engine, [(work, future)])
            elif future.set_running_or_notify_cancel():
                try:
                    groups.setdefault(work.top_k, []).append((work.make_query(engine), future))
                except Exception as error:
                    future.set_exception(error)
        for top_k, searches in groups.items():
            self._search(engine, searches, top_k)

    def _search(self, engine: SearchEngine, searches: list[tuple[Query, Future[Any]]], top_k: int) -> None:
        start = time.perf_counter()
        try:
            answers = engine.search_many([query for query, _ in searches], top_k)
        except Exception as error:
            if len(searches) == 1:
                searches[0][1].set_exception(error)
                return
            for search in searches:  # one by one, so that an error of one does not fail the others
                self._search(engine, [search], top_k)
            return
        self._on_batch(len(searches), time.perf_counter() - start)
        for (_, future), hits in zip(searches, answers, strict=True):
            future.set_result(hits)
