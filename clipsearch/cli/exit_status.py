"""What the exit status of `clipsearch` says: the one table, to which commands, topics and tests refer."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from enum import IntEnum
from typing import NoReturn

from clipsearch.errors import ClipsearchError, CollectionDamaged, CollectionNotFound, QueryError, StoreUnreachable

FAIL_IF_NONE = "--fail-if-none"


class ExitStatus(IntEnum):
    """How a command ended."""

    OK = 0
    """The command did what was asked."""
    ERROR = 1
    """Something does not work, as the message explains, such as a file's content. With --fail-if-none: no photo was found."""
    WRONG_USE = 2
    """Wrong use: an option, a value, a query or a filter that does not fit; a folder, index or model that does not exist; or an
    output file that exists, without --force."""
    SOME_FAILED = 3
    """The command finished, but some files failed in this run."""
    DAMAGED = 4
    """The index is damaged."""
    UNREACHABLE = 5
    """A vector database does not answer."""
    OUTPUT_FAILED = 6
    """The answer could not be written to standard output."""
    INTERRUPTED = 130
    """Ctrl-C interrupted the command."""


_OF_ERRORS = {
    CollectionDamaged: ExitStatus.DAMAGED,
    CollectionNotFound: ExitStatus.WRONG_USE,
    StoreUnreachable: ExitStatus.UNREACHABLE,
    QueryError: ExitStatus.WRONG_USE,
}


def status_of(error: ClipsearchError) -> ExitStatus:
    """The exit status of a command that an error ends."""
    return next((status for kind, status in _OF_ERRORS.items() if isinstance(error, kind)), ExitStatus.ERROR)


_has_to_hurry = False


def leave_quickly() -> None:
    """Have the process end without taking Python apart: with a web framework and a model that takes most of a second.

    Call it when a command has closed all that it opened.
    """
    global _has_to_hurry
    _has_to_hurry = True


def leave(status: int) -> NoReturn:
    """End the process. A thread of a model may be in the middle of a picture; an interrupted command does not wait for it."""
    if status == ExitStatus.INTERRUPTED and threading.active_count() > 1:
        os._exit(status)
    if _has_to_hurry:
        atexit._run_exitfuncs()
        os._exit(status)
    sys.exit(status)


def ended(failures: object, interrupted: bool = False) -> ExitStatus:
    """The exit status of a command that works on many files. `failures` lists or counts those that failed."""
    return ExitStatus.INTERRUPTED if interrupted else ExitStatus.SOME_FAILED if failures else ExitStatus.OK
