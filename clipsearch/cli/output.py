"""All that commands write: to standard output and standard error, and nothing else here writes there.

Whatever the encoding of a stream, nothing ends a run: what it lacks is escaped. JSON stays JSON, paths keep their bytes.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

import click

from clipsearch.cli.hints import completed

if TYPE_CHECKING:
    from clipsearch.indexing.apply import SyncReport

_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")


class OutputFailed(Exception):
    """Standard output takes no more: it is closed or full, or its reader has gone."""

    def __init__(self, error: OSError) -> None:
        reasons = {errno.EPIPE: "the program that read it has ended", errno.EBADF: "it is closed"}
        reason = reasons.get(error.errno or 0, error.strerror or str(error))
        super().__init__(f"the answer could not be written to standard output, or not all of it: {reason}")


class _Output(io.TextIOWrapper):
    """Standard output, whose errors are told from those of files, also where click writes to it."""

    def write(self, text: str) -> int:
        with _written():
            return super().write(text)

    def flush(self) -> None:
        with _written():
            super().flush()

    def __init__(self, before: io.TextIOWrapper) -> None:
        super().__init__(before.buffer, before.encoding, "backslashreplace", line_buffering=before.line_buffering)
        self._before = before  # it closes what is underneath as soon as nothing refers to it

    def close(self) -> None:
        """Leave what is underneath open: it belongs to the stream that was there before."""


def prepare_streams() -> TextIO:
    """Make standard streams that take every character, also where the shell has closed them; standard output.

    A closed one is opened on the null device, so that no file of ours gets its number. Output is opened for reading only there:
    then what is written fails, and is not lost unnoticed.
    """
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
    """Write what is still buffered. OutputFailed where that cannot be done; nothing more is tried then."""
    try:
        stream.flush()
    except OutputFailed:
        with contextlib.suppress(OSError, ValueError):  # or Python, when it exits, would try again
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()


def say(text: str) -> None:
    """Text for people on standard output, as it is, with the colours that it has."""
    _echo(text, sys.stdout)


def note(text: str) -> None:
    """A line or more for people on standard error, which begins with the program's name. One that cannot be written is dropped.

    What a terminal would take for an order is escaped, and commands that are proposed get the index they are about.
    """
    from clipsearch.render.text import printable

    lines = "\n".join(printable(line) for line in completed(text).split("\n"))
    say_aside(f"clipsearch: {lines}\n")


def say_aside(text: str) -> None:
    """Text for people on standard error, as it is."""
    with contextlib.suppress(OSError, ValueError):
        _echo(text, sys.stderr)


def print_json(value: Any) -> None:
    """A value on one line of JSON: UTF-8, or in any other encoding ASCII, which every reader takes."""
    from clipsearch.render.json_output import json_line

    print_json_text(json_line(value))


def print_json_text(text: str) -> None:
    """The same for what is JSON already."""
    if not _is_utf8(sys.stdout):
        text = _NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text)
    sys.stdout.write(text)
    sys.stdout.flush()


def print_data(text: str) -> None:
    """Text for programs that is no JSON: UTF-8, whatever the terminal's encoding."""
    _write_bytes(text.encode("utf-8", "surrogateescape"))


def print_paths(paths: Iterable[str], end: bytes) -> None:
    """Paths alone on standard output, byte for byte as the file system has them."""
    _write_bytes(b"".join(os.fsencode(path) + end for path in paths))


def current_folder() -> str:
    """The folder that paths are shown relative to; "" where it was deleted."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def progress_bar(**options: Any) -> Any:
    """A bar of tqdm's on standard error, which goes when done; none where that is no terminal. `options` are tqdm's."""
    from tqdm import tqdm

    return tqdm(**{"disable": None, "leave": False, "dynamic_ncols": True, **options})


class ProgressBar:
    """A bar of photos, once there is something to do."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._bar: Any = None

    def show(self, report: SyncReport, done: int, total: int) -> None:
        """A sync.Progress."""
        self.count(done, total, report.failed)

    def count(self, done: int, total: int, failed: int = 0) -> None:
        """So many photos of so many are finished."""
        if self._quiet or not total:
            return
        if self._bar is None:
            self._bar = progress_bar(total=total, unit=" photos")
        self._bar.total = total  # it grows where an archive turns out to hold more
        if failed:
            self._bar.set_postfix(failed=failed, refresh=False)
        self._bar.update(done - self._bar.n)

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _echo(text: str, stream: TextIO) -> None:
    encoding = stream.encoding or "utf-8"
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, nl=False, color=True)


def _write_bytes(data: bytes) -> None:
    with _written():
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def _is_utf8(stream: TextIO) -> bool:
    return codecs.lookup(stream.encoding or "utf-8").name == "utf-8"


@contextmanager
def _written() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputFailed(error) from error
    except ValueError as error:  # it was closed by something in this process
        raise OutputFailed(OSError(errno.EBADF, "")) from error
