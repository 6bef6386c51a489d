"""The library with known facts that benchmarks/make_library.py makes: its plan, and what each program writes."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import ImageFont

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from photo_library.layouts import written
from photo_library.plan import SHARES, plan, shown
from photo_library.scores import Tally, recall_at
from photo_library.text_pictures import wrapped
from photo_library.texts import KINDS, LANGUAGES, plan_texts
from photo_library.truth import TRUTH_FILE, Truth, read_truth

PICTURES = {
    f"{number}.jpg": ("A dog runs .", "Two dogs", "a dog in snow", "an animal", "snow") for number in range(600)
}


@pytest.fixture(scope="module")
def photos():
    return plan(PICTURES, 500)


def test_the_same_seed_gives_the_same_library(photos):
    assert plan(PICTURES, 500) == photos and plan(PICTURES, 500, seed=1) != photos
    assert plan_texts(60) == plan_texts(60) != plan_texts(60, seed=1)
    assert len({photo.path for photo in photos}) == 500 and len({photo.source for photo in photos}) == 500
    assert {photo.layout for photo in photos} == set(SHARES)
    with pytest.raises(ValueError, match="only 600 pictures"):
        plan(PICTURES, 601)


def test_a_photo_shows_what_three_captions_agree_on():
    assert shown(PICTURES["0.jpg"]) == ("dog",)
    assert shown(("a doghouse", "a dogma", "dog", "dog", "cat")) == ()


def test_dates_stand_where_each_layout_has_them(photos):
    for photo in photos:
        facts = written(photo)
        tags, beside = dict(facts.tags), dict(facts.sidecar_tags)
        dates = {
            "exif": "EXIF:DateTimeOriginal" in tags,
            "xmp": "XMP-photoshop:DateCreated" in tags,
            "sidecar": "XMP-photoshop:DateCreated" in beside and bool(facts.sidecar),
            "takeout": facts.json_text is not None and "EXIF:DateTimeOriginal" not in tags,
            "name": not tags and f"{photo.taken_at:%Y}" in photo.path if photo.taken_at else False,
            None: photo.taken_at is None and not facts.json_text,
        }
        assert dates[photo.date_in], photo


def test_json_files_have_takeouts_names(photos):
    names = {photo.path.rpartition("/")[2]: written(photo).json_name for photo in photos if photo.layout == "takeout"}
    assert all(len(name) <= 51 for name in names.values() if "(" not in name)
    assert any(name.endswith("-edited.jpg") and "-edited" not in beside for name, beside in names.items())
    assert any(beside.endswith(".jpg(2).json") for beside in names.values())
    assert any(beside.endswith(".supplemental-metada.json") for beside in names.values())
    photo = next(photo for photo in photos if photo.layout == "takeout" and photo.people)
    text = json.loads(written(photo).json_text)
    assert tuple(person["name"] for person in text["people"]) == photo.people


def test_lightroom_and_digikam_write_hierarchies_each_in_its_form(photos):
    photo = replace(
        next(photo for photo in photos if photo.layout == "lightroom" and photo.date_in == "exif"),
        keywords=("Christmas", "Dog"), groups=("Family", "Subjects"), people=("Tom",), rating=5,
    )  # fmt: skip
    tags = written(photo).tags
    assert ("XMP-lr:HierarchicalSubject", "Family|Christmas") in tags and ("XMP-dc:Subject", "Dog") in tags
    assert ("IPTC:Keywords", "Dog") in tags and "Name=Tom" in dict(tags)["XMP-mwg-rs:RegionInfo"]
    facts = written(replace(photo, layout="digikam", path="digiKam/1/P0000001.JPG"))
    assert facts.sidecar == "P0000001.JPG.xmp" and ("XMP-digiKam:TagsList", "People/Tom") in facts.sidecar_tags
    assert ("XMP-microsoft:RatingPercent", "99") in facts.sidecar_tags


def test_pictures_with_text_have_all_kinds_languages_and_scripts():
    pictures = plan_texts(200)
    assert [sum(picture.kind == kind for picture in pictures) for kind in KINDS] == [40] * 5
    assert {picture.language for picture in pictures} == set(LANGUAGES)
    assert len({picture.script for picture in pictures}) == 6
    assert all(line.strip() for picture in pictures for line in picture.lines)
    assert {picture.photographed for picture in pictures if picture.kind == "document"} == {True, False}


def test_long_lines_are_wrapped_and_keep_all_their_words():
    font = ImageFont.load_default(16)
    lines = wrapped("Recycling is collected on alternate Wednesdays", font, 150, spaceless=False)
    assert len(lines) > 1 and all(font.getlength(line) <= 150 for line in lines)
    assert " ".join(lines) == "Recycling is collected on alternate Wednesdays"
    assert "".join(wrapped("abcdefghij" * 4, font, 90, spaceless=True)) == "abcdefghij" * 4


def test_the_truth_is_read_as_it_was_written(photos, tmp_path):
    truth = Truth(0, tuple(photos), tuple(plan_texts(10)), {"Papers/P0000.jpg": "DejaVuSans.ttf"})
    (tmp_path / TRUTH_FILE).write_text(truth.as_json(), "utf-8")
    assert read_truth(tmp_path) == truth


def test_precision_and_recall_count_over_all_questions():
    tally = Tally()
    tally.add({"a", "b"}, {"b", "c", "d"})
    tally.add(set(), {"e"})
    assert (tally.questions, tally.precision, tally.recall) == (2, 0.5, 0.25)
    assert (Tally().precision, Tally().recall) == (1, 1)
    assert recall_at(["a", "b", "c"], {"b", "z"}, most=2) == 0.5
    assert recall_at(["a", "b"], {"a", "b", "c"}, most=2) == 1
