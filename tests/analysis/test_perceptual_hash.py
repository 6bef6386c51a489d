"""The perceptual hash ignores some changes and notices others."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from clipsearch.analysis.perceptual_hash import BITS, SIDE, are_plain, differing_bits, perceptual_hashes
from tests.conftest import PHOTOS

NAMES = ["giraffe.jpg", "coffee.jpg", "forest-path.jpg", "bridge-night.jpg", "canyon.jpg"]


def pixels(*images):
    return np.stack([np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX)) for image in images])


@pytest.fixture
def some_photos():
    return [Image.open(PHOTOS / name).convert("RGB") for name in NAMES]


def test_a_hash_has_as_many_ones_as_zeros(some_photos):
    hashes = perceptual_hashes(pixels(*some_photos))
    assert hashes.shape == (len(NAMES), 4) and hashes.dtype == np.uint64
    assert all(sum(int(word).bit_count() for word in words) == BITS // 2 for words in hashes)


def test_bits_are_counted_as_python_counts_them():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 2**64, (2, 100, 4), np.uint64)
    expected = [sum(int(x ^ y).bit_count() for x, y in zip(*pair, strict=True)) for pair in zip(a, b, strict=True)]
    assert differing_bits(a, b).tolist() == expected
    assert differing_bits(a[0], b)[0] == expected[0] and differing_bits(a, a).tolist() == [0] * 100
    assert differing_bits(a[:0], b[:0]).shape == (0,)


def test_hashes_forgive_scale_brightness_and_colour(some_photos):
    originals = perceptual_hashes(pixels(*some_photos))
    for change in (
        lambda image: image.resize((image.width // 3, image.height // 3)),
        lambda image: ImageEnhance.Brightness(image).enhance(1.1),
        lambda image: ImageEnhance.Contrast(image).enhance(0.8),
        lambda image: image.convert("L").convert("RGB"),
    ):
        changed = perceptual_hashes(pixels(*map(change, some_photos)))
        assert differing_bits(originals, changed).max() <= 24


def test_different_photos_and_turned_ones_are_far_apart(some_photos):
    originals = perceptual_hashes(pixels(*some_photos))
    for place in range(1, len(NAMES)):
        assert differing_bits(originals[:-place], originals[place:]).min() > 90
    for turn in (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180):
        turned = perceptual_hashes(pixels(*(image.transpose(turn) for image in some_photos)))
        assert differing_bits(originals, turned).min() > 90


def test_pictures_with_nothing_in_them_are_plain(some_photos):
    walls = [Image.new("RGB", (100, 100), colour) for colour in ("black", "white", "red")]
    noisy = Image.fromarray(np.random.default_rng(0).integers(120, 130, (64, 64, 3), np.uint8))
    assert are_plain(pixels(*walls, noisy)).all()
    assert not are_plain(pixels(*some_photos)).any()
