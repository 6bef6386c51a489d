"""Results as text and as JSON, the same in every terminal."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # `doctor` prints by this also where numpy does not load
    from clipsearch.types import Failure


def failures_table(failures: Sequence[Failure], relative_to: str) -> str:
    """One line a file: its path, a tab, the reason."""
    return "".join(
        f"{printable(short_path(failure.file.path, relative_to))}\t{printable(failure.reason)}"
        f"{' (indexed before, and kept)' if failure.kept else ''}\n"
        for failure in failures
    )


def failure_object(failure: Failure) -> dict[str, Any]:
    """A failure as JSON has it."""
    return {
        "path": failure.file.path,
        "size": failure.file.size,
        "reason": failure.reason,
        "cause": failure.cause,
        "attempts": failure.attempts,
        "kept": failure.kept,
    }


def evaluation_table(result: dict[str, Any]) -> str:
    """An evaluation's plain values as a small table."""
    columns = list(result["text_to_image"])
    lines = [
        f"model {printable(result['model'])}: {result['images']:,} photos, {result['captions']:,} captions",
        " " * 14 + "".join(f"{column.replace('_', ' '):>13}" for column in columns),
    ]
    for direction in ("text_to_image", "image_to_text"):
        values = "".join(f"{result[direction][column]:>13.4g}" for column in columns)
        lines.append(f"{direction.replace('_', ' '):<14}{values}")
    return "".join(f"{line}\n" for line in lines)


def models_table(rows: Sequence[dict[str, Any]]) -> str:
    """The models that can be used, and where each figure is from."""
    lines = [f"{'model':<44} {'here':<8} {'size':>8} {'cost':>6} {'quality':>8}  licence"]
    lines += [
        f"{row['model']:<44} {'yes' if row['available'] else 'no':<8} {human_bytes(row['bytes']):>8} "
        f"{row['relative_cost']:>5g}x {_percent(row['quality']):>8}  {row['licence']}"
        for row in rows
    ]
    lines += ["", "cost: arithmetic for one photo, relative to ViT-B/32. quality:"]
    lines += [f"  {row['model']}: {row['measure']} ({row['source']})" for row in rows]
    return "".join(f"{line}\n" for line in lines)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}%"


def to_json(value: Any) -> str:
    """JSON on one line of valid UTF-8: bytes of a file name that are not become the escapes json.loads() undoes."""
    text = json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    return text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n"


def printable(text: str) -> str:
    """A name that a terminal shows as one line and takes no orders from: what cannot be shown is escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in text)


def short_path(path: str, relative_to: str) -> str:
    """The path from a folder where it lies below it; else as it is, also where that folder is unknown: ""."""
    if not relative_to:
        return path
    prefix = relative_to.rstrip(os.sep) + os.sep
    return path[len(prefix) :] if path.startswith(prefix) else path


def percent(probability: float) -> str:
    """A probability in whole percent, which never says that something is certain."""
    return ">99%" if probability >= 0.995 else "<1%" if probability <= 0.005 else f"{probability:.0%}"


def human_bytes(count: int) -> str:
    """A size with a decimal unit and two digits or more, such as 1.5 GB."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
