"""`clipsearch pull`."""

from __future__ import annotations

from dataclasses import asdict

from clipsearch.cli.backend import store_option
from clipsearch.cli.choose_index import index_to_write
from clipsearch.cli.command import WHERE, PathText, command, option
from clipsearch.cli.complete import complete_folder
from clipsearch.cli.options import json_option, prune_option
from clipsearch.cli.output import print_report
from clipsearch.cli.progress import ProgressBar
from clipsearch.cli.push import transfer_texts
from clipsearch.cli.waiting import Patience, wait_option
from clipsearch.render.text import printable


@command()
def pull(
    store: str = store_option("Where from:", required=True),
    index_folder: str = option(
        "--index index_folder",
        "DIR",
        "Where to make the index.",
        WHERE,
        required=True,
        type=PathText(),
        shell_complete=complete_folder,
    ),
    prune: bool = prune_option,
    wait: float | None = wait_option,
    as_json: bool = json_option,
) -> None:
    """Make an index from a vector database that was pushed to, or update one that was made so.

    \b
    clipsearch pull --store milvus://127.0.0.1:19530/photos --index copy

    Every row and vector is compared with its checksum, and the whole with the checksum in the store. The paths are those of
    the machine that pushed.
    """
    from clipsearch.engine import SearchEngine

    with SearchEngine(index_to_write(("",), index_folder)) as engine, ProgressBar() as bar:
        report = engine.pull(store, prune=prune, progress=bar.show, on_busy=Patience(wait))
    done, content = transfer_texts(report, (report.fetched, "fetched"))
    index = f"index: {printable(report.index)} ({content}, as {printable(report.store)} says)\n"
    print_report(as_json, asdict(report), done + index, summary=True)
