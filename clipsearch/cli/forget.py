"""`clipsearch forget`."""

from __future__ import annotations

from clipsearch.cli.choose_index import open_engine
from clipsearch.cli.command import argument, command
from clipsearch.cli.complete import complete_folder
from clipsearch.cli.options import index_option
from clipsearch.cli.output import say
from clipsearch.cli.waiting import Patience, wait_option
from clipsearch.render.text import counted


@command()
def forget(
    folders: tuple[str, ...] = argument(
        "folders", nargs=-1, required=True, metavar="FOLDER...", shell_complete=complete_folder
    ),
    index_folder: str | None = index_option,
    wait: float | None = wait_option,
) -> None:
    """Remove folders from the index. Nothing is deleted from the disk.

    \b
    clipsearch forget ~/Photos/screenshots
    """
    with open_engine(index_folder) as engine:
        count = engine.forget(*folders, on_busy=Patience(wait))
    say(f"forgot {counted(count, 'photo')}\n")
