"""Formats that Pillow does not read by itself: Photoshop of 16 and 32 bits, float TIFF, 12-bit JPEG, JPEG XL; and cut JPEGs."""

import io
import itertools
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipsearch.errors import ImageError
from clipsearch.images import jpeg_xl
from clipsearch.images.files import ReadLimits
from clipsearch.images.jpeg import has_all_first_passes, read_frame
from clipsearch.images.reader import decode_image
from tests.images.profiles import profile


def decode(data, min_size=None, **limits):
    return decode_image(data, min_size, ReadLimits(**limits))


def pixels(data):
    return np.asarray(decode(data)[0]).astype(int)


def encoded(image, format="JPEG", **options):
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


@pytest.fixture(scope="module")
def scene():
    y, x = np.mgrid[:120, :160]
    return np.stack([x * 255 // 159, y * 255 // 119, (x + y) % 256], axis=-1).astype(np.uint8)


# -- Photoshop


def packed(row):
    """A row in PackBits, with literal runs only."""
    parts = [row[at : at + 128] for at in range(0, len(row), 128)]
    return b"".join(bytes([len(part) - 1]) + part for part in parts)


def photoshop(planes, bits, *, version=1, mode=3, compression=0, resources=()):
    """A file with a merged picture. `planes` holds the values as stored, of shape (channels, height, width)."""
    count, height, width = planes.shape
    kind = {8: ">u1", 16: ">u2", 32: ">f4"}[bits]
    rows = [[row.astype(kind).tobytes() for row in plane] for plane in planes]
    if compression == 1:
        rows = [[packed(row) for row in plane] for plane in rows]
        letter = "I" if version == 2 else "H"
        body = b"".join(struct.pack(f">{letter}", len(row)) for row in itertools.chain(*rows))
        body += b"".join(itertools.chain(*rows))
    else:
        body = b"".join(itertools.chain(*rows))
        body = zlib.compress(body) if compression == 2 else body
    blocks = b""
    for number, data in resources:
        blocks += b"8BIM" + struct.pack(">HxxI", number, len(data)) + data + bytes(len(data) % 2)
    head = b"8BPS" + struct.pack(">H6xHIIHH", version, count, height, width, bits, mode)
    layers = struct.pack(">Q" if version == 2 else ">I", 0)
    return head + bytes(4) + struct.pack(">I", len(blocks)) + blocks + layers + struct.pack(">H", compression) + body


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("compression", [0, 1, 2])
@pytest.mark.parametrize("bits", [8, 16])
def test_the_merged_picture_of_a_photoshop_file_is_read(scene, version, compression, bits):
    if (version, bits, compression) == (1, 8, 2):
        pytest.skip("Pillow reads 8-bit PSD, and no merged picture in this compression")
    planes = scene.transpose(2, 0, 1).astype(int) * (257 if bits == 16 else 1)
    data = photoshop(planes, bits, version=version, compression=compression)
    picture, info = decode(data)
    assert np.abs(np.asarray(picture).astype(int) - scene).max() <= 1
    assert (info.width, info.height, info.format) == (160, 120, "PSB" if version == 2 else "PSD")


def test_photoshop_files_of_32_bits_are_linear_light(scene):
    light = np.where(scene / 255 <= 0.04045, scene / 255 / 12.92, ((scene / 255 + 0.055) / 1.055) ** 2.4)
    light[0, 0], light[0, 1] = np.nan, np.inf
    picture = pixels(photoshop(light.transpose(2, 0, 1), 32))
    assert np.abs(picture - scene)[1:].max() <= 1
    assert picture[0, 0].tolist() == [0, 0, 0] and picture[0, 1].tolist() == [255, 255, 255]


def test_grey_and_cmyk_photoshop_files_of_16_bits_are_read(scene):
    grey = photoshop(scene[..., :1].transpose(2, 0, 1).astype(int) * 257, 16, mode=1)
    assert np.abs(pixels(grey)[..., 0] - scene[..., 0]).max() <= 1
    inks = np.concatenate([scene.transpose(2, 0, 1), np.full((1, 120, 160), 255)]).astype(int) * 257  # 255: no ink
    assert np.abs(pixels(photoshop(inks, 16, mode=4)) - scene).max() <= 1


def test_a_photoshop_files_profile_and_exif_are_used(scene):
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0132] = "Canon", "EOS", "2020:01:02 03:04:05"
    resources = [(1039, profile("ProPhoto")), (1058, exif.tobytes()[6:])]
    for bits in (8, 16):
        planes = scene.transpose(2, 0, 1).astype(int) * (257 if bits == 16 else 1)
        picture, info = decode(photoshop(planes, bits, resources=resources))
        assert info.camera == "Canon EOS" and info.taken_at.year == 2020
        assert np.abs(np.asarray(picture).astype(int) - scene).mean() > 3


def test_a_photoshop_file_without_a_merged_picture_is_its_thumbnail_or_says_so(scene):
    version = (1057, struct.pack(">IB", 1, 0) + bytes(8))
    planes = np.full((3, 600, 800), 255)
    with pytest.raises(ImageError, match="a PSD with 8 bits in RGB mode without a merged picture; save it"):
        decode(photoshop(planes, 8, resources=[version]), (224, 224))
    small = encoded(Image.fromarray(scene))
    with_thumbnail = photoshop(planes, 8, resources=[version, (1036, bytes(28) + small)])
    with pytest.raises(ImageError, match="without a merged picture"):
        decode(with_thumbnail, (224, 224))
    picture, info = decode(with_thumbnail, (100, 100))
    assert picture.size == (160, 120) and (info.width, info.height) == (800, 600)


@pytest.mark.parametrize(("bits", "mode", "name"), [(16, 9, "Lab"), (16, 7, "multichannel"), (32, 2, "indexed")])
def test_a_photoshop_file_of_another_kind_says_what_it_is(scene, bits, mode, name):
    planes = scene.transpose(2, 0, 1).astype(int)
    with pytest.raises(ImageError, match=f"a PSD with {bits} bits in {name} mode, which clipsearch does not read"):
        decode(photoshop(planes, bits, mode=mode))


def test_a_photoshop_file_is_refused_before_its_pixels_take_memory():
    head = b"8BPS" + struct.pack(">H6xHIIHH", 2, 3, 250_000, 250_000, 16, 3) + bytes(4 + 4 + 8)
    with pytest.raises(ImageError, match="250000 x 250000 pixels need more memory"):
        decode(head + struct.pack(">H", 0))
    with pytest.raises(ImageError, match="broken header"):
        decode(b"8BPS" + struct.pack(">H6xHIIHH", 2, 3, 2**31, 9, 16, 3) + bytes(18))


@pytest.mark.parametrize("compression", [0, 1, 2])
def test_a_photoshop_file_cut_short_at_any_point_is_refused(scene, compression):
    planes = scene[:20].transpose(2, 0, 1).astype(int) * 257
    data = photoshop(planes, 16, version=2, compression=compression, resources=[(1039, b"icc")])
    for length in range(len(data) - 8, 0, -max(len(data) // 60, 1)):
        with pytest.raises(ImageError):
            decode(data[:length])


# -- TIFF of floating-point values


def float_tiff(values, **options):
    tifffile = pytest.importorskip("tifffile", reason="needs tifffile, which writes such files")
    stream = io.BytesIO()
    try:
        tifffile.imwrite(stream, values, **options)
    except (ImportError, ValueError, RuntimeError) as error:
        pytest.skip(f"tifffile cannot write this: {error}")
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
@pytest.mark.parametrize("options", [
    {}, {"byteorder": ">"}, {"rowsperstrip": 7}, {"tile": (32, 48)}, {"compression": "zlib"},
    {"compression": "zlib", "predictor": 3}, {"compression": "zlib", "predictor": 3, "tile": (32, 48)},
    {"planarconfig": "separate"}, {"compression": "zlib", "predictor": 3, "byteorder": ">"},
], ids=str)  # fmt: skip
def test_a_tiff_of_floating_point_colours_is_read(scene, kind, options):
    values = (scene / 255).astype(kind)
    stored = values.transpose(2, 0, 1) if options.get("planarconfig") else values
    data = float_tiff(np.ascontiguousarray(stored), photometric="rgb", **options)
    picture, info = decode(data)
    assert np.abs(np.asarray(picture).astype(int) - scene).max() <= 1
    assert (info.width, info.height, info.format) == (160, 120, "TIFF")


def test_bright_floating_point_light_is_taken_as_linear(scene):
    light = (scene / 255.0).astype(np.float32) ** 2.2
    light[:10] = 5.0
    picture = pixels(float_tiff(light, photometric="rgb"))
    assert np.abs(picture - scene)[10:].mean() < 4 and (picture[:10] == 255).all()


def test_floating_point_values_that_are_no_light_keep_their_own_range(scene):
    heights = scene.astype(np.float32) * 10 - 500
    assert np.abs(pixels(float_tiff(heights, photometric="rgb")) - scene).max() <= 1


def test_a_tiff_that_is_not_read_says_what_it_is(scene):
    with pytest.raises(
        ImageError, match="a TIFF of 3 x 32-bit unsigned values with no compression, which clipsearch does"
    ):
        decode(float_tiff(scene.astype(np.uint32), photometric="rgb"))
    pytest.importorskip("imagecodecs", reason="needs imagecodecs, which packs with LZW")
    with pytest.raises(ImageError, match="a TIFF of 3 x 32-bit floating-point values with LZW"):
        decode(float_tiff((scene / 255).astype(np.float32), photometric="rgb", compression="lzw"))


def test_a_float_tiff_with_too_many_pixels_is_refused_before_it_takes_memory(scene):
    data = float_tiff((scene / 255).astype(np.float32), photometric="rgb")
    with pytest.raises(ImageError, match="160 x 120 pixels are more than"):
        decode(data, max_pixels=10_000)


def test_a_float_tiff_cut_short_at_any_point_is_refused(scene):
    data = float_tiff((scene / 255).astype(np.float32), photometric="rgb", compression="zlib", rowsperstrip=16)
    for length in range(9, len(data) - 1, max(len(data) // 60, 1)):
        with pytest.raises(ImageError):
            decode(data[:length])


# -- JPEG


def jpeg_of_12_bits():
    imagecodecs = pytest.importorskip("imagecodecs", reason="needs imagecodecs, which writes JPEGs of 12 bits")
    values = np.random.default_rng(1).integers(0, 4096, (300, 400, 3)).astype(np.uint16)
    return imagecodecs.jpeg_encode(values, bitspersample=12)


def test_a_jpeg_of_12_bits_says_what_it_is():
    with pytest.raises(
        ImageError, match="a JPEG with 12 bits a colour, which clipsearch does not read; save it with 8 bits"
    ):
        decode(jpeg_of_12_bits())


def test_a_jpeg_of_12_bits_with_a_preview_is_that_preview(scene):
    preview = encoded(Image.fromarray(scene).resize((640, 480)), quality=95)
    data = jpeg_of_12_bits() + preview
    picture, info = decode(data, (224, 224))
    assert min(picture.size) >= 240 and (info.width, info.height, info.format) == (400, 300, "JPEG")
    with pytest.raises(ImageError, match="12 bits"):
        decode(data, (600, 600))


def test_a_lossless_jpeg_says_what_it_is(scene):
    imagecodecs = pytest.importorskip("imagecodecs", reason="needs imagecodecs, which writes lossless JPEGs")
    with pytest.raises(ImageError, match="a lossless JPEG with 16 bits"):
        decode(imagecodecs.ljpeg_encode(scene[..., 0].astype(np.uint16) * 257))


def test_a_broken_jpeg_of_8_bits_is_not_told_to_be_saved_with_8_bits(scene):
    data = bytearray(encoded(Image.fromarray(scene)))
    frame = data.index(b"\xff\xc0")
    data[frame + 9] = 2  # two components, which Pillow does not know
    with pytest.raises(ImageError, match="not a picture in a format that clipsearch reads"):
        decode(bytes(data))


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("draft", [None, (40, 30)])
def test_a_jpeg_that_lacks_only_its_end_marker_is_read(scene, progressive, draft):
    image = Image.fromarray(scene).resize((640, 480))
    data = encoded(image, quality=90, progressive=progressive)
    whole, info = decode(data, draft)
    assert not info.incomplete
    for cut in (1, 2):
        picture, info = decode(data[:-cut], draft)
        assert info.incomplete and (info.width, info.height, info.format) == (640, 480, "JPEG")
        assert np.array_equal(np.asarray(picture), np.asarray(whole))


def noisy(size=(640, 480)):
    """A JPEG whose data is spread evenly over its rows."""
    values = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(values)


@pytest.mark.parametrize("draft", [None, (60, 40)])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_cut_in_its_last_rows_is_read_as_far_as_it_goes(draft, mode):
    data = encoded(noisy().convert(mode), quality=90)
    whole = np.asarray(decode(data, draft)[0])
    picture, info = decode(data[: int(len(data) * 0.95)], draft)
    assert info.incomplete and picture.size[::-1] == whole.shape[:2]
    rows = int(len(whole) * 0.9)
    assert np.array_equal(np.asarray(picture)[:rows], whole[:rows])


def test_a_jpeg_that_lacks_more_than_its_last_rows_is_refused():
    data = encoded(noisy(), quality=90)
    with pytest.raises(ImageError, match="% of the picture is missing at its end"):
        decode(data[: int(len(data) * 0.7)])


def test_a_progressive_jpeg_is_read_if_only_its_refinements_are_cut():
    data = encoded(noisy(), quality=90, progressive=True)
    assert decode(data[: int(len(data) * 0.97)])[1].incomplete
    assert not has_all_first_passes(data[: int(len(data) * 0.5)])
    with pytest.raises(ImageError, match="cannot be decoded: the file is cut short"):
        decode(data[: int(len(data) * 0.5)])


def test_the_frame_of_a_jpeg_is_read_past_fill_bytes(scene):
    data = encoded(Image.fromarray(scene))
    assert read_frame(data).is_readable
    assert read_frame(data[:2] + b"\xff" * 50 + data[2:]) == read_frame(data)
    assert read_frame(b"\xff\xd8" + b"\xff" * 10**6) is None


@pytest.mark.parametrize(("kinds", "expected"), [((0x030000, 0x010001), "JPEG"), ((0x020002, 0x020002), "MPO"),
                                                 ((0x020001, 0x020001), "MPO")])  # fmt: skip
def test_a_jpeg_with_previews_beside_it_is_a_jpeg_and_a_stereo_photo_is_not(scene, kinds, expected):
    """Sony, Nikon and Samsung write such files (CIPA DC-007)."""
    image = Image.fromarray(scene)
    data = encoded(image, "MPO", save_all=True, append_images=[image.resize((80, 60))])
    assert Image.open(io.BytesIO(data)).format == "MPO"
    first = data.index(struct.pack("<L", 0x030000), data.index(b"MPF\0") + 20)
    data = bytearray(data)
    data[first : first + 4] = struct.pack("<L", kinds[0])
    data[first + 16 : first + 20] = struct.pack("<L", kinds[1])
    assert decode(bytes(data))[1].format == expected
    plain = pixels(encoded(image))
    assert np.array_equal(pixels(bytes(data)), plain)


# -- JPEG XL


def jpeg_xl_file(image, *, distance="1", container=True, source="png", **options):
    if not shutil.which("cjxl"):
        pytest.skip("needs cjxl (Debian's libjxl-tools)")
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, f"x.{source}"), Path(folder, "x.jxl")
        before.write_bytes(encoded(image, source.upper(), **options))
        command = ["cjxl", str(before), str(after), "-d", distance, f"--container={int(container)}", "--quiet"]
        subprocess.run(command, capture_output=True, check=True)
        return after.read_bytes()


@pytest.fixture
def plug_in():
    return pytest.importorskip("pillow_jxl", reason="needs pillow-jxl-plugin")


@pytest.mark.parametrize("container", [False, True])
@pytest.mark.parametrize("size", [(160, 120), (8, 8), (300, 20), (1000, 3), (256, 256), (2000, 1000), (1100, 9)])
def test_the_size_of_a_jpeg_xl_picture_is_known_before_it_is_decoded(container, size):
    assert jpeg_xl.read_size(jpeg_xl_file(Image.new("RGB", size, "red"), container=container)) == size


@pytest.mark.parametrize("container", [False, True])
def test_jpeg_xl_is_read(scene, plug_in, container):
    picture, info = decode(jpeg_xl_file(Image.fromarray(scene), distance="0", container=container))
    assert np.array_equal(np.asarray(picture), scene) and (info.width, info.height, info.format) == (160, 120, "JXL")


def test_a_jpeg_xl_picture_keeps_its_facts_profile_and_transparency(scene, plug_in):
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0132] = "Canon", "EOS", "2020:01:02 03:04:05"
    exif[0x0112] = 6
    from_jpeg = jpeg_xl_file(Image.fromarray(scene), source="jpeg", distance="0", exif=exif)
    # The standard says that only the picture's own orientation counts. The plug-in does not write it.
    by_plug_in = encoded(Image.fromarray(scene), "JXL", exif=exif.tobytes())
    for data, size in ((from_jpeg, (120, 160)), (by_plug_in, (160, 120))):
        picture, info = decode(data)
        assert info.camera == "Canon EOS" and info.taken_at.year == 2020
        assert picture.size == (info.width, info.height) == size
    from_png = jpeg_xl_file(Image.fromarray(scene), distance="0", exif=exif)
    assert decode(from_png)[0].size == (120, 160)
    clear = Image.fromarray(scene).convert("RGBA")
    clear.putalpha(0)
    assert (pixels(jpeg_xl_file(clear, distance="0")) == 255).all()
    wide = pixels(jpeg_xl_file(Image.fromarray(scene), distance="0", icc_profile=profile("ProPhoto")))
    assert np.abs(wide - scene).mean() > 3


def with_brotli(data, tags):
    """A JPEG XL file whose EXIF tags are replaced by compressed bytes."""
    size = struct.pack(">I", 12 + len(tags))
    return data[:32] + size + b"brobExif" + tags + data[32:]


def test_compressed_exif_of_jpeg_xl_is_read(scene, plug_in):
    brotli = pytest.importorskip("brotli")
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0132], exif[0x9286] = "Canon", "EOS", "2020:01:02 03:04:05", "x" * 500
    data = encoded(Image.fromarray(scene), "JXL", exif=exif.tobytes(), compress_metadata=True)
    assert b"brobExif" in data and b"Canon" not in data
    info = decode(data)[1]
    assert (info.camera, info.taken_at.year) == ("Canon EOS", 2020)
    plain = encoded(Image.fromarray(scene), "JXL", use_container=True)
    whole = brotli.compress(bytes(4) + exif.tobytes()[6:])
    assert decode(with_brotli(plain, whole))[1].camera == "Canon EOS"
    bomb = brotli.compress(bytes(4) + exif.tobytes()[6:] + bytes(50_000_000))
    assert decode(with_brotli(plain, bomb))[1].camera is None
    for broken in (b"", whole[: len(whole) // 2], b"no brotli" * 9, brotli.compress(b"no tags")):
        assert jpeg_xl.compressed_exif(with_brotli(plain, broken)) == b""


def test_compressed_exif_is_passed_over_without_brotli(scene, plug_in, monkeypatch):
    exif = Image.Exif()
    exif[0x010F], exif[0x9286] = "Canon", "x" * 500
    data = encoded(Image.fromarray(scene), "JXL", exif=exif.tobytes(), compress_metadata=True)
    monkeypatch.setitem(sys.modules, "brotli", None)
    assert decode(data)[1].camera is None


def test_jpeg_xl_with_too_many_pixels_is_refused_before_it_is_decoded(scene):
    data = jpeg_xl_file(Image.fromarray(scene))
    with pytest.raises(ImageError, match="160 x 120 pixels are more than"):
        decode(data, max_pixels=10_000)


def test_jpeg_xl_without_its_plug_in_says_which_extra_reads_it(scene, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    header = b"\xff\x0a" + bytes(20)
    with pytest.raises(ImageError, match=r"a JPEG XL picture; to read it, `pip install 'clipsearch\[jxl\]'`"):
        decode(header)


def test_a_jpeg_xl_picture_cut_short_is_refused(scene, plug_in):
    data = jpeg_xl_file(Image.fromarray(scene))
    for length in range(2, len(data) - 4, max(len(data) // 40, 1)):
        with pytest.raises(ImageError):
            decode(data[:length])
