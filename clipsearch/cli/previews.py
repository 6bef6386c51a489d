"""--preview: photos on the terminal."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias

import click

from clipsearch.cli.output import current_folder, say
from clipsearch.terminal.capabilities import best_protocol, cell_size, has_all_colours

if TYPE_CHECKING:
    from clipsearch.render.grouping import GroupBy
    from clipsearch.types import Hit

Preview: TypeAlias = Literal["auto", "kitty", "iterm2", "sixel", "blocks"]

HOW = ("auto", "kitty", "iterm2", "sixel", "blocks")
preview_flag = click.option(
    "--preview",
    type=click.Choice(HOW),
    metavar="[=HOW]",
    help="Show the photos in the terminal, as it can: by the graphics of Kitty or iTerm2, Sixel, or coloured blocks; "
    "=kitty, =iterm2, =sixel or =blocks chooses. In a pipe, only a chosen one does.",
)


class CommandWithPreview(click.Command):
    """A command whose --preview may have a value, after an equals sign only: what follows it is never taken for one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give a --preview without a value the usual one."""
        end = args.index("--") if "--" in args else len(args)
        for argument, following in pairwise(args[:end]):
            if argument == "--preview" and following in HOW:
                raise click.UsageError(
                    f"to choose how photos are shown, write --preview={following}; to search for {following!r}, write it "
                    "before --preview",
                    ctx,
                )
        given = ["--preview=auto" if argument == "--preview" else argument for argument in args[:end]]
        return super().parse_args(ctx, given + args[end:])


def can_preview(wanted: Preview) -> bool:
    """Whether pictures go to standard output: where they were chosen by name, or it is a terminal that can show them."""
    from clipsearch.render.chart import can_draw_blocks

    shows = sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and can_draw_blocks(sys.stdout.encoding)
    return wanted != "auto" or shows


def print_preview(hits: Sequence[Hit], wanted: Preview, group_by: GroupBy | None) -> None:
    """Print tiles as their photos are read, each group under its title."""
    from clipsearch.render.grouping import group_title, grouped
    from clipsearch.terminal.preview import Screen, preview

    folder = current_folder()
    groups = grouped(hits, group_by) if group_by else {None: list(hits)}
    with nullcontext(wanted) if wanted != "auto" else best_protocol(os.environ) as protocol:
        screen = Screen(protocol, shutil.get_terminal_size().columns, cell_size(), has_all_colours(os.environ))
        for group, some in groups.items():
            if group_by:
                say(f"{group_title(group, folder)}\n")
            for text in preview(some, folder, screen):
                say(text)
