"""Ctrl-C before a command begins: the process ends at once, as there is nothing to keep yet."""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False  # as in clipsearch/__init__.py
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

INTERRUPTED = 130  # the table is in clipsearch/cli/exit_status.py, which may not be imported yet


def after_the_key() -> str:
    """What comes before a message about Ctrl-C: a terminal shows the key on a line, which must end; a log has no such line."""
    return "\n" if os.isatty(2) else ""


def end_at_once(number: int = signal.SIGINT, frame: FrameType | None = None) -> NoReturn:
    """End the process. Modules may be imported in part, so Python's own ending might not work."""
    try:
        os.write(2, b"%sclipsearch: interrupted\n" % after_the_key().encode())
    finally:
        os._exit(INTERRUPTED)


def answer_at_once() -> None:
    """End the process at Ctrl-C from now on. As an exception, it could be lost, or come as another one, during an import."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, end_at_once)


def raise_again() -> None:
    """Undo `answer_at_once`, if that was called: Ctrl-C is a KeyboardInterrupt from now on."""
    if signal.getsignal(signal.SIGINT) is end_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)
