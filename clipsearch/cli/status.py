"""`clipsearch status`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from clipsearch.cli.backend import server_option, server_to_ask, store_option, store_to_ask
from clipsearch.cli.find_index import existing_index
from clipsearch.cli.hints import hint
from clipsearch.cli.options import index_option, json_option
from clipsearch.cli.output import print_json, say

if TYPE_CHECKING:
    from clipsearch.indexing.status import RootStatus
    from clipsearch.store.approximate.folder import ApproximateStatus


@click.command()
@index_option
@server_option
@store_option("What a vector database holds:")
@click.option("--quick", is_flag=True, help="Do not compare with the folders on disk. A server never does.")
@json_option
def status(index_folder: str | None, server: str | None, store: str | None, quick: bool, as_json: bool) -> None:
    """What is indexed, by which model, and whether it is up to date.

    \b
    clipsearch status
    clipsearch status --quick --json
    """
    from clipsearch.engine import SearchEngine
    from clipsearch.render.text import human_bytes, printable

    if address := store_to_ask(store):
        show_store(address, as_json)
        return
    client = server_to_ask(server)
    if client:
        with client:
            state = client.status()
    else:
        with SearchEngine(existing_index(index_folder)) as engine:
            state = engine.status(scan=not quick)
    if as_json:
        print_json({**asdict(state), "stale": state.stale})
        return
    model = "none yet"
    if state.model:
        precision = f", pictures in {state.model.precision}" if state.model.precision else ""
        model = f"{state.model.model} ({state.model.dim} values{precision}, {state.model.digest[:12]})"
    segments = f"{state.segments} segment{'' if state.segments == 1 else 's'}"
    lines = [
        f"index    {printable(state.index)} ({human_bytes(state.index_bytes)}, {segments})",
        f"model    {printable(model)}",
        f"photos   {state.images:,} ({human_bytes(state.photo_bytes)})",
        f"failed   {state.failures:,}" + (f"; see: {hint('failures')}" if state.failures and not client else ""),
    ]
    if state.approximate:
        lines.append(f"search   {printable(_approximate(state.approximate))}")
    lines += [f"folder   {printable(root.path)}: {_freshness(root)}" for root in state.roots]
    say("".join(f"{line}\n" for line in lines))


def _approximate(state: ApproximateStatus) -> str:
    from clipsearch.render.text import human_bytes

    if state.problem is not None:
        return f"exact; the approximate index is not used: {state.problem}; to make it anew: {hint('optimize')}"
    changes = [
        f"{count:,} photos {what} since" for count, what in ((state.new, "added"), (state.gone, "gone")) if count
    ]
    return (
        f"approximate, {state.kind} of {(state.made or '')[:16].replace('T', ' ')}, {human_bytes(state.bytes or 0)}: "
        f"recall@{state.recall_k} {state.text_recall:.3f} for texts, {state.image_recall:.3f} for images, "
        f"{state.milliseconds:.1f} ms instead of {state.exact_milliseconds:.1f}; "
        f"{' and '.join(changes) or 'all photos are in it'}"
    )


def _freshness(root: RootStatus) -> str:
    if not root.present:
        return "not there now (a drive that is not mounted?)"
    if root.new is None:
        return "not compared"
    counts = [(root.new, "new"), (root.changed, "changed"), (root.missing, "missing"), (root.retry, "to try again")]
    changes = ", ".join(f"{count:,} {what}" for count, what in counts if count)
    return f"{changes}; to update: {hint('index')}" if changes else "up to date"


def show_store(address: str, as_json: bool) -> None:
    """What a store holds, on standard output."""
    from clipsearch.milvus.store import store_status
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
