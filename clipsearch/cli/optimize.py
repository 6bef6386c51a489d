"""`clipsearch optimize`."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from clipsearch.cli.choose_index import open_engine
from clipsearch.cli.command import command, flag, option
from clipsearch.cli.options import device_option, index_option, json_option, model_option
from clipsearch.cli.output import print_report
from clipsearch.cli.progress import ProgressBar
from clipsearch.render.text import counted, human_bytes

if TYPE_CHECKING:
    from clipsearch.analysis.optimization import OptimizeReport
    from clipsearch.store.approximate.info import ApproximateInfo, Kind

# store.approximate.info.KINDS, which --help must not import
_KINDS: tuple[Kind, ...] = ("ivf-sq8", "ivf-pq", "ivf-rabitq", "hnsw-sq8")
_limit = partial(option, type=click.FloatRange(0, min_open=True))


@command()
def optimize(
    recall: float = option(
        "--recall",
        "R",
        "The share of a text's ten best photos to find, on average.",
        type=click.FloatRange(0, 1, min_open=True),
        default=0.99,
        show_default=True,
    ),
    max_latency: float | None = _limit("--max-latency", "MS", "Time limit for a search."),
    max_memory: float | None = _limit("--max-memory", "GB", "Size limit for the file."),
    kinds: tuple[Kind, ...] = option(
        "--kind kinds",
        "KIND",
        f"Try only {', '.join(_KINDS[:-1])} or {_KINDS[-1]}; repeatable.",
        multiple=True,
        type=click.Choice(_KINDS),
    ),
    force: bool = flag("--force", "Keep it even if there are few photos, or an exact search is as fast."),
    remove: bool = flag("--remove", "Remove the approximate index; all searches are exact again."),
    index_folder: str | None = index_option,
    model: str | None = model_option(),
    device: str = device_option,
    as_json: bool = json_option,
) -> None:
    """Make searches of a large index faster, which may miss a photo now and then: an approximate index, tuned by measuring.

    \b
    clipsearch optimize
    clipsearch optimize --recall 0.95 --max-latency 5 --max-memory 0.5
    clipsearch optimize --remove

    Builds several kinds, measures each on 512 texts against the exact answer, and keeps the fastest that reaches --recall.
    Scores stay exact. `query --exact` searches all photos; so do searches with filters, --relevant or --diverse, and searches
    for more than 100 results. Photos added later are searched exactly until optimize runs again. The index itself does not
    change: the new file can be lost, damaged or removed at any time.
    """
    with open_engine(index_folder, model=model, device=device) as engine:
        if remove:
            removed = engine.remove_approximate()
            text = f"{'removed' if removed else 'there was no approximate index'}; all searches are exact\n"
            print_report(as_json, {"index": str(engine.index_folder), "removed": removed}, text, summary=True)
            return
        with ProgressBar(unit="") as bar:
            report = engine.optimize(
                recall=recall,
                max_milliseconds=max_latency,
                max_bytes=None if max_memory is None else int(max_memory * 1e9),
                kinds=[kind for kind in _KINDS if kind in kinds] or None,
                force=force,
                progress=lambda stage, done, total: bar.show(done, total, stage=stage),
            )
    value = {
        "index": str(engine.index_folder),
        "images": report.images,
        "reason": report.reason,
        "chosen": report.chosen and _about(report.chosen),
        "tried": [_about(card) for card in report.tried],
        "seconds": report.seconds,
        "skipped": report.skipped,
    }
    print_report(as_json, value, _summary(report), summary=True)


def _about(card: ApproximateInfo) -> dict[str, Any]:
    """An approximate index as JSON."""
    made = {"kind": card.shape.kind, "bytes": card.size, "effort": card.effort, "candidates": card.candidates}
    return {**made, **asdict(card.measured), "faiss": card.faiss, "made": card.made}


def _summary(report: OptimizeReport) -> str:
    lines = [counted(report.images, "photo")]
    if report.exact_milliseconds is not None:
        lines[0] += f"; an exact search takes {report.exact_milliseconds:.1f} ms"
    for card in report.tried:
        mark = "*" if card == report.chosen else " "
        measured = card.measured
        recall = f"recall@{measured.k} {measured.text:.3f} for texts, {measured.image:.3f} for images"
        figures = f"{measured.milliseconds:6.2f} ms, {recall}, {human_bytes(card.size)}"
        lines.append(f"{mark} {card.shape.kind:<10}  {figures}")
    lines += [f"  {kind:<10}  not tried: {reason}" for kind, reason in report.skipped.items()]
    if report.chosen:
        lines.append(
            f"searches use {report.chosen.shape.kind} from now on, after {report.seconds:.0f} s; --remove undoes this"
        )
    else:
        lines.append(report.reason)
    return "".join(f"{line}\n" for line in lines)
