"""`clipsearch pull`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from clipsearch.cli.find_index import index_to_write
from clipsearch.cli.options import json_option
from clipsearch.cli.output import ProgressBar, print_json, say
from clipsearch.cli.waiting import CommandThatWaits, Patience, wait_option

if TYPE_CHECKING:
    pass


from clipsearch.cli.backend import store_option
from clipsearch.cli.push import _checked, _counts, _prune, _quiet


@click.command(cls=CommandThatWaits)
@store_option("Where from:", required=True)
@click.option("--index", "index_folder", required=True, metavar="DIR", help="Where the index is to be.")
@_prune
@wait_option
@_quiet
@json_option
def pull(store: str, index_folder: str, prune: bool, wait: float | None, quiet: bool, as_json: bool) -> None:
    """Make an index of what a vector database holds, or bring one up to date that was made so.

    Every row and vector is compared with its checksum, and the whole with what the store says it is. The paths are those of the
    machine that pushed.

    \b
    clipsearch pull --store milvus://127.0.0.1:19530/photos --index copy
    """
    from clipsearch.engine import SearchEngine
    from clipsearch.render.text import printable

    with SearchEngine(index_to_write((index_folder,), index_folder)) as engine, ProgressBar(quiet) as bar:
        report = engine.pull(store, prune=prune, progress=bar.count, on_busy=Patience(wait))
    if as_json:
        print_json(asdict(report))
    elif not quiet:
        done = _counts((report.fetched, "fetched"), (report.removed, "removed"), (report.unchanged, "unchanged"))
        say(f"{done} in {report.seconds:.1f} s\n")
        say(
            f"index: {printable(report.index)} ({_checked(report.images, report.digest)}, as {printable(report.store)} says)\n"
        )
