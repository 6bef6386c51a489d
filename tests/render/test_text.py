"""Text for people and for scripts."""

import math
import os
import unicodedata
from datetime import datetime

import pytest

from clipsearch.render.tables import failures_table
from clipsearch.render.text import (
    columns,
    human_bytes,
    minute,
    pad,
    percent,
    printable,
    short_path,
    short_title,
    shorten,
    shorten_path,
    told_apart,
)
from clipsearch.types import Failure, ImageFile, Moment


def test_names_cannot_give_a_terminal_orders():
    assert printable("a\nb\x1b[31m\u202egpj.exe\ud800") == "a\\nb\\x1b[31m\\u202egpj.exe\\ud800"
    assert printable(os.fsdecode(b"caf\xe9 \xff\xfe.jpg")) == "caf\\xe9 \\xff\\xfe.jpg"
    table = failures_table([Failure(ImageFile("/x/a\nb", 1, 0), "bad\x07")], "/x")
    assert table.startswith("a\\nb\tbad\\x07 (content): ") and table.count("\n") == 1


def test_paths_are_shortened_only_below_the_folder():
    assert short_path("/a/b/c", "/a") == "b/c"
    assert short_path("/ab/c", "/a") == "/ab/c"
    assert short_path("/a", "/") == "a"


def test_sizes_read_well():
    assert [human_bytes(n) for n in (0, 999, 1500, 123456, 5_000_000, 2 * 10**12)] == [
        "0 B",
        "999 B",
        "1.5 kB",
        "123 kB",
        "5.0 MB",
        "2.0 TB",
    ]


def test_nothing_is_certain():
    shown = {0.0: "<1%", 0.009: "<1%", 0.01: "1%", 0.5: "50%", 0.99: "99%", 0.994: "99%", 0.996: ">99%", 1.0: ">99%"}
    assert {p: percent(p) for p in shown} == shown


def test_a_match_reaches_the_limit_that_it_is_shown_as():
    assert percent(0.498912) == "49%"
    assert all(percent(whole / 100) == f"{whole}%" for whole in range(1, 100))  # 0.29 * 100 is less than 29
    assert all(percent(math.nextafter(whole / 100, 0)) == f"{whole - 1}%" for whole in range(2, 100))


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


def test_a_long_path_keeps_the_name_of_its_file():
    path = "holidays/2024/italy/IMG_1234.jpg"
    assert shorten_path(path, 32) == path and shorten_path(path, 20) == "ho…taly/IMG_1234.jpg"
    assert shorten_path(path, 14) == "…/IMG_1234.jpg" and shorten_path(path, 13) == "IMG_1234.jpg"
    assert shorten_path(path, 6) == shorten("IMG_1234.jpg", 6)
    assert shorten_path("/a.jpg", 6) == "/a.jpg" and shorten_path("東京.jpg", 5) == shorten("東京.jpg", 5)


def test_paths_that_would_read_the_same_keep_the_folders_that_differ():
    def shown(width, *paths):
        return list(told_apart({path: shorten_path(path, width) for path in paths}, width).values())

    copies = ("t/1002674143_1b742ab4b8.jpg", "t/locked/1002674143_1b742ab4b8.jpg")
    assert shown(26, *copies) == ["t/1002674…3_1b742ab4b8.jpg", "t/locked/10026…42ab4b8.jpg"]
    assert shown(16, *copies) == ["t/1002…ab4b8.jpg", copies[1]]  # too narrow for the folder and the name
    beaches = ("trips/a beach/IMG_1.jpg", "trips/the beach/IMG_1.jpg")
    assert shown(20, *beaches) == ["…/a beach/IMG_1.jpg", beaches[1]]
    long = [f"Screenshot {day} of the mountains.png" for day in ("1st", "2nd")]
    assert shown(20, *long) == long  # the names differ where they are shortened
    assert shown(14, "album/a/IMG_1.jpg", "album/b/IMG_2.jpg") == ["a…/a/IMG_1.jpg", "a…/b/IMG_2.jpg"]


def test_a_name_is_seen_before_its_moment():
    second, path = Moment("second", 42.0), "films/2024/MVI_0042.MOV"
    assert short_title(path, second, 0, 23 + 10) == f"{path} (at 0:42)"
    assert short_title(path, second, 0, 14 + 10) == "…/MVI_0042.MOV (at 0:42)"
    assert short_title(path, second, 0, 14) == "…/MVI_0042.MOV"
    assert short_title("a.mp4", second, 0, 15) == "a.mp4 (at 0:42)" and short_title("a.mp4", second, 0, 14) == "a.mp4"
    assert all(columns(short_title(path, second, 2, width)) <= width for width in range(40))


@pytest.mark.parametrize("text", ["東京の写真/" * 9, unicodedata.normalize("NFD", "ééé한글" * 9), "a" * 60, "😀é" * 20])
@pytest.mark.parametrize("width", [0, 1, 2, 3, 4, 7, 20, 21])
def test_nothing_is_wider_than_the_room_and_no_mark_moves_to_another_character(text, width):
    short = shorten(text, width)
    assert columns(short) <= width
    _, _, end = short.partition("…")
    assert not end or columns(end[0])


def test_a_date_without_a_time_gets_none():
    assert minute(datetime(2024, 9, 25)) == "2024-09-25"
    assert minute(datetime(2024, 9, 25, 0, 0, 1)) == "2024-09-25 00:00"
    assert minute(datetime(2024, 9, 25, 12, 30)) == "2024-09-25 12:30"
    assert minute(None) == ""
