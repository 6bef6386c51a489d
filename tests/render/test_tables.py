"""Hits as a table for people."""

from dataclasses import replace

import pytest

from clipsearch.render.tables import hits_table
from clipsearch.render.text import columns
from clipsearch.types import FoundIn, Moment
from tests.render.support import ANOTHER_DAY, hit

HOSTILE = '/photos/a\n"b",;\r\x1b[31m\u202egpj.\u2028\udcff =1+1.jpg'


def test_a_table_has_aligned_columns_and_short_paths():
    hits = [hit(rank, f"/photos/{rank}.jpg", -0.5 + rank / 100) for rank in range(1, 11)]
    lines = hits_table(hits, "/photos").splitlines()
    assert lines[0] == " 1  -0.4900  1.jpg"
    assert lines[9] == "10  -0.4000  10.jpg"


def test_match_and_day_have_columns_where_one_hit_has_them():
    hits = [
        hit(1, "/photos/a.jpg", match=0.994, taken_at=ANOTHER_DAY),
        hit(2, "/photos/b.jpg", match=0.071),
        hit(3, "/x/c.jpg"),
    ]
    assert hits_table(hits, "/photos", heading=True).splitlines() == [
        "#    score  match  day         photo",
        "1   0.2500    99%  2024-07-15  a.jpg",
        "2   0.2500     7%              b.jpg",
        "3   0.2500                     /x/c.jpg",
    ]
    assert hits_table([], "/photos", heading=True) == ""


def test_a_line_says_how_many_more_files_its_shot_has():
    several, pair = (
        replace(hit(rank, f"/p/{rank}.jpg"), others=(hit(9, "/p/9.jpg").record,) * (3 - rank)) for rank in (1, 2)
    )
    assert hits_table([several, pair, hit(3, "/p/3.jpg")], "/p").splitlines() == [
        "1   0.2500  1.jpg (+2 files)",
        "2   0.2500  2.jpg (+1 file)",
        "3   0.2500  3.jpg",
    ]


def test_a_moment_stands_beside_the_name():
    first, second = (
        hit(1, "/photos/film.mp4", moment=Moment("second", 42.104)),
        hit(2, "/photos/scan.tif", moment=Moment("page", 3)),
    )
    first = replace(first, others=(second.record,))
    names = [line.split(maxsplit=2)[2] for line in hits_table([first, second], "/photos").splitlines()]
    assert names == ["film.mp4 (at 0:42, +1 file)", "scan.tif (page 3)"]


def test_captions_have_a_column_where_there_is_room_for_one():
    hits = [hit(1, "/photos/a.jpg", caption="a dog on a beach"), hit(2, "/photos/trip/b.jpg")]
    assert hits_table(hits, "/photos", heading=True).splitlines() == [
        "#    score  photo       caption",
        "1   0.2500  a.jpg       a dog on a beach",
        "2   0.2500  trip/b.jpg",
    ]
    assert "beach" not in hits_table(hits, "/photos", width=30)
    long = [hit(1, "/photos/" + "p" * 100, caption="c" * 100 + "\x1b[31m" + "c" * 100, match=0.5)]
    for width in (40, 60, 100, 400):
        (line,) = hits_table(long, "/photos", width=width).splitlines()
        assert columns(line) <= width and ("ccc" in line) == (width > 40) and line.isprintable()


def test_the_words_that_were_found_stand_in_place_of_the_caption():
    found = replace(hit(1, "a.jpg"), found_in=FoundIn("title", "A train ticket", ((2, 14),)))
    line, other, _ = hits_table([found, hit(2, "b.jpg")], "/photos", width=80).split("\n")
    assert line.endswith("  title: A train ticket") and other.endswith("b.jpg")


def test_a_hostile_name_takes_one_line_and_gives_no_orders():
    table = hits_table([hit(1, HOSTILE)], "/photos")
    assert table.splitlines() == [table[:-1]]
    assert table[:-1].isprintable()


@pytest.mark.parametrize("width", [1, 10, 24, 40, 60, 80, 200])
@pytest.mark.parametrize("group_by", [None, "folder", "day"])
def test_lines_fit_into_the_width(width, group_by):
    paths = ["/photos/" + "x" * 300 + ".jpg", "/photos/東京/" + "写真" * 50 + ".jpg", "/photos/a.jpg", HOSTILE]
    hits = [hit(rank, path, match=0.5, taken_at=ANOTHER_DAY) for rank, path in enumerate(paths, 1)]
    lines = hits_table(hits, "/photos", width=width, group_by=group_by).splitlines()
    # rank, score and one character of the path remain, however narrow it is
    assert max(map(columns, lines)) <= max(width, 15)
    if width == 80:
        assert any(line.endswith("a.jpg") for line in lines) and any("…" in line for line in lines)


def test_without_a_width_nothing_is_shortened():
    path = "/photos/" + "x" * 300 + ".jpg"
    assert path[8:] in hits_table([hit(1, path)], "/photos")


def test_colours_only_add_escape_sequences():
    import re

    hits = [hit(1, "/photos/a.jpg", match=0.5, taken_at=ANOTHER_DAY), hit(2, "/photos/b.jpg")]
    for group_by in (None, "day"):
        coloured = hits_table(hits, "/photos", width=40, colours=True, heading=True, group_by=group_by)
        assert "\x1b[" in coloured
        plain = hits_table(hits, "/photos", width=40, heading=True, group_by=group_by)
        assert re.sub(r"\x1b\[[0-9]+m", "", coloured) == plain and "\x1b" not in plain


def test_groups_are_in_the_order_of_their_best_hits():
    hits = [
        hit(1, "/photos/b/1.jpg", taken_at=ANOTHER_DAY),
        hit(2, "/photos/2.jpg"),
        hit(3, "/photos/b/3.jpg"),
        hit(4, "/photos/4.jpg", taken_at=ANOTHER_DAY),
        hit(5, "/photos/b\n/5.jpg"),
    ]
    assert [line.strip() for line in hits_table(hits[:3], "/photos", group_by="folder").splitlines()] == [
        "b",
        "1   0.2500  2024-07-15  1.jpg",
        "3   0.2500              3.jpg",
        ".",
        "2   0.2500              2.jpg",
    ]
    lines = hits_table(hits, "/photos", group_by="day").splitlines()
    assert [line for line in lines if not line.startswith(" ")] == ["2024-07-15", "no date"]
    assert lines[2] == "  4   0.2500  4.jpg"
    assert "b\\n" in hits_table(hits, "/photos", group_by="folder").splitlines()
