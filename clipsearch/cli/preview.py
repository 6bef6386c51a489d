"""--preview: photos drawn on the terminal."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Literal, TypeAlias

import click

from clipsearch.cli.command import OUTPUT, OptionalValue, option
from clipsearch.cli.output import current_folder, say
from clipsearch.render.grouping import GroupBy, group_title, grouped
from clipsearch.terminal.capabilities import best_protocol, cell_size, has_all_colours
from clipsearch.types import Failure, Hit

Preview: TypeAlias = Literal["auto", "kitty", "iterm2", "sixel", "blocks"]

_PROTOCOLS = ("auto", "kitty", "iterm2", "sixel", "blocks")


def _never_a_value(word: str) -> bool:
    """A value of --preview comes after an equals sign only. UsageError if one comes without it."""
    if not word.strip():
        raise click.UsageError("--preview: it is empty; write --preview=HOW, or --preview alone")
    if word in _PROTOCOLS:
        raise click.UsageError(
            f"to choose how photos are drawn, write --preview={word}; to search for {word!r}, write it before --preview"
        )
    return False


preview_option = option(
    "--preview",
    "[=HOW]",
    "Draw photos; HOW: kitty, iterm2, sixel or blocks.",
    OUTPUT,
    cls=OptionalValue,
    bare="auto",
    takes=_never_a_value,
    type=click.Choice(_PROTOCOLS),
)


def can_preview(wanted: Preview) -> bool:
    """Whether to draw on standard output: it is a terminal that can show pictures, or the user chose how."""
    from clipsearch.render.chart import can_draw_blocks

    shows = sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and can_draw_blocks(sys.stdout.encoding)
    return wanted != "auto" or shows


def print_preview(hits: Sequence[Hit], wanted: Preview, group_by: GroupBy | None) -> list[Failure]:
    """Print tiles as their photos are read, each group under its title. Returns the photos that could not be read."""
    from clipsearch.terminal.preview import Screen, preview

    folder, failures = current_folder(), list[Failure]()
    with nullcontext(wanted) if wanted != "auto" else best_protocol(os.environ) as protocol:
        screen = Screen(protocol, shutil.get_terminal_size().columns, cell_size(), has_all_colours(os.environ))
        for group, members in grouped(hits, group_by).items():
            if group_by:
                say(f"{group_title(group, folder)}\n")
            for tiles in preview(members, folder, screen, failures.append):
                say(tiles)
    return failures
