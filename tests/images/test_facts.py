"""Which facts count if several sources have them."""

from datetime import datetime

import pytest

from clipsearch.images.facts import LONGEST_KEYWORD, MOST_KEYWORDS, Facts, complete, stars, stars_of_percent, unique
from clipsearch.types import ImageInfo

EXIF, SIDECAR, TAKEOUT, NAME = (datetime(year, 1, 1) for year in (2001, 2002, 2003, 2004))


def photo(**facts):
    return ImageInfo(4, 3, "JPEG", "", **facts)


def test_the_cameras_date_counts_most_then_the_sidecars_then_takeouts_then_the_names():
    sources = [Facts("sidecar", SIDECAR), Facts("takeout", TAKEOUT), Facts("name", NAME)]
    with_exif = complete(photo(taken_at=EXIF, taken_from="exif"), *sources)
    assert (with_exif.taken_at, with_exif.taken_from) == (EXIF, "exif")
    assert complete(photo(taken_at=EXIF, taken_from="iptc"), *sources).taken_from == "sidecar"
    for number, (date, source) in enumerate([(SIDECAR, "sidecar"), (TAKEOUT, "takeout"), (NAME, "name")]):
        info = complete(photo(), *reversed(sources[number:]))
        assert (info.taken_at, info.taken_from) == (date, source)
    assert complete(photo(), Facts("name")) == photo()


def test_a_date_of_an_index_without_sources_stays():
    assert complete(photo(taken_at=EXIF), Facts("name", NAME)) == photo(taken_at=EXIF)


def test_texts_ratings_and_labels_are_those_of_the_sidecar_then_of_the_photo_then_of_takeout():
    sidecar = Facts("sidecar", title="sidecar", rating=0)
    takeout = Facts("takeout", title="takeout", description="takeout", label="takeout")
    info = complete(photo(title="photo", description="photo", rating=3), takeout, sidecar)
    assert (info.title, info.description, info.rating, info.label) == ("sidecar", "photo", 0, "takeout")


def test_keywords_and_people_are_those_of_all_sources():
    info = complete(
        photo(keywords=("Lake", "boat"), people=("Anna",)),
        Facts("sidecar", keywords=("lake", "Summer"), people=("Zoe\u0308",)),
        Facts("takeout", people=("Zo\u00eb", "ANNA", "Ben")),
    )
    assert info.keywords == ("lake", "Summer", "boat")
    assert info.people == ("Zoe\u0308", "Anna", "Ben")


def test_a_place_in_the_photo_counts_more_than_one_beside_it():
    takeout = Facts("takeout", gps=(48.0, 9.0))
    assert complete(photo(), Facts("name"), takeout).gps == (48.0, 9.0)
    assert complete(photo(gps=(1.0, 2.0)), takeout).gps == (1.0, 2.0)


def test_keywords_are_cleaned_and_limited():
    assert unique(["  a\n b ", "", None, 5, "A B", "\x1b[31m"]) == ("a b", "[31m")
    assert [len(word) for word in unique(["x" * 9999])] == [LONGEST_KEYWORD]
    assert len(unique(str(number) for number in range(5000))) == MOST_KEYWORDS


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("4", 4),
        ("4.0", 4),
        (5, 5),
        ("-1", -1),
        ("0", 0),
        ("6", None),
        ("99", None),
        ("nan", None),
        ("inf", None),
        ("", None),
    ],
)
def test_a_rating_is_a_number_of_stars(value, expected):
    assert stars(value) == expected


def test_windows_ratings_are_percentages():
    assert [stars_of_percent(value) for value in ("0", 1, 25, "50", 75, 99, 100, 101, "x")] == [
        0, 1, 2, 3, 4, 5, 5, None, None,
    ]  # fmt: skip
