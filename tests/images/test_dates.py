"""Dates as cameras and programs write them."""

from datetime import datetime, timedelta, timezone

import pytest

from clipsearch._internal.partial_dates import from_iso, partial_date, to_iso
from clipsearch.images.dates import parse_date, parse_zone
from clipsearch.render.text import minute


def zone(hours: float) -> timezone:
    return timezone(timedelta(hours=hours))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024:07:01 12:34:56", datetime(2024, 7, 1, 12, 34, 56)),
        ("2024-07-01T12:34:56.789", datetime(2024, 7, 1, 12, 34, 56)),
        ("2024-07-01T12:34:56.789+05:30", datetime(2024, 7, 1, 12, 34, 56, tzinfo=zone(5.5))),
        ("2024-07-01T12:34Z", datetime(2024, 7, 1, 12, 34, tzinfo=timezone.utc)),
        ("2024:07:01 12:34:56-0300", datetime(2024, 7, 1, 12, 34, 56, tzinfo=zone(-3))),
        ("2024:07:01 12:34", datetime(2024, 7, 1, 12, 34)),
        ("2024:7:1 9:05:03", datetime(2024, 7, 1, 9, 5, 3)),
        ("2024:07:01 24:00:00", datetime(2024, 7, 1)),  # an Android phone, just after midnight
        ("2024:07:01 24:15:30", datetime(2024, 7, 1, 0, 15, 30)),
        ("2024:07:01 12:34:60", datetime(2024, 7, 1, 12, 34, 59)),
        ("2024:07:01   :  :  ", datetime(2024, 7, 1)),
        ("20240701 123456", datetime(2024, 7, 1, 12, 34, 56)),
        ("1985-07", partial_date(1985, 7)),
        ("1985", partial_date(1985)),
        ("1985-13", None),
        ("19850000", None),
        ("0000:00:00 00:00:00", None),
        ("2024:02:30 12:00:00", None),
        ("2024:07:01 25:00:00", None),
        ("2024:07:01 12:34:61", None),
        ("    :  :     :  :  ", None),
        ("1706692500", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_date_is_read_as_it_was_meant(text, expected):
    assert parse_date(text) == expected
    assert expected is None or parse_date(text).tzinfo == expected.tzinfo


@pytest.mark.parametrize("text", ["1985", "1985-07", "1985-01", "1985-07-01T00:00:00", "1985-07-02T12:30:00"])
def test_a_date_is_written_with_as_much_as_is_known(text):
    date = from_iso(text)
    assert to_iso(date) == text and from_iso(date.isoformat()) == date  # as an index keeps it
    assert minute(date) == text.removesuffix("T00:00:00").removesuffix(":00").replace("T", " ")
    assert date.isoformat()[:10] == f"{text}-01-01"[:10]  # filters and orders take its first day


def test_the_zone_in_a_date_counts_more_than_the_one_beside_it():
    assert parse_date("2024:07:01 12:00:00", zone(2)).tzinfo == zone(2)
    assert parse_date("2024:07:01 12:00:00+09:00", zone(2)).tzinfo == zone(9)


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("+02:00", 2),
        ("+0530", 5.5),
        ("-3", -3),
        (" +2:00 ", 2),
        ("Z", 0),
        ("+99:00", None),
        ("02:00", None),
        ("", None),
    ],
)
def test_zones_are_read(text, hours):
    assert parse_zone(text) == (None if hours is None else zone(hours))
