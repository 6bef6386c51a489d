"""Bar charts of counts, in text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

from clipsearch.render.text import columns, pad, printable, shorten, told_apart

_PARTS = " ▏▎▍▌▋▊▉"  # U+258F to U+2589: one to seven eighths of a cell
_BLOCK = "█"
_LEAST_BAR = 10  # cells for a bar; names are shortened before it gets less


@dataclass(frozen=True, slots=True)
class Chart:
    """A title and bars, each (name, count). `note` is a line about counts without a bar.

    `is_timeline` is True if the bars are in the order of time.
    """

    title: str
    bars: tuple[tuple[str, int], ...]
    note: str = ""
    is_timeline: bool = False


def can_draw_blocks(encoding: str | None) -> bool:
    """Whether an encoding has the block characters of bars."""
    try:
        (_PARTS + _BLOCK + "…").encode(encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True


def charts_text(charts: Sequence[Chart], width: int, *, blocks: bool = True, whole_names: bool = False) -> str:
    """Charts below each other, at most `width` terminal cells wide, or wider with `whole_names`. ASCII without `blocks`."""
    return "\n".join(_chart_text(chart, width, blocks, whole_names) for chart in charts)


def _chart_text(chart: Chart, width: int, blocks: bool, whole_names: bool) -> str:
    names = [_plain(name, blocks) for name, _ in chart.bars]
    counts = [f"{count:,}" for _, count in chart.bars]
    most = max((count for _, count in chart.bars), default=0)
    count_width = max(map(len, counts), default=0)
    name_room = max(1, min(width * 2 // 5, width - count_width - _LEAST_BAR - 4))
    if not whole_names:
        shown = told_apart({name: shorten(name, name_room) for name in names}, name_room)
        names = [shown[name] if blocks else shown[name].replace("…", "~") for name in names]
    name_width = max(map(columns, names), default=0)
    room = max(_LEAST_BAR if whole_names else 1, width - name_width - count_width - 4)
    lines = [_plain(chart.title, blocks)]
    for name, count_text, (_, count) in zip(names, counts, chart.bars, strict=True):
        bar = _bar(count / most if most else 0.0, room, blocks)
        lines.append(f"{pad(name, name_width)}  {count_text:>{count_width}}  {bar}".rstrip())
    if chart.note:
        note = _plain(chart.note, blocks)
        lines += [note] if whole_names else wrap(note, max(width, _LEAST_BAR), subsequent_indent="  ")
    return "".join(f"{line}\n" for line in lines)


def _bar(share: float, room: int, blocks: bool) -> str:
    """A bar as long as its share of the room. A share above 0 is never empty."""
    if not blocks:
        return "#" * max(round(share * room), 1 if share else 0)
    eighths = max(round(share * room * 8), 1 if share else 0)
    return (_BLOCK * (eighths // 8) + _PARTS[eighths % 8]).rstrip()


def _plain(text: str, blocks: bool) -> str:
    text = printable(text)
    return text if blocks else text.encode("ascii", "backslashreplace").decode("ascii")
