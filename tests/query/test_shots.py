"""Files of one shot: by their names, or by their camera and time."""

import os
from datetime import datetime, timedelta, timezone

import pytest

from clipsearch.query.shots import REACH, first_shots, gathered, shot_name, shots_of_page
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
    known = shot_name.cache_info().misses
    assert (
        shot_name(names[0]) and shot_name.cache_info().misses == known
    )  # the next answer has many of these photos, too
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


# -- pages of a list


def listing(*names):
    """A list of files, as `browse` gives it, and the (offset, count) of each call."""
    records, calls = [record(f"/a/{name}") for name in names], []

    def list_files(offset, count):
        calls.append((offset, count))
        return records[offset : offset + count], len(records)

    return list_files, calls


def names_of(shots):
    return [[os.path.basename(file.file.path) for file in shot] for shot in shots]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_each_file_of_a_list_is_on_one_page_also_if_a_shot_is_cut_by_a_page_s_edge(size):
    names = ["1.jpg", "1.nef", "2.jpg", "3.jpg", "2.nef", "4.jpg", "3-edited.jpg", "5.jpg", "4.dng"]
    list_files, _ = listing(*names)
    pages = [shots_of_page(list_files, offset, size) for offset in range(0, len(names), size)]
    assert {total for _, total in pages} == {len(names)}
    assert [shot for shots, _ in pages for shot in names_of(shots)] == [
        ["1.jpg", "1.nef"], ["2.jpg", "2.nef"], ["3.jpg", "3-edited.jpg"], ["4.jpg", "4.dng"], ["5.jpg"],
    ]  # fmt: skip
    if size == 1:
        assert names_of(pages[1][0]) == [], "its file is of the shot on the page before"


def test_a_page_looks_at_a_bounded_number_of_files():
    list_files, calls = listing(*(f"{number}.jpg" for number in range(3 * REACH)))
    shots, _ = shots_of_page(list_files, 2 * REACH, 10)
    assert names_of(shots) == [[f"{number}.jpg"] for number in range(2 * REACH, 2 * REACH + 10)]
    assert calls == [(REACH, 2 * REACH + 10)]


def test_the_first_shots_are_as_many_as_are_wanted():
    list_files, _ = listing(*(f"{number}.{suffix}" for number in range(50) for suffix in ("dng", "jpg", "nef")))
    shots, total = first_shots(list_files, 7)
    assert names_of(shots) == [[f"{number}.{suffix}" for suffix in ("dng", "jpg", "nef")] for number in range(7)]
    assert total == 150 and len(first_shots(list_files, 1000)[0]) == 50
    assert first_shots(listing()[0], 5) == ([], 0)
