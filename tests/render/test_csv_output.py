"""Hits as CSV."""

import csv
import io
from datetime import datetime

import pytest

from clipsearch.render.csv_output import FIELDS, hits_csv
from clipsearch.types import Moment
from tests.render.support import hit, hit_with_facts

HOSTILE = '/photos/a\n"b",;\r\x1b[31m\u202egpj.\u2028\udcff =1+1.jpg'


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


def test_facts_are_columns():
    (row,) = read_csv(hits_csv([hit_with_facts(place="FR/11/2988507")], "q"))
    assert (row["title"], row["description"], row["label"], row["taken_from"]) == (
        "Noon",
        'By "us", twice',
        "Red",
        "exif",
    )
    assert (row["keywords"], row["people"], row["rating"], row["text"]) == ("sea; a, b", "Ann; Bob", "-1", "EXIT\nNOW")
    assert row["place"].startswith("Paris, ") and row["place"].endswith(", France")


def test_a_moment_is_one_text():
    hits = [
        hit(1, "/photos/a.mp4", moment=Moment("second", 42.104)),
        hit(2, "/photos/b.tif", moment=Moment("page", 3)),
        hit(3, "/photos/c.jpg"),
    ]
    rows = read_csv(hits_csv(hits, "a dog"))
    assert [row["moment"] for row in rows] == ["second 42.104", "page 3", ""]


def test_csv_is_utf8_whatever_a_name_is():
    assert "caf\\xe9\\ud800" in hits_csv([hit(1, "/photos/caf\udce9\ud800.jpg")], "q").encode("utf-8").decode("utf-8")


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "\t=1", "\r=1"])
def test_a_spreadsheet_takes_no_text_of_ours_for_a_formula(text):
    (row,) = read_csv(hits_csv([hit(1, "/photos/a.jpg", camera=text, gps=(-1.0, 2.0), caption=text)], text))
    assert row["camera"] == row["query"] == row["caption"] == "'" + text
    assert row["latitude"] == "-1.0"
