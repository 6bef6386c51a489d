"""Preprocessing against transformers' own PIL processors."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from clipsearch.encoders.checkpoint import read_pixel_spec
from clipsearch.images import preprocess as pixels
from clipsearch.images.files import ReadLimits
from clipsearch.images.preprocess import fit_into, minimum_size, preprocess, resize_and_crop
from clipsearch.images.reader import decode_image
from clipsearch.types import Box
from tests.conftest import PHOTOS, shared
from tests.lazy import LazyModule

transformers = LazyModule("transformers")

SIZES = [
    (224, 224),
    (225, 224),
    (640, 480),
    (333, 777),
    (1, 100),
    (100, 1),
    (10, 7),
    (223, 900),
    (1001, 1000),
    (4096, 300),
]


def noise(size, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


@pytest.fixture(
    scope="module",
    params=[
        ("CLIP", {}),
        ("CLIP", {"size": {"shortest_edge": 64}, "crop_size": {"height": 96, "width": 80}}),
        ("CLIP", {"size": {"shortest_edge": 90}, "crop_size": {"height": 61, "width": 64}, "resample": 2}),
        ("Siglip", {}),
        ("ChineseCLIP", {}),
        ("CLIP", {"do_normalize": False}),
        ("CLIP", {"do_rescale": False}),
    ],
    ids=["clip", "crop beyond", "odd crop", "siglip", "chinese clip", "no normalising", "no rescaling"],
)
def processor(request, tmp_path_factory):
    family, options = request.param
    processor = getattr(transformers, f"{family}ImageProcessorPil")(**options)
    folder = tmp_path_factory.mktemp("processor")
    processor.save_pretrained(folder)
    return processor, read_pixel_spec(folder)


@pytest.mark.parametrize("size", SIZES)
def test_pictures_that_need_no_draft_come_out_identical(processor, size):
    theirs, spec = processor
    image = noise(size)
    expected = theirs(image, return_tensors="np")["pixel_values"]
    np.testing.assert_array_equal(preprocess([image], spec), expected)


@pytest.mark.parametrize("size", [(1, 900), (900, 1), (3, 1301), (1301, 3), (480, 640)])
def test_of_thin_pictures_the_middle_alone_is_resized(processor, size, monkeypatch):
    _, spec = processor
    whole = np.asarray(resize_and_crop(noise(size), spec)).astype(int)
    monkeypatch.setattr(pixels, "_MAX_RESIZED", 1000)
    part = np.asarray(resize_and_crop(noise(size), spec)).astype(int)
    assert part.shape == whole.shape
    assert np.abs(part - whole).mean() < 1 and np.abs(part - whole).max() < 32


def difference_after_draft(photo, tmp_path):
    """Mean absolute difference between our pixels of a 12-megapixel JPEG and transformers' own, in steps of 1/255."""
    stream = io.BytesIO()
    photo.save(stream, "JPEG", quality=92)
    processor = transformers.CLIPImageProcessorPil()
    processor.save_pretrained(tmp_path)
    spec = read_pixel_spec(tmp_path)
    picture, info = decode_image(stream.getvalue(), minimum_size(spec), ReadLimits())
    assert info.width * info.height >= 12e6 and picture.width <= info.width / 2
    ours = preprocess([picture], spec)
    with Image.open(io.BytesIO(stream.getvalue())) as full:
        theirs = processor(full, return_tensors="np")["pixel_values"]
    std = np.array(spec.std, np.float32)[:, None, None]
    return float(np.abs((ours - theirs) * std).mean() * 255)


@pytest.mark.parametrize("name", ["coffee.jpg", "mountain-trail.jpg"])
def test_photos_of_12_megapixels_differ_by_a_quarter_of_a_step_at_most(name, tmp_path):
    with Image.open(PHOTOS / name) as small:
        size = (4000, 3000) if small.width >= small.height else (3000, 4000)
        photo = small.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    grain = Image.effect_noise(photo.size, 12).filter(ImageFilter.GaussianBlur(0.7)).convert("RGB")
    photo = Image.blend(photo, grain, 0.1)  # add noise like a camera's, because enlarging makes none
    assert difference_after_draft(photo, tmp_path) <= 0.25


@pytest.mark.shared
def test_a_fast_thumbnail_looks_the_same_and_fewer_pixels_are_decoded():
    made = {}
    for box in (Box(512, 512), Box(512, 512, fast=True)):
        stream = io.BytesIO()
        with Image.open(PHOTOS / "pyramid.webp") as photo:
            photo.convert("RGB").resize((4000, 3000)).save(stream, "JPEG")
        picture, _ = decode_image(stream.getvalue(), minimum_size(box), ReadLimits())
        made[box.fast] = picture.size, np.asarray(fit_into(picture, box)).astype(float)
    assert (made[False][0], made[True][0]) == ((2000, 1500), (1000, 750))
    assert made[False][1].shape == made[True][1].shape == (384, 512, 3)
    assert np.abs(made[False][1] - made[True][1]).mean() < 1


def test_a_photo_as_a_camera_wrote_it(tmp_path):
    with Image.open(shared("data/bad_images/exif_orientation/Landscape_1.jpg")) as image:
        photo = image.convert("RGB").resize((4032, 3024), Image.Resampling.LANCZOS)
    assert difference_after_draft(photo, tmp_path) <= 0.25
