"""Pictures that an encoder takes: files, PIL images, arrays and bytes."""

import numpy as np
import pytest
from PIL import Image

from clipsearch.client import _picture_bytes
from clipsearch.encoders.pictures import prepared
from clipsearch.errors import ImageError, QueryError
from clipsearch.images.orientation import upright_rgb
from tests.conftest import ColourEncoder, save_photo


@pytest.fixture
def encoder():
    return ColourEncoder()


def test_all_kinds_of_pictures_give_the_same_vectors(encoder, tmp_path):
    path = save_photo(tmp_path / "red.png", "red")
    image = Image.open(path)
    kinds = [path, str(path), image, np.asarray(image), path.read_bytes(), bytearray(path.read_bytes())]
    vectors = encoder.encode_images(kinds)
    assert vectors.shape == (6, 4) and vectors.dtype == np.float32
    assert np.allclose(vectors, vectors[0], atol=0.01)
    grey = np.full((9, 7), 128, np.uint8)
    clear = np.dstack([grey, grey, grey, np.full_like(grey, 255)])
    assert np.array_equal(encoder.encode_images([grey])[0], encoder.encode_images([clear])[0])
    assert np.array_equal(encoder.encode_images(np.stack([np.asarray(image)] * 2)), vectors[[0, 0]])


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_a_pil_image_is_turned_as_its_file_is(encoder, tmp_path, suffix):
    turned = Image.new("RGB", (64, 32), "red")
    turned.paste("blue", (0, 0, 32, 32))
    tags = turned.getexif()
    tags[0x0112] = 6
    turned.save(path := tmp_path / f"turned.{suffix}", exif=tags)
    with Image.open(path) as opened, Image.open(path) as whole:
        images = [path, path.read_bytes(), opened, whole.convert("RGB"), _picture_bytes(opened)]
        ((by_path, *others),) = prepared(images, encoder.spec.pixels, 9)
    assert all(np.abs(by_path.astype(int) - other).mean() < 3 for other in others)
    assert by_path[0, 0, 2] > 200 > 50 > by_path[-1, 0, 2] and upright_rgb(turned).size == (32, 64)  # blue is above red


def test_pictures_are_encoded_in_batches_with_progress(encoder, tmp_path, monkeypatch):
    sizes, calls = [], []
    embed = encoder.embed_pixels
    monkeypatch.setattr(encoder, "embed_pixels", lambda pixels: sizes.append(len(pixels)) or embed(pixels))
    pictures = [Image.new("RGB", (20, 20), (shade, 0, 0)) for shade in range(10)]
    vectors = encoder.encode_images(pictures, batch_size=4, progress=lambda *numbers: calls.append(numbers))
    assert sizes == [4, 4, 2] and calls == [(4, 10), (8, 10), (10, 10)]
    assert np.array_equal(vectors, encoder.encode_images(pictures))
    calls.clear()
    again = encoder.encode_images(iter(pictures), batch_size=8, progress=lambda *numbers: calls.append(numbers))
    assert np.array_equal(again, vectors) and calls == [(8, 0), (10, 0)]
    assert encoder.encode_images([]).shape == (0, 4)


def test_only_one_batch_is_decoded_at_a_time(encoder):
    """A picture is asked for only when the batches before it have been encoded."""
    asked = []

    def pictures():
        for number in range(6):
            asked.append((number, encoder.encoded))
            yield Image.new("RGB", (8, 8))

    encoder.encode_images(pictures(), batch_size=2)
    assert [encoded for _, encoded in asked] == [0, 0, 2, 2, 4, 4]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b"nothing", r"^images\[1\]: not a picture"),
        (np.zeros((3, 8, 8), np.float32), r"^images\[1\]: the array is float32 of shape \(3, 8, 8\); a picture is uint8 "),
        (np.zeros((8, 8, 2), np.uint8), r"^images\[1\]: the array"),
        ("missing.jpg", r"missing\.jpg: "),
    ],
)  # fmt: skip
def test_the_error_names_the_bad_picture(encoder, bad, message):
    with pytest.raises(ImageError, match=message):
        encoder.encode_images([Image.new("RGB", (8, 8)), bad])


def test_a_torn_image_that_pillow_has_opened_is_named_too(encoder, tmp_path):
    save_photo(tmp_path / "x.jpg", size=(400, 300))
    (tmp_path / "x.jpg").write_bytes((tmp_path / "x.jpg").read_bytes()[:700])
    with Image.open(tmp_path / "x.jpg") as image, pytest.raises(ImageError, match=r"^images\[0\]: "):
        encoder.encode_images([image])


@pytest.mark.parametrize("one", ["a.jpg", b"bytes", np.zeros((8, 8, 3), np.uint8), Image.new("RGB", (8, 8)), 5])
def test_one_picture_is_not_a_list_of_pictures(encoder, one):
    with pytest.raises(TypeError, match="images are a list of pictures, not one"):
        encoder.encode_images(one)


def test_what_is_no_picture_is_a_type_error(encoder):
    with pytest.raises(TypeError, match="not dict"):
        encoder.encode_images([{}])
    with pytest.raises(QueryError, match="batch_size must be a whole number of at least 1, not 0"):
        encoder.encode_images([], batch_size=0)
