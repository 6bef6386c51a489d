"""Reading: any file becomes an upright RGB picture, or one sentence that says why not."""

import hashlib
import io
import os
import re
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from clipsearch.errors import ImageError
from clipsearch.images.file_decoder import DRAFT_FACTOR, REDUCE_FACTOR
from clipsearch.images.files import ReadLimits, content_hash, require_few_pixels
from clipsearch.images.preprocess import resize_and_crop
from clipsearch.images.reader import decode_image, read_image
from clipsearch.images.rgb import to_rgb
from clipsearch.types import PixelSpec
from tests.conftest import PHOTOS, shared


def encode(image, format="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, format=format, **options)
    return stream.getvalue()


def decode(data, min_size=None, **limits):
    return decode_image(data, min_size, ReadLimits(**limits))


def with_size(png, edge):
    """A PNG whose header tells of a square of this edge."""
    head = struct.pack(">4sII", b"IHDR", edge, edge) + png[24:29]
    return png[:12] + head + struct.pack(">I", zlib.crc32(head)) + png[33:]


def pixels(data):
    return np.asarray(decode(data)[0])


@pytest.fixture(scope="module")
def scene():
    """A picture without symmetry: a gradient with one bright corner."""
    y, x = np.mgrid[0:48, 0:80]
    array = np.stack([x * 3, y * 5, 255 - x], axis=-1).astype(np.uint8)
    array[:16, :16] = (250, 30, 30)
    return Image.fromarray(array)


def turned(scene, orientation):
    """The pixels that a camera stores for a scene with this EXIF orientation."""
    undo = {2: [0], 3: [3], 4: [1], 5: [5], 6: [2], 7: [6], 8: [4]}
    methods = [Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.ROTATE_90,
               Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270, Image.Transpose.TRANSPOSE,
               Image.Transpose.TRANSVERSE]  # fmt: skip
    for step in undo.get(orientation, []):
        scene = scene.transpose(methods[step])
    exif = Image.Exif()
    exif[0x0112] = orientation
    return scene, exif


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_every_orientation_comes_out_upright(scene, orientation, format):
    stored, exif = turned(scene, orientation)
    options = {"JPEG": {"quality": 98, "subsampling": 0}, "WEBP": {"lossless": True}}.get(format, {})
    (
        picture,
        info,
    ) = decode(encode(stored, format, exif=exif, **options))
    assert picture.size == (info.width, info.height) == scene.size
    difference = np.abs(np.asarray(picture).astype(int) - np.asarray(scene))
    assert difference.mean() < 2


def test_orientation_that_is_no_orientation_is_ignored(scene):
    for value in (0, 9, 255):
        exif = Image.Exif()
        exif[0x0112] = value
        assert decode(encode(scene, "PNG", exif=exif))[0].size == scene.size


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_becomes_white(mode):
    image = Image.new("RGBA", (4, 4), (255, 0, 0, 0)).convert(mode)
    assert (pixels(encode(image)) == 255).all()


def test_transparent_colours_of_palettes_and_of_plain_pictures_become_white():
    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putpixel((1, 0), 1)
    assert pixels(encode(palette, transparency=0)).tolist() == [[[255, 255, 255], [0, 0, 255]]]
    assert (pixels(encode(Image.new("RGB", (2, 2), "red"), transparency=(255, 0, 0))) == 255).all()
    assert (pixels(encode(Image.new("L", (2, 2), 7), transparency=7)) == 255).all()


@pytest.mark.parametrize(
    ("image", "format", "expected"),
    [
        (Image.new("L", (2, 2), 100), "PNG", (100, 100, 100)),
        (Image.new("1", (2, 2), 1), "PNG", (255, 255, 255)),
        (Image.new("P", (2, 2), 0), "GIF", (0, 0, 0)),
        (Image.new("CMYK", (2, 2), (0, 255, 255, 0)), "TIFF", (255, 0, 0)),
        (Image.fromarray(np.full((2, 2), 65535, np.uint16)), "PNG", (255, 255, 255)),
        (Image.fromarray(np.full((2, 2), 25700, np.uint16)), "TIFF", (100, 100, 100)),
        (Image.fromarray(np.full((2, 2), 0.5, np.float32)), "TIFF", (127, 127, 127)),
        (Image.fromarray(np.array([[0, 1_000_000]], np.int32)), "TIFF", None),
        (Image.new("YCbCr", (8, 8), (76, 85, 255)), "JPEG", (254, 0, 0)),
    ],
)
def test_every_kind_of_pixel_becomes_rgb(image, format, expected):
    array = pixels(encode(image, format))
    assert array.dtype == np.uint8 and array.shape[2] == 3
    if expected is None:
        assert (array[0, 0] == 0).all() and (array[0, 1] == 255).all()
    else:
        assert np.abs(array[0, 0].astype(int) - expected).max() <= 2


@pytest.mark.parametrize("place", [(0, 0), (2, 3)])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_value_that_is_not_finite_costs_its_own_pixel_alone(value, place):
    values = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    whole = pixels(encode(Image.fromarray(values), "TIFF"))
    values[place] = value
    picture = pixels(encode(Image.fromarray(values), "TIFF"))
    others = np.full((8, 8), True)
    others[place] = False
    assert np.array_equal(picture[others], whole[others])
    nothing = Image.fromarray(np.full((2, 2), value, np.float32))
    assert pixels(encode(nothing, "TIFF")).shape == (2, 2, 3)


def test_lab_becomes_rgb():
    array = pixels(encode(Image.new("LAB", (4, 4), (255, 128, 128)), "TIFF"))
    assert array.shape == (4, 4, 3) and array.mean() > 200


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_an_animation_is_its_first_frame(format):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "green")]
    options = {"lossless": True} if format == "WEBP" else {}
    data = encode(frames[0], format, save_all=True, append_images=frames[1:], **options)
    assert pixels(data)[0, 0].tolist() == [255, 0, 0]


def test_avif_is_read(scene):
    assert decode(encode(scene, "AVIF"))[1].format == "AVIF"


@pytest.mark.shared
def test_heic_of_a_phone_is_read():
    picture, info, _ = read_image(shared("data/bad_images/pillow_heif/tests/images/heif/RGB_8__128x128.heif"))
    assert (picture.size, picture.mode, info.format) == ((128, 128), "RGB", "HEIF")


def test_info_says_size_format_and_hash(scene, tmp_path):
    path = tmp_path / "x.jpg"
    scene.save(path)
    _, info, file = read_image(path)
    assert (info.width, info.height, info.format) == (80, 48, "JPEG")
    assert info.content_hash == hashlib.sha256(path.read_bytes()).hexdigest() == content_hash(path, 10**9)[0]
    assert (file.size, file.mtime_ns) == (path.stat().st_size, path.stat().st_mtime_ns)


def test_a_jpeg_is_decoded_at_several_times_the_size_asked_for():
    for size in ((4000, 3000), (3000, 4000), (1000, 800), (500, 500), (5000, 600)):
        data = encode(Image.new("RGB", size, "red"), "JPEG")
        picture, info = decode(data, min_size=(224, 224))
        assert (info.width, info.height) == size
        assert min(picture.size) >= min(DRAFT_FACTOR * 224, *size)
        assert picture.size[0] < size[0] or min(size) < 2 * DRAFT_FACTOR * 224  # shrunk if the size allows it


def test_a_jpeg_on_its_side_is_shrunk_by_its_upright_size():
    exif = Image.Exif()
    exif[0x0112] = 6
    picture, info = decode(encode(Image.new("RGB", (4000, 1000)), "JPEG", exif=exif), min_size=(100, 900))
    assert (info.width, info.height) == (1000, 4000)
    assert picture.size[0] >= 100 * DRAFT_FACTOR and picture.size[1] >= 900 * DRAFT_FACTOR


LARGE_FILES = {
    "png": lambda photo: encode(photo, compress_level=1),
    "png with transparency": lambda photo: encode(with_alpha(photo), compress_level=1),
    "png with a transparent colour": lambda photo: encode(photo, transparency=photo.getpixel((0, 0)), compress_level=1),
    "png of a palette": lambda photo: encode(photo.quantize(64), compress_level=1),
    "png on its side": lambda photo: encode(photo, exif=on_its_side(), compress_level=1),
    "grey tiff on its side": lambda photo: encode(photo.convert("L"), "TIFF", tiffinfo={0x0112: 6}),
    "tiff of 16 bits": lambda photo: encode(grey_of_16_bits(photo), "TIFF"),
    "cmyk tiff": lambda photo: encode(photo.convert("CMYK"), "TIFF", compression="tiff_lzw"),
    "webp": lambda photo: encode(photo, "WEBP", quality=90, method=0),
}


def with_alpha(photo):
    photo = photo.convert("RGBA")
    photo.putalpha(Image.linear_gradient("L").resize(photo.size))
    return photo


def on_its_side():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def grey_of_16_bits(photo):
    return Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 256 + 77)


@pytest.mark.parametrize("kind", LARGE_FILES)
def test_a_large_picture_is_shrunk_before_it_is_resized_and_looks_the_same(kind):
    spec = PixelSpec(224, None, (224, 224), 3, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    data = LARGE_FILES[kind](Image.open(PHOTOS / "mountain-trail.jpg").resize((2400, 1800)))
    whole, facts = decode(data)
    shrunk, facts_of_shrunk = decode(data, (224, 224))
    assert facts == facts_of_shrunk and (facts.width, facts.height) == whole.size
    assert REDUCE_FACTOR * 224 <= min(shrunk.size) < min(whole.size)
    values, fewer_values = (np.asarray(resize_and_crop(picture, spec)).astype(int) for picture in (whole, shrunk))
    assert np.abs(values - fewer_values).mean() <= 0.5


def test_a_large_picture_on_its_side_is_shrunk_by_its_upright_size():
    picture, info = decode(encode(Image.new("RGB", (1600, 400)), exif=on_its_side()), (25, 300))
    assert (info.width, info.height) == (400, 1600)
    assert picture.size == (400, 1600)  # 4 x 300 leaves no whole factor; on its side, 4 would fit
    assert decode(encode(Image.new("RGB", (1600, 400)), exif=on_its_side()), (25, 100))[0].size == (100, 400)


def test_16_bit_values_do_not_depend_on_the_order_of_bytes():
    ramp = np.arange(65536, dtype="<u2").reshape(256, 256)
    little, big = Image.fromarray(ramp), Image.frombytes("I;16B", (256, 256), ramp.astype(">u2").tobytes())
    assert np.array_equal(np.asarray(to_rgb(little)), np.asarray(to_rgb(big)))
    assert np.array_equal(np.asarray(to_rgb(little))[..., 0], ramp // 257)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"just words", "not a picture in a format that clipsearch reads"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "not a picture in a format that clipsearch reads"),
        (b"P6\n" + b"1" * 20, "^cannot be decoded: its data is damaged$"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture in a format that clipsearch reads"),
        (b"BUFR" + b"\0" * 20, "not a picture in a format that clipsearch reads"),
    ],
)
def test_what_is_no_picture_says_so(data, reason):
    with pytest.raises(ImageError, match=reason):
        decode(data)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF"])
def test_a_picture_cut_short_at_any_point_raises_only_a_plain_reason(scene, format):
    data = encode(scene, format)
    reasons = []
    for length in range(0, len(data), max(len(data) // 40, 1)):
        try:
            decode(data[:length])
        except ImageError as error:
            reasons.append(str(error))
    pillows_words = re.compile("truncated|data stream|decoder object", re.IGNORECASE)
    assert reasons and not list(filter(pillows_words.search, reasons))


def test_too_many_pixels_are_refused_before_they_are_decoded():
    data = encode(Image.new("1", (5000, 5000)))
    with pytest.raises(ImageError, match="5000 x 5000 pixels are more than the 20 million"):
        decode(data, max_pixels=20_000_000)
    decode(data, max_pixels=25_000_000)


@pytest.mark.parametrize(
    ("size", "bytes_per_pixel", "reason"),
    [
        ((30_000, 30_000), 4, "30000 x 30000 pixels are more than the 160 million allowed"),
        ((40_000, 40_000), 1, "40000 x 40000 pixels are more than the 160 million allowed"),
        ((40_000, 40_000), 4, "40000 x 40000 pixels need more memory than the fixed limit for one file"),
        ((30_000, 30_000), 16, "30000 x 30000 pixels need more memory than the fixed limit for one file"),
    ],
)
def test_pixels_that_never_fit_into_a_decoders_memory_are_not_told_of_another_limit(size, bytes_per_pixel, reason):
    with pytest.raises(ImageError) as failure:
        require_few_pixels(*size, ReadLimits(), bytes_per_pixel=bytes_per_pixel)
    assert (str(failure.value), failure.value.cause) == (reason, "pixels")


@pytest.mark.parametrize(("mode", "reason"), [("L", "are more than the 160"), ("RGB", "need more memory")])
def test_grey_pictures_take_a_quarter_of_the_memory(mode, reason):
    with pytest.raises(ImageError, match=f"40000 x 40000 pixels {reason}"):
        decode(with_size(encode(Image.new(mode, (1, 1))), 40_000))


def test_a_large_jpeg_counts_as_what_is_decoded_of_it():
    data = encode(Image.new("RGB", (5000, 5000)), "JPEG")
    assert decode(data, (224, 224), max_pixels=2_000_000)[1].width == 5000


def test_pillows_own_settings_are_left_as_they_were(scene):
    before = Image.MAX_IMAGE_PIXELS
    decode(encode(scene))
    with pytest.raises(ImageError):
        decode(b"x")
    assert before == Image.MAX_IMAGE_PIXELS


def test_too_many_bytes_are_refused(tmp_path):
    path = tmp_path / "huge.jpg"
    with path.open("wb") as file:
        file.truncate(10**12)  # a sparse file takes no space on the disk
    with pytest.raises(ImageError, match="larger than 512 MiB"):
        read_image(path)


def test_what_cannot_be_opened_says_why(tmp_path):
    with pytest.raises(ImageError, match="No such file"):
        read_image(tmp_path / "gone.jpg")
    with pytest.raises(ImageError, match="a folder"):
        read_image(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jpg")
        with pytest.raises(ImageError, match="not a regular file"):
            read_image(tmp_path / "pipe.jpg")


def test_a_file_that_changes_while_it_is_read_is_not_taken(tmp_path, monkeypatch):
    path = tmp_path / "x.png"
    path.write_bytes(encode(Image.new("RGB", (9, 9))))
    fstat, calls = os.fstat, []

    def touch(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            os.utime(path, (1, 1))
        return fstat(descriptor)

    monkeypatch.setattr("clipsearch.images.files.os.fstat", touch)
    with pytest.raises(ImageError, match="changed while it was read"):
        read_image(path)


def test_a_broken_tag_does_not_cost_the_picture(scene):
    data = bytearray(encode(scene, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\xff" * 64))
    assert decode(bytes(data))[0].size == scene.size
