"""What the terminal can draw: by what the environment says, and by asking it."""

from __future__ import annotations

import contextlib
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

_PATIENCE = 0.2  # seconds for an answer; over a slow line, half-blocks it is
_QUESTION = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c"  # as Kitty draws? and, which all answer: what are you?
_KITTY_ANSWER = re.compile(rb"\x1b_Gi=31;OK\x1b\\")
_DEVICE_ATTRIBUTES = re.compile(rb"\x1b\[\?([0-9;]*)c")
_SIXEL = b"4"  # among the attributes: VT340 manual, DA1


if sys.platform == "win32":  # whose consoles are not asked

    def _window_size() -> bytes:
        raise OSError("there is nothing to ask")

    def _conversation() -> AbstractContextManager[int]:
        raise OSError("there is nothing to ask")

else:
    import fcntl
    import termios

    def _window_size() -> bytes:
        return fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, b"\0" * 8)

    @contextmanager
    def _conversation() -> Iterator[int]:
        """The terminal, open, neither echoing nor waiting for a line; put back as it was, without what it said meanwhile."""
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
        try:
            if os.tcgetpgrp(terminal) != os.getpgrp():
                raise OSError("in the background, where touching the terminal would stop this process")
            before = termios.tcgetattr(terminal)
            quiet = termios.tcgetattr(terminal)
            quiet[3] &= ~(termios.ECHO | termios.ICANON)  # Ctrl-C still works
            quiet[6][termios.VMIN], quiet[6][termios.VTIME] = 0, 0
            try:
                termios.tcsetattr(terminal, termios.TCSADRAIN, quiet)
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
    """(width, height) of a cell in pixels, where the terminal on standard output says it."""
    try:
        rows, columns, width, height = struct.unpack("HHHH", _window_size())
    except (OSError, ValueError):
        return None
    return (width // columns, height // rows) if rows and columns and width >= columns and height >= rows else None


@contextmanager
def best_protocol(environment: Mapping[str, str]) -> Iterator[Protocol]:
    """What to draw by on the terminal of this process; half-blocks where nothing better is known.

    A terminal that the environment does not tell is asked. What it answers too late, while this is open, is dropped.
    """
    known = _by_environment(environment)
    if known:
        yield known
        return
    with contextlib.ExitStack() as stack:
        answer = None
        with contextlib.suppress(OSError):  # no terminal of our own, or a system without such
            answer = _asked(stack.enter_context(_conversation()))
        if answer:
            stack.close()  # what comes from here on is the user's
        yield answer or "blocks"


def _by_environment(environment: Mapping[str, str]) -> Protocol | None:
    """What a terminal tells of itself; nothing within tmux and screen, which pass on what that around them has told."""
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if "TMUX" in environment or term.startswith(("screen", "tmux")):
        return None
    if "KITTY_WINDOW_ID" in environment or term in ("xterm-kitty", "xterm-ghostty") or program == "ghostty":
        return "kitty"
    if program in ("iTerm.app", "WezTerm", "mintty") or environment.get("LC_TERMINAL") == "iTerm2":
        return "iterm2"
    return "blocks" if term in ("dumb", "linux", "") else None


def _asked(terminal: int) -> Protocol | None:
    """What the terminal answers; None where it says nothing for too long."""
    os.write(terminal, _QUESTION)
    answer = b""
    end = time.monotonic() + _PATIENCE
    while not (attributes := _DEVICE_ATTRIBUTES.search(answer)):
        left = end - time.monotonic()
        if left <= 0 or not select.select([terminal], [], [], left)[0]:
            return None
        some = os.read(terminal, 1024)
        if not some:  # it hung up
            return None
        answer += some
    if _KITTY_ANSWER.search(answer):
        return "kitty"
    return "sixel" if _SIXEL in attributes[1].split(b";") else "blocks"
