"""The embedded model, as it ships."""

import hashlib
import json
import platform
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from clipsearch import ClipsearchWarning, load_encoder
from clipsearch.encoders.mini.encoder import FOLDER, MiniEncoder
from clipsearch.errors import ModelError, QueryError
from tests.conftest import PHOTOS

TEXTS = ["a dog on a beach", "snow", "two people are riding bicycles down a very long street in the city at night"]


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("mini")


def test_it_fits_into_the_wheel():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 45_000_000


def test_its_files_are_those_its_configuration_names():
    config = json.loads((FOLDER / "config.json").read_text())
    for part in ("image", "text"):
        assert hashlib.sha256((FOLDER / f"{part}.onnx").read_bytes()).hexdigest() == config[f"{part}_sha256"]


def test_embeddings_are_unit_vectors(encoder):
    pictures = [Image.effect_noise((300, 200), 50).convert("RGB"), Image.new("RGB", (50, 400), "red")]
    for embeddings in (encoder.encode_texts(TEXTS), encoder.encode_images(pictures)):
        assert embeddings.dtype == np.float32 and embeddings.shape[1] == encoder.spec.dim
        np.testing.assert_allclose(np.linalg.norm(embeddings.astype(np.float64), axis=1), 1, atol=1e-6)


def test_a_text_with_bytes_that_are_not_utf8_is_said_to_be_none(encoder):
    for text in ("caf\udce9", "a dog \ud83d"):
        with pytest.raises(QueryError, match=r"not UTF-8"):
            encoder.encode_texts(["a dog", text])


def test_a_text_means_the_same_alone_and_in_company(encoder):
    together = encoder.encode_texts(TEXTS)
    for text, row in zip(TEXTS, together, strict=True):
        np.testing.assert_allclose(encoder.encode_texts([text])[0], row, atol=1e-5)


def test_a_picture_means_the_same_alone_and_in_company(encoder):
    noise = np.random.default_rng(0)
    pictures = [Image.fromarray(noise.integers(0, 256, (40, 60, 3), dtype=np.uint8)) for _ in range(3)]
    together = encoder.encode_images(pictures)
    for picture, row in zip(pictures, together, strict=True):
        np.testing.assert_allclose(encoder.encode_images([picture])[0], row, atol=1e-4)


@pytest.mark.long
@pytest.mark.skipif(
    platform.machine() != "x86_64" or not shutil.which("qemu-x86_64"), reason="needs an x86 and Debian's qemu-user"
)
@pytest.mark.parametrize("processor", ["EPYC-Rome", "SandyBridge"])
def test_processors_without_vnni_embed_the_same(encoder, tmp_path, processor):
    pictures = [PHOTOS / name for name in ("apollo-cabin.jpg", "astronaut.jpg")]
    code = (
        "import sys, numpy; from clipsearch import load_encoder; encoder = load_encoder('mini')\n"
        f"numpy.savez(sys.argv[1], texts=encoder.encode_texts({TEXTS}), images=encoder.encode_images(sys.argv[2:]))"
    )
    emulated = ["qemu-x86_64", "-cpu", processor, sys.executable, "-c", code, tmp_path / "theirs.npz"]
    subprocess.run([*emulated, *pictures], check=True, capture_output=True)
    with np.load(tmp_path / "theirs.npz") as theirs:
        assert (theirs["texts"] * encoder.encode_texts(TEXTS)).sum(axis=1).min() > 0.99999
        assert (theirs["images"] * encoder.encode_images(pictures)).sum(axis=1).min() > 0.99999


def test_a_long_text_is_cut_and_said_so(encoder):
    with pytest.warns(ClipsearchWarning, match="cut to the model's"):
        encoder.encode_texts(["a dog and a cat " * 100])


def test_logits_are_scaled_cosines(encoder):
    picture = Image.new("RGB", (64, 64), "green")
    cosine = encoder.encode_images([picture]) @ encoder.encode_texts(["grass"]).T
    np.testing.assert_allclose(encoder.logits([picture], ["grass"]), encoder.spec.logit_scale * cosine, rtol=1e-6)


def test_a_damaged_installation_is_a_clear_error(tmp_path):
    with pytest.raises(ModelError, match="reinstall"):
        MiniEncoder(tmp_path)
    shutil.copytree(FOLDER, tmp_path / "mini")
    (tmp_path / "mini" / "text.onnx").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="reinstall"):
        MiniEncoder(tmp_path / "mini").encode_texts(["a dog"])
