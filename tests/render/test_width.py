"""Room on a terminal."""

import unicodedata

import pytest

from clipsearch.render.width import columns, pad, shorten


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("photo.jpg", 9), ("café", 4), (unicodedata.normalize("NFD", "café"), 4), ("東京.jpg", 8), ("\uff21\uff22", 4),
        ("한글", 4), (unicodedata.normalize("NFD", "한글"), 4), ("😀", 2), ("", 0),
    ],
)  # fmt: skip
def test_columns(text, width):
    assert columns(text) == width
    assert columns(pad(text, 12)) == 12


def test_a_short_text_stays_as_it_is():
    assert shorten("a/b.jpg", 7) == "a/b.jpg"


def test_a_long_text_keeps_its_beginning_and_more_of_its_end():
    assert shorten("holidays/2024/italy/IMG_1234.jpg", 20) == "holida…/IMG_1234.jpg"


@pytest.mark.parametrize("text", ["東京の写真/" * 9, unicodedata.normalize("NFD", "ééé한글" * 9), "a" * 60, "😀é" * 20])
@pytest.mark.parametrize("width", [0, 1, 2, 3, 4, 7, 20, 21])
def test_nothing_is_wider_than_the_room_and_no_mark_moves_to_another_character(text, width):
    short = shorten(text, width)
    assert columns(short) <= width
    _, _, end = short.partition("…")
    assert not end or columns(end[0])
