"""`--wait`: for the one that writes to the index now."""

from __future__ import annotations

import math
import os
import re
import time
from itertools import pairwise
from typing import Any

import click

from clipsearch.cli.output import note
from clipsearch.errors import CollectionBusy

_DURATION = re.compile(r"[0-9.]+ ?(s|sec|m|min|h)[a-z]*")
_STEP = 0.2  # seconds between two attempts


class CommandThatWaits(click.Command):
    """A command whose --wait takes a number, or none: then what follows it is not taken for one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give a --wait without a number the largest."""
        given = args[: args.index("--")] if "--" in args else args
        for argument, following in pairwise(given):
            if argument == "--wait" and _DURATION.fullmatch(following) and not os.path.exists(following):
                raise click.UsageError(
                    f"--wait is in seconds, as in --wait 300; {following!r} is not a number of seconds", ctx
                )
        for number, argument in enumerate(given):
            if argument == "--wait" and not _is_seconds(given[number + 1 : number + 2]):
                args = [*args[:number], "--wait=inf", *args[number + 1 :]]
        return super().parse_args(ctx, args)


def wait_option(command: Any) -> Any:
    """--wait, of a CommandThatWaits."""
    return click.option(
        "--wait",
        type=click.FloatRange(0),
        metavar="[SECONDS]",
        help="Where another process is writing to the index, wait for it: until it has finished, or so long at most.",
    )(command)


class Patience:
    """Asked whenever another process is in the way: waits a little and says True, until so many seconds are over."""

    def __init__(self, seconds: float | None) -> None:
        self._end = time.monotonic() + (seconds or 0)
        self._said = not seconds

    def __call__(self, busy: CollectionBusy) -> bool:
        """Wait for a moment; whether to try again."""
        if not self._said:
            note(f"note: {busy}. Waiting for it; Ctrl-C gives up")
            self._said = True
        left = self._end - time.monotonic()
        time.sleep(max(0.0, min(_STEP, left)))
        return left > 0


def _is_seconds(words: list[str]) -> bool:
    try:
        return bool(words) and math.isfinite(float(words[0]))
    except ValueError:
        return False
