"""What several commands print alike."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clipsearch.sync import SyncReport


class ProgressBar:
    """tqdm's bar on standard error, once there is something to do; nothing where that is no terminal."""

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
            from tqdm import tqdm

            self._bar = tqdm(total=total, unit=" photos", disable=None, leave=False, dynamic_ncols=True)
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
