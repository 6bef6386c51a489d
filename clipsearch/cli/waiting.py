"""--wait: until another process has finished writing to the index."""

from __future__ import annotations

import math
import os
import re
import time

import click

from clipsearch.cli.command import OptionalValue, option
from clipsearch.cli.output import remark
from clipsearch.errors import CollectionBusy

_DURATION = re.compile(r"[0-9.]+ ?(s|sec|m|min|h)[a-z]*")
_STEP = 0.2  # seconds between two attempts


def _is_seconds(word: str) -> bool:
    """Whether a word is the value of --wait. UsageError if it is a duration in other words."""
    if not word.strip():
        raise click.UsageError("--wait: it is empty; give seconds, or write --wait alone")
    if _DURATION.fullmatch(word) and not os.path.exists(word):
        raise click.UsageError(f"--wait is in seconds, as in --wait 300; {word!r} is not a number of seconds")
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False


wait_option = option(
    "--wait",
    "[SECONDS]",
    "If another process writes to the index, wait until it is done, or this long.",
    cls=OptionalValue,
    bare="inf",
    takes=_is_seconds,
    type=click.FloatRange(0),
)


class Patience:
    """Called whenever another process is in the way: waits a little and says True, until the seconds are over."""

    def __init__(self, seconds: float | None) -> None:
        self._end = time.monotonic() + (seconds or 0)
        self._silent = not seconds

    def __call__(self, busy: CollectionBusy) -> bool:
        """Wait for a moment; whether to try again."""
        if not self._silent:
            from clipsearch.store.lock import RUN_AGAIN  # not for commands that need not wait

            remark(f"note: {str(busy).removesuffix(f'; {RUN_AGAIN}')}. Waiting for it; Ctrl-C gives up")
            self._silent = True
        left = self._end - time.monotonic()
        time.sleep(max(0.0, min(_STEP, left)))
        return left > 0
