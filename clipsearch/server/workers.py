"""Threads that own a SearchEngine each, asked through a queue: SQLite and encoders belong to one thread at a time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from clipsearch.engine import SearchEngine
    from clipsearch.query.hits import Hits
    from clipsearch.types import Query

MOST_AT_ONCE = 64
"""Questions answered together."""

_T = TypeVar("_T")
_Question: TypeAlias = "tuple[Callable[[SearchEngine], Any], Future[Any]]"


class EngineThread:
    """A thread with a SearchEngine of its own. Questions are answered in order; one that nobody waits for is dropped."""

    def __init__(self, make: Callable[[], SearchEngine], name: str) -> None:
        self._make = make
        self._waiting: queue.SimpleQueue[_Question | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"clipsearch-{name}", daemon=True)
        self._thread.start()

    def ask(self, question: Callable[[SearchEngine], _T]) -> Future[_T]:
        """What a function of the engine gives, later."""
        future: Future[_T] = Future()
        self._waiting.put((question, future))
        return future

    async def call(self, question: Callable[[SearchEngine], _T]) -> _T:
        """What a function of the engine gives."""
        return await asyncio.wrap_future(self.ask(question))

    def close(self, seconds: float = 5.0) -> None:
        """Drop what waits, and wait at most so long for what is being answered."""
        while True:
            try:
                left = self._waiting.get_nowait()
            except queue.Empty:
                break
            if left:
                left[1].cancel()
        self._waiting.put(None)
        self._thread.join(seconds)

    def _run(self) -> None:
        with self._make() as engine:
            known = None
            while batch := self._batch():
                now = which(engine)
                if known and now and now != known:
                    with contextlib.suppress(Exception):
                        engine.close()  # it is opened again when it is asked
                known = now or known
                self._answer(engine, batch)

    def _batch(self) -> list[_Question]:
        """What waits, at least one; nothing at the end."""
        batch = []
        item = self._waiting.get()
        while item is not None:
            batch.append(item)
            if len(batch) >= MOST_AT_ONCE or self._waiting.empty():
                return batch
            item = self._waiting.get()
        self._waiting.put(None)
        return batch

    def _answer(self, engine: SearchEngine, batch: list[_Question]) -> None:
        for question, future in batch:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(question(engine))
                except Exception as error:
                    future.set_exception(error)


class Wish:
    """A search: what makes its Query, once the engine is at hand, and how many hits."""

    def __init__(self, query: Callable[[SearchEngine], Query], top_k: int) -> None:
        self.query = query
        self.top_k = top_k

    def __call__(self, engine: SearchEngine) -> Hits:
        """Search for this alone."""
        return engine.search(self.query(engine), self.top_k)


class SearchThread(EngineThread):
    """An EngineThread whose searches are answered together: their texts are encoded at once, and share scans.

    `batches` is called with how many there were and the seconds that they took.
    """

    def __init__(self, make: Callable[[], SearchEngine], batches: Callable[[int, float], None]) -> None:
        self._batches = batches
        super().__init__(make, "search")

    def _answer(self, engine: SearchEngine, batch: list[_Question]) -> None:
        groups: dict[int, list[tuple[Query, Future[Any]]]] = {}
        for question, future in batch:
            if not isinstance(question, Wish):
                super()._answer(engine, [(question, future)])
                continue
            if not future.set_running_or_notify_cancel():
                continue
            try:
                groups.setdefault(question.top_k, []).append((question.query(engine), future))
            except Exception as error:
                future.set_exception(error)
        for top_k, wanted in groups.items():
            self._search(engine, wanted, top_k)

    def _search(self, engine: SearchEngine, wanted: list[tuple[Query, Future[Any]]], top_k: int) -> None:
        start = time.perf_counter()
        try:
            answers = engine.search_many([query for query, _ in wanted], top_k)
        except Exception as error:
            if len(wanted) == 1:
                wanted[0][1].set_exception(error)
                return
            for one in wanted:  # an error of one of them is no answer to the others
                self._search(engine, [one], top_k)
            return
        self._batches(len(wanted), time.perf_counter() - start)
        for (_, future), hits in zip(wanted, answers, strict=True):
            future.set_result(hits)


def which(engine: SearchEngine) -> tuple[int, int] | None:
    """Which file the catalog is: `repair` puts another in its place, and readers would keep to the one that was."""
    try:
        state = os.stat(engine.index_folder / "catalog.sqlite")
    except OSError:
        return None
    return state.st_dev, state.st_ino
