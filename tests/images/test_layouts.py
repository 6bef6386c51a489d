"""Facts of photos as programs leave them in a folder: in the photo, beside it and in its name."""

import json
import os
from datetime import datetime, timedelta, timezone

import pytest
from PIL import Image

from clipsearch.images.companions import companions, read_companions
from clipsearch.images.facts import complete
from clipsearch.images.file_name_dates import facts_in_name
from clipsearch.images.file_types import is_image_name
from clipsearch.images.files import ReadLimits
from clipsearch.images.reader import read_image
from tests.images import raw_files
from tests.images.exiftool import exiftool


@pytest.fixture
def photo(tmp_path):
    def make(name):
        Image.new("RGB", (64, 48), "red").save(tmp_path / name)
        return tmp_path / name

    return make


def facts(path):
    """What an index would keep of a photo."""
    names = os.listdir(path.parent)
    photos = [name for name in names if is_image_name(name)]
    beside = companions(photos, [name for name in names if name not in photos]).get(path.name, ())
    info = read_image(path, (64, 64), ReadLimits())[1]
    return complete(info, *read_companions(str(path.parent), beside), facts_in_name(path.name))


def test_digikam_keeps_a_sidecar_beside_each_photo(photo, tmp_path):
    path = photo("holiday.jpg")
    exiftool("-ExifIFD:DateTimeOriginal=2024:07:01 12:00:00", "-XMP-dc:Title=Old title", "-XMP-dc:Subject=old", path)
    exiftool(
        "-XMP-dc:Title=New title", "-XMP-dc:Subject=Neckar", "-XMP-digiKam:TagsList=Places/Neckar",
        "-XMP-digiKam:TagsList=People/Anna", "-XMP-xmp:Rating=4", "-XMP-xmp:Label=Green",
        "-XMP-exif:DateTimeOriginal=2030:01:01 00:00:00", "-RegionInfo={RegionList=[{Name=Anna,Type=Face}]}",
        tmp_path / "holiday.jpg.xmp",
    )  # fmt: skip
    info = facts(path)
    assert (info.title, info.rating, info.label, info.people) == ("New title", 4, "Green", ("Anna",))
    assert info.keywords == ("Neckar", "Places", "People", "Anna", "old")
    assert (info.taken_at, info.taken_from) == (datetime(2024, 7, 1, 12), "exif")


def test_lightroom_keeps_one_sidecar_for_a_raw_file_and_writes_into_jpegs(photo, tmp_path):
    (tmp_path / "IMG_1.CR2").write_bytes(raw_files.cr2())
    jpeg = photo("IMG_2.jpg")
    keywords = ["-XMP-dc:Subject=Paris", "-XMP-lr:HierarchicalSubject=Places|France|Paris", "-XMP-xmp:Rating=5"]
    exiftool(*keywords, "-XMP-photoshop:DateCreated=2024:07:01 12:00:00+02:00", jpeg, tmp_path / "IMG_1.xmp")
    for path in (tmp_path / "IMG_1.CR2", jpeg):
        info = facts(path)
        assert (info.keywords, info.rating) == (("Paris", "Places", "France"), 5)
    assert facts(jpeg).taken_at == datetime(2024, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert facts(tmp_path / "IMG_1.CR2").taken_from == "exif"


def test_takeout_keeps_a_json_file_beside_photos_that_lost_their_facts(photo, tmp_path):
    path, edited = photo("sunset(1).jpg"), photo("sunset-edited(1).jpg")
    content = {
        "title": "sunset.jpg",
        "description": "From the hill",
        "photoTakenTime": {"timestamp": "1706692500"},
        "geoData": {"latitude": 48.52, "longitude": 9.05},
        "people": [{"name": "Anna"}],
    }
    (tmp_path / "sunset.jpg.supplemental-metada(1).json").write_text(json.dumps(content))
    for one in (path, edited):
        info = facts(one)
        assert (info.taken_at, info.taken_from) == (datetime(2024, 1, 31, 9, 15, tzinfo=timezone.utc), "takeout")
        assert (info.title, info.description, info.people, info.gps) == (
            None,
            "From the hill",
            ("Anna",),
            (48.52, 9.05),
        )


def test_whatsapp_leaves_only_the_name(photo):
    info = facts(photo("IMG-20240131-WA0001.jpg"))
    assert (info.taken_at, info.taken_from) == (datetime(2024, 1, 31), "name")


def test_apple_writes_iptc_and_xmp_with_the_same_words(photo):
    path = photo("IMG_0001.jpg")
    exiftool(
        "-ExifIFD:DateTimeOriginal=2024:07:01 12:00:00", "-ExifIFD:OffsetTimeOriginal=+02:00", "-IFD0:ImageDescription=Am See",
        "-IPTC:CodedCharacterSet=UTF8", "-IPTC:Caption-Abstract=Am See", "-IPTC:Keywords=Zürich", "-IPTC:ObjectName=Ein Titel",
        "-XMP-dc:Description=Am See", "-XMP-dc:Title=Ein Titel", "-XMP-dc:Subject=Zürich", "-IFD0:Make=Apple",
        "-XMP-iptcExt:PersonInImage=Anna", "-IFD0:Model=iPhone 15", path,
    )  # fmt: skip
    info = facts(path)
    assert (info.title, info.description, info.keywords, info.people) == ("Ein Titel", "Am See", ("Zürich",), ("Anna",))
    assert info.taken_at == datetime(2024, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert info.camera == "Apple iPhone 15"
