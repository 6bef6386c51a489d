"""`clipsearch verify`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from clipsearch.cli.choose_index import existing_index
from clipsearch.cli.command import command
from clipsearch.cli.exit_status import ExitStatus
from clipsearch.cli.hints import completed, hint
from clipsearch.cli.options import index_option, json_option
from clipsearch.cli.output import broken_at_words, print_report
from clipsearch.cli.progress import ProgressBar
from clipsearch.render.text import counted, human_bytes, printable

if TYPE_CHECKING:
    from clipsearch.store.verify import Damage, Verified

_MOST_SHOWN = 20  # damages, and lost photos, that are printed; --json has all


@command()
def verify(index_folder: str | None = index_option, as_json: bool = json_option) -> int:
    """Read everything in an index and compare it with its checksums. Changes nothing.

    \b
    clipsearch verify
    clipsearch verify --json

    Exit status: 0 all is as it was written; 4 something is damaged.
    """
    from clipsearch.store.verify import verify as verify_index

    folder = existing_index(index_folder)
    with ProgressBar(unit="B", unit_scale=True) as bar:
        report = verify_index(folder, bar.show)
    if report.damages:
        damaged = f"the index at {printable(str(folder))} is damaged{_what_helps(report)}\n"
        text = damages_text(report.damages) + broken_at_words(damaged, sys.stdout)
    else:
        content = f"{counted(report.images, 'photo')} and {counted(report.segments, 'segment')}"
        text = f"{content} ({human_bytes(report.bytes_read)}) are as they were written\n"
    value = {"index": str(folder), **asdict(report), "clean": not report.damages}
    print_report(as_json, value, text, summary=not report.damages)
    return ExitStatus.DAMAGED if report.damages else ExitStatus.OK


def _what_helps(report: Verified) -> str:
    if all(damage.advice for damage in report.damages):
        return " in a file that no command can make again"
    if report.readable:
        return f"; to keep all that is good: {hint('repair')}"
    return f", and nothing of it can be kept. {completed(report.advice)}" if report.advice else ""


def damages_text(damages: Sequence[Damage]) -> str:
    """A line for each damage, up to a limit, with what to do if that is special to it."""
    lines = [f"{damage.where}: {damage.what}{f'; {damage.advice}' if damage.advice else ''}" for damage in damages]
    return broken_at_words(first_lines(lines), sys.stdout)


def first_lines(texts: Sequence[str], indent: str = "") -> str:
    """The first texts, a line each, and how many more there are."""
    lines = [printable(text) for text in texts[:_MOST_SHOWN]]
    if len(texts) > _MOST_SHOWN:
        lines.append(f"and {len(texts) - _MOST_SHOWN:,} more; --json lists all")
    return "".join(f"{indent}{line}\n" for line in lines)
