"""Hits for people and for programs."""

import csv
import io
import json
from datetime import datetime

import pytest

from clipsearch.render.csv_output import FIELDS, hits_csv
from clipsearch.render.json_output import (
    failure_from_json,
    failure_to_json,
    hit_from_json,
    hit_to_json,
    hits_to_json,
    hits_to_jsonl,
    json_line,
)
from clipsearch.render.tables import hits_table
from clipsearch.render.width import columns
from clipsearch.types import Failure, ImageFile
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


def test_json_keeps_the_agreed_keys_and_any_name():
    text = json_line(hits_to_json([hit(1, HOSTILE, 0.25, 0.5)], "q", "mini", "/photos/.clipsearch"))
    assert text.count("\n") == 1
    text.encode("utf-8")  # valid, although the name is not
    value = json.loads(text)
    assert list(value) == ["query", "model", "index", "hits"]
    assert list(value["hits"][0]) == [
        "rank", "score", "match", "id", "path", "width", "height", "format", "size", "taken_at", "camera", "gps",
        "content_hash",
    ]  # fmt: skip
    assert value["hits"][0]["path"] == HOSTILE and value["hits"][0]["match"] == 0.5
    assert hits_to_json([hit(1, HOSTILE, caption="a dog")], "q", "m", "/i")["hits"][0]["caption"] == "a dog"


def test_json_has_groups_and_an_explanation_where_asked_for():
    hits = [hit(1, "/photos/b/1.jpg", taken_at=ANOTHER_DAY), hit(2, "/photos/2.jpg")]
    value = hits_to_json(hits, "q", "mini", "/i", group_by="day", explanation={"model": "mini"})
    assert [one["group"] for one in value["hits"]] == ["2024-07-15", None]
    assert value["explanation"] == {"model": "mini"}
    lines = hits_to_jsonl(hits, "q", group_by="folder").splitlines()
    assert [json.loads(line)["group"] for line in lines] == ["/photos/b", "/photos"]
    assert list(json.loads(lines[0]))[:3] == ["query", "rank", "score"]


def read_csv(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv_can_be_read_again():
    path = HOSTILE.replace("\udcff", "é")
    hits = [
        hit(1, path, 0.1234567, 0.5, datetime(2024, 1, 2, 3, 4, 5), "Canon, EOS", (-33.5, 151.25)),
        hit(2, "/photos/b.jpg"),
    ]
    first, second = read_csv(hits_csv(hits, "a dog", group_by="day"))
    assert tuple(first) == ("query", *FIELDS, "group")
    assert (first["path"], first["camera"], first["taken_at"]) == (path, "Canon, EOS", "2024-01-02T03:04:05")
    assert (float(first["score"]), float(first["latitude"]), first["group"]) == (0.123457, -33.5, "2024-01-02")
    assert (second["match"], second["latitude"], second["taken_at"], second["group"]) == ("", "", "", "")
    assert hits_csv(hits, "a dog", heading=False) == hits_csv(hits, "a dog").partition("\n")[2]


def test_csv_is_utf8_whatever_a_name_is():
    assert "caf\\udce9" in hits_csv([hit(1, "/photos/caf\udce9.jpg")], "q").encode("utf-8").decode("utf-8")


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "\t=1", "\r=1"])
def test_a_spreadsheet_takes_no_text_of_ours_for_a_formula(text):
    (row,) = read_csv(hits_csv([hit(1, "/photos/a.jpg", camera=text, gps=(-1.0, 2.0), caption=text)], text))
    assert row["camera"] == row["query"] == row["caption"] == "'" + text
    assert row["latitude"] == "-1.0"


def test_json_has_an_inverse():
    first = hit(1, HOSTILE, 0.1234567, 0.7654321, ANOTHER_DAY, "Canon", (-33.5, 151.25), "a dog")
    for whole in (first, hit(2, "/photos/b.jpg")):
        values = json.loads(json_line(hit_to_json(whole, exact=True)))
        assert hit_from_json(values) == whole
        rounded = hit_from_json(hit_to_json(whole))
        assert rounded.record == whole.record and rounded.score == round(whole.score, 6)
    failure = Failure(ImageFile(HOSTILE, 7, 0), "truncated", "io", attempts=2, kept=True)
    assert failure_from_json(json.loads(json_line(failure_to_json(failure)))) == failure
