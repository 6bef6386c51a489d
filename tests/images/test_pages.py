"""Files with several pictures: pages of TIFF and HEIF, and frames of animations."""

import contextlib
import io
import struct

import numpy as np
import pillow_heif
import pytest
import tifffile
from PIL import Image, ImageDraw

from clipsearch.errors import ImageError
from clipsearch.images.animation import MOST_FRAMES_SEEN, frame_seconds
from clipsearch.images.files import ReadLimits
from clipsearch.images.pages import MOST_FRAMES_TAKEN, MOST_PAGES
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
        with pytest.raises(ImageError, match="this file has no page"):
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


def test_of_a_picture_in_two_resolutions_the_larger_is_taken():
    data = tiff([scene((40, 30), 7), scene((600, 400)), scene((300, 200), 5), scene((1200, 800))])
    pictures, info = take(data)
    assert [picture.size for picture in pictures] == [(300, 200), (1200, 800)] and page_numbers(info) == [3, 4]


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
    with pytest.raises(ImageError, match="no page"):
        at(data, MOST_PAGES + 1)


def test_no_further_page_is_decoded_after_many_pixels(monkeypatch):
    monkeypatch.setattr("clipsearch.images.pages.MOST_PAGE_PIXELS", 2500)
    assert page_numbers(take(tiff(plain(COLOURS, (40, 30))))[1]) == [1, 2, 3]


def test_no_further_page_is_decoded_after_half_the_time():
    assert page_numbers(take(tiff(plain(COLOURS)), seconds=0)[1]) == []


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


# -- pictures of a HEIF file


def heif(images, primary=0, group=None):
    """A HEIF file. `group` is the type of a group of the first two pictures."""
    file = pillow_heif.HeifFile()
    for image in images:
        file.add_from_pillow(image)
    stream = io.BytesIO()
    file.save(stream, quality=90, primary_index=primary)
    data = bytearray(stream.getvalue())
    return bytes(with_group(data, group)) if group else bytes(data)


def with_group(data, kind):
    """Add a list of groups at the end of the box `meta`, and move the offsets behind it."""
    list_of_groups = struct.pack(">I4sI4sIIIII", 36, b"grpl", 28, kind, 0, 1, 2, 1, 2)
    start = data.index(b"meta") - 4
    end = start + int.from_bytes(data[start : start + 4], "big")
    at = data.index(b"iloc") + 10
    (count,) = struct.unpack_from(">H", data, at)
    for number in range(count):  # as pillow_heif writes it: version 0, one extent of 4 + 4 bytes, a base offset of 4
        (offset,) = struct.unpack_from(">I", data, at + 2 + 18 * number + 10)
        struct.pack_into(">I", data, at + 2 + 18 * number + 10, offset + len(list_of_groups))
    struct.pack_into(">I", data, start, end - start + len(list_of_groups))
    return data[:end] + list_of_groups + data[end:]


def test_every_picture_of_a_heif_collection_is_taken():
    data = heif(plain(COLOURS[:4], (64, 48)))
    pictures, info = take(data)
    assert colours(pictures) == COLOURS[:4] and page_numbers(info) == [1, 2, 3, 4]
    assert colours([at(data, 3)[0], at(data, 1)[0], at(data, None)[0]]) == ["blue", "red", "red"]
    with pytest.raises(ImageError, match="this file has no page 5"):
        at(data, 5)


def test_the_primary_picture_of_a_heif_file_comes_first():
    data = heif([Image.new("RGB", (64 + 16 * n, 64), COLOURS[n]) for n in range(3)], primary=2)
    pictures, info = take(data)
    assert colours(pictures) == ["blue", "red", "lime"] and page_numbers(info) == [1, 2, 3]
    assert (info.width, info.height, info.format) == (96, 64, "HEIF")
    assert colours([at(data, None)[0], at(data, 2)[0]]) == ["blue", "red"]


@pytest.mark.parametrize("kind", [b"ster", b"altr"])
def test_versions_of_one_scene_are_one_picture(kind):
    assert page_numbers(take(heif(plain(COLOURS[:2], (64, 48)), group=kind))[1]) == []
    pictures, info = take(heif(plain(COLOURS[:3], (64, 48)), group=kind))
    assert colours(pictures) == ["red", "blue"] and page_numbers(info) == [1, 2]
    assert page_numbers(take(heif(plain(COLOURS[:3], (64, 48)), group=b"brst"))[1]) == [1, 2, 3]


def test_previews_in_a_heif_file_are_no_pages():
    data = heif([scene((1200, 800)), scene((600, 400)), scene((96, 72), 5)])
    (picture,), info = take(data)
    assert picture.size == (1200, 800) and info.moments == ()


def test_thumbnails_and_exif_of_a_heif_file_are_no_pages():
    exif = Image.Exif()
    exif[0x0110] = "camera"
    file = pillow_heif.HeifFile()
    picture = scene((640, 480))
    picture.info["exif"] = exif.tobytes()
    file.add_from_pillow(picture)
    file[0].info["thumbnails"] = [128, 256]
    stream = io.BytesIO()
    file.save(stream)
    assert len(pillow_heif.open_heif(stream.getvalue())[0].info["thumbnails"]) == 2
    (_,), info = take(stream.getvalue())
    assert info.moments == () and info.camera == "camera"


# -- frames of an animation

ANIMATED = {"GIF": {}, "WEBP": {"lossless": True}, "PNG": {}, "AVIF": {"quality": 90}}


def animation(format, images, duration=200, **options):
    return encoded(
        images[0], format, save_all=True, append_images=images[1:], duration=duration, **ANIMATED[format], **options
    )


def seconds(info):
    assert {moment.unit for moment in info.moments} <= {"second"}
    return [moment.at for moment in info.moments]


@pytest.mark.parametrize("format", ANIMATED)
def test_the_frames_of_an_animation_are_taken_with_their_seconds(format):
    data = animation(format, plain(COLOURS[:4]), [100, 200, 300, 400])
    pictures, info = take(data)
    assert colours(pictures) == COLOURS[:4] and seconds(info) == [0, 0.1, 0.3, 0.6]
    assert (info.width, info.height, info.format) == (32, 24, format)


@pytest.mark.parametrize("format", ANIMATED)
def test_a_frame_is_decoded_by_any_second_at_which_it_is_shown(format):
    data = animation(format, plain(COLOURS[:3]), [100, 200, 300])
    shown = {0: "red", 0.09: "red", 0.05: "red", 0.1: "lime", 0.2: "lime", 0.3: "blue", 0.59: "blue"}
    assert {second: colours([at(data, second)[0]])[0] for second in shown} == shown
    for second in (0.7, -1, 100, float("nan")):
        with pytest.raises(ImageError, match="this file has no picture at"):
            at(data, second)


@pytest.mark.parametrize("format", ANIMATED)
def test_frames_and_their_seconds_agree(format):
    data = animation(format, [scene((90, 60), seed) for seed in range(20)])
    for resize in (
        None,
        lambda picture: fit_into(picture, Box(40, 40)),
        lambda picture: fit_into(picture, Box(900, 600)),
    ):
        pictures, info = take(data, resize=resize)
        again = [decode_image(data, None, ReadLimits(), None, resize, second)[0] for second in seconds(info)]
        assert len(pictures) == MOST_FRAMES_TAKEN == len({picture.tobytes() for picture in pictures})
        assert [picture.tobytes() for picture in again] == [picture.tobytes() for picture in pictures]


@pytest.mark.parametrize("format", ANIMATED)
def test_the_frames_taken_are_spread_over_the_animation(format):
    pictures, info = take(animation(format, [scene((60, 40), seed) for seed in range(40)], 100))
    assert len(pictures) == MOST_FRAMES_TAKEN and seconds(info) == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5]


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_a_frame_without_a_duration_counts_a_tenth_of_a_second(format):
    assert seconds(take(animation(format, plain(COLOURS[:3]), 0))[1]) == [0, 0.1, 0.2]


@pytest.mark.parametrize("format", ANIMATED)
def test_an_animation_of_nearly_equal_frames_is_a_plain_picture(format):
    frames = [scene((90, 60)) for _ in range(5)]
    for number, frame in enumerate(frames):
        frame.putpixel((number, 0), (255, 255, 255))
    data = animation(format, frames)
    (picture,), info = take(data)
    before, info_before = decode_image(data, None, ReadLimits())
    assert info.moments == () and picture.tobytes() == before.tobytes() and info == info_before


@pytest.mark.parametrize("format", ANIMATED)
def test_nearly_equal_frames_are_taken_once(format):
    first, second = scene((90, 60), 1), scene((90, 60), 2)
    again = first.copy()
    again.putpixel((0, 0), (255, 255, 255))
    pictures, info = take(animation(format, [first, second, again]))
    assert len(pictures) == 2 and seconds(info) == [0, 0.2]


def test_frames_are_composed_as_a_viewer_shows_them():
    # The second frame changes a corner only; the third is put in place of it.
    base, corner = Image.new("RGB", (40, 40), "red"), Image.new("RGB", (40, 40), "red")
    corner.paste("blue", (0, 0, 20, 20))
    other = Image.new("RGB", (40, 40), "red")
    other.paste("lime", (20, 20, 40, 40))
    for format in ANIMATED:
        pictures, _ = take(animation(format, [base, corner, other]))
        corners = [
            [colours([picture.crop(box)])[0] for box in ((0, 0, 9, 9), (30, 30, 40, 40))] for picture in pictures
        ]
        assert corners == [["red", "red"], ["blue", "red"], ["red", "lime"]]


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_the_transparent_parts_of_every_frame_are_white(format):
    frames = []
    for number in range(3):
        frame = Image.new("RGBA", (60, 40), (0, 0, 0, 0))
        ImageDraw.Draw(frame).ellipse((20 * number, -10, 20 * number + 19, 49), (255, 0, 0, 255))
        frames.append(frame)
    pictures, _ = take(animation(format, frames, disposal=2) if format == "GIF" else animation(format, frames))
    shown = [[colours([picture.crop((x, 15, x + 9, 24))])[0] for x in (5, 25, 45)] for picture in pictures]
    assert shown == [["red", "white", "white"], ["white", "red", "white"], ["white", "white", "red"]]


def test_a_picture_before_the_animation_of_a_png_is_no_frame():
    data = encoded(Image.new("RGB", (32, 24), "red"), "PNG", save_all=True, default_image=True, duration=300,
                   append_images=plain(["lime", "blue", "yellow"]))  # fmt: skip
    pictures, info = take(data)
    assert colours(pictures) == ["lime", "blue", "yellow"] and seconds(info) == [0, 0.3, 0.6]
    assert colours([at(data, 0.3)[0], at(data, 0)[0], at(data, None)[0]]) == ["blue", "lime", "red"]
    at_frames = data.index(b"fdAT")
    for broken in (
        data[:at_frames],
        data[:at_frames] + b"fdaT" + data[at_frames + 4 :],
    ):  # the picture before it is left
        pictures, info = take(broken)
        assert colours(pictures) == ["red"] and info.moments == ()


@pytest.mark.parametrize("format", ["GIF", "PNG"])
def test_the_frames_before_a_break_are_taken(format):
    data = animation(format, [scene((90, 60), seed) for seed in range(6)])
    for share in (0.5, 0.9):
        pictures, info = take(data[: int(share * len(data))])
        assert 1 < len(pictures) < 6 and seconds(info) == [round(0.2 * number, 1) for number in range(len(pictures))]
    with pytest.raises(ImageError):
        take(data[: len(data) // 20])


@pytest.mark.parametrize("format", ANIMATED)
def test_an_animation_cut_short_at_any_point_never_raises_anything_else(format):
    data = animation(format, [scene((48, 32), seed) for seed in range(3)])
    for length in range(0, len(data), max(len(data) // 40, 1)):
        with contextlib.suppress(ImageError):
            pictures, info = take(data[:length])
            assert len(pictures) == max(len(info.moments), 1)
        with contextlib.suppress(ImageError):
            at(data[:length], 0.4)


def test_a_long_animation_counts_as_if_it_ended_after_many_frames(monkeypatch):
    data = animation("GIF", plain(COLOURS * (MOST_FRAMES_SEEN // 10 + 20), (2, 2)), 100)
    assert len(frame_seconds(Image.open(io.BytesIO(data)), data)) == MOST_FRAMES_SEEN
    assert seconds(take(data)[1])[-1] < MOST_FRAMES_SEEN / 10
    monkeypatch.setattr("clipsearch.images.animation.MOST_FRAME_PIXELS", 2 * 2 * 3)
    for format in ANIMATED:
        assert len(take(animation(format, plain(COLOURS, (2, 2))))[0]) == 3


def test_frames_that_enlarge_the_picture_count_as_their_own_size(monkeypatch):
    data = bytearray(animation("GIF", plain(COLOURS[:4], (10, 10))))
    last = data.rindex(b",\0\0\0\0\x0a\0\x0a\0")
    struct.pack_into("<H", data, last + 5, 60000)
    struct.pack_into("<H", data, last + 7, 60000)
    assert colours(take(bytes(data))[0]) == COLOURS[:3]


def test_a_first_frame_that_is_too_large_is_refused_before_pillow_opens_the_file(monkeypatch):
    data = bytearray(animation("GIF", plain(COLOURS[:2], (10, 10))))
    first = data.index(b",\0\0\0\0\x0a\0\x0a\0")
    struct.pack_into("<H", data, first + 5, 60000)
    struct.pack_into("<H", data, first + 7, 60000)
    monkeypatch.setattr("clipsearch.images.reader.Image.open", None)
    with pytest.raises(ImageError, match="60000 x 60000 pixels need more memory") as failure:
        take(bytes(data))
    assert failure.value.cause == "pixels"


def test_blocks_that_never_end_are_left(monkeypatch):
    monkeypatch.setattr("clipsearch.images.animation._MOST_BLOCKS", 100)
    data = animation("GIF", plain(COLOURS[:2]))
    comment = b"!\xfe" + b"\1x" * 1000 + b"\0"
    assert len(take(data[:-1] + comment + data[data.index(b"!\xf9") :])[0]) == 2


@pytest.mark.parametrize("format", ["MPO", "ICO", "ICNS"])
def test_copies_of_one_picture_in_a_file_are_one_picture(format):
    first, second = scene((128, 128), 1), scene((128, 128), 2)
    options = {"MPO": {"save_all": True}}.get(format, {})
    data = encoded(first, format, append_images=[second], **options)
    pictures, info = take(data)
    assert len(pictures) == 1 and info.moments == ()
