"""What the exit status of `clipsearch` says: the one table, to which commands, topics and tests refer."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """How a command ended."""

    OK = 0
    """The command did what was asked."""
    ERROR = 1
    """Wrong use, or an error that the message explains. With --fail-if-none: no photo was found."""
    SOME_FAILED = 3
    """The command finished, but some files failed."""
    DAMAGED = 4
    """The index is damaged."""
    UNREACHABLE = 5
    """A vector database does not answer."""
    OUTPUT_FAILED = 6
    """The answer could not be written to standard output."""
    INTERRUPTED = 130
    """Ctrl-C interrupted the command."""


def ended(failures: object, interrupted: bool = False) -> ExitStatus:
    """The exit status of a command that works on many files. `failures` lists or counts those that failed."""
    return ExitStatus.INTERRUPTED if interrupted else ExitStatus.SOME_FAILED if failures else ExitStatus.OK
