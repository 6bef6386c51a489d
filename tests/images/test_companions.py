"""Which files beside a photo say something about it, and what they say."""

import json
import os
from datetime import datetime, timezone

import pytest

from clipsearch.images.companions import companions, read_companions
from clipsearch.images.facts import Facts
from clipsearch.images.xmp import add_keywords

LONG = "a photo with a name of more than forty-six characters, indeed"


@pytest.mark.parametrize(
    ("photo", "others"),
    [
        ("photo.jpg", ["photo.jpg.xmp"]),
        ("photo.jpg", ["photo.xmp"]),
        ("photo.jpg", ["photo.jpg.xmp", "photo.xmp", "photo.jpg.json"]),
        ("IMG_1.CR3", ["img_1.XMP"]),
        ("photo.jpg", ["photo.jpg.json"]),
        ("photo.jpg", ["photo.json"]),
        ("photo.jpg", ["photo.jpg.supplemental-metadata.json"]),
        ("photo.jpg", ["photo.jpg.supplemental-meta.json"]),
        ("photo.jpg", ["photo.jpg.suppl.json"]),
        ("photo.jpg", ["photo.jpg.s.json"]),
        ("photo.jpg", ["photo.jpg..json"]),
        ("photo(1).jpg", ["photo.jpg(1).json"]),
        ("photo(1).jpg", ["photo(1).jpg.json"]),
        ("photo(12).jpg", ["photo.jpg.supplemental-metadata(12).json"]),
        ("photo-edited.jpg", ["photo.jpg.json"]),
        ("photo-bearbeitet.jpg", ["photo.jpg.supplemental-metadata.json"]),
        ("photo-modifié.jpg", ["photo.jpg.json"]),
        ("photo-modifie\u0301.jpg", ["photo.jpg.json"]),
        ("photo-edited(1).jpg", ["photo.jpg(1).json"]),
        (f"{LONG[:47]}.jpg", [f"{LONG[:46]}.json"]),
        (f"{LONG[:47]}.jpg", [f"{LONG[:47]}.jpg.json"]),
        (f"{LONG[:44]}.jpg", [f"{LONG[:44]}.j.json"]),
        (f"{LONG[:42]}.jpg", [f"{LONG[:42]}.jpg.json"]),
        (f"{LONG[:41]}.jpg", [f"{LONG[:41]}.jpg..json"]),
        (f"{LONG[:30]}.jpg", [f"{LONG[:30]}.jpg.supplement.json"]),
        (f"{LONG[:47]}(1).jpg", [f"{LONG[:46]}(1).json"]),
        ("IMG_1.MOV", ["IMG_1.MOV.json"]),
    ],
)
def test_a_file_of_a_known_name_belongs_to_the_photo(photo, others):
    assert companions([photo, "another.jpg"], [*others, "metadata.json", "notes.txt"]) == {photo: tuple(others)}


@pytest.mark.parametrize(
    ("photo", "other"),
    [
        ("photo.jpg", "photo.jpg(1).json"),
        ("photo(1).jpg", "photo.jpg.json"),
        ("photo(1).jpg", "photo.jpg(2).json"),
        ("photo.jpg", "photo.png.json"),
        ("photo.jpg", "photo.jpg.xml"),
        ("photo.jpg", "photo_01.jpg.xmp"),
        ("photo-edit by me.jpg", "photo.jpg.json"),
        (f"{LONG[:47]}.jpg", f"{LONG[:20]}.json"),
    ],
)
def test_a_file_of_another_photo_is_left_alone(photo, other):
    assert companions([photo], [other]) == {}


def test_a_raw_file_and_its_jpeg_share_a_sidecar_and_each_may_have_its_own():
    found = companions(["a.CR2", "a.jpg"], ["a.xmp", "a.jpg.xmp", "a.jpg.json"])
    assert found == {"a.CR2": ("a.xmp",), "a.jpg": ("a.jpg.xmp", "a.xmp", "a.jpg.json")}


def test_case_counts_only_between_two_files_of_the_same_name():
    assert companions(["a.jpg", "A.jpg"], ["a.xmp", "A.xmp"]) == {"a.jpg": ("a.xmp",), "A.jpg": ("A.xmp",)}
    assert companions(["A.JPG"], ["a.jpg.XMP"]) == {"A.JPG": ("a.jpg.XMP",)}


def test_the_film_of_a_motion_photo_has_the_json_file_of_the_still():
    found = companions(
        [
            "IMG_1.HEIC",
            "IMG_1.MP4",
            "PXL_2.MP.jpg",
            "PXL_2.mp4",
            "IMG_3.MP4",
            "IMG_4.HEIC",
            "IMG_4(1).HEIC",
            "IMG_4(1).MP4",
        ],
        ["IMG_1.HEIC.json", "PXL_2.MP.jpg.supplemental-metadata.json", "IMG_4.HEIC.json", "IMG_4.HEIC(1).json"],
    )
    assert found["IMG_1.MP4"] == ("IMG_1.HEIC.json",)
    assert found["PXL_2.mp4"] == ("PXL_2.MP.jpg.supplemental-metadata.json",)
    assert found["IMG_4(1).MP4"] == found["IMG_4(1).HEIC"] == ("IMG_4.HEIC(1).json",)
    assert "IMG_3.MP4" not in found


def test_a_cut_name_that_fits_two_photos_belongs_to_neither_but_to_edited_copies():
    json_file = f"{LONG[:46]}.json"
    assert companions([f"{LONG[:46]}a.jpg", f"{LONG[:46]}b.jpg"], [json_file]) == {}
    both = [f"{LONG[:47]}.jpg", f"{LONG[:47]}-edited.jpg"]
    assert companions(both, [json_file]) == dict.fromkeys(both, (json_file,))


def test_a_hundred_thousand_photos_of_one_folder_find_their_files():
    photos = [f"{LONG} {number}.jpg" for number in range(50_000)] + [f"IMG_{number}.JPG" for number in range(50_000)]
    others = [f"IMG_{number}.JPG.supplemental-metadata.json" for number in range(50_000)]
    found = companions(photos, [*others, *(f"{LONG} {number}.xmp" for number in range(50_000))])
    assert len(found) == 100_000
    assert found["IMG_777.JPG"] == ("IMG_777.JPG.supplemental-metadata.json",)


TAKEOUT = {
    "title": "IMG_1.jpg",
    "description": "At the\nlake",
    "photoTakenTime": {"timestamp": "1706692500", "formatted": "31.01.2024, 09:15:00 UTC"},
    "geoData": {"latitude": 0.0, "longitude": 0.0},
    "geoDataExif": {"latitude": 48.5, "longitude": 9.05},
    "people": [{"name": "Anna"}, {"name": "anna"}, {}, "Ben"],
}


def read(tmp_path, content, name="photo.jpg.json"):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return read_companions(str(tmp_path), [name])


def test_takeouts_date_place_description_and_people_are_read(tmp_path):
    assert read(tmp_path, TAKEOUT) == [
        Facts(
            "takeout",
            taken_at=datetime(2024, 1, 31, 9, 15, tzinfo=timezone.utc),
            gps=(48.5, 9.05),
            description="At the lake",
            people=("Anna",),
        )
    ]


def test_an_old_photos_time_is_negative_and_zero_is_unknown(tmp_path):
    facts = read(tmp_path, {"photoTakenTime": {"timestamp": "-86400"}})[0]
    assert facts.taken_at == datetime(1969, 12, 31, tzinfo=timezone.utc)
    assert read(tmp_path, {"photoTakenTime": {"timestamp": "0"}}) == [Facts("takeout")]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[" * 100_000, b"\xff\xfe\x00", b" " * 1_000_001, b'{"photoTakenTime": 1' + b"0" * 5000 + b"}"],
)
def test_broken_json_is_logged_and_left_out(tmp_path, caplog, content):
    assert read(tmp_path, content) == []
    assert "photo.jpg.json is not used: " in caplog.text and "or move it away" in caplog.text


@pytest.mark.parametrize(
    "values",
    [
        {"photoTakenTime": None, "geoData": 5, "people": {"name": "x"}},
        {"photoTakenTime": {"timestamp": "1" * 400}, "geoData": {"latitude": "x", "longitude": 1}},
        {"photoTakenTime": {"timestamp": [1]}, "geoData": {"latitude": 91, "longitude": 1}, "description": ["x"]},
        {"photoTakenTime": {}, "geoData": {"latitude": float("nan"), "longitude": float("inf")}},
    ],
)
def test_values_of_the_wrong_kind_are_absent(tmp_path, values):
    assert read(tmp_path, values) == [Facts("takeout")]


def test_json_of_another_program_says_nothing(tmp_path):
    assert read(tmp_path, {"images": []}) == read(tmp_path, ["photoTakenTime"]) == []


def test_what_label_writes_into_a_sidecar_is_read_back(tmp_path):
    (tmp_path / "photo.jpg").touch()
    add_keywords(str(tmp_path / "photo.jpg"), ["snow & ice", "Äpfel"])
    names = companions(["photo.jpg"], os.listdir(tmp_path))["photo.jpg"]
    assert read_companions(str(tmp_path), names) == [Facts("sidecar", keywords=("snow & ice", "Äpfel"))]


def test_a_companion_that_has_gone_is_no_trouble(tmp_path, caplog):
    assert read_companions(str(tmp_path), ["gone.xmp", "gone.json"]) == []
    assert not caplog.text


def test_links_and_other_things_that_are_no_plain_files_are_not_followed(tmp_path, caplog):
    (tmp_path / "secret").write_text(json.dumps(TAKEOUT))
    names = ["link.json"]
    os.symlink(tmp_path / "secret", tmp_path / "link.json")
    (tmp_path / "folder.xmp").mkdir()
    names.append("folder.xmp")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.xmp")
        names.append("pipe.xmp")
    assert read_companions(str(tmp_path), names) == []
    assert caplog.text.count("is not used: ") == len(names)
