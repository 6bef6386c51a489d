"""`clipsearch forget`."""

from __future__ import annotations

import click

from clipsearch.cli.choose_index import existing_index
from clipsearch.cli.command import command
from clipsearch.cli.options import complete_folder, index_option
from clipsearch.cli.output import say
from clipsearch.cli.waiting import Patience, wait_option


@command()
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...", shell_complete=complete_folder)
@index_option
@wait_option
def forget(folders: tuple[str, ...], index_folder: str | None, wait: float | None) -> None:
    """Remove folders from the index. Nothing is deleted from the disk.

    \b
    clipsearch forget ~/Photos/screenshots
    """
    from clipsearch.engine import SearchEngine
    from clipsearch.render.text import counted

    with SearchEngine(existing_index(index_folder)) as engine:
        count = engine.forget(*folders, on_busy=Patience(wait))
    say(f"forgot {counted(count, 'photo')}\n")
