"""Bar charts as text."""

import pytest

from clipsearch.render.chart import Chart, can_draw_blocks, charts_text
from clipsearch.render.text import columns

CHART = Chart("by camera", (("X100", 1200), ("Pixel 8", 600), ("a phone", 1), ("none", 0)), "3 more cameras: 7")


def test_bars_are_as_long_as_their_share_of_the_room():
    lines = charts_text([CHART], 36).splitlines()
    assert lines[0] == "by camera" and lines[-1] == "3 more cameras: 7"
    assert lines[1] == "X100     1,200  " + "█" * 20
    assert lines[2] == "Pixel 8    600  " + "█" * 10
    assert lines[3] == "a phone      1  ▏"  # very short, but visible
    assert lines[4] == "none         0"


@pytest.mark.parametrize("width", [20, 40, 79, 200])
@pytest.mark.parametrize("blocks", [True, False])
def test_lines_fit_the_terminal(width, blocks):
    names = ("x" * 300, "短い名前と長い名前" * 9, "a\nb", "e\u0301" * 50, "")
    chart = Chart("by folder", tuple((name, 12_345_678) for name in names))
    lines = charts_text([chart], width, blocks=blocks).splitlines()
    assert len(lines) == 6 and all(columns(line) <= width for line in lines)
    assert blocks or charts_text([chart], width, blocks=False).isascii()


def test_whole_names_are_not_shortened_and_leave_room_for_bars():
    name = "Marrakesh, Marrakesh-Safi, Morocco, and a longer name"
    (_, line) = charts_text([Chart("by place", ((name, 34),))], 40, whole_names=True).splitlines()
    assert line == f"{name}  34  {'█' * 10}"


def test_ascii_draws_with_ascii():
    text = charts_text([CHART, Chart("by year", (("2024", 3),))], 60, blocks=False)
    assert "#" in text and "█" not in text and "\n\nby year\n" in text


def test_blocks_are_drawn_where_the_encoding_has_them():
    assert can_draw_blocks("utf-8") and can_draw_blocks("UTF-16")
    assert not can_draw_blocks("ascii") and not can_draw_blocks("latin-1") and not can_draw_blocks("cp1252")
    assert not can_draw_blocks(None) and not can_draw_blocks("no such encoding")


def test_no_bars_are_no_error():
    assert charts_text([Chart("by year", (), "without a date: 7")], 80) == "by year\nwithout a date: 7\n"
    note = "1,234 more places: 5,678; without a place: 910"
    chart = Chart("by place", (("Paris", 3),), note)
    assert charts_text([chart], 40).splitlines()[2:] == ["1,234 more places: 5,678; without a", "  place: 910"]
    assert charts_text([chart], 40, whole_names=True).splitlines()[2:] == [note]
    assert charts_text([], 80) == ""
