"""`clipsearch forget`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from clipsearch.cli.find_index import existing_index
from clipsearch.cli.options import index_option
from clipsearch.cli.output import say
from clipsearch.cli.waiting import CommandThatWaits, Patience, wait_option

if TYPE_CHECKING:
    pass


@click.command(cls=CommandThatWaits)
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...")
@index_option
@wait_option
def forget(folders: tuple[str, ...], index_folder: str | None, wait: float | None) -> None:
    """Remove folders from the index. Nothing is deleted from the disk.

    \b
    clipsearch forget ~/Photos/screenshots
    """
    from clipsearch.engine import SearchEngine

    with SearchEngine(existing_index(index_folder)) as engine:
        count = engine.forget(*folders, on_busy=Patience(wait))
    say(f"forgot {count:,} photo{'' if count == 1 else 's'}\n")
