"""`optimize`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from clipsearch.cli.find_index import existing_index
from clipsearch.cli.options import device_option, index_option, json_option, model_option
from clipsearch.cli.output import print_json, progress_bar, say

if TYPE_CHECKING:
    from clipsearch.analysis.optimization import OptimizeReport
    from clipsearch.store.approximate.description import Card

_KINDS = ("ivf-sq8", "ivf-pq", "ivf-rabitq", "hnsw-sq8")  # store.approximate.card.KINDS, which --help must not import


@click.command()
@index_option
@model_option("The model, where it is not to be found under the name the index remembers.")
@device_option
@click.option(
    "--recall",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.99,
    show_default=True,
    help="The share of the ten best photos of a text that must be found, on average.",
)
@click.option(
    "--max-latency", type=click.FloatRange(0, min_open=True), metavar="MS", help="The most a search may take."
)
@click.option("--max-memory", type=click.FloatRange(0, min_open=True), metavar="GB", help="The most its file may have.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(_KINDS), help="Try only these; repeatable.")
@click.option("--force", is_flag=True, help="Keep it also for few photos, or where an exact search is as quick.")
@click.option("--remove", is_flag=True, help="Take the approximate index away; all searches are exact again.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar and no summary.")
@json_option
def optimize(
    index_folder: str | None, model: str | None, device: str, recall: float, max_latency: float | None,
    max_memory: float | None, kinds: tuple[str, ...], force: bool, remove: bool, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Search a large index sooner, at the price of missing a photo now and then: an approximate index, tuned by measuring.

    Builds several kinds, measures each on 512 texts against the exact answer, and keeps the quickest that finds the share asked
    for with --recall. Scores stay exact. `query --exact` looks at all photos; so do searches with filters, --relevant or
    --diverse, and for more than 100 results. Photos added later are searched exactly until optimize runs again. Nothing in the
    index itself is changed: the file can be lost, damaged or removed at any time.

    \b
    clipsearch optimize
    clipsearch optimize --recall 0.95 --max-latency 5 --max-memory 0.5
    clipsearch optimize --remove
    """
    from clipsearch.engine import SearchEngine
    from clipsearch.store.approximate.description import KINDS

    with SearchEngine(existing_index(index_folder), model=model, device=device) as engine:
        if remove:
            there = engine.remove_approximate()
            if as_json:
                print_json({"index": str(engine.index_folder), "removed": there})
            elif not quiet:
                say(f"{'removed' if there else 'there was no approximate index'}; all searches are exact\n")
            return
        with _progress(quiet) as tell:
            report = engine.optimize(
                recall=recall,
                max_milliseconds=max_latency,
                max_bytes=None if max_memory is None else int(max_memory * 1e9),
                kinds=[kind for kind in KINDS if kind in kinds] or None,
                force=force,
                progress=tell,
            )
    if as_json:
        about = {
            "chosen": report.chosen and _about(report.chosen),
            "tried": [_about(card) for card in report.tried],
            "seconds": report.seconds,
        }
        answer = {"index": str(engine.index_folder), "images": report.images, "reason": report.reason, **about}
        print_json({**answer, "skipped": report.skipped})
    elif not quiet:
        say(_summary(report))


def _about(card: Card) -> dict[str, Any]:
    """A card in the values that JSON has, without what only the file's reader needs."""
    made = {"kind": card.shape.kind, "bytes": card.size, "effort": card.effort, "candidates": card.candidates}
    return {**made, **asdict(card.measured), "faiss": card.faiss, "made": card.made}


def _summary(report: OptimizeReport) -> str:
    from clipsearch.render.text import human_bytes

    lines = [f"{report.images:,} photos"]
    if report.exact_milliseconds is not None:
        lines[0] += f"; an exact search takes {report.exact_milliseconds:.1f} ms"
    for card in report.tried:
        mark = "*" if card == report.chosen else " "
        lines.append(f"{mark} {card.shape.kind:<10}  {_said(card)}, {human_bytes(card.size)}")
    lines += [f"  {kind:<10}  not tried: {why}" for kind, why in report.skipped.items()]
    if report.chosen:
        lines.append(
            f"searches use {report.chosen.shape.kind} from now on, after {report.seconds:.0f} s; --remove ends that"
        )
    else:
        lines.append(report.reason)
    return "".join(f"{line}\n" for line in lines)


def _said(card: Card) -> str:
    found = card.measured
    return f"{found.milliseconds:6.2f} ms, recall@{found.k} {found.text:.3f} for texts, {found.image:.3f} for images"


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A bar that says what is being done."""
    with progress_bar(**({"disable": True} if quiet else {})) as bar:
        at = ""

        def tell(what: str, done: int, total: int) -> None:
            nonlocal at
            if what != at:
                at = what
                bar.reset(total or None)
                bar.set_description(what)
            bar.update(done - bar.n)

        yield tell
