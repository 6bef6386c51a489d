"""`push`, `pull`, and `--store`: a vector database holds the photos of an index, and answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from clipsearch.cli.indexes import existing_index, index_to_write
from clipsearch.cli.options import index_option, json_option
from clipsearch.cli.output import ProgressBar, print_json, say
from clipsearch.cli.waiting import CommandThatWaits, Patience, wait_option

if TYPE_CHECKING:
    from clipsearch.engine import SearchEngine
    from clipsearch.milvus.push import PushReport

_F = TypeVar("_F", bound=Callable[..., Any])
URL = "milvus://HOST:PORT/COLLECTION"


def store_option(what: str, *, required: bool = False, variable: bool = True) -> Callable[[_F], _F]:
    """--store, or with `variable` also CLIPSEARCH_STORE, saying what it does here."""
    return click.option(
        "--store",
        envvar="CLIPSEARCH_STORE" if variable else None,
        metavar="URL",
        required=required,
        help=f"{what} {URL}, milvuss:// where it is encrypted, milvus+lite:FOLDER/COLLECTION on this machine. "
        f"{'$CLIPSEARCH_STORE; its' if variable else 'Its'} token is taken from $CLIPSEARCH_STORE_TOKEN.",
    )


def store_to_ask(store: str | None) -> str | None:
    """The store that is to answer; None where this machine's index is: --index wins over $CLIPSEARCH_STORE.

    UsageError for flags that make no sense together.
    """
    if store is None:
        return None
    context = click.get_current_context()
    given = [
        flag
        for name, flag in (("index_folder", "--index"), ("server", "--server"))
        if context.params.get(name) is not None and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    if given and context.get_parameter_source("store") is not ParameterSource.COMMANDLINE:
        return None
    if given:
        raise click.UsageError(f"--store and {' and '.join(given)} exclude each other; choose who is to answer")
    return store


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


def show_store(address: str, as_json: bool) -> None:
    """What a store holds, on standard output."""
    from clipsearch.milvus.status import store_status
    from clipsearch.render.text import human_bytes, printable

    state = store_status(address)
    if as_json:
        print_json(asdict(state))
        return
    precision = f", pictures in {state.model.precision}" if state.model.precision else ""
    lines = [
        f"store    {printable(state.store)} ({printable(state.server)})",
        f"model    {printable(state.model.model)} ({state.model.dim} values{precision}, {state.model.digest[:12]})",
        f"photos   {state.images:,} ({human_bytes(state.photo_bytes)})",
        f"failed   {state.failures:,}",
        f"version  {state.version}, pushed {printable(state.pushed_at)}",
    ]
    if state.outdated or state.unpublished:
        rows = f"{state.unpublished:,} not published, {state.outdated:,} to be deleted"
        lines.append(f"rows     {rows}: a push goes on or was interrupted")
    lines += [f"folder   {printable(root)}" for root in state.roots]
    say("".join(f"{line}\n" for line in lines))


def _counts(*counts: tuple[int, str]) -> str:
    return ", ".join(f"{count:,} {what}" for count, what in counts if count) or "nothing to do"


def _checked(images: int, digest: str) -> str:
    return f"{images:,} photo{'' if images == 1 else 's'}, checksum {digest[:12]}"
