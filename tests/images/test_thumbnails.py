"""Small pictures to look at."""

import numpy as np
import pytest
from PIL import Image

from clipsearch.images.thumbnails import each_thumbnail, indexed_thumbnails, thumbnails
from clipsearch.types import ImageFile, ImageInfo, ImageRecord, Moment
from tests.conftest import COLOURS, save_pages, save_photo


def record(path, moment=None):
    return ImageRecord(1, ImageFile(str(path), 0, 0), ImageInfo(32, 24, "JPEG", ""), moment)


def shapes(folder, *sizes, suffix="jpg"):
    return [record(save_photo(folder / f"{w}x{h}.{suffix}", "red", (w, h))) for w, h in sizes]


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_pictures_fit_into_the_box_and_keep_their_shape(tmp_path, suffix):
    records = shapes(tmp_path, (400, 300), (300, 400), (3000, 200), (200, 3000), (10, 8), (1200, 2), suffix=suffix)
    assert [picture.size for picture in thumbnails(records, (100, 80))] == [
        (100, 75),
        (60, 80),
        (100, 7),
        (5, 80),
        (10, 8),
        (100, 1),
    ]


def test_pictures_are_upright_and_rgb(tmp_path):
    image = Image.new("RGB", (400, 200), COLOURS["red"])
    image.paste(COLOURS["blue"], (0, 0, 200, 200))
    exif = image.getexif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise: the left side goes up
    image.save(tmp_path / "turned.jpg", exif=exif)
    Image.new("LA", (40, 20), (0, 0)).save(tmp_path / "clear.png")
    turned, clear = thumbnails([record(tmp_path / "turned.jpg"), record(tmp_path / "clear.png")], (100, 100))
    assert (turned.mode, turned.size) == ("RGB", (50, 100))
    assert np.allclose(np.asarray(turned)[10, 25], COLOURS["blue"], atol=6)
    assert np.allclose(np.asarray(turned)[90, 25], COLOURS["red"], atol=6)
    assert clear.mode == "RGB" and clear.getpixel((5, 5)) == (255, 255, 255)


def test_what_cannot_be_read_or_is_gone_is_none_in_its_place(tmp_path):
    good = save_photo(tmp_path / "good.jpg")
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff nothing")
    records = [record(path) for path in (tmp_path / "bad.jpg", good, tmp_path / "gone.jpg", tmp_path)]
    assert [picture and picture.size for picture in thumbnails(records, (16, 16))] == [None, (16, 12), None, None]
    assert thumbnails([], (16, 16)) == []


def test_a_photo_that_cannot_be_shown_says_whether_it_is_gone_away_or_changed(tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff nothing")
    paths = [
        tmp_path / "gone.jpg",
        tmp_path / "drive" / "trip" / "a.jpg",
        tmp_path / "bad.jpg",
        save_photo(tmp_path / "b.jpg"),
    ]
    gone, away, bad, changed = indexed_thumbnails(list(map(record, paths)), (16, 16))
    assert gone.reason == "it is not there any more, or its drive is not connected"
    assert away.reason == "the folder drive is away; mount its drive"
    assert bad.reason.startswith("not a picture") and "has changed since it was indexed" in changed.reason
    assert [failure.file.path for failure in (gone, away, bad, changed)] == list(map(str, paths))
    shown = list(each_thumbnail(list(map(record, paths)), (16, 16)))
    assert [failure.reason for failure in shown[:3]] == [gone.reason, away.reason, bad.reason]


def test_a_thumbnail_of_a_large_jpeg_is_near_one_of_the_whole(tmp_path):
    noise = np.random.default_rng(1).integers(0, 256, (30, 40, 3)).astype(np.uint8)
    image = Image.fromarray(noise).resize((2000, 1500), Image.Resampling.BICUBIC)
    image.save(tmp_path / "large.jpg", quality=95)
    (small,) = thumbnails([record(tmp_path / "large.jpg")], (160, 160))
    whole = Image.open(tmp_path / "large.jpg").resize((160, 120), Image.Resampling.LANCZOS)
    assert np.abs(np.asarray(small, np.float64) - np.asarray(whole, np.float64)).mean() < 2


def test_of_a_file_with_pages_the_wanted_page_is_shown(tmp_path):
    path = save_pages(tmp_path / "scan.tif", "red", "green", "blue")
    wanted = [record(path, Moment("page", number)) for number in (3, 1, 2)]
    colours = [picture.getpixel((5, 5)) for picture in thumbnails([*wanted, record(path)], (16, 16))]
    assert colours == [COLOURS[name] for name in ("blue", "red", "green", "red")]
    assert thumbnails([record(path, Moment("page", 4))], (16, 16)) == [None]
