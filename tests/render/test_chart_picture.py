"""Bar charts as a PNG."""

import io

import numpy as np
import pytest
from PIL import Image

from clipsearch.errors import ClipsearchError
from clipsearch.render.chart import Chart
from clipsearch.render.chart_picture import charts_png, save_png

BLUE = (61, 111, 168)
YEARS = Chart("by year", tuple((str(2000 + n), n * n) for n in range(25)), "without a date: 12", is_timeline=True)
CAMERAS = Chart("by camera", (("X100", 400), ("短い名前", 200), ("x" * 200, 0)))


def picture(*charts):
    image = Image.open(io.BytesIO(charts_png("12 photos", "50% with a date", charts)))
    assert image.format == "PNG" and image.width == 1600
    return image.convert("RGB")


def is_blue(image):
    """A mask (height, width) of the pixels that belong to a bar."""
    return (np.asarray(image) == BLUE).all(axis=2)


def test_bars_are_as_long_as_their_counts():
    lengths = np.unique(is_blue(picture(CAMERAS)).sum(axis=1))
    assert len(lengths) == 3 and lengths[0] == 0  # 0: gaps, and bars without photos
    assert lengths[2] == pytest.approx(2 * lengths[1], rel=0.02)


def test_a_timeline_takes_the_whole_width_and_others_half_of_it():
    assert is_blue(picture(YEARS))[:, 1200:].any()
    assert not is_blue(picture(CAMERAS))[:, 820:].any()
    assert is_blue(picture(CAMERAS, CAMERAS))[:, 820:].any()


@pytest.mark.parametrize("charts", [(), (Chart("by year", (), "nothing"),), (Chart("by x", (("a", 0),)),)])
def test_nothing_to_draw_is_drawn(charts):
    assert picture(*charts).height > 100


def test_a_timeline_without_any_photo_is_drawn():
    assert picture(Chart("by year", (("2000", 0), ("2001", 0)), is_timeline=True)).height > 300


def test_long_timelines_and_large_numbers_are_drawn():
    months = tuple((f"{1800 + n // 12}-{n % 12 + 1:02}", 10**9 + n) for n in range(2400))
    assert picture(Chart("by month", months, is_timeline=True)).height > 300


def test_a_file_is_only_replaced_when_told_to(tmp_path):
    path = tmp_path / "a.png"
    save_png(b"one", path)
    with pytest.raises(ClipsearchError, match="there already; `force=True`"):
        save_png(b"two", path)
    assert path.read_bytes() == b"one"
    save_png(b"two", path, force=True)
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]


def test_where_nothing_can_be_written_is_told_in_a_sentence(tmp_path):
    with pytest.raises(ClipsearchError, match="is a folder"):
        save_png(b"", tmp_path)
    with pytest.raises(ClipsearchError, match="no folder"):
        save_png(b"", tmp_path / "nowhere" / "a.png")
