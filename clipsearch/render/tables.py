"""Hits, labels, failures, models and evaluations as tables for a terminal. Nothing here prints."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

from clipsearch.render.failure_advice import advice_for, age_of
from clipsearch.render.grouping import GroupBy, group_title, grouped
from clipsearch.render.text import (
    columns,
    cosine,
    counted,
    day,
    found_words,
    human_bytes,
    pad,
    paragraphs,
    percent,
    printable,
    short_path,
    shorten,
    shorten_path,
    titled,
    told_apart,
)
from clipsearch.types import Failure, Hit

_BOLD, _DIM, _GREEN, _CYAN = "1", "2", "32", "36"  # ECMA-48, select graphic rendition
_STYLES = {"#": _DIM, "score": _CYAN, "match": _GREEN, "day": _DIM, "found by": _DIM, "photo": "", "caption": _DIM}
_LEAST_ROOM = 16  # cells for a path or a caption; other columns are left out before it gets less
_LABEL_WIDTH = 28  # cells for a label, at most
_LABEL = "label"  # the heading above labels
_MATCH_WIDTH = 9  # cells for its match, with two before and after it


def hits_table(
    hits: Sequence[Hit],
    relative_to: str,
    *,
    width: int | None = None,
    colours: bool = False,
    heading: bool = False,
    group_by: GroupBy | None = None,
) -> str:
    """One line for each hit: rank, score, match, day, what has found it, path relative to a folder, and caption.

    If words were looked for, the text that has them stands in place of the caption. Columns that are empty for every hit are
    left out. With a `width`, lines take at most so many terminal cells, and paths and captions are shortened in the middle.
    `colours` adds escape sequences. Groups are in the order of their first hits.
    """
    if not hits:
        return ""
    rows = [_row(hit, relative_to, group_by) for hit in hits]
    table = _HitsTable(rows, width, colours, heading, indent=2 if group_by else 0)
    lines = [table.line({name: name for name in table.shown}, dim=True)] if heading else []
    groups = grouped(hits, group_by)
    titles = {group: group_title(group, relative_to) for group in groups} if group_by else {}
    shown = {} if width is None else told_apart({title: shorten(title, width) for title in titles.values()}, width)
    for group, members in groups.items():
        if group_by:
            lines.append(_styled(shown.get(titles[group], titles[group]), _BOLD, colours) + "\n")
        lines += [table.line(_row(hit, relative_to, group_by)) for hit in members]
    return "".join(lines)


class _HitsTable:
    """Which columns are shown, and how wide they are."""

    def __init__(
        self, rows: Sequence[dict[str, str]], width: int | None, colours: bool, heading: bool, indent: int
    ) -> None:
        self._colours = colours
        self._indent = " " * indent
        self._limits: dict[str, int] = {}
        self.shown = [name for name in rows[0] if name in ("#", "photo") or any(row[name] for row in rows)]
        self._widths = {
            name: max(columns(row[name]) for row in [*rows, *([{name: name}] if heading else [])])
            for name in self.shown
        }
        self._photos: dict[str, str] = {}  # how their titles are shown, if the width is limited
        if width is not None:
            self._fit(width - indent)
            room = self._limits["photo"]
            self._photos = told_apart({row["photo"]: shorten(row["photo"], room) for row in rows}, room)

    def _fit(self, width: int) -> None:
        """Leave out what has no room: first the day, then what has found it, the match, and the caption."""

        def room() -> int:
            return width - sum(self._widths[name] + 2 for name in self.shown if name not in ("photo", "caption"))

        for spare in ("day", "found by", "match"):
            if room() < _LEAST_ROOM and spare in self.shown:
                self.shown.remove(spare)
        for_path = max(room(), 1)
        if "caption" in self.shown:
            shared = min(self._widths["photo"], for_path // 2)
            if for_path - shared - 2 >= _LEAST_ROOM:
                self._limits["caption"] = for_path - shared - 2
                for_path = shared
            else:
                self.shown.remove("caption")
        self._limits["photo"] = for_path

    def line(self, row: dict[str, str], *, dim: bool = False) -> str:
        """A row as a line."""
        cells = []
        for name in self.shown:
            text = shorten(row[name], self._limits[name]) if name in self._limits else row[name]
            if name == "photo":
                text = self._photos.get(row[name], text)
            if name == "caption" and not text:
                continue
            if name == "photo" and "caption" in self.shown and row["caption"]:
                text = pad(text, self._limits.get(name, self._widths[name]))
            elif name in ("day", "found by"):
                text = pad(text, self._widths[name])
            elif name not in ("photo", "caption"):
                text = " " * (self._widths[name] - columns(text)) + text
            cells.append(_styled(text, _DIM if dim else _STYLES[name], self._colours))
        return self._indent + "  ".join(cells) + "\n"


def _row(hit: Hit, relative_to: str, group_by: GroupBy | None) -> dict[str, str]:
    """A hit's cells. What the heading of its group says is not repeated."""
    path = hit.record.file.name if group_by == "folder" else short_path(hit.path, relative_to)
    return {
        "#": str(hit.rank),
        "score": cosine(hit.score) and f"{hit.score:7.4f}",  # with room for a sign
        "match": percent(hit.match),
        "day": "" if group_by == "day" else day(hit.record.info.taken_at),
        "found by": "both" if len(hit.found_by) > 1 else "".join(hit.found_by),
        "photo": titled(path, hit),
        "caption": found_words(hit) or printable(hit.record.info.caption or ""),
    }


def _styled(text: str, style: str, colours: bool) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if colours and style and text else text


class LabelsTable:
    """Labels of photos. Column widths depend only on the labels, so that lines can be printed one by one.

    If a line would take more than `width` terminal cells, the labels of a photo stand on a line of their own.
    """

    def __init__(self, labels: Sequence[str], count: int, relative_to: str, width: int | None = None) -> None:
        widest = max((columns(printable(label)) for label in labels), default=0)
        # On a terminal, the columns have a heading.
        self._width = widest if width is None else min(max(widest, len(_LABEL)), _LABEL_WIDTH)
        self._count = min(count, len(labels))
        self._relative_to = relative_to
        room = 0 if width is None else width - self._count * (self._width + _MATCH_WIDTH)
        self._line_width = width if room < _LEAST_ROOM else None
        self._room = None if width is None else room  # cells for a path
        self._shortened: dict[str, str] = {}  # what was printed, and the path that it stands for

    def heading(self) -> str:
        """The names of the columns."""
        if self._line_width is not None:
            return ""
        return (pad(_LABEL, self._width) + "  match  ") * self._count + "photo\n"

    def line(self, photo: dict[str, Any]) -> str:
        """One photo, as `labels_to_json` gives it: its labels with their matches, its path."""
        cells = [
            f"{pad(shorten(printable(item['label']), self._width), self._width)}  {percent(item['match']):>5}  "
            for item in photo["labels"]
        ]
        cells += [" " * (self._width + _MATCH_WIDTH)] * (self._count - len(cells))
        path = printable(short_path(photo["path"], self._relative_to))
        if self._line_width is not None:
            return self._two_lines(photo, path, self._line_width)
        if self._room is not None:
            path = self._fitted(path, self._room)
        return f"{''.join(cells)}{path}\n"

    def _fitted(self, path: str, width: int) -> str:
        """The path in at most `width` cells; whole if the line of another photo reads the same."""
        text = shorten_path(path, width)
        return text if text == path or self._shortened.setdefault(text, path) == path else path

    def _two_lines(self, photo: dict[str, Any], path: str, width: int) -> str:
        labels = ", ".join(f"{printable(item['label'])} {percent(item['match'])}" for item in photo["labels"])
        return f"{self._fitted(path, width)}\n{shorten(f'  {labels}', width)}\n"


def failures_table(failures: Sequence[Failure], relative_to: str, terminal: int | None = None) -> str:
    """One line for each file: its path, a tab, the reason, the cause, how long it has been so, and what to do.

    On a `terminal` that is too narrow for one of the lines, each file has a paragraph.
    """
    lines = [_failure_line(failure, relative_to) for failure in failures]
    return "".join(f"{line}\n" for line in paragraphs(lines, terminal))


def _failure_line(failure: Failure, relative_to: str) -> str:
    kept = " (indexed before, and kept)" if failure.kept and failure.cause != "incomplete" else ""
    cause = ", ".join(filter(None, (failure.cause, age_of(failure))))
    path = short_path(failure.file.path, relative_to)
    return f"{printable(path)}\t{printable(failure.reason)}{kept} ({cause}): {advice_for(failure)}"


def evaluation_table(result: dict[str, Any]) -> str:
    """The result of an evaluation with captions, from `RetrievalResult.to_json`."""
    names = list(result["text_to_image"])
    lines = [
        f"model {printable(result['model'])}: {counted(result['images'], 'photo')}, {counted(result['captions'], 'caption')}",
        " " * 14 + "".join(f"{name.replace('_', ' '):>13}" for name in names),
    ]
    for direction in ("text_to_image", "image_to_text"):
        values = "".join(f"{result[direction][name]:>13.4g}" for name in names)
        lines.append(f"{direction.replace('_', ' '):<14}{values}")
    return "".join(f"{line}\n" for line in lines)


def zero_shot_table(result: dict[str, Any]) -> str:
    """The result of a zero-shot evaluation with labels."""
    prompts = " | ".join(printable(prompt) for prompt in result["prompts"]) or "none"
    return (
        f"model {printable(result['model'])}: {counted(result['images'], 'photo')}, {counted(result['labels'], 'label')}\n"
        f"prompts  {prompts}\n"
        f"top-1    {result['top1']:.4f}\n"
        f"top-5    {result['top5']:.4f}\n"
    )


def models_table(rows: Sequence[dict[str, Any]], terminal: int | None = None) -> str:
    """The models to choose from, with what the columns mean. On a `terminal` that is too narrow, each has a paragraph."""
    from clipsearch.encoders.recommended import REFERENCE_MODEL  # the start of other commands does without it

    width = max(len(row["model"]) for row in rows)
    lines = [f"{'model':<{width}}  here  {'size':>7}  {'speed':>6}  recall  {'German':>6}  {'licence':<19}  good for"]
    lines += [
        f"{row['model']:<{width}}  {'yes' if row['available'] else 'no':<4}  {human_bytes(row['bytes']):>7}  "
        f"{_speed(row):>6}  {_percent(row['recall_coco']):>6}  {_percent(row['recall_german']):>6}  "
        f"{row['licence']:<19}  {row['good_for']}"
        for row in rows
    ]
    if terminal is not None and max(map(len, lines)) > terminal:
        lines = [line for row in rows for line in _model_lines(row, terminal)]
    is_measured = any(row["photos_per_second"] for row in rows)
    about = [
        f"New indexes use {next(row['model'] for row in rows if row['is_default'])}, if it is here or the hub answers.",
        f"speed: pictures a second, compared with {REFERENCE_MODEL}; ~ is estimated by the arithmetic"
        + ("." if is_measured else ", and `clipsearch models --measure` measures it here."),
        "recall: how often a COCO caption finds its own photo first, among 5,000, in percent.",
        "German: the mean of the recalls at 1, 5 and 10 on Crossmodal-3600, in percent.",
        "Sources, and what runs each model: docs/models.md.",
    ]
    lines += ["", *(about if terminal is None else [part for line in about for part in wrap(line, terminal)])]
    return "".join(f"{line}\n" for line in lines)


def _model_lines(row: dict[str, Any], width: int) -> list[str]:
    """A model as a paragraph: its name, and what the table says of it."""
    here = "here" if row["available"] else f"not here, {human_bytes(row['bytes'])}"
    values = f"speed {_speed(row)}, recall {_percent(row['recall_coco'])}, German {_percent(row['recall_german'])}"
    about = f"{row['good_for']}; {here}; {values}; {row['licence']}"
    return [row["model"], *wrap(about, width, initial_indent="  ", subsequent_indent="  ")]


def _speed(row: dict[str, Any]) -> str:
    return f"{'' if row['photos_per_second'] else '~'}{row['relative_speed']:.2g}x"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
