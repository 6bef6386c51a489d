"""A picture as coloured half-blocks, for Rich and Textual."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image
from rich.color import Color
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style

from clipsearch.terminal.graphics import HALF_BLOCK, cell_runs


class Drawing:
    """A picture that Rich prints, two pixels a cell.

    A `rich.text.Text` of it takes three times as long to show: it has a span for nearly every cell.
    """

    def __init__(self, picture: Image.Image) -> None:
        self._width = picture.width
        self._segments = list(_segments(picture))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        return self._segments

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(self._width, self._width)


def _segments(picture: Image.Image) -> Iterator[Segment]:
    for runs in cell_runs(picture, all_colours=True):
        for upper, lower, cells in runs:
            yield Segment(HALF_BLOCK * cells, Style.from_color(_colour(upper), _colour(lower)))
        yield Segment.line()


def _colour(code: int) -> Color:
    return Color.from_rgb(code >> 16, code >> 8 & 255, code & 255)
