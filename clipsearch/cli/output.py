"""All that commands write: only this module writes to standard output and standard error.

No text ends a run, whatever the encoding of a stream: characters that it lacks are escaped. JSON stays JSON, and paths keep
their bytes.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from textwrap import wrap
from typing import Any, TextIO

import click

from clipsearch.cli.hints import completed
from clipsearch.render.text import columns, printable, with_bytes_escaped
from clipsearch.types import Failure

_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_LEAST_WIDTH = 30  # columns that a line has, however narrow a terminal is
_quiet = False
_reader_is_gone = False


class OutputFailed(Exception):
    """Standard output takes no more: it is closed or full."""

    def __init__(self, error: OSError) -> None:
        reason = "it is closed" if error.errno == errno.EBADF else error.strerror or str(error)
        super().__init__(f"the answer could not be written to standard output, or not all of it: {reason}")


class _Output(io.TextIOWrapper):
    """Standard output that raises OutputFailed, also when click writes to it, so that its errors are not taken for a file's."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except (OSError, ValueError) as error:
            _stop_writing(error)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except (OSError, ValueError) as error:
            _stop_writing(error)

    def __init__(self, before: io.TextIOWrapper) -> None:
        super().__init__(before.buffer, before.encoding, "backslashreplace", line_buffering=before.line_buffering)
        self._before = before  # without a reference to it, it would close the stream underneath

    def close(self) -> None:
        """Leave the stream underneath open: it belongs to the output that was there before."""


def prepare_streams() -> TextIO:
    """Make standard streams that take every character, also if the shell has closed them. Returns standard output.

    A closed stream is opened on the null device, so that no other file gets its number. Output is opened there for reading
    only: then writing fails, instead of losing the text unnoticed.
    """
    global _reader_is_gone
    _reader_is_gone = False
    for number, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        if not _is_open(number):
            os.set_inheritable(os.open(os.devnull, flags), True)
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)), "utf-8")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout = _Output(sys.stdout)
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(errors="backslashreplace")
    return sys.stdout


def finish_output(stream: TextIO) -> None:
    """Write what is still buffered. OutputFailed if that fails; then nothing more is tried."""
    try:
        stream.flush()
    except OutputFailed:
        _discard(stream)
        raise
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()


def is_unread() -> bool:
    """Whether the program that reads standard output has ended. `head` does when it has all it wants, so this is no error.

    What is written from then on goes nowhere. A command that prints as it goes can stop.
    """
    return _reader_is_gone


def set_quiet(quiet: bool) -> None:
    """From now on, hide progress bars and summaries, or show them again."""
    global _quiet
    _quiet = quiet


def is_quiet() -> bool:
    """Whether -q was given."""
    return _quiet


def say(text: str) -> None:
    """Write text for people to standard output, unchanged, with its colours."""
    _echo(text, sys.stdout)


def sum_up(text: str) -> None:
    """Write a summary for people to standard output, unless -q hides it."""
    if not _quiet:
        say(text)


def note(*lines: str) -> None:
    """Write lines for people to standard error, after the program's name; if that fails, drop them.

    Control characters are escaped, so that a terminal does not obey them, and so are line breaks within a line: a file's name
    may have some. Proposed commands get the index they are about.
    """
    note_unchanged(*map(completed, lines))


def note_unchanged(*lines: str) -> None:
    """A note about the command line itself, whose words stay as they are, also between backticks."""
    say_aside("clipsearch: " + "".join(f"{printable(line)}\n" for line in lines))


def remark(text: str) -> None:
    """A note that -q leaves out: nothing has gone wrong."""
    if not _quiet:
        note(text)


def remark_summary(text: str) -> None:
    """A remark that ends its lines between words if a terminal is narrow. Commands in it have to be complete."""
    if not _quiet:
        say_aside(broken_at_words(f"clipsearch: {printable(text)}\n", sys.stderr))


def terminal_width() -> int | None:
    """How many columns the terminal of standard output has, at least 30; None if it is not a terminal."""
    return max(shutil.get_terminal_size().columns, _LEAST_WIDTH) if sys.stdout.isatty() else None


def broken_at_words(text: str, stream: TextIO, indent: int = 2) -> str:
    """Lines of text for a stream: on a terminal that is narrower, each is several lines, the later ones indented.

    Long words stay whole, so that paths can be copied. Only a terminal gets other lines.
    """
    if not stream.isatty():
        return text
    width = max(shutil.get_terminal_size().columns, _LEAST_WIDTH)
    return "".join(f"{part}\n" for line in text.splitlines() for part in _parts(line, width, indent))


def _parts(line: str, width: int, indent: int) -> list[str]:
    if columns(line) <= width:
        return [line]
    return wrap(
        line[indent:],
        width,
        initial_indent=line[:indent],
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def say_aside(text: str) -> None:
    """Write text for people to standard error, unchanged; if that fails, drop it."""
    with contextlib.suppress(OSError, ValueError):
        _echo(text, sys.stderr)


def say_at_once(text: str) -> None:
    """Write text to standard error from a signal handler, which may have interrupted another write; -q hides it."""
    if not _quiet:
        with contextlib.suppress(OSError, ValueError):
            os.write(sys.stderr.fileno(), text.encode())


def print_json(value: Any) -> None:
    """Write a value as one line of JSON: in UTF-8, or for other encodings in ASCII, which every reader takes."""
    from clipsearch.render.json_output import json_line

    print_json_text(json_line(value))


def print_json_text(text: str) -> None:
    """Write JSON that is text already, in the same encodings."""
    if not is_utf8(sys.stdout):
        text = _NOT_ASCII.sub(lambda match: json.dumps(match[0])[1:-1], text)
    sys.stdout.write(text)
    sys.stdout.flush()


def print_report(as_json: bool, value: Mapping[str, Any], text: str, *, summary: bool = False) -> None:
    """Print JSON, or text for people. A text that is only a summary fits a narrow terminal, and -q leaves it out."""
    if as_json:
        print_json(value)
    elif summary:
        sum_up(broken_at_words(text, sys.stdout))
    else:
        say(text)


def note_failures(failures: Iterable[Failure]) -> None:
    """A line on standard error for each file that could not be read."""
    for failure in failures:
        note(f"{failure.file.path}: {failure.reason}")


def print_data(text: str) -> None:
    """Write text for programs other than JSON: always in UTF-8."""
    _write_bytes(text.encode("utf-8", "surrogateescape"))


def print_paths(paths: Iterable[str], end: bytes) -> None:
    """Write only paths to standard output, with the bytes that the file system has."""
    _write_bytes(b"".join(os.fsencode(path) + end for path in paths))


def current_folder() -> str:
    """The folder that paths are shown relative to; "" if it was deleted."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _echo(text: str, stream: TextIO) -> None:
    encoding = stream.encoding or "utf-8"
    text = with_bytes_escaped(text)
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, nl=False, color=True)


def _write_bytes(data: bytes) -> None:
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except (OSError, ValueError) as error:
        _stop_writing(error)


def is_utf8(stream: TextIO) -> bool:
    """Whether a stream takes every character."""
    return codecs.lookup(stream.encoding or "utf-8").name == "utf-8"


def _stop_writing(error: OSError | ValueError) -> None:
    """Raise OutputFailed; but if only the reader has ended, send what comes to nowhere."""
    global _reader_is_gone
    if not isinstance(error, OSError):  # something in this process has closed it
        raise OutputFailed(OSError(errno.EBADF, "")) from error
    if error.errno != errno.EPIPE:
        raise OutputFailed(error) from error
    _reader_is_gone = True
    _discard(sys.stdout)


def _discard(stream: TextIO) -> None:
    """Send what a stream still holds, and all that comes, to nowhere. Otherwise Python would try to write it at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
