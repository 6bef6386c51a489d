"""`clipsearch status`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from clipsearch.cli.backend import server_option, server_to_ask, store_option, store_to_ask
from clipsearch.cli.choose_index import open_engine
from clipsearch.cli.command import command, flag
from clipsearch.cli.hints import hint
from clipsearch.cli.options import index_option, json_option
from clipsearch.cli.output import broken_at_words, print_report
from clipsearch.render.text import counted, human_bytes, joined_counts, printable
from clipsearch.store.catalog_file import PREVIOUS

if TYPE_CHECKING:
    from clipsearch.indexing.status import RootStatus, Status
    from clipsearch.milvus.store import StoreStatus
    from clipsearch.store.approximate.index import ApproximateStatus


@command()
def status(
    index_folder: str | None = index_option,
    server: str | None = server_option,
    store: str | None = store_option("What a vector database holds:"),
    quick: bool = flag("--quick", "Do not compare with the folders on disk. A server never does."),
    as_json: bool = json_option,
) -> None:
    """What is indexed, by which model, and whether it is up to date.

    \b
    clipsearch status
    clipsearch status --quick --json
    """
    if address := store_to_ask(store):
        from clipsearch.milvus.store import store_status

        state = store_status(address)
        print_report(as_json, asdict(state), _text(_store_lines(state)))
        return
    is_recorded = False
    if client := server_to_ask(server):
        with client:
            index = client.status()
    else:
        with open_engine(index_folder) as engine:
            index = engine.status(scan=not quick)
            unreadable = sum(root.unreadable or 0 for root in index.roots)
            is_recorded = 0 < unreadable <= len(engine.failures()) - index.failures
    text = _text(_index_lines(index, remote=client is not None, is_recorded=is_recorded))
    print_report(as_json, {**asdict(index), "stale": index.stale}, text)


def _text(lines: list[tuple[str, str]]) -> str:
    """A line for each fact; on a terminal that is narrower, several, with all words of a path or command in one piece."""
    return broken_at_words("".join(f"{name:<8} {printable(text)}\n" for name, text in lines), sys.stdout, indent=9)


def _index_lines(state: Status, *, remote: bool, is_recorded: bool) -> list[tuple[str, str]]:
    """`is_recorded` says whether the last run has recorded what cannot be looked at, so that `failures` answers at once."""
    details = hint("failures") if is_recorded else hint("index", "--dry-run")
    see = f"; see: {hint('failures')}" if state.failures and not remote else ""
    return [
        ("index", f"{state.index} ({human_bytes(state.index_bytes)}, {counted(state.segments, 'segment')})"),
        *_content_lines(state, see, state.text_model),
        *_text_lines(state),
        *_change_lines(state, remote=remote),
        *([("search", _approximate(state.approximate, remote=remote))] if state.approximate else []),
        *(("folder", f"{root.path}: {_freshness(root, details)}") for root in state.roots),
    ]


def _text_lines(state: Status) -> list[tuple[str, str]]:
    """In how many photos text was looked for, if the index reads it."""
    if state.texts_read is None:
        return []
    return [("text", f"looked for in {state.texts_read:,} of {state.images:,} photos; {state.with_text:,} with some")]


def _change_lines(state: Status, *, remote: bool) -> list[tuple[str, str]]:
    """That the model of the index is being changed, and that the index before is kept."""
    lines = []
    if state.next_model:
        finish = "" if remote else f"; to go on: {hint('index', '--model', state.next_model)}"
        so_far = f"{state.next_images:,} of {state.images:,} photos so far"
        lines.append(("change", f"to {state.next_model}, {so_far}{finish}"))
    if state.previous_model:
        lines.append(("before", f"the index of {state.previous_model} is kept in {Path(state.index, PREVIOUS)}"))
    return lines


def _store_lines(state: StoreStatus) -> list[tuple[str, str]]:
    lines = [
        ("store", f"{state.store} ({state.server})"),
        *_content_lines(state),
        ("version", f"{state.version}, pushed {state.pushed_at}"),
    ]
    if state.outdated or state.unpublished:
        rows = f"{state.unpublished:,} not published, {state.outdated:,} to be deleted"
        lines.append(("rows", f"{rows}: a push is running or was interrupted"))
    return lines + [("folder", root) for root in state.roots]


def _content_lines(state: Status | StoreStatus, see: str = "", text_model: str | None = None) -> list[tuple[str, str]]:
    model = "none yet"
    if fingerprint := state.model:
        precision = f", pictures in {fingerprint.precision}" if fingerprint.precision else ""
        model = f"{fingerprint.model} ({fingerprint.dim} values{precision}, {fingerprint.digest[:12]})"
    photos = f"{state.images:,} ({human_bytes(state.photo_bytes)})"
    texts = [("texts", f"by {text_model}; `--text-model none` goes back to its own")] if text_model else []
    return [("model", model), *texts, ("photos", photos), ("failed", f"{state.failures:,}{see}")]


def _approximate(state: ApproximateStatus, *, remote: bool) -> str:
    if state.problem is not None:
        rebuild = "" if remote else f"; to rebuild it: {hint('optimize')}"
        return f"exact; the approximate index is not used: {state.problem}{rebuild}"
    changes = joined_counts((state.new, "pictures added since"), (state.gone, "pictures gone since"))
    return (
        f"approximate, {state.kind} of {(state.made or '')[:16].replace('T', ' ')}, {human_bytes(state.bytes or 0)}: "
        f"recall@{state.recall_k} {state.text_recall:.3f} for texts, {state.image_recall:.3f} for images, "
        f"{state.milliseconds:.1f} ms instead of {state.exact_milliseconds:.1f}; "
        f"{changes or 'all photos are in it'}"
    )


def _freshness(root: RootStatus, details: str) -> str:
    if not root.present:
        return "not there now (a drive that is not mounted?)"
    if root.new is None:
        return "not compared"
    changes = joined_counts(
        (root.new, "new"),
        (root.changed, "changed"),
        (root.missing, "missing"),
        (root.retry, "to try again"),
        (root.facts, "with facts to read again"),
    )
    unreadable = f"{root.unreadable:,} that cannot be looked at" if root.unreadable else ""
    if changes:
        return f"{', '.join(filter(None, (changes, unreadable)))}; to update: {hint('index')}"
    return f"up to date, but for {unreadable}; see: {details}" if unreadable else "up to date"
