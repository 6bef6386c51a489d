"""The output of `index --dry-run`: a line for each file, and a summary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import wrap
from typing import Any

from clipsearch._internal.commands import with_flags
from clipsearch.render.json_output import reasons_to_json
from clipsearch.render.text import (
    columns,
    counted,
    joined_counts,
    paragraphs,
    printable,
    short_path,
    shorten_path,
    told_apart,
)
from clipsearch.types import IndexPreview, SkippedFile

_WIDTH = 10  # of the column with the planned action


def preview_text(preview: IndexPreview, relative_to: str, terminal: int | None = None) -> str:
    """A line for each file, except unchanged indexed ones: the planned action, its path, and the reason if it is skipped.

    On a `terminal` that is too narrow for one, the path is shortened in the middle, and the reason is below it.
    """
    lines = [
        *_lines("new", preview.new, relative_to, terminal),
        *_lines("changed", preview.changed, relative_to, terminal),
        *_lines("try again", preview.again, relative_to, terminal),
        *_lines("facts", preview.facts, relative_to, terminal),
        *_lines("gone", preview.gone, relative_to, terminal),
        *_skipped_lines("leaves", preview.left_out, relative_to, terminal),
        *_skipped_lines("skipped", preview.skipped, relative_to, terminal),
    ]
    counts = joined_counts(
        (len(preview.new), "to add"),
        (len(preview.changed), "to update"),
        (len(preview.again), "to try again"),
        (len(preview.facts), "with facts to read again"),
        (len(preview.gone) + len(preview.left_out), "to remove"),
        (preview.unchanged, "unchanged"),
        (preview.known_failures, "failed before and unchanged since"),
    )
    skipped = f"; {counted(len(preview.skipped), 'entry')} skipped" if preview.skipped else ""
    lines.append(f"{counts or 'no photos found'}{skipped}. Nothing was changed")
    return "".join(f"{line}\n" for line in lines)


def skipped_table(skipped: tuple[SkippedFile, ...], relative_to: str, terminal: int | None = None) -> str:
    """One line for each file or folder that is skipped: its path, a tab, the reason.

    On a `terminal` that is too narrow for one of the lines, each has a paragraph.
    """
    lines = [f"{printable(short_path(file.path, relative_to))}\t{printable(with_flags(file.why))}" for file in skipped]
    return "".join(f"{line}\n" for line in paragraphs(lines, terminal))


def preview_to_json(preview: IndexPreview) -> dict[str, Any]:
    """A preview, with the reason for each file that is skipped or leaves the index."""
    return {
        "new": list(preview.new),
        "changed": list(preview.changed),
        "again": list(preview.again),
        "facts": list(preview.facts),
        "gone": list(preview.gone),
        "left_out": [skipped_to_json(file) for file in preview.left_out],
        "skipped": [skipped_to_json(file) for file in preview.skipped],
        "unreadable": reasons_to_json(preview.unreadable),
        "unchanged": preview.unchanged,
        "known_failures": preview.known_failures,
        "refusal": preview.refusal and with_flags(preview.refusal),
    }


def skipped_to_json(file: SkippedFile) -> dict[str, str]:
    """A file or folder that is skipped."""
    return {"path": file.path, "reason": file.reason, "why": with_flags(file.why)}


def _lines(happens: str, paths: tuple[str, ...], relative_to: str, terminal: int | None) -> Iterator[str]:
    shown = {path: printable(short_path(path, relative_to)) for path in paths}
    fitted = _fitted(shown.values(), terminal)
    for path in paths:
        yield f"{happens:<{_WIDTH}}{fitted[shown[path]]}"


def _skipped_lines(
    happens: str, skipped: tuple[SkippedFile, ...], relative_to: str, terminal: int | None
) -> Iterator[str]:
    shown = [printable(short_path(file.path, relative_to)) for file in skipped]
    fitted = _fitted(shown, terminal)
    for file, path in zip(skipped, shown, strict=True):
        why = f"({printable(with_flags(file.why))})"
        line = f"{happens:<{_WIDTH}}{path}  {why}"
        if terminal is None or columns(line) <= terminal:
            yield line
        else:
            yield f"{happens:<{_WIDTH}}{fitted[path]}"
            yield from wrap(why, terminal, initial_indent=" " * _WIDTH, subsequent_indent=" " * _WIDTH)


def _fitted(paths: Iterable[str], terminal: int | None) -> dict[str, str]:
    """How each path is shown on a terminal, beside the planned action."""
    if terminal is None:
        return {path: path for path in paths}
    room = terminal - _WIDTH
    return told_apart({path: shorten_path(path, room) for path in paths}, room)
