"""What the library logs, on standard error: by CLIPSEARCH_LOG, and by -v."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from clipsearch.cli.output import note, say_aside
from clipsearch.render.text import printable

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}
_LOGGER = logging.getLogger("clipsearch")


class _StandardError(logging.Handler):
    """Writes a record as its level, its module and its message, a line each; if only warnings are shown, as a note."""

    def emit(self, record: logging.LogRecord) -> None:
        if _LOGGER.level >= logging.WARNING:
            note(*logging.Formatter().format(record).split("\n"))
            return
        start = f"{record.levelname.lower()} {record.name.removeprefix('clipsearch.')}: "
        text = logging.Formatter().format(record)  # with the traceback, if there is one
        say_aside("".join(f"{start}{printable(line)}\n" for line in text.split("\n")))


@contextmanager
def logging_to_standard_error() -> Iterator[None]:
    """Show what the package logs, from the level in CLIPSEARCH_LOG; warnings if it is not set."""
    name = os.environ.get("CLIPSEARCH_LOG", "").lower()
    if name and name not in _LEVELS:
        note(f"CLIPSEARCH_LOG is {name!r}; set it to debug, info or warning")
    handler, before = _StandardError(), (_LOGGER.level, _LOGGER.propagate)
    _LOGGER.addHandler(handler)
    _LOGGER.propagate = False
    _LOGGER.setLevel(_LEVELS.get(name, logging.WARNING))
    try:
        yield
    finally:
        _LOGGER.removeHandler(handler)
        _LOGGER.level, _LOGGER.propagate = before


def log_more(verbosity: int) -> None:
    """Show `info` for one -v and `debug` for two, or more if CLIPSEARCH_LOG says so."""
    _LOGGER.setLevel(min(_LOGGER.level, logging.INFO if verbosity == 1 else logging.DEBUG))
