"""Progress of long work on standard error: a bar on a terminal, and a line now and then in a pipe. -q hides both."""

from __future__ import annotations

import shutil
import sys
import time
from typing import Any

from clipsearch.cli.output import is_quiet, note

_EVERY = 30.0  # seconds between two lines in a pipe
_LEAST_SCALED = 10_000  # a total below it is written in full
_NARROW = 60  # columns; tqdm's own line needs as many
_SHORT = "{desc}{percentage:3.0f}% {n_fmt}/{total_fmt}, {remaining} left{postfix}"


def progress_bar(**options: Any) -> Any:
    """A tqdm bar on standard error that goes away when done. -q hides it, and so does a pipe. `options` are tqdm's."""
    from tqdm import tqdm

    # The mean speed, because photos of different sizes take turns.
    usual: dict[str, Any] = {"disable": is_quiet() or None, "leave": False, "dynamic_ncols": True, "smoothing": 0}
    if options.get("total") and shutil.get_terminal_size().columns < _NARROW:
        usual["bar_format"] = _SHORT
    return tqdm(**{**usual, **options})


class ProgressBar:
    """One bar at a time: a new one for each stage, drawn once there is something to do."""

    def __init__(self, unit: str = " photos", **options: Any) -> None:
        self._options = {"unit": unit, **options}
        self._stage = ""
        self._bar: Any = None
        self._lines: _Lines | None = None

    def show(self, done: int, total: int, *, failed: int = 0, stage: str = "", unit: str = "") -> None:
        """`done` of `total` units of a stage are finished; the total may grow."""
        if stage != self._stage:
            self.close()
            self._stage = stage
        if not total and not stage:
            return
        scales = bool(self._options.get("unit_scale")) and total >= _LEAST_SCALED
        options = {**self._options, "unit": unit or self._options["unit"], "unit_scale": scales}
        if not sys.stderr.isatty():
            if self._lines is None:
                self._lines = _Lines(stage, str(options["unit"]), scales)
            self._lines.show(done, total)
            return
        if self._bar is None:
            self._bar = progress_bar(desc=stage or None, total=total or None, **options)
        self._bar.total = total or None
        if failed:
            self._bar.set_postfix(failed=failed, refresh=False)
        if done and not self._bar.n:
            # The first ones waited for the model to be loaded, so they say nothing about the speed.
            self._bar.initial, self._bar.start_t = done, time.time()
            self._bar.last_print_t = self._bar.start_t  # or it would count as never drawn, and stay on the screen
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Take the bar off the screen."""
        if self._bar is not None:
            self._bar.close()
        self._bar = self._lines = None

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Lines:
    """A line every half minute, for logs: how much is done, and how long the rest takes."""

    def __init__(self, stage: str, unit: str, scales: bool) -> None:
        self._stage = f"{stage}: " if stage else ""
        self._unit = unit
        self._scales = scales
        self._next = time.monotonic() + _EVERY
        self._first: tuple[int, float] | None = None  # what was done when the first was, and when that was

    def show(self, done: int, total: int) -> None:
        """Write a line if the last one was long ago."""
        now = time.monotonic()
        if done and self._first is None:
            self._first = done, now
        if now < self._next or is_quiet():
            return
        self._next = now + _EVERY
        first, since = self._first or (0, now)
        left = ""
        if done > first and total:
            left = f", about {_duration((total - done) * (now - since) / (done - first))} left"
        of = f" of {self._number(total)}" if total else ""
        note(f"{self._stage}{self._number(done)}{of}{self._unit}{left}")

    def _number(self, value: int) -> str:
        from tqdm import tqdm

        return tqdm.format_sizeof(value) if self._scales else f"{value:,}"


def _duration(seconds: float) -> str:
    """For people: "40 s", "5 min", "2.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
