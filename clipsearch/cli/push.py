"""`clipsearch push`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from clipsearch.cli.backend import store_option
from clipsearch.cli.choose_index import existing_index
from clipsearch.cli.command import command, option
from clipsearch.cli.options import index_option, json_option, prune_option
from clipsearch.cli.output import ProgressBar, is_quiet, print_json, say
from clipsearch.cli.waiting import Patience, wait_option

if TYPE_CHECKING:
    from clipsearch.engine import SearchEngine
    from clipsearch.milvus.push import PushReport


@command()
@store_option("Where to:", required=True)
@index_option
@prune_option
@option("--take-over", is_flag=True, help="Replace what another copy of this index pushed, or a later state of it.")
@wait_option
@json_option
def push(store: str, index_folder: str | None, prune: bool, take_over: bool, wait: float | None, as_json: bool) -> None:
    """Copy an index into a vector database: embeddings, and all that filters and results need. No pictures.

    \b
    clipsearch push --store milvus://127.0.0.1:19530/photos

    Only differences are sent. You can interrupt it at any time and run it again; until it is complete, searches of the store
    see what was published before. Every row is read back and compared, and in the end all rows are counted. A store is
    milvus://HOST:PORT/NAME, milvuss://... with encryption, or milvus+lite:FOLDER/NAME on this machine. Its token is taken
    from $CLIPSEARCH_STORE_TOKEN.
    """
    from clipsearch.engine import SearchEngine

    with SearchEngine(existing_index(index_folder)) as engine:
        show_push(push_to(engine, store, prune, take_over, wait), as_json)


def push_to(engine: SearchEngine, store: str, prune: bool, take_over: bool, wait: float | None) -> PushReport:
    """Push, with a progress bar."""
    with ProgressBar() as bar:
        return engine.push(store, prune=prune, take_over=take_over, progress=bar.show, on_busy=Patience(wait))


def show_push(report: PushReport, as_json: bool) -> None:
    """What a push did, on standard output."""
    from clipsearch.render.text import joined_counts, printable

    if as_json:
        print_json(asdict(report))
    elif not is_quiet():
        done = joined_counts(
            (report.sent, "sent and read back"),
            (report.resumed, "sent by a run before"),
            (report.removed, "removed"),
            (report.unchanged, "unchanged"),
        )
        say(f"{done or 'nothing to do'} in {report.seconds:.1f} s\n")
        content = content_text(report.images, report.digest)
        say(f"store: {printable(report.store)} ({content}, version {report.version})\n")


def content_text(images: int, digest: str) -> str:
    """How many photos there are, and the start of the checksum over all."""
    from clipsearch.render.text import counted

    return f"{counted(images, 'photo')}, checksum {digest[:12]}"
