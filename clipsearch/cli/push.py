"""`clipsearch push`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from clipsearch.cli.find_index import existing_index
from clipsearch.cli.options import index_option, json_option
from clipsearch.cli.output import ProgressBar, print_json, say
from clipsearch.cli.waiting import CommandThatWaits, Patience, wait_option

if TYPE_CHECKING:
    from clipsearch.engine import SearchEngine
    from clipsearch.milvus.push import PushReport


from clipsearch.cli.backend import store_option

_prune = click.option("--prune", is_flag=True, help="Confirm that photos which are gone are to leave, however many.")
_quiet = click.option("-q", "--quiet", is_flag=True, help="No progress bar and no summary.")


@click.command(cls=CommandThatWaits)
@store_option("Where to:", required=True)
@index_option
@_prune
@click.option(
    "--take-over", is_flag=True, help="Replace what another copy of this index has pushed, or a later state of it."
)
@wait_option
@_quiet
@json_option
def push(
    store: str, index_folder: str | None, prune: bool, take_over: bool, wait: float | None, quiet: bool, as_json: bool
) -> None:
    """Make a vector database hold what the index holds: embeddings, and all that filters and results need. No pictures.

    Only what differs is sent. It can be interrupted at any time and run again; whoever searches the store sees what was
    published before, until all is there. Every row that is sent is read back and compared, and in the end all are counted.

    \b
    clipsearch push --store milvus://127.0.0.1:19530/photos
    """
    from clipsearch.engine import SearchEngine

    with SearchEngine(existing_index(index_folder)) as engine:
        show_push(push_to(engine, store, prune=prune, take_over=take_over, wait=wait, quiet=quiet), quiet, as_json)


def push_to(
    engine: SearchEngine, store: str, *, prune: bool, take_over: bool, wait: float | None, quiet: bool
) -> PushReport:
    """Push, with a bar."""
    with ProgressBar(quiet) as bar:
        return engine.push(store, prune=prune, take_over=take_over, progress=bar.count, on_busy=Patience(wait))


def show_push(report: PushReport, quiet: bool, as_json: bool) -> None:
    """What a push did, on standard output."""
    from clipsearch.render.text import printable

    if as_json:
        print_json(asdict(report))
    elif not quiet:
        done = _counts(
            (report.sent, "sent and read back"),
            (report.resumed, "sent by a run before"),
            (report.removed, "removed"),
            (report.unchanged, "unchanged"),
        )
        say(f"{done} in {report.seconds:.1f} s\n")
        say(f"store: {printable(report.store)} ({_checked(report.images, report.digest)}, version {report.version})\n")


def _counts(*counts: tuple[int, str]) -> str:
    return ", ".join(f"{count:,} {what}" for count, what in counts if count) or "nothing to do"


def _checked(images: int, digest: str) -> str:
    return f"{images:,} photo{'' if images == 1 else 's'}, checksum {digest[:12]}"
