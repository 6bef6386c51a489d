"""The preview of `browse`, drawn by Rich."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.conftest import PHOTOS
from tests.terminal.test_graphics import from_blocks

pytest.importorskip("rich", reason="needs rich, which is not installed")

from rich.console import Console
from rich.measure import Measurement

from clipsearch.terminal.drawing import Drawing


@pytest.mark.parametrize("height", [1, 106, 107])
def test_every_pixel_is_drawn(height):
    picture = Image.open(PHOTOS / "coffee.jpg").convert("RGB").resize((160, 107)).crop((0, 0, 160, height))
    screen = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", width=200, legacy_windows=False)
    screen.print(Drawing(picture))
    lines = screen.file.getvalue().splitlines()
    assert len(lines) == (height + 1) // 2
    assert np.array_equal(from_blocks(lines)[:height], np.asarray(picture))


def test_equal_cells_are_one_segment_as_wide_as_the_picture():
    screen, drawing = Console(), Drawing(Image.new("RGB", (40, 6), "red"))
    assert [segment.text for segment in screen.render(drawing)] == ["\u2580" * 40, "\n"] * 3
    assert Measurement.get(screen, screen.options, drawing) == (40, 40)
