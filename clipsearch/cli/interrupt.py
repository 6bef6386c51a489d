"""Ctrl-C while long work is under way."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from clipsearch._internal.cancel import CancelToken
from clipsearch._internal.early_interrupt import after_the_key
from clipsearch.cli.output import say_at_once


@contextmanager
def interruptible() -> Iterator[CancelToken]:
    """A token for work that keeps what it has finished: the first Ctrl-C cancels it, the second raises KeyboardInterrupt.

    If nothing looks at the token at that moment, as while a model is loaded, the first one raises KeyboardInterrupt too.
    """
    cancel = CancelToken()

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        if cancel.cancelled or not cancel.has_listener:
            raise KeyboardInterrupt
        cancel.cancel()
        say_at_once(f"{after_the_key()}clipsearch: stopping; what is done is kept\n")

    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield cancel  # another handler, or a shell that has Ctrl-C ignored, stays in charge
        return
    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield cancel
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
