"""`clipsearch pull`."""

from __future__ import annotations

from dataclasses import asdict

from clipsearch.cli.backend import store_option
from clipsearch.cli.choose_index import index_to_write
from clipsearch.cli.command import WHERE, command, option
from clipsearch.cli.options import complete_folder, json_option, prune_option
from clipsearch.cli.output import ProgressBar, is_quiet, print_json, say
from clipsearch.cli.push import content_text
from clipsearch.cli.waiting import Patience, wait_option


@command()
@store_option("Where from:", required=True)
@option(
    "--index",
    "index_folder",
    required=True,
    metavar="DIR",
    heading=WHERE,
    shell_complete=complete_folder,
    help="Where to make the index.",
)
@prune_option
@wait_option
@json_option
def pull(store: str, index_folder: str, prune: bool, wait: float | None, as_json: bool) -> None:
    """Make an index from a vector database that was pushed to, or update one that was made so.

    \b
    clipsearch pull --store milvus://127.0.0.1:19530/photos --index copy

    Every row and vector is compared with its checksum, and the whole with the checksum in the store. The paths are those of
    the machine that pushed.
    """
    from clipsearch.engine import SearchEngine
    from clipsearch.render.text import joined_counts, printable

    with SearchEngine(index_to_write((index_folder,), index_folder)) as engine, ProgressBar() as bar:
        report = engine.pull(store, prune=prune, progress=bar.show, on_busy=Patience(wait))
    if as_json:
        print_json(asdict(report))
    elif not is_quiet():
        done = joined_counts((report.fetched, "fetched"), (report.removed, "removed"), (report.unchanged, "unchanged"))
        say(f"{done or 'nothing to do'} in {report.seconds:.1f} s\n")
        content = content_text(report.images, report.digest)
        say(f"index: {printable(report.index)} ({content}, as {printable(report.store)} says)\n")
