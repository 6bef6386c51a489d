"""What the terminal can draw, according to the environment and to the terminal itself."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import select
import struct
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clipsearch.terminal.graphics import Protocol

logger = logging.getLogger(__name__)

_PATIENCE = 0.2  # seconds to wait for an answer; a slow line gets half-blocks
# Does it draw like Kitty? And, since every terminal answers this: what are its attributes?
_QUESTION = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c"
_KITTY_ANSWER = re.compile(rb"\x1b_Gi=31;OK\x1b\\")
_DEVICE_ATTRIBUTES = re.compile(rb"\x1b\[\?([0-9;]*)c")
_SIXEL = b"4"  # among the attributes: VT340 manual, DA1


if sys.platform == "win32":  # its consoles are not queried

    def _window_size() -> bytes:
        raise OSError("a console is not queried")

    def _conversation() -> AbstractContextManager[int]:
        raise OSError("a console is not queried")

else:
    import fcntl
    import termios

    def _window_size() -> bytes:
        return fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, b"\0" * 8)

    @contextmanager
    def _conversation() -> Iterator[int]:
        """The terminal, opened without echo and line editing. Afterwards it is as before, and unread answers are dropped."""
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
        try:
            if os.tcgetpgrp(terminal) != os.getpgrp():
                raise OSError("in the background, using the terminal would stop this process")
            before = termios.tcgetattr(terminal)
            silent = termios.tcgetattr(terminal)
            silent[3] &= ~(termios.ECHO | termios.ICANON)  # Ctrl-C still works
            silent[6][termios.VMIN], silent[6][termios.VTIME] = 0, 0
            try:
                termios.tcsetattr(terminal, termios.TCSADRAIN, silent)
                yield terminal
            finally:
                termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
        finally:
            os.close(terminal)


def has_all_colours(environment: Mapping[str, str]) -> bool:
    """Whether the terminal says that it has 24-bit colours."""
    names = ("COLORTERM", "TERM", "WT_SESSION")
    colour, term, windows = (environment.get(name, "") for name in names)
    return colour in ("truecolor", "24bit") or term.endswith(("-direct", "kitty", "ghostty")) or bool(windows)


def cell_size() -> tuple[int, int] | None:
    """(width, height) of a cell in pixels, if the terminal on standard output tells it."""
    try:
        rows, columns, width, height = struct.unpack("HHHH", _window_size())
    except (OSError, ValueError):
        return None
    return (width // columns, height // rows) if rows and columns and width >= columns and height >= rows else None


@contextmanager
def best_protocol(environment: Mapping[str, str]) -> Iterator[Protocol]:
    """The best protocol for the terminal of this process; half-blocks if nothing better is known.

    If the environment does not tell the terminal, the terminal is queried. An answer that comes late, while this is open, is
    dropped.
    """
    known = _by_environment(environment)
    if known:
        logger.debug("the environment says that the terminal draws by %s", known)
        yield known
        return
    with contextlib.ExitStack() as stack:
        answer = None
        try:
            answer = _query(stack.enter_context(_conversation()))
        except OSError as error:
            logger.debug("the terminal was not queried: %s", error)
        if answer:
            stack.close()  # from here on, input is the user's
        logger.debug("the terminal answered %s", answer)
        yield answer or "blocks"


def _by_environment(environment: Mapping[str, str]) -> Protocol | None:
    """What the environment tells of the terminal. In tmux and screen it tells nothing: it is that of the outer terminal."""
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if "TMUX" in environment or term.startswith(("screen", "tmux")):
        return None
    if "KITTY_WINDOW_ID" in environment or term in ("xterm-kitty", "xterm-ghostty") or program == "ghostty":
        return "kitty"
    if program in ("iTerm.app", "WezTerm", "mintty") or environment.get("LC_TERMINAL") == "iTerm2":
        return "iterm2"
    return "blocks" if term in ("dumb", "linux", "") else None


def _query(terminal: int) -> Protocol | None:
    """What the terminal answers; None if it answers nothing in time."""
    os.write(terminal, _QUESTION)
    answer = b""
    end = time.monotonic() + _PATIENCE
    while not (attributes := _DEVICE_ATTRIBUTES.search(answer)):
        left = end - time.monotonic()
        if left <= 0 or not select.select([terminal], [], [], left)[0]:
            return None
        received = os.read(terminal, 1024)
        if not received:  # it hung up
            return None
        answer += received
    if _KITTY_ANSWER.search(answer):
        return "kitty"
    return "sixel" if _SIXEL in attributes[1].split(b";") else "blocks"
