"""Labels of photos as a table for people, and as JSON for programs; nothing here prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clipsearch.render.text import printable, short_path
from clipsearch.render.width import columns, pad, shorten
from clipsearch.types import ImageRecord

_WIDEST = 28  # cells for a label


class LabelsTable:
    """Lines of one width each, so that they can be printed one by one, however many photos come."""

    def __init__(self, labels: Sequence[str], count: int, relative_to: str) -> None:
        self._width = min(max((columns(printable(label)) for label in labels), default=0), _WIDEST)
        self._count = min(count, len(labels))
        self._relative_to = relative_to

    def heading(self) -> str:
        """What the columns are."""
        return "match  " + pad("label", self._count * (self._width + 9)) + "photo\n"

    def line(self, photo: dict[str, Any]) -> str:
        """A photo, as `labels_object` gives it: its match, the likeliest labels with their probabilities, and its path."""
        cells = [
            f"{pad(shorten(printable(item['label']), self._width), self._width)}  {item['probability']:.3f}  "
            for item in photo["labels"]
        ]
        cells += [" " * (self._width + 9)] * (self._count - len(cells))
        path = printable(short_path(photo["path"], self._relative_to))
        return f"{photo['match']:.3f}  {''.join(cells)}{path}\n"


def labels_object(record: ImageRecord, match: float, best: Sequence[tuple[str, float]]) -> dict[str, Any]:
    """{"path", "match", "labels": [{"label", "probability"}, ...]}, the likeliest first. Keys are only ever added."""
    labels = [{"label": label, "probability": round(p, 8)} for label, p in best]
    return {"path": record.file.path, "match": round(match, 6), "labels": labels}


def zero_shot_table(result: dict[str, Any]) -> str:
    """The plain values of a zero-shot evaluation, in a few lines."""
    prompts = " | ".join(printable(prompt) for prompt in result["prompts"]) or "none"
    return (
        f"model {printable(result['model'])}: {result['images']:,} photos, {result['labels']:,} labels\n"
        f"prompts  {prompts}\n"
        f"top-1    {result['top1']:.4f}\n"
        f"top-5    {result['top5']:.4f}\n"
    )
