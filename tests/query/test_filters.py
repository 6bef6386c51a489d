"""Filters, and the language of --where."""

import pytest
from PIL import Image

from clipsearch.conditions import All, Below, Either, InAlbum, Known, Near, Not, Test, Within, leaves_of
from clipsearch.errors import QueryError
from clipsearch.images.file_decoder import _REFUSED_FORMATS
from clipsearch.images.file_types import FORMATS, RAW_FORMATS, VIDEO_FORMATS
from clipsearch.query.filters import (
    in_folder,
    oriented,
    parse_where,
    rated,
    taken_before,
    taken_by,
    taken_from,
    taken_in,
    taken_near,
    taken_within,
)
from clipsearch.query.format_filter import of_format

JULY = All((Test("taken", ">=", "2024-07-01T00:00:00"), Test("taken", "<", "2024-08-01T00:00:00")))


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("width > 2000", Test("width", ">", 2000)),
        ("width>2000", Test("width", ">", 2000)),
        ("SIZE >= 2.5MB", Test("size", ">=", 2.5e6)),
        ("size < 10KiB", Test("size", "<", 10240)),
        ("latitude > -5.5", Test("latitude", ">", -5.5)),
        ("name ~ 'IMG *.jpg'", Test("name", "~", "IMG *.jpg")),
        ('camera = "Canon EOS (5D)"', Test("camera", "=", "Canon EOS (5D)")),
        ("taken = 2024-07", JULY),
        ("taken != 2024-07", All((Known("taken"), Not(JULY)))),
        ("taken <= 2024-07", Test("taken", "<", "2024-08-01T00:00:00")),
        ("taken > 2024", Test("taken", ">=", "2025-01-01T00:00:00")),
        ("taken < '2024-02-29 12:30'", Test("taken", "<", "2024-02-29T12:30:00")),
        ("camera is known", Known("camera")),
        ("taken IS NOT known", Not(Known("taken"))),
        ("format = jpg", Test("format", "=", "JPEG")),
        ("format != heic", Not(Test("format", "=", "HEIF"))),
        ("format = 'JPEG 2000'", Test("format", "=", "JPEG2000")),
        (
            "width > 1 and height > 2 or size > 3",
            Either((All((Test("width", ">", 1), Test("height", ">", 2))), Test("size", ">", 3))),
        ),
        (
            "width > 1 and (height > 2 or not size > 3)",
            All((Test("width", ">", 1), Either((Test("height", ">", 2), Not(Test("size", ">", 3)))))),
        ),
        ("album = 'Italy 2016'", InAlbum("Italy 2016")),
        ("album != Favourites", Not(InAlbum("Favourites"))),
        ("not not width = 1", Not(Not(Test("width", "=", 1)))),
    ],
)
def test_an_expression_is_read_as_a_condition(text, condition):
    assert parse_where(text) == condition


def test_every_format_that_is_read_is_known_by_name_and_by_suffix():
    Image.init()
    names = {*Image.ID, *RAW_FORMATS, *VIDEO_FORMATS, "RAW", "HEIF", "PSB", "JXL", "MPO"} - _REFUSED_FORMATS | {"MPEG"}
    for name in names:
        assert name in {test.value for test in leaves_of(of_format(name.lower()))}, name
    for suffix in (suffix for kind in FORMATS for suffix in kind.suffixes.split()):
        (test,) = leaves_of(of_format(suffix))
        assert test.value in (names if Image.EXTENSION.get(suffix, "DCX") == "DCX" else Image.EXTENSION[suffix]), suffix


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("jpgg", r"there is no format 'jpgg'; there are jpeg, .*, raw, video and rarer ones; did you mean jpg\?"),
        ("banana", "there is no format 'banana'; there are jpeg, heic, png, .* and rarer ones$"),
        (" ", "the format is empty"),
    ],
)
def test_a_format_that_is_not_known_is_refused(name, message):
    with pytest.raises(QueryError, match=message):
        of_format(name)
    for wanted in (f"format = '{name}'", f"width > 2 and format != '{name}'"):
        with pytest.raises(QueryError, match=message.rstrip("$")):
            parse_where(wanted)
    assert parse_where("format ~ 'banan*'") == Test("format", "~", "banan*")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("colour = red", "no field 'colour'"),
        ("width", "ends where"),
        ("width >", "ends where a value"),
        ("width > wide", "compared with a number"),
        ("width > 3MB", "compared with a number"),
        ("width ~ 3", "is a number"),
        ("name > a", "is a text"),
        ("taken = 2024-13", "not a date"),
        ("taken = soon", "not a date"),
        ("orientation = round", "not an orientation"),
        ("name = a b", "was expected, at: name = a >>> b"),
        ("(width > 1", "not closed"),
        ("width > 1)", "was expected"),
        ("name = 'a", "quote"),
        ("width = = 1", "comes a value"),
        ("width is big", '"known"'),
        ("title foo", "after title comes =, !=, ~, is known or is not known, at"),
        ("title", "ends where =, !=, ~, is known or is not known was"),
        ("width foo", "after width comes =, !=, <, <=, >, >=, is known or is not known, at"),
        ("taken foo", "after taken comes =, !=, <, <=, >, >=, ~, is known"),
        ("place foo", "after place comes =, !=, is known or"),
        ("album foo", "after album comes = or !=, at"),
        ("title contains 'roof'", "contains stands alone, without a field: contains 'roof', at: title >>> contains"),
        ("taken NEAR", "NEAR stands alone, without a field: NEAR, at"),
        ("and", "no field"),
        ("(" * 1000, "too many brackets"),
        ("not " * 1000 + "width = 1", "too many brackets"),
        ("size > 1e999", "compared with a number"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(text, says):
    with pytest.raises(QueryError, match=says.replace("(", r"\(")):
        parse_where(text)


def test_single_filters(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert in_folder("trip") == Below(str(tmp_path / "trip"))
    assert taken_in("2024-07") == JULY
    assert taken_in("2023..2024") == All(
        (Test("taken", ">=", "2023-01-01T00:00:00"), Test("taken", "<", "2025-01-01T00:00:00"))
    )
    assert taken_from("2024-07-15") == Test("taken", ">=", "2024-07-15T00:00:00")
    assert taken_before("2024-12-31") == Test("taken", "<", "2024-12-31T00:00:00")
    assert taken_near("48.1,11.6") == Near(48.1, 11.6, 1)
    assert taken_near("-33.9, 151.2, 20") == Near(-33.9, 151.2, 20)
    assert taken_by("5D [II]*") == Test("camera", "~", "*5D [[]II][*]*")
    assert taken_by('"5D [II]*"') == Test("camera", "=", "5D [II]*") and taken_by('"') == Test("camera", "~", '*"*')
    assert of_format("nef") == Test("format", "=", "NEF")
    assert of_format("RAW") == Either(tuple(Test("format", "=", name) for name in (*RAW_FORMATS, "RAW")))
    assert of_format("Video") == Either(tuple(Test("format", "=", name) for name in VIDEO_FORMATS))
    assert of_format("mpg") == Test("format", "=", "MPEG") and of_format(".m2ts") == Test("format", "=", "MTS")
    assert parse_where("format != raw") == Not(of_format("raw"))
    assert of_format(".TIF") == of_format("tiff") == Test("format", "=", "TIFF")
    assert oriented("Portrait") == Test("orientation", "=", "portrait")


def test_the_home_folder_begins_a_whole_path(monkeypatch):
    monkeypatch.setattr("os.path.expanduser", lambda path: path.replace("~", "/home/anna [1]"))
    assert parse_where("path = '~/cat.png'") == Test("path", "=", "/home/anna [1]/cat.png")
    assert parse_where("folder ~ '~/trip*'") == Test("folder", "~", "/home/anna [[]1]/trip*")
    assert parse_where("name = '~/cat.png'") == Test("name", "=", "~/cat.png")


def test_a_rectangle_of_a_map():
    assert taken_within("47,10,48.5,12") == Within(47, 10, 48.5, 12)
    assert taken_within("-20,170,0,-170") == Within(-20, 170, 0, -170)  # over the date line
    for text in ("here", "1,2,3", "48,10,47,12", "0,0,91,1", "0,-181,1,1", "nan,0,1,1", "0,0,1,1,1"):
        with pytest.raises(QueryError, match="is not a rectangle"):
            taken_within(text)


def test_an_expression_takes_places_of_a_map():
    assert parse_where("near 48.1,11.6,20 or not within '47, 10, 48.5, 12'") == Either(
        (Near(48.1, 11.6, 20), Not(Within(47, 10, 48.5, 12)))
    )
    for text in ("within", "near =", "within 1,2", "near here"):
        with pytest.raises(QueryError):
            parse_where(text)


@pytest.mark.parametrize("text", ["here", "1", "91,0", "0,181", "0,0,0", "0,0,-1", "nan,0", "0,0,inf", "1,2,3,4"])
def test_a_place_that_is_none(text):
    with pytest.raises(QueryError, match="is not coordinates"):
        taken_near(text)


def test_stars_are_read_and_more_than_five_refused():
    assert rated("5") == Test("rating", "=", 5.0) and rated("-1") == Test("rating", "=", -1.0)
    assert rated("2..4") == All((Test("rating", ">=", 2.0), Test("rating", "<=", 4.0)))
    assert rated("4..") == All((Test("rating", ">=", 4.0),)) and rated("..2") == All((Test("rating", "<=", 2.0),))
    for text in ("6", "9..", "..7", "", "..", "-2", "4 stars"):
        with pytest.raises(QueryError, match="is not a rating"):
            rated(text)


def test_a_period_that_ends_before_it_begins():
    with pytest.raises(QueryError, match="ends before"):
        taken_in("2024..2023")


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("taken = 2019..", "taken >= 2019"),
        ("taken = ..2010", "taken < 2011"),
        ("width = 100..200", "width >= 100 and width <= 200"),
        ("rating = 4..", "rating >= 4"),
        ("size = ..2MB", "size <= 2MB"),
    ],
)
def test_a_range_may_be_open(text, same):
    found, wanted = parse_where(text), parse_where(same)
    assert found == wanted or found == All((wanted,))


@pytest.mark.parametrize(
    ("read", "text", "says"),
    [
        (taken_in, "2024..2019", "ends before it begins"),
        (taken_in, " ", "it is empty; give one value, or a range"),
        (parse_where, "taken = ''", "is not a date"),
        (taken_in, "..", "neither a beginning nor an end"),
        (rated, "3..2", "ends before it begins"),
        (parse_where, "rating = 6", "rating must be a number from -1 to 5"),
        (parse_where, "rating > 10", "rating must be a number"),
        (parse_where, "latitude > 100", "latitude must be a number"),
        (parse_where, "source = bogus", "'bogus' is not a source; give one of exif,"),
        (parse_where, "width > 2..3", "is a range"),
        (parse_where, "camera = ''", "the camera is empty"),
        (taken_by, " ", "the camera is empty"),
        (taken_by, '" "', "the camera is empty"),
    ],
)
def test_a_value_is_checked_where_its_condition_is_made(read, text, says):
    with pytest.raises(QueryError, match=says):
        read(text)
