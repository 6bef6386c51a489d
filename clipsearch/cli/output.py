"""What several commands print alike."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from clipsearch.sync import SyncReport


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


def print_paths(paths: Iterable[str], end: bytes) -> None:
    """Paths alone on standard output, byte for byte as the file system has them."""
    sys.stdout.buffer.write(b"".join(os.fsencode(path) + end for path in paths))
    sys.stdout.buffer.flush()


def say(text: str, *, to_errors: bool = False) -> None:
    """Text for people: what the terminal's encoding lacks is escaped, so that no name ends the run."""
    stream = sys.stderr if to_errors else sys.stdout
    encoding = stream.encoding or "utf-8"
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding), nl=False, err=to_errors, color=True)
