"""Asking long work to stop."""

from __future__ import annotations

import threading

from clipsearch.errors import Cancelled


class CancelToken:
    """Passed to work that takes long. Any thread or signal handler may cancel it; the work looks at it often.

    Once cancelled, a token stays so: a new run needs a new one.
    """

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the work to stop as soon as what it has finished is safe."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether the work was asked to stop."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise Cancelled if the work was asked to stop."""
        if self._event.is_set():
            raise Cancelled("cancelled")

    def wait(self, seconds: float) -> bool:
        """Wait until the work is asked to stop, or `seconds` have passed; whether it was asked."""
        return self._event.wait(seconds)
