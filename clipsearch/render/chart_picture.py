"""Bar charts of counts, as a PNG: timelines over the whole width, other charts in two columns below."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from clipsearch._internal.atomic_files import require_suffix
from clipsearch.images.outputs import replacing_outputs, require_output
from clipsearch.images.own_pictures import mark
from clipsearch.images.thumbnails import encoded
from clipsearch.render.chart import Chart
from clipsearch.render.fonts import choose_font, drawable, fit

_WIDTH = 1600
_MARGIN, _GAP = 64, 56  # pixels, around everything and between charts
_TEXT, _ROW, _BAR = 22, 42, 24  # font size; height of a row and of its bar
_TITLE = 34
_PLOT = 260  # height of a timeline's highest column
_TOP = _MARGIN + _TITLE + 40 + _GAP  # of the first chart
_HEAD = 60  # from a chart's top to its first bar
_PAPER, _INK, _FAINT, _LINE, _FILL = "#ffffff", "#1f2328", "#6b7280", "#e5e7eb", "#3d6fa8"


def charts_png(title: str, subtitle: str, charts: Sequence[Chart]) -> bytes:
    """Charts as a PNG, 1,600 pixels wide and as high as needed."""
    placed = list(_placed([chart for chart in charts if chart.bars]))
    height = max((y + _height(chart) for chart, (_, y, _) in placed), default=_TOP) + _MARGIN
    picture = Image.new("RGB", (_WIDTH, height), _PAPER)
    draw = ImageDraw.Draw(picture)
    _write(draw, (_MARGIN, _MARGIN + _TITLE), drawable(title), _TITLE, _INK, _WIDTH - 2 * _MARGIN, bold=True)
    _write(draw, (_MARGIN, _MARGIN + _TITLE + 40), drawable(subtitle), _TEXT, _FAINT, _WIDTH - 2 * _MARGIN)
    for chart, (x, y, width) in placed:
        _write(draw, (x, y + _TEXT), drawable(chart.title), 24, _INK, width, bold=True)
        (_draw_timeline if chart.is_timeline else _draw_rows)(draw, chart, x, y + _HEAD, width)
        if chart.note:
            _write(draw, (x, y + _height(chart) - 4), drawable(chart.note), 19, _FAINT, width)
    return encoded(picture, "PNG", optimize=True, **mark("PNG"))


def check_png(path: str | os.PathLike[str], *, force: bool) -> None:
    """QueryError if charts cannot be written: another suffix, no folder, a photo, or a file that exists."""
    path = Path(path)
    require_suffix(path, (".png",), "charts must be a .png file")
    require_output(path, force=force)


def save_png(data: bytes, path: str | os.PathLike[str], *, force: bool = False) -> None:
    """Write a picture, whole or not at all. QueryError for a photo, or if the file exists, unless `force`."""
    with replacing_outputs([Path(path)], force=force) as (unfinished,):
        unfinished.write_bytes(data)


def _placed(charts: Sequence[Chart]) -> Iterator[tuple[Chart, tuple[int, int, int]]]:
    """Each chart with its left, top and width: timelines first, then the others in two columns."""
    y = _TOP
    for chart in charts:
        if chart.is_timeline:
            yield chart, (_MARGIN, y, _WIDTH - 2 * _MARGIN)
            y += _height(chart) + _GAP
    width = (_WIDTH - 2 * _MARGIN - _GAP) // 2
    ends = [y, y]
    for chart in charts:
        if not chart.is_timeline:
            column = ends.index(min(ends))
            yield chart, (_MARGIN + column * (width + _GAP), ends[column], width)
            ends[column] += _height(chart) + _GAP


def _height(chart: Chart) -> int:
    body = _PLOT + 44 if chart.is_timeline else _ROW * len(chart.bars)
    return _HEAD + body + (36 if chart.note else 0)


def _draw_rows(draw: ImageDraw.ImageDraw, chart: Chart, x: int, y: int, width: int) -> None:
    """Horizontal bars with names before and counts after them."""
    most = max(1, *(count for _, count in chart.bars))
    names = [fit(drawable(name), _TEXT, width * 0.42) for name, _ in chart.bars]
    name_width = max(font.getlength(name) for font, name in names) + 18
    count_font = choose_font("0123456789,", 20)
    room = width - name_width - max(count_font.getlength(f"{count:,}") for _, count in chart.bars) - 12
    for row, ((font, name), (_, count)) in enumerate(zip(names, chart.bars, strict=True)):
        middle = y + row * _ROW + _BAR / 2
        end = x + name_width + (max(2.0, room * count / most) if count else 0)
        draw.text((x, middle), name, _INK, font, anchor="lm")
        if count:
            draw.rectangle((x + name_width, middle - _BAR / 2, end, middle + _BAR / 2), _FILL)
        draw.text((end + 10, middle), f"{count:,}", _FAINT, count_font, anchor="lm")


def _draw_timeline(draw: ImageDraw.ImageDraw, chart: Chart, x: int, y: int, width: int) -> None:
    """Columns with a scale, and as many of their names as fit."""
    most = max(1, *(count for _, count in chart.bars))
    step = _round_step(most)
    top = step * math.ceil(most / step)
    font = choose_font("0123456789,-", 19)
    left = x + font.getlength(f"{top:,}") + 16
    bottom = y + _PLOT
    for value in range(0, top + 1, step):
        level = bottom - _PLOT * value / top
        draw.line((left, level, x + width, level), _LINE, 2)
        draw.text((left - 12, level), f"{value:,}", _FAINT, font, anchor="rm")
    pitch = (x + width - left) / len(chart.bars)
    column = min(max(pitch * 0.76, 1.0), 72.0)
    every = math.ceil((max(font.getlength(name) for name, _ in chart.bars) + 16) / pitch)
    for place, (name, count) in enumerate(chart.bars):
        middle = left + (place + 0.5) * pitch
        if count:
            level = bottom - max(2.0, _PLOT * count / top)
            draw.rectangle((middle - column / 2, level, middle + column / 2, bottom), _FILL)
        if place % every == 0:
            draw.text((middle, bottom + 12), name, _FAINT, font, anchor="mt")


def _round_step(most: int) -> int:
    """The smallest step of 1, 2 or 5 times a power of ten that gives a scale of at most five steps."""
    steps = (factor * 10**exponent for exponent in itertools.count() for factor in (1, 2, 5))
    step: int = next(step for step in steps if 5 * step >= most)
    return step


def _write(
    draw: ImageDraw.ImageDraw,
    corner: tuple[float, float],
    text: str,
    size: int,
    colour: str,
    width: float,
    *,
    bold: bool = False,
) -> None:
    """A line of text, shortened to the width. `corner` is the left end of its base line."""
    font, shown = fit(text, size, width)
    draw.text(corner, shown, colour, font, anchor="ls", stroke_width=size / 45 if bold else 0, stroke_fill=colour)
