"""`clipsearch forget`."""

from __future__ import annotations

import os
from pathlib import Path

from clipsearch.cli.choose_index import open_engine
from clipsearch.cli.command import PathText, argument, command
from clipsearch.cli.complete import complete_folder
from clipsearch.cli.hints import hint
from clipsearch.cli.options import index_option
from clipsearch.cli.output import remark, sum_up
from clipsearch.cli.waiting import Patience, wait_option
from clipsearch.render.text import counted, printable


@command()
def forget(
    folders: tuple[str, ...] = argument(
        "folders", nargs=-1, required=True, metavar="FOLDER...", type=PathText(), shell_complete=complete_folder
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
        roots = [root.path for root in engine.status(scan=False).roots]
    sum_up(f"forgot {counted(count, 'photo')}\n")
    for folder in folders:
        path = os.path.abspath(os.path.expanduser(folder))
        root = next((root for root in roots if Path(path).is_relative_to(root)), None)
        if root and os.path.lexists(path):  # a walk of the folder above finds it again
            keep_out = hint("index", root, "--exclude", os.path.basename(path))
            remark(f"note: the next `clipsearch index` adds {printable(folder)} again; to keep it out: {keep_out}")
