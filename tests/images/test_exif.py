"""EXIF from cameras, well-formed and broken."""

from datetime import datetime, timedelta, timezone

import pytest

from clipsearch.images.exif import camera, capture_time, position


@pytest.mark.parametrize(
    ("main", "exif", "expected"),
    [
        ({}, {0x9003: "2024:07:01 12:34:56"}, datetime(2024, 7, 1, 12, 34, 56)),
        ({}, {0x9003: "2024:07:01 12:34:56", 0x9011: "+05:30"},
         datetime(2024, 7, 1, 12, 34, 56, tzinfo=timezone(timedelta(hours=5, minutes=30)))),
        ({0x0132: "2024:07:15 10:00:00"}, {0x9010: "+02:00", 0x9011: "+09:00"},
         datetime(2024, 7, 15, 10, tzinfo=timezone(timedelta(hours=2)))),
        ({0x0132: "2024:07:15 10:00:00"}, {0x9011: "+09:00", 0x9012: "+09:00"}, datetime(2024, 7, 15, 10)),
        ({}, {0x9004: "2024:07:15 10:00:00", 0x9011: "+09:00", 0x9012: "-03:30"},
         datetime(2024, 7, 15, 10, tzinfo=timezone(-timedelta(hours=3, minutes=30)))),
        ({}, {0x9003: b"2024-07-01T12:34:56\0"}, datetime(2024, 7, 1, 12, 34, 56)),
        ({0x0132: "2020:01:02 03:04:05"}, {}, datetime(2020, 1, 2, 3, 4, 5)),
        ({0x0132: "2020:01:02 03:04:05"}, {0x9003: "0000:00:00 00:00:00"}, datetime(2020, 1, 2, 3, 4, 5)),
        ({}, {0x9004: "1999:12:31 23:59:59", 0x9011: "nonsense"}, datetime(1999, 12, 31, 23, 59, 59)),
        ({}, {0x9003: "2024:13:01 12:34:56"}, None),
        ({}, {0x9003: "    :  :     :  :  "}, None),
        ({}, {0x9003: 5}, None),
        ({}, {}, None),
    ],
)  # fmt: skip
def test_capture_time(main, exif, expected):
    assert capture_time(main, exif) == expected


@pytest.mark.parametrize(
    ("make", "model", "expected"),
    [
        ("Canon", "Canon EOS 5D", "Canon EOS 5D"),
        ("NIKON CORPORATION", "NIKON D70", "NIKON D70"),
        ("Apple", "iPhone 15", "Apple iPhone 15"),
        (None, "X100", "X100"),
        ("Leica", None, "Leica"),
        ("  ", b"DSC\0\0junk", "DSC"),
        (None, None, None),
        ("a\x1b[31m", "b\nc", "a [31m b c"),
        (None, "x" * 999, "x" * 200),
    ],
)
def test_camera(make, model, expected):
    assert camera({0x010F: make, 0x0110: model}) == expected


@pytest.mark.parametrize(
    ("gps", "expected"),
    [
        ({1: "N", 2: (48, 30, 36), 3: "E", 4: (9, 0, 0)}, (48.51, 9.0)),
        ({1: "S", 2: (33, 51.5, 0), 3: "W", 4: (151, 12, 0)}, (-33.8583333, -151.2)),
        ({1: b"N\0", 2: [10.5], 3: "E", 4: [20.25]}, (10.5, 20.25)),
        ({1: "N", 2: (0, 0, 0), 3: "E", 4: (0, 0, 0)}, None),
        ({1: "N", 2: (91, 0, 0), 3: "E", 4: (9, 0, 0)}, None),
        ({1: "N", 2: (float("nan"), 0, 0), 3: "E", 4: (9, 0, 0)}, None),
        ({1: "N", 2: (), 3: "E", 4: (9, 0, 0)}, None),
        ({1: "N", 2: "48", 3: "E", 4: None}, None),
        ({}, None),
    ],
)
def test_position(gps, expected):
    assert position(gps) == (pytest.approx(expected) if expected else None)


def test_a_rational_with_a_zero_below_the_line_is_no_position():
    class Broken:
        def __float__(self):
            raise ZeroDivisionError

    assert position({1: "N", 2: (Broken(), 0, 0), 3: "E", 4: (9, 0, 0)}) is None
