"""Files of one shot: by their names, or by their camera and time."""

from datetime import datetime, timedelta, timezone

import pytest

from clipsearch.query.shots import gathered, shot_name
from clipsearch.types import ImageFile, ImageInfo, ImageRecord

NOON = datetime(2024, 7, 1, 12, 0, 0)


def record(path, taken_at=None, camera=None):
    info = ImageInfo(4000, 3000, "JPEG", "0" * 64, taken_at=taken_at, camera=camera)
    return ImageRecord(1, ImageFile(path, 1000, 0), info)


@pytest.mark.parametrize(
    "names",
    [
        ("IMG_0001.HEIC", "IMG_0001.MOV", "img_0001.jpg"),
        ("DSC_0417.NEF", "DSC_0417.JPG", "DSC_0417.NEF.jpg"),
        ("IMG_20240701_120000.jpg", "IMG_20240701_120000-edited.jpg", "IMG_20240701_120000-bearbeitet.jpg"),
        ("IMG_1234(1).jpg", "IMG_1234-edited(1).jpg"),
        ("IMG_0001.HEIC", "IMG_E0001.HEIC"),
        ("PXL_20240701_120000123.jpg", "PXL_20240701_120000123.MP.jpg", "PXL_20240701_120000123.RAW-02.ORIGINAL.dng"),
        ("00000IMG_00000_BURST20190101120000123.jpg", "00001IMG_00001_BURST20190101120000123_COVER.jpg"),
        ("IMG_20240701_120000_BURST001_COVER.jpg", "IMG_20240701_120000_BURST002.jpg"),
        ("20240701_120000_001.jpg", "20240701_120000_002.jpg", "20240701_120000.jpg"),
    ],
)
def test_names_of_one_shot(names):
    assert len({shot_name(name) for name in names}) == 1
    assert gathered([record(f"/photos/{name}") for name in names]) == [list(range(len(names)))]


@pytest.mark.parametrize(
    "names",
    [
        ("IMG_0001.jpg", "IMG_0002.jpg"),
        ("IMG_0001.jpg", "IMG_0001(1).jpg"),
        ("trip.2019.jpg", "trip.2020.jpg"),
        ("IMG_E0001.jpg", "IMG_E0002.jpg"),
        ("edited.jpg", "beach.jpg", "-edited.jpg"),
        ("IMG_EDITORIAL.jpg", "IMG_DITORIAL.jpg"),
        ("20240701_120000_001.jpg", "20240701_120001_001.jpg"),
    ],
)
def test_names_of_several_shots(names):
    assert gathered([record(f"/photos/{name}") for name in names]) == [[position] for position in range(len(names))]


def test_files_of_two_folders_are_two_shots():
    assert gathered([record("/a/IMG_0001.jpg"), record("/b/IMG_0001.heic")]) == [[0], [1]]


def test_a_counter_that_started_again_makes_two_shots():
    later = NOON + timedelta(days=400)
    records = [record("/a/IMG_0001.jpg", NOON), record("/a/IMG_0001.heic", later), record("/a/IMG_0001.dng", later)]
    assert gathered(records) == [[0], [1, 2]]


def test_a_burst_is_one_shot_by_its_camera_and_its_seconds():
    seconds = [0, 1, 2, 2, 10]
    records = [record(f"/a/{n}.jpg", NOON + timedelta(seconds=second), "Canon") for n, second in enumerate(seconds)]
    assert gathered(records) == [[0, 1, 2, 3], [4]]


def test_two_cameras_in_one_second_are_two_shots():
    assert gathered([record("/a/1.jpg", NOON, "Canon"), record("/a/2.jpg", NOON, "Nikon")]) == [[0], [1]]
    assert gathered([record("/a/1.jpg", NOON), record("/a/2.jpg", NOON)]) == [[0], [1]]


def test_times_with_and_without_a_zone_are_compared():
    aware = NOON.replace(tzinfo=timezone(timedelta(hours=2)))
    assert gathered([record("/a/1.jpg", NOON, "Canon"), record("/a/2.jpg", aware, "Canon")]) == [[0, 1]]


def test_the_first_and_the_last_second_of_the_calendar_are_dates_too():
    records = [record("/a/1.jpg", datetime.min, "Canon"), record("/a/2.jpg", datetime.max, "Canon")]
    assert gathered(records) == [[0], [1]]
