"""`clipsearch push`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from clipsearch.cli.backend import store_option
from clipsearch.cli.choose_index import open_engine
from clipsearch.cli.command import command, flag
from clipsearch.cli.options import index_option, json_option, prune_option
from clipsearch.cli.output import print_report
from clipsearch.cli.progress import ProgressBar
from clipsearch.cli.waiting import Patience, wait_option
from clipsearch.render.text import counted, joined_counts, printable

if TYPE_CHECKING:
    from clipsearch.engine import SearchEngine
    from clipsearch.milvus.pull import PullReport
    from clipsearch.milvus.push import PushReport


@command()
def push(
    store: str = store_option("Where to:", required=True),
    index_folder: str | None = index_option,
    prune: bool = prune_option,
    take_over: bool = flag("--take-over", "Replace what another copy of this index pushed, or a later state of it."),
    wait: float | None = wait_option,
    as_json: bool = json_option,
) -> None:
    """Copy an index into a vector database: embeddings, and all that filters and results need. No pictures.

    \b
    clipsearch push --store milvus://127.0.0.1:19530/photos

    Only differences are sent. You can interrupt it at any time and run it again; until it is complete, searches of the store
    see what was published before. Every row is read back and compared, and in the end all rows are counted. A store is
    milvus://HOST:PORT/NAME, milvuss://... with encryption, or milvus+lite:FOLDER/NAME on this machine. Its token is taken
    from $CLIPSEARCH_STORE_TOKEN.
    """
    with open_engine(index_folder) as engine:
        show_push(push_to(engine, store, prune, take_over, wait), as_json)


def push_to(engine: SearchEngine, store: str, prune: bool, take_over: bool, wait: float | None) -> PushReport:
    """Push, with a progress bar."""
    with ProgressBar() as bar:
        return engine.push(store, prune=prune, take_over=take_over, progress=bar.show, on_busy=Patience(wait))


def show_push(report: PushReport, as_json: bool) -> None:
    """What a push did, on standard output."""
    counts = ((report.sent, "sent and read back"), (report.resumed, "sent by a run before"))
    done, content = transfer_texts(report, *counts)
    store = f"store: {printable(report.store)} ({content}, version {report.version})\n"
    print_report(as_json, asdict(report), done + store, summary=True)


def transfer_texts(report: PushReport | PullReport, *counts: tuple[int, str]) -> tuple[str, str]:
    """What was done, as a line, and what is there now: how many photos, and the start of the checksum over all."""
    done = joined_counts(*counts, (report.removed, "removed"), (report.unchanged, "unchanged")) or "nothing to do"
    return f"{done} in {report.seconds:.1f} s\n", f"{counted(report.images, 'photo')}, checksum {report.digest[:12]}"
