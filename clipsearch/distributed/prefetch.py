"""Pictures elsewhere, asked for ahead of those who take them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import Generic, TypeVar

from clipsearch.errors import ImageError

AT_ONCE = 16
"""Pictures that are being read, or are there and wait to be taken."""

What = TypeVar("What")


class Ahead(Generic[What]):
    """Reads what it is told of ahead of those who take it, some at a time, in the order asked for.

    Who takes one that is not begun begins it. So nobody waits for anything but a picture, whichever are taken, in any order.
    """

    def __init__(self, read: Callable[[What], bytes], threads: ThreadPoolExecutor) -> None:
        self._read = read
        self._threads = threads
        self._lock = Lock()
        self._numbers = itertools.count()
        self._waiting: dict[int, What] = {}
        self._begun: dict[int, Future[bytes]] = {}  # and not taken

    def later(self, what: What) -> Callable[[], bytes]:
        """Have something read; what waits for it and gives it, once."""
        with self._lock:
            number = next(self._numbers)
            self._waiting[number] = what
            self._begin_some()
        return lambda: self._taken(number)

    def stop(self) -> None:
        """Begin no more."""
        with self._lock:
            self._waiting.clear()

    def _taken(self, number: int) -> bytes:
        with self._lock:
            if number in self._waiting:
                self._begin(number)
            future = self._begun.get(number)
        if future is None:
            raise ImageError("stopped", "access")
        try:
            return future.result()
        finally:
            with self._lock:
                del self._begun[number]
                self._begin_some()

    def _begin_some(self) -> None:
        while self._waiting and len(self._begun) < AT_ONCE:
            self._begin(next(iter(self._waiting)))

    def _begin(self, number: int) -> None:
        self._begun[number] = self._threads.submit(self._read, self._waiting.pop(number))


@contextmanager
def reading_ahead(read: Callable[[What], bytes]) -> Iterator[Ahead[What]]:
    """What reads ahead by `read`, in threads of its own, until nobody needs it any more."""
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="clipsearch-read") as threads:
        ahead = Ahead(read, threads)
        try:
            yield ahead
        finally:
            ahead.stop()
            threads.shutdown(cancel_futures=True)
