"""The output of `index --dry-run`: a line for each file, and a summary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from clipsearch._internal.commands import with_flags
from clipsearch.render.json_output import reasons_to_json
from clipsearch.render.text import counted, joined_counts, printable, short_path
from clipsearch.types import IndexPreview, SkippedFile

_WIDTH = 10  # of the column with the planned action


def preview_text(preview: IndexPreview, relative_to: str) -> str:
    """A line for each file, except unchanged indexed ones: the planned action, its path, and the reason if it is skipped."""
    lines = [
        *_lines("new", preview.new, relative_to),
        *_lines("changed", preview.changed, relative_to),
        *_lines("try again", preview.again, relative_to),
        *_lines("gone", preview.gone, relative_to),
        *_skipped_lines("leaves", preview.left_out, relative_to),
        *_skipped_lines("skipped", preview.skipped, relative_to),
    ]
    counts = joined_counts(
        (len(preview.new), "to add"),
        (len(preview.changed), "to update"),
        (len(preview.again), "to try again"),
        (len(preview.gone) + len(preview.left_out), "to remove"),
        (preview.unchanged, "unchanged"),
        (preview.known_failures, "failed before and unchanged since"),
    )
    skipped = f"; {counted(len(preview.skipped), 'entry')} skipped" if preview.skipped else ""
    lines.append(f"{counts or 'no photos found'}{skipped}. Nothing was changed")
    return "".join(f"{line}\n" for line in lines)


def skipped_table(skipped: tuple[SkippedFile, ...], relative_to: str) -> str:
    """One line for each file or folder that is skipped: its path, a tab, the reason."""
    return "".join(
        f"{printable(short_path(file.path, relative_to))}\t{printable(with_flags(file.why))}\n" for file in skipped
    )


def preview_to_json(preview: IndexPreview) -> dict[str, Any]:
    """A preview, with the reason for each file that is skipped or leaves the index."""
    return {
        "new": list(preview.new),
        "changed": list(preview.changed),
        "again": list(preview.again),
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


def _lines(happens: str, paths: tuple[str, ...], relative_to: str) -> Iterator[str]:
    for path in paths:
        yield f"{happens:<{_WIDTH}}{printable(short_path(path, relative_to))}"


def _skipped_lines(happens: str, skipped: tuple[SkippedFile, ...], relative_to: str) -> Iterator[str]:
    for file in skipped:
        yield f"{happens:<{_WIDTH}}{printable(short_path(file.path, relative_to))}  ({printable(with_flags(file.why))})"
