"""Colour profiles: models and screens get sRGB, and pictures without a profile stay as they are."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from clipsearch.images import colour
from clipsearch.images.files import ReadLimits
from clipsearch.images.pool import DecoderPool
from clipsearch.images.preprocess import resize_and_crop
from clipsearch.images.reader import decode_image
from clipsearch.images.rgb import to_rgb
from clipsearch.types import Box, ImageFile, PixelSpec
from tests.images.profiles import SPACES, matrix_of, profile

WIDE = ("AdobeRGB", "Display P3", "ProPhoto")
SPEC = PixelSpec(224, None, (224, 224), 3, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def encoded(image, format="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def scene(size=(240, 180)):
    y, x = np.mgrid[: size[1], : size[0]]
    array = np.stack([60 + x * 120 // size[0], 60 + y * 120 // size[1], 120 + 40 * np.sin(x / 40)], axis=-1)
    return Image.fromarray(array.astype(np.uint8))


def decoded(data, min_size=None, resize=None):
    return np.asarray(decode_image(data, min_size, ReadLimits(), resize=resize)[0]).astype(int)


def by_hand(pixels, space, has_srgb_curve=False):
    """The conversion by its definition: linear light, XYZ, linear sRGB, curve."""
    share = pixels / 255
    light = share ** SPACES[space][-1]
    if has_srgb_curve:
        light = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    linear = light @ matrix_of(space).T @ np.linalg.inv(matrix_of("sRGB by another name")).T
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("space", WIDE)
@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP", "AVIF", "HEIF", "JPEG"])
def test_a_wide_profile_is_converted_to_srgb(space, format):
    if format == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    options = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}}.get(format, {"quality": 97})
    image = scene()
    plain, tagged = (decoded(encoded(image, format, icc_profile=icc, **options)) for icc in (None, profile(space)))
    expected = by_hand(plain, space)
    assert np.abs(tagged - expected).mean() < 1 and np.abs(tagged - expected).max() < 8
    assert np.abs(tagged - plain).mean() > 2


@pytest.mark.parametrize(("primaries", "curve", "space"), [
    (12, 13, "Display P3"), (12, 1, "Display P3"), (1, 13, None), (12, 16, None), (9, 16, None), (9, 18, None)
])  # fmt: skip
def test_display_p3_that_a_heif_file_names_by_numbers_is_converted(primaries, curve, space):
    import pillow_heif

    pillow_heif.register_heif_opener()
    image, options = scene(), {"quality": 97, "color_primaries": primaries, "transfer_characteristics": curve}
    stored = encoded(image, "HEIF", **options)
    nclx = Image.open(io.BytesIO(stored)).info["nclx_profile"]
    assert (nclx["color_primaries"], nclx["transfer_characteristics"]) == (primaries, curve)
    plain, tagged = decoded(encoded(image, "HEIF", quality=97)), decoded(stored)
    expected = by_hand(plain, space, has_srgb_curve=True) if space else plain
    assert np.abs(tagged - expected).mean() < 1 and np.abs(tagged - expected).max() < 8
    assert space is None or np.abs(tagged - plain).mean() > 2


def test_an_embedded_profile_counts_more_than_numbers():
    import pillow_heif

    pillow_heif.register_heif_opener()
    options = {"quality": 97, "color_primaries": 12, "transfer_characteristics": 13}
    both = decoded(encoded(scene(), "HEIF", icc_profile=profile("ProPhoto"), **options))
    alone = decoded(encoded(scene(), "HEIF", icc_profile=profile("ProPhoto"), quality=97))
    assert np.array_equal(both, alone)


@pytest.mark.parametrize("icc", [
    None,
    ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    profile("sRGB by another name"),
    b"no profile at all",
    profile("ProPhoto")[:200],
])  # fmt: skip
@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_nothing_changes_for_srgb_and_without_a_profile_that_can_be_read(icc, format):
    image = scene()
    plain, tagged = (decoded(encoded(image, format, icc_profile=profile)) for profile in (None, icc))
    assert np.array_equal(plain, tagged)


def test_a_profile_of_another_kind_than_the_picture_is_ignored():
    grey = scene().convert("L")
    assert np.array_equal(decoded(encoded(grey, icc_profile=profile("ProPhoto"))), decoded(encoded(grey)))


def test_transparent_and_palette_pictures_are_converted_too():
    image = scene().convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    assert not np.array_equal(decoded(encoded(image, icc_profile=profile("ProPhoto"))), decoded(encoded(image)))
    palette = scene().quantize(64)
    tagged = decoded(encoded(palette, icc_profile=profile("AdobeRGB")))
    assert np.abs(tagged - by_hand(decoded(encoded(palette)), "AdobeRGB")).mean() < 1
    white = Image.new("RGBA", (9, 9), (255, 0, 0, 0))
    assert (decoded(encoded(white, icc_profile=profile("ProPhoto"))) == 255).all()


def test_converting_after_the_resize_gives_what_converting_before_it_gives():
    data = encoded(scene((2000, 1500)), "JPEG", quality=95, icc_profile=profile("Display P3"))
    late = decoded(data, (224, 224), lambda picture: resize_and_crop(picture, SPEC))
    early = np.asarray(resize_and_crop(decode_image(data, (224, 224), ReadLimits())[0], SPEC)).astype(int)
    # The largest differences are at edges.
    assert np.abs(late - early).mean() < 0.5 and np.abs(late - early).max() <= 12


def test_a_picture_in_memory_is_converted_by_its_profile():
    image = scene()
    image.info["icc_profile"] = profile("ProPhoto")
    assert np.abs(np.asarray(to_rgb(image)) - by_hand(np.asarray(scene()), "ProPhoto")).mean() < 1
    assert image.info["icc_profile"]  # the caller's picture keeps it
    assert np.array_equal(np.asarray(image), np.asarray(scene()))


def test_models_and_thumbnails_get_converted_colours(tmp_path):
    for name, icc in (("plain", None), ("wide", profile("ProPhoto"))):
        scene().save(tmp_path / f"{name}.png", icc_profile=icc)
    files = [ImageFile(str(tmp_path / f"{name}.png"), 0, 0) for name in ("plain", "wide")]
    for spec in (SPEC, Box(200, 200)):
        with DecoderPool(spec, workers=1) as pool:
            plain, wide = (outcome.pixels.astype(int) for outcome in pool.read(files))
        assert np.abs(wide - by_hand(plain, "ProPhoto")).mean() < 1.5


def test_the_conversion_of_a_profile_is_made_once():
    colour._transform.cache_clear()
    data = encoded(scene(), icc_profile=profile("Display P3"))
    for _ in range(3):
        decoded(data)
    assert colour._transform.cache_info().misses == 1
