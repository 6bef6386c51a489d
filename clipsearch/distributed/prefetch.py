"""Read pictures in remote storage ahead of the threads that take them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import Generic, TypeVar

from clipsearch.errors import ImageError

AT_ONCE = 16
"""Pictures that are being read, or have been read and not been taken."""

Source = TypeVar("Source")


class Prefetcher(Generic[Source]):
    """Reads pictures ahead in the order in which they were asked for, AT_ONCE of them at most.

    They may be taken in any order. If a picture that is taken has not been started yet, the caller starts it.
    """

    def __init__(self, read: Callable[[Source], bytes], threads: ThreadPoolExecutor) -> None:
        self._read = read
        self._threads = threads
        self._lock = Lock()
        self._numbers = itertools.count()
        self._waiting: dict[int, Source] = {}
        self._started: dict[int, Future[bytes]] = {}  # and not taken

    def read_later(self, source: Source) -> Callable[[], bytes]:
        """Have a picture read; returns a function that waits for it and returns its bytes, once."""
        with self._lock:
            number = next(self._numbers)
            self._waiting[number] = source
            self._start_some()
        return lambda: self._take(number)

    def stop(self) -> None:
        """Start no more."""
        with self._lock:
            self._waiting.clear()

    def _take(self, number: int) -> bytes:
        with self._lock:
            if number in self._waiting:
                self._start(number)
            future = self._started.get(number)
        if future is None:
            raise ImageError("stopped", "access")
        try:
            return future.result()
        finally:
            with self._lock:
                del self._started[number]
                self._start_some()

    def _start_some(self) -> None:
        while self._waiting and len(self._started) < AT_ONCE:
            self._start(next(iter(self._waiting)))

    def _start(self, number: int) -> None:
        self._started[number] = self._threads.submit(self._read, self._waiting.pop(number))


@contextmanager
def prefetching(read: Callable[[Source], bytes]) -> Iterator[Prefetcher[Source]]:
    """A Prefetcher with threads of its own, which end with the block."""
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="clipsearch-read") as threads:
        prefetcher = Prefetcher(read, threads)
        try:
            yield prefetcher
        finally:
            prefetcher.stop()
            threads.shutdown(cancel_futures=True)
