"""`clipsearch failures`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from clipsearch.cli.find_index import existing_index
from clipsearch.cli.options import index_option, json_option
from clipsearch.cli.output import current_folder, print_json, print_paths, say

if TYPE_CHECKING:
    pass


@click.command()
@index_option
@json_option
@click.option("-0", "--print0", is_flag=True, help="Print only the paths, each ended by a NUL, for xargs -0.")
def failures(index_folder: str | None, as_json: bool, print0: bool) -> None:
    """The files that could not be read, and why.

    If the file itself is broken or too large, it is tried again once it changes, or with other limits or decoders. If it could
    not be reached (no permission, a failing drive), every run tries it again. Crashes and time-outs are tried in three runs.
    `clipsearch index --retry` tries all of them. A photo that was indexed before is kept until it is gone or has changed.

    \b
    clipsearch failures
    clipsearch failures -0 | xargs -0 ls -l
    """
    from clipsearch.engine import SearchEngine
    from clipsearch.render.json_output import failure_to_json
    from clipsearch.render.tables import failures_table

    with SearchEngine(existing_index(index_folder)) as engine:
        found = engine.failures()
    if as_json:
        items = [failure_to_json(failure) for failure in found]
        print_json({"index": str(engine.index_folder), "failures": items})
    elif print0:
        print_paths((failure.file.path for failure in found), b"\0")
    else:
        say(failures_table(found, current_folder()))
