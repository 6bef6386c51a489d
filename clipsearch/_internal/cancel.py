"""Asking long work to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import ParamSpec, TypeVar

from clipsearch.errors import Cancelled

_P = ParamSpec("_P")
_T = TypeVar("_T")


class CancelToken:
    """Passed to work that takes long. Any thread or signal handler may cancel it; the work looks at it often.

    Once cancelled, a token stays so: a new run needs a new one.
    """

    # Not a threading.Event: if a signal came while the main thread has its lock, as at the end of a wait, the handler would
    # wait for that lock forever. Nor a SimpleQueue: if its time is over before it begins to wait, it waits forever. This lock
    # is held until the token is cancelled, and a handler only releases it, which never waits.
    def __init__(self) -> None:
        self._is_cancelled = False
        self._until_cancelled = Lock()
        self._until_cancelled.acquire()
        self._listeners = 0

    def __repr__(self) -> str:
        """Whether it is cancelled."""
        return f"<{type(self).__name__}: {'cancelled' if self.cancelled else 'not cancelled'}>"

    def cancel(self) -> None:
        """Ask the work to stop as soon as what it has finished is safe."""
        self._is_cancelled = True
        self._let_go()

    @property
    def cancelled(self) -> bool:
        """Whether the work was asked to stop."""
        return self._is_cancelled

    def check(self) -> None:
        """Raise Cancelled if the work was asked to stop."""
        if self._is_cancelled:
            raise Cancelled("cancelled")

    def each(self, items: Iterable[_T]) -> Iterator[_T]:
        """Yield items one by one. Raises Cancelled before the next one if the work was asked to stop."""
        for item in items:
            self.check()
            yield item

    def checked(self, progress: Callable[_P, None] | None) -> Callable[_P, None]:
        """A progress callback that calls `progress`, if there is one, and raises Cancelled if the work was asked to stop."""

        def report(*arguments: _P.args, **options: _P.kwargs) -> None:
            if progress:
                progress(*arguments, **options)
            self.check()

        return report

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Mark work that looks at the token at least once a second, so that it need not be ended by force."""
        self._listeners += 1
        try:
            yield
        finally:
            self._listeners -= 1

    @property
    def has_listener(self) -> bool:
        """Whether work inside `listening` is under way, and will notice when the token is cancelled."""
        return self._listeners > 0

    def wait(self, seconds: float) -> bool:
        """Wait until the work is asked to stop, or `seconds` have passed; whether it was asked."""
        if not self._is_cancelled and self._until_cancelled.acquire(timeout=max(seconds, 0)):
            self._let_go()  # for the others that wait
        return self._is_cancelled

    def _let_go(self) -> None:
        with suppress(RuntimeError):  # it is free already
            self._until_cancelled.release()
