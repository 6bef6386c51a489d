"""Raw files of every maker: a preview that is large enough is read, and so are the facts about the photo."""

import contextlib
import io
import json
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from clipsearch.errors import ImageError
from clipsearch.images import file_decoder, libraw
from clipsearch.images.file_types import RAW_FORMATS, is_image_name, looks_like_image
from clipsearch.images.files import ReadLimits
from clipsearch.images.pool import Decoded, DecoderPool
from clipsearch.images.raw import RawPhoto, read_raw
from clipsearch.images.reader import decode_image
from clipsearch.types import Box, ImageFile
from tests.images import raw_files
from tests.images.raw_files import COLOURS, FULL, MEDIUM, SENSOR, THUMBNAIL

MODEL = (224, 224)
ONLY_FULL = ("CR2", "RAF")  # these have no preview of a medium size


@pytest.fixture(scope="module")
def files():
    return {name: make() for name, make in raw_files.FILES.items()}


@pytest.fixture
def without_libraw(monkeypatch):
    monkeypatch.setattr(file_decoder, "has_libraw", lambda: False)


def decode(data, min_size=MODEL, **limits):
    return decode_image(data, min_size, ReadLimits(**limits))


def colour_of(picture):
    """The colour of the right side, as stored. After a turn by 90 degrees clockwise, this is the lower side."""
    return np.asarray(picture)[-5, picture.width // 2].astype(int)


def test_there_is_a_file_of_every_format():
    assert set(raw_files.FILES) == set(RAW_FORMATS)


@pytest.mark.parametrize("name", RAW_FORMATS)
def test_a_raw_file_is_its_preview_and_says_what_its_photo_is(files, name, without_libraw):
    picture, info = decode(files[name])
    expected = FULL if name in ONLY_FULL else MEDIUM
    assert np.abs(colour_of(picture) - COLOURS[expected]).max() < 8, name
    assert (np.asarray(picture)[5, picture.width // 2] > 240).all()  # turned upright
    assert picture.height > picture.width and min(picture.size) >= 448
    assert info.format == name
    width, height = (640, 480) if name == "DNG" else SENSOR
    if name == "3FR":  # this format does not give its crop
        width, height = width + 48, height + 24
    assert (info.width, info.height) == (height, width)
    assert info.taken_at.isoformat() == "2021-06-05T10:11:12"
    assert info.camera.split()[0].lower() in ("canon", "nikon", "sony", "fujifilm", "panasonic", "olympus", "pentax",
                                              "samsung", "sigma", "hasselblad", "phase", "ricoh")  # fmt: skip
    assert info.gps == (None if name == "CRW" else (48.5, 9.25))


@pytest.mark.parametrize("name", RAW_FORMATS)
def test_a_raw_file_is_recognised_by_name_and_content(files, name):
    assert is_image_name(f"IMG_0001.{name}") and looks_like_image(files[name][:16])


@pytest.mark.skipif(not shutil.which("exiftool"), reason="needs exiftool (Debian's libimage-exiftool-perl)")
@pytest.mark.parametrize("name", RAW_FORMATS)
def test_exiftool_reads_the_same_from_our_files(files, name, tmp_path):
    """Our test files are laid out like those of cameras: exiftool agrees on their types and contents."""
    path = tmp_path / f"x.{name.lower()}"
    path.write_bytes(files[name])
    tags = [
        "-FileType",
        "-ImageSize",
        "-DateTimeOriginal",
        "-Orientation",
        "-PreviewImage",
        "-JpgFromRaw",
        "-OtherImage",
    ]
    output = subprocess.run(["exiftool", "-j", *tags, str(path)], capture_output=True, text=True, check=True).stdout
    (facts,) = json.loads(output)
    assert facts["FileType"] in {name, {"NRW": "NEF", "SR2": "ARW", "RW2": "RAW"}.get(name)}
    width, height = map(int, facts["ImageSize"].split("x"))
    _, info = decode(files[name])
    assert abs(width - info.height) <= 48 and abs(height - info.width) <= 24
    if name != "X3F":  # exiftool does not look into the preview
        assert facts["DateTimeOriginal"] == raw_files.TAKEN
        assert facts.get("Orientation", "Rotate 90 CW") == "Rotate 90 CW"
    assert name in ("3FR", "X3F", "IIQ", "NEF", "NRW") or any("Binary data" in str(value) for value in facts.values())


def test_the_smallest_preview_that_is_large_enough_is_taken(files):
    for wanted, expected in (((224, 224), MEDIUM), ((480, 480), MEDIUM), ((600, 600), FULL)):
        picture, _ = decode(files["ARW"], wanted)
        assert np.abs(colour_of(picture) - COLOURS[expected]).max() < 8
    assert decode(files["ARW"], None)[0].size == FULL[::-1]


def test_a_preview_with_black_bars_is_only_taken_if_there_is_no_other():
    photo = RawPhoto("NEF", 4000, 3000)
    data = b"\0" * 9 + raw_files.jpeg((1280, 720)) + raw_files.jpeg((2000, 1500))
    photo.add_all_jpegs(data)
    assert [preview.size for preview in photo.previews_of((448, 448))] == [(2000, 1500), (1280, 720)]


def test_a_preview_that_is_broken_gives_way_to_the_next(files):
    data = bytearray(files["ARW"])
    medium = next(preview for preview in read_raw(bytes(data)).previews if preview.size == MEDIUM)
    data[medium.start + 200 : medium.start + medium.length] = bytes(medium.length - 200)
    picture, _ = decode(bytes(data))
    assert np.abs(colour_of(picture) - COLOURS[FULL]).max() < 8


def test_a_preview_that_no_tag_names_is_found():
    """Some makers do not publish the tags of their notes."""
    tiff = raw_files.Tiff()
    tiff.blob(raw_files.jpeg(MEDIUM))
    main = raw_files.sensor(tiff, 32770) | raw_files.facts(tiff, b"SAMSUNG", b"NX500")
    picture, info = decode(tiff.finish(tiff.directory(main)))
    assert info.format == "SRW" and np.abs(colour_of(picture) - COLOURS[MEDIUM]).max() < 8


def test_a_raw_file_of_another_maker_is_not_taken_for_its_thumbnail(without_libraw):
    data = raw_files.nef(b"SEIKO EPSON CORP.", b"R-D1")
    picture, info = decode(data)
    assert (info.format, info.camera) == ("RAW", "SEIKO EPSON CORP. R-D1")
    assert np.abs(colour_of(picture) - COLOURS[MEDIUM]).max() < 8


def test_sensor_data_in_lossless_jpeg_is_no_preview(files):
    photo = read_raw(files["CR2"])
    assert {preview.size for preview in photo.previews} == {FULL, THUMBNAIL}


def test_a_raw_file_with_only_a_thumbnail_says_which_extra_develops_it(without_libraw):
    with pytest.raises(ImageError, match=r"\(DNG\) whose largest preview has 160 x 120 pixels.*'clipsearch\[raw\]'"):
        decode(raw_files.dng(previews=[THUMBNAIL]))
    with pytest.raises(ImageError, match="without a preview"):
        decode(raw_files.dng(previews=[]))


def test_a_preview_of_the_models_size_is_better_than_nothing(without_libraw):
    picture, info = decode(raw_files.dng(previews=[(320, 240)], size=(2048, 1536)))
    assert picture.size == (240, 320) and (info.width, info.height) == (1536, 2048)
    # To show the photo, its thumbnail is enough.
    assert decode(raw_files.dng(previews=[THUMBNAIL]), (300, 1))[0].size == (120, 160)


class TestLibRaw:
    @pytest.fixture(autouse=True)
    def needs_rawpy(self):
        pytest.importorskip("rawpy", reason="needs rawpy")

    def test_a_raw_file_with_only_a_thumbnail_is_developed_at_half_size(self):
        picture, info = decode(raw_files.dng(previews=[THUMBNAIL]))
        assert (info.width, info.height, info.format) == (480, 640, "DNG")
        assert picture.size == (240, 320) and picture.mode == "RGB"
        values = np.asarray(picture.convert("L")).astype(int)
        assert values[-20].mean() > values[20].mean() + 50  # the dark left side of the sensor is now the top

    def test_a_sensor_with_too_many_pixels_is_refused_before_it_is_read(self):
        data = raw_files.dng(previews=[])
        with pytest.raises(ImageError, match="640 x 480 pixels are more than the 0 million allowed"):
            libraw.develop(data, ReadLimits(max_pixels=300_000), None)
        with pytest.raises(ImageError, match="640 x 480 pixels are more than") as refused:
            decode(data, max_pixels=300_000)
        assert refused.value.cause == "pixels"  # a run with a higher limit tries the file again

    def test_a_lack_of_memory_is_no_fault_of_the_file(self, monkeypatch):
        def without_memory(*_):
            raise RuntimeError(b"Unsufficient memory")

        monkeypatch.setattr(file_decoder, "develop", without_memory)
        with pytest.raises(ImageError) as refused:
            decode(raw_files.dng(previews=[]))
        assert refused.value.cause == "memory"

    def test_memory_is_asked_for_before_a_sensor_is_read(self):
        sizes = []
        decode_image(raw_files.dng(previews=[]), MODEL, ReadLimits(), sizes.append)
        assert sizes == [6 * 640 * 480]

    def test_a_photo_that_libraw_does_not_know_falls_back_to_a_usable_preview(self):
        data = (
            raw_files.arw()
            .replace(raw_files.jpeg(MEDIUM)[:400], bytes(400))
            .replace(raw_files.jpeg(FULL)[:400], bytes(400))
        )
        with pytest.raises(ImageError, match="LibRaw says"):
            decode(data)
        assert decode(data, (100, 100))[0].size == (120, 160)


@pytest.mark.parametrize("name", RAW_FORMATS)
def test_a_raw_file_cut_short_at_any_point_is_read_or_refused(files, name, without_libraw):
    data = files[name]
    points = [*range(0, 400, 7), *range(400, len(data), max(len(data) // 25, 1))]
    for length in points:
        with contextlib.suppress(ImageError):
            decode(data[:length])


@pytest.mark.parametrize("name", RAW_FORMATS)
def test_a_raw_file_with_damaged_tags_is_read_or_refused(files, name, without_libraw):
    chance = np.random.default_rng(5)
    ends = [*range(256), *range(len(files[name]) - 300, len(files[name]))]  # the tags and directories are at both ends
    for _ in range(40):
        data = bytearray(files[name])
        for at in chance.choice(ends, 12):
            data[at] = chance.choice([0, 1, 127, 128, 255])
        with contextlib.suppress(ImageError):
            decode(bytes(data))


def test_directories_that_name_each_other_end():
    tiff = raw_files.Tiff()
    at = len(tiff.body)
    tiff.directory({0xC612: (raw_files.BYTE, [1, 4, 0, 0]), 0x014A: (raw_files.LONG, [at, at])}, at)
    with pytest.raises(ImageError):
        decode(tiff.finish(at))


def test_the_pixel_limit_counts_what_is_decoded_of_a_preview(files):
    with pytest.raises(ImageError, match="pixels"):
        decode(files["3FR"], max_pixels=1_000_000)  # plain pixels cannot be shrunk
    assert decode(files["CR2"], max_pixels=1_000_000)[1].width == SENSOR[1]


def test_raw_files_go_through_the_processes_that_decode(files, tmp_path):
    for name in ("NEF", "CR3"):
        (tmp_path / f"x.{name.lower()}").write_bytes(files[name])
    paths = [ImageFile(str(tmp_path / f"x.{name}"), 0, 0) for name in ("nef", "cr3")]
    with DecoderPool(Box(300, 300), workers=1) as pool:
        outcomes = list(pool.read(paths))
    assert all(isinstance(outcome, Decoded) and outcome.pixels.shape == (1, 300, 225, 3) for outcome in outcomes)
    assert [outcome.info.format for outcome in outcomes] == ["NEF", "CR3"]


def test_a_tiff_that_a_camera_did_not_write_stays_a_tiff():
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "NIKON CORPORATION"
    Image.new("RGB", (500, 500), "red").save(stream, "TIFF", exif=exif)
    assert decode(stream.getvalue())[1].format == "TIFF"
