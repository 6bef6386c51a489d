"""Dates in the names of files."""

from datetime import datetime, timezone

import pytest

from clipsearch.images.file_name_dates import date_in_name, facts_in_name

MORNING = datetime(2024, 1, 31, 10, 15)
DAY = datetime(2024, 1, 31)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("IMG_20240131_101500.jpg", MORNING),
        ("IMG_20240131_101500123_HDR.jpg", MORNING),
        ("IMG20240131101500.jpg", MORNING),
        ("MVIMG_20240131_101500.jpg", MORNING),
        ("VID_20240131_101500.mp4", MORNING),
        ("20240131_101500.jpg", MORNING),
        ("20240131_101500(0).jpg", MORNING),
        ("DJI_20240131101500_0001_D.JPG", MORNING),
        ("PXL_20240131_101500123.MP.jpg", MORNING.replace(tzinfo=timezone.utc)),
        ("IMG-20240131-WA0001.jpg", DAY),
        ("VID-20240131-WA0001.mp4", DAY),
        ("WhatsApp Image 2024-01-31 at 10.15.00 (1).jpeg", MORNING),
        ("Screenshot_20240131-101500_Chrome.jpg", MORNING),
        ("Screenshot_2024-01-31-10-15-00-123_com.android.chrome.jpg", MORNING),
        ("Screenshot 2024-01-31 at 10.15.00.png", MORNING),
        ("Screenshot 2024-01-31 at 10.15.00 PM.png", datetime(2024, 1, 31, 22, 15)),
        ("Screen Shot 2024-01-31 at 12.15.00\u202fAM.png", datetime(2024, 1, 31, 0, 15)),
        ("20240131_121500 am Fluss.jpg", datetime(2024, 1, 31, 12, 15)),
        ("Screenshot 2024-01-31 101500.png", MORNING),
        ("Screenshot from 2024-01-31 10-15-00.png", MORNING),
        ("Bildschirmfoto 2024-01-31 um 10.15.00.png", MORNING),
        ("Bildschirmfoto vom 2024-01-31 10-15-00.png", MORNING),
        ("Capture d\u2019\u00e9cran 2024-01-31 a\u0300 10.15.00.png", MORNING),
        ("Captura de pantalla 2024-01-31 a las 10.15.00.png", MORNING),
        ("Signal-2024-01-31-101500_001.jpeg", MORNING),
        ("signal-2024-01-31-10-15-00-123.jpg", MORNING),
        ("photo_2024-01-31_10-15-00 (2).jpg", MORNING),
        ("WIN_20240131_10_15_00_Pro.jpg", MORNING),
        ("WP_20240131_001.jpg", DAY),
        ("2024-01-31 10.15.00-2.jpg", MORNING),
        ("2024-01-31 10.15.jpg", MORNING),
        ("2024_01_31_10_15_00.jpg", MORNING),
        ("Grandma 1985-07-12.jpg", datetime(1985, 7, 12)),
        ("2024-01-31 99.99.99.jpg", DAY),
    ],
)
def test_a_name_by_a_phone_a_messenger_or_a_program_gives_the_date(name, expected):
    assert date_in_name(name) == expected


@pytest.mark.parametrize(
    "name",
    [
        "IMG_1234.JPG", "DSC01234.ARW", "DSC_0042.NEF", "20240131.jpg", "20240131-001.jpg", "IMG_2024013101234567.jpg",
        "00491701234567.jpg", "+49 2019 1231.jpg", "201401310123.jpg", "1706692500123.jpg", "FB_IMG_1706692500123.jpg",
        "20240230_101010.jpg", "2024-02-30.jpg", "IMG_20241332_101010.jpg", "2024-01.31.jpg", "12024-01-31.jpg", "1" * 5000,
    ],
)  # fmt: skip
def test_a_counter_a_phone_number_or_an_impossible_date_gives_none(name):
    assert date_in_name(name) is None


def test_the_facts_say_that_the_date_is_from_the_name():
    facts = facts_in_name("IMG-20240131-WA0001.jpg")
    assert (facts.taken_at, facts.taken_from) == (DAY, "name")
    assert facts_in_name("IMG_1234.JPG").taken_from is None
