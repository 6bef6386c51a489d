"""Files with several pictures: pages of a TIFF."""

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageDraw

from clipsearch.errors import ImageError
from clipsearch.images import pages
from clipsearch.images.files import ReadLimits
from clipsearch.images.pages import MOST_PAGES
from clipsearch.images.preprocess import fit_into
from clipsearch.images.reader import decode_image, decode_pictures
from clipsearch.types import Box, Moment
from tests.images.profiles import profile

COLOURS = ["red", "lime", "blue", "yellow", "cyan", "magenta", "black", "white", "orange", "purple"]


def take(data, min_size=None, resize=None, before_loading=None, **limits):
    return decode_pictures(data, min_size, ReadLimits(**limits), before_loading, resize)


def at(data, moment):
    return decode_image(data, None, ReadLimits(), at=moment)


def encoded(image, format="TIFF", **options):
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def plain(colours, size=(32, 24)):
    return [Image.new("RGB", size, colour) for colour in colours]


def tiff(images, **options):
    return encoded(images[0], save_all=True, append_images=images[1:], **options)


def colours(pictures):
    """The names of the colours in the middle of pictures."""
    middles = [picture.getpixel((picture.width // 2, picture.height // 2)) for picture in pictures]
    named = [Image.new("RGB", (1, 1), name).getpixel((0, 0)) for name in COLOURS]
    return [COLOURS[min(range(len(named)), key=lambda n: sum(abs(a - b) for a, b in zip(middle, named[n], strict=True)))]
            for middle in middles]  # fmt: skip


def page_numbers(info):
    assert {moment.unit for moment in info.moments} <= {"page"}
    return [moment.at for moment in info.moments]


def scene(size, seed=0):
    """A picture with shapes, the same at every size."""
    generator = np.random.default_rng(seed)
    picture = Image.new("RGB", (600, 400), tuple(generator.integers(0, 255, 3)))
    draw = ImageDraw.Draw(picture)
    for _ in range(20):
        x, y, width, height = generator.integers(0, 300, 4)
        draw.rectangle((x, y, x + width, y + height), tuple(generator.integers(0, 255, 3)))
    return picture.resize(size, Image.Resampling.BOX)


def written(*arrays, **options):
    """A TIFF by tifffile: (array, options of this page)."""
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream, **options) as writer:
        for array, of_page in arrays:
            writer.write(np.asarray(array), metadata=None, **of_page)
    return stream.getvalue()


# -- pages of a TIFF


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"])
def test_every_page_of_a_tiff_is_taken_in_order(compression):
    data = tiff(plain(COLOURS[:5]), compression=compression)
    pictures, info = take(data)
    assert colours(pictures) == COLOURS[:5]
    assert info.moments == tuple(Moment("page", number) for number in (1, 2, 3, 4, 5))
    assert (info.width, info.height, info.format) == (32, 24, "TIFF")


def test_a_page_is_decoded_by_its_number():
    data = tiff(plain(COLOURS[:3]), compression="tiff_lzw")
    assert colours([at(data, number)[0] for number in (3, 1, 2)]) == ["blue", "red", "lime"]
    assert colours([at(data, None)[0]]) == ["red"]
    for number in (0, 4, 1.5, -1):
        with pytest.raises(ImageError, match="this file has no picture page"):
            at(data, number)


def test_pages_and_their_numbers_agree():
    data = tiff([scene((120, 80), seed) for seed in range(4)])
    pictures, info = take(data)
    for picture, moment in zip(pictures, info.moments, strict=True):
        assert at(data, moment.at)[0].tobytes() == picture.tobytes()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "GIF", "WEBP", "BMP", "AVIF", "ICO", "JPEG2000"])
def test_a_file_with_one_picture_is_decoded_as_before(format):
    data = encoded(scene((90, 60)), format)
    (picture,), info = take(data, (32, 32))
    before, info_before = decode_image(data, (32, 32), ReadLimits())
    assert picture.tobytes() == before.tobytes() and info == info_before and info.moments == ()
    assert at(data, 1)[0].size == picture.size


def test_each_page_has_its_own_size_orientation_and_profile():
    red = np.zeros((20, 40, 3), np.uint8)
    red[..., 0] = 200
    turned = [(0x0112, "H", 1, 6, True)]
    data = written(
        (red, {"photometric": "rgb"}),
        (red, {"photometric": "rgb", "extratags": turned}),
        (red, {"photometric": "rgb", "iccprofile": profile("ProPhoto")}),
        (red[:10], {"photometric": "rgb"}),
    )
    pictures, _ = take(data)
    assert [picture.size for picture in pictures] == [(40, 20), (20, 40), (40, 20), (40, 10)]
    values = [picture.getpixel((2, 2)) for picture in pictures]
    assert values[0] == values[1] == values[3] == (200, 0, 0) != values[2]
    assert at(data, 2)[1].width == 20


def test_pages_may_differ_in_their_kind():
    grey = np.full((20, 30), 40000, np.uint16)
    data = written(
        (np.full((20, 30), 0.25, np.float32), {}),
        (grey, {"compression": "deflate"}),
        (np.full((20, 30, 3), 90, np.uint8), {"photometric": "rgb"}),
        (np.full((20, 30), 1.0, np.float32), {}),
    )
    assert [picture.getpixel((0, 0))[0] for picture in take(data)[0]] == [63, 155, 90, 255]
    assert at(data, 4)[0].getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("compression", [None, "lzw"])
def test_pages_of_a_bigtiff_are_taken(compression):
    pages_of_it = [(image, {"photometric": "rgb", "compression": compression}) for image in plain(COLOURS[:3])]
    data = written(*pages_of_it, bigtiff=True)
    pictures, info = take(data)
    assert colours(pictures) == COLOURS[:3] and page_numbers(info) == [1, 2, 3]
    assert colours([at(data, 2)[0]]) == ["lime"]


def test_masks_and_reduced_pictures_are_no_pages():
    full, other = scene((300, 200), 1), scene((300, 200), 2)
    small = scene((60, 40), 3)  # would be a page by its looks
    data = written(
        (full, {"photometric": "rgb"}),
        (small, {"photometric": "rgb", "subfiletype": 1}),
        (np.ones((200, 300), bool), {"subfiletype": 4}),
        (np.ones((20, 30), bool), {"subfiletype": 5}),
        (other, {"photometric": "rgb", "subfiletype": 2}),
        (small, {"photometric": "rgb", "extratags": [(255, "H", 1, 2, True)]}),
    )
    pictures, info = take(data)
    assert [picture.tobytes() for picture in pictures] == [full.tobytes(), other.tobytes()]
    assert page_numbers(info) == [1, 2]
    assert at(data, 2)[0].tobytes() == other.tobytes()


def test_the_only_full_picture_is_taken_although_a_thumbnail_precedes_it():
    full = scene((300, 200))
    data = written((scene((60, 40)), {"subfiletype": 1}), (full, {}))
    (picture,), info = take(data)
    assert picture.tobytes() == full.tobytes() == at(data, None)[0].tobytes()
    assert (info.width, info.moments) == (300, ())


def test_a_file_of_reduced_pictures_only_is_its_first():
    data = written((scene((60, 40), 1), {"subfiletype": 1}), (scene((60, 40), 2), {"subfiletype": 1}))
    (picture,), info = take(data)
    assert picture.tobytes() == scene((60, 40), 1).tobytes() and info.moments == ()


@pytest.mark.parametrize("resize", [None, lambda picture: fit_into(picture, Box(224, 224))])
def test_a_pyramid_without_marks_is_one_picture(resize):
    # As microscopes write them: the slide, its thumbnail and its levels, and a picture of the label.
    label = scene((200, 200), 9)
    levels = [scene(size) for size in ((2400, 1600), (511, 341), (1200, 800), (600, 400), (150, 100))]
    data = written(*((level, {"tile": (64, 64), "photometric": "rgb"}) for level in [*levels, label]))
    _, info = take(data, resize=resize)
    assert page_numbers(info) == [1, 6] and (info.width, info.height) == (2400, 1600)


def test_sub_directories_are_no_pages():
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        for seed in (1, 2):
            writer.write(np.asarray(scene((300, 200), seed)), subifds=1, metadata=None, photometric="rgb")
            writer.write(np.asarray(scene((150, 100), seed + 5)), subfiletype=1, metadata=None, photometric="rgb")
    assert page_numbers(take(stream.getvalue())[1]) == [1, 2]


def test_the_thumbnail_that_exif_keeps_in_a_second_directory_is_no_page():
    full = encoded(scene((1200, 800)))
    thumbnail = encoded(scene((160, 120), 5), "JPEG")
    start = len(full) + len(full) % 2
    entries = [(0x0100, 160), (0x0101, 120), (0x0103, 6), (0x0201, start), (0x0202, len(thumbnail))]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", tag, 4, 1, n) for tag, n in entries)
    at_directory = start + len(thumbnail) + len(thumbnail) % 2
    data = bytearray(full.ljust(start, b"\0") + thumbnail.ljust(at_directory - start, b"\0") + directory + bytes(4))
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", data, first + 2 + 12 * count, at_directory)
    assert take(bytes(data))[1].moments == ()


def test_pages_that_look_the_same_are_all_taken():
    blank = plain(["white"] * 3)
    assert page_numbers(take(tiff(blank))[1]) == [1, 2, 3]


def test_pages_of_text_in_other_sizes_are_all_taken():
    def letter(seed, size):
        page = Image.new("RGB", (850, 1100), "white")
        draw, generator = ImageDraw.Draw(page), np.random.default_rng(seed)
        for row in range(100, 1000, 24):
            for left in range(80, 80 + int(generator.integers(200, 680)), 12):
                draw.rectangle((left, row, left + int(generator.integers(2, 9)), row + 12), "black")
        return page.resize(size, Image.Resampling.BOX)

    sizes = [(850, 1100), (425, 550), (850, 1100), (212, 275)]
    data = tiff([letter(seed, size) for seed, size in enumerate(sizes)])
    assert page_numbers(take(data)[1]) == [1, 2, 3, 4]


def test_a_broken_page_costs_only_itself():
    images = [scene((120, 80), seed) for seed in range(3)]
    data = tiff(images, compression="tiff_adobe_deflate")
    for broken in range(3):
        damaged = bytearray(data)
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            start = file.pages[broken].dataoffsets[0]
        damaged[start : start + 200] = bytes(200)
        pictures, info = take(bytes(damaged))
        left = [number for number in (1, 2, 3) if number != broken + 1]
        assert page_numbers(info) == left
        assert [picture.tobytes() for picture in pictures] == [images[number - 1].tobytes() for number in left]
        with pytest.raises(ImageError):
            at(bytes(damaged), broken + 1)


def test_a_file_with_broken_pages_only_fails_as_its_first_page_does():
    data = tiff(plain(COLOURS[:2], (90, 80)))
    with pytest.raises(ImageError, match="90 x 80 pixels are more") as failure:
        take(data, max_pixels=5000)
    assert failure.value.cause == "pixels"
    with pytest.raises(ImageError, match="not a picture"):
        take(data[:40])


def test_the_one_page_that_can_be_decoded_is_named():
    data = written((scene((400, 300), 1), {}), (scene((40, 30), 2), {}))
    pictures, info = take(data, max_pixels=5000)
    assert len(pictures) == 1 and page_numbers(info) == [2] and info.width == 40
    assert at(data, 2)[0].tobytes() == pictures[0].tobytes()


def test_a_file_has_a_largest_number_of_pages():
    data = tiff(plain(COLOURS * (MOST_PAGES // 10 + 3), (4, 4)))
    pictures, info = take(data)
    assert len(pictures) == MOST_PAGES == info.moments[-1].at
    with pytest.raises(ImageError, match="no picture"):
        at(data, MOST_PAGES + 1)


def test_no_further_page_is_decoded_after_many_pixels(monkeypatch):
    monkeypatch.setattr("clipsearch.images.reader.MOST_PAGE_PIXELS", 2500)
    assert page_numbers(take(tiff(plain(COLOURS, (40, 30))))[1]) == [1, 2, 3]


def test_no_further_page_is_decoded_after_half_the_time():
    assert page_numbers(take(tiff(plain(COLOURS)), seconds=0)[1]) == [] and pages.SHARE_OF_SECONDS < 1


def test_directories_in_a_loop_end():
    data = bytearray(tiff(plain(COLOURS[:2])))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        first, second = (page.offset for page in file.pages)
    (count,) = struct.unpack_from("<H", data, second)
    struct.pack_into("<I", data, second + 2 + 12 * count, first)
    assert page_numbers(take(bytes(data))[1]) == [1, 2]


def test_memory_is_asked_for_before_each_larger_page():
    sizes = []
    data = tiff([scene(size, seed) for seed, size in enumerate([(20, 10), (40, 30), (20, 20), (50, 60)])])
    take(data, before_loading=sizes.append)
    assert sizes == [4 * 20 * 10, 4 * 40 * 30, 4 * 50 * 60]


def test_pages_are_resized():
    data = tiff([scene((300, 200), seed) for seed in range(3)])
    pictures, info = take(data, (32, 32), lambda picture: fit_into(picture, Box(60, 60)))
    assert [picture.size for picture in pictures] == [(60, 40)] * 3 and (info.width, info.height) == (300, 200)
