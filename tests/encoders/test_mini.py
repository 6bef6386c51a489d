"""The embedded model, as it ships."""

import hashlib
import json
import platform
import shutil
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipsearch import ClipsearchWarning, load_encoder
from clipsearch.encoders.mini.encoder import FOLDER, MiniEncoder
from clipsearch.encoders.mini.image_tower import IMAGE_WEIGHTS, open_image_tower
from clipsearch.encoders.mini.numpy_operations import numpy_image_tower
from clipsearch.encoders.mini.text_tower import MiniVocabulary
from clipsearch.encoders.mini.weights import DecodedWeights
from clipsearch.encoders.tokenizers.cache import cache_folder
from clipsearch.encoders.tokenizers.compact import write_table
from clipsearch.errors import ModelError, QueryError

TEXTS = ["a dog on a beach", "snow", "two people are riding bicycles down a very long street in the city at night"]


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("mini")


@pytest.fixture
def openvino_operations():
    return pytest.importorskip("clipsearch.encoders.mini.openvino_operations")


def test_it_fits_into_the_wheel():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 45_000_000


def test_its_files_are_those_its_configuration_names():
    config = json.loads((FOLDER / "config.json").read_text())
    for part in ("image", "text"):
        assert hashlib.sha256((FOLDER / f"{part}.safetensors").read_bytes()).hexdigest() == config[f"{part}_sha256"]


@pytest.mark.filterwarnings("ignore:text of .* tokens cut")
def test_texts_have_the_vectors_that_older_versions_gave_them(encoder):
    assert encoder.spec.fingerprint.digest == "43b04237a93bfdf0196c9f7c0def08e30de265c6ffd3485f39b36585c9e9d71a"
    with np.load(Path(__file__).with_name("mini_vectors.npz")) as old:  # of ONNX Runtime
        np.testing.assert_allclose(encoder.embed_texts(old["texts"].tolist()), old["vectors"], atol=1e-6)


def random_pixels():
    """Two pictures as the tower takes them, one of noise and one of squares."""
    codes = np.random.default_rng(0).integers(0, 256, (2, 3, 325, 325))
    codes[1] = np.kron(codes[1, :, :25, :25], np.ones((13, 13), int))
    return ((codes - 127) / 128).astype(np.float32)


@pytest.mark.parametrize("kind", ["numpy", "OpenVINO", "OpenVINO in int8"])
def test_pictures_have_the_vectors_that_older_versions_gave_them(openvino_operations, kind, monkeypatch):
    weights = DecodedWeights(FOLDER / IMAGE_WEIGHTS)
    if kind == "numpy":
        embed = numpy_image_tower(weights)
    else:
        if kind == "OpenVINO in int8" and not openvino_operations.adds_int8_exactly():
            pytest.skip("this processor's int8 products overflow")
        monkeypatch.setattr(openvino_operations, "MANY", 0 if kind == "OpenVINO in int8" else 1000)
        embed = openvino_operations.OpenVinoTower(weights, 1).embed
    with np.load(Path(__file__).with_name("mini_vectors.npz")) as old:  # of ONNX Runtime
        np.testing.assert_allclose(embed(random_pixels()), old["pictures"], atol=5e-6)


def test_int8_is_used_for_many_pictures_if_the_processor_adds_its_products_exactly(openvino_operations, monkeypatch):
    compiled = []
    graph = types.SimpleNamespace(embed=lambda pixels: pixels)
    monkeypatch.setattr(openvino_operations, "_compiled", lambda *_, int8: compiled.append(int8) or graph)
    for is_exact, expected in ((True, [False, True]), (False, [False])):
        monkeypatch.setattr(openvino_operations, "adds_int8_exactly", lambda is_exact=is_exact: is_exact)
        compiled.clear()
        tower = openvino_operations.OpenVinoTower(DecodedWeights(FOLDER / IMAGE_WEIGHTS), 1)
        tower.embed(np.zeros(openvino_operations.MANY))
        assert compiled == [False]
        tower.embed(np.zeros(1))
        tower.embed(np.zeros(1))
        assert compiled == expected


def test_without_openvino_numpy_computes_the_pictures(encoder, monkeypatch):
    monkeypatch.setitem(sys.modules, "clipsearch.encoders.mini.openvino_operations", None)
    pixels = random_pixels()[:1]
    np.testing.assert_allclose(open_image_tower(FOLDER, 1)(pixels), encoder.embed_pixels(pixels), atol=5e-6)


def test_its_table_of_the_tokenizer_is_the_one_that_this_version_makes(tmp_path):
    write_table(tmp_path / "made", FOLDER, MiniVocabulary())
    assert (FOLDER / "tokenizer.table").read_bytes() == (tmp_path / "made").read_bytes(), (
        "run tools/write_mini_table.py"
    )


def test_a_query_makes_no_other_table(encoder):
    MiniEncoder().encode_texts(["a dog"])
    assert not list(cache_folder().glob("*.table"))


def test_a_damaged_table_is_made_again(encoder, tmp_path):
    folder = shutil.copytree(FOLDER, tmp_path / "mini")
    (folder / "tokenizer.table").write_bytes(b"nothing")
    np.testing.assert_array_equal(MiniEncoder(folder).encode_texts(TEXTS), encoder.encode_texts(TEXTS))
    assert list(cache_folder().glob("*.table"))


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
@pytest.mark.timeout(
    1800
)  # seconds; emulated, OpenVINO takes two minutes to compile the graph, and three for a picture
@pytest.mark.skipif(
    platform.machine() != "x86_64" or not shutil.which("qemu-x86_64"), reason="needs an x86 and Debian's qemu-user"
)
@pytest.mark.parametrize("processor", ["EPYC-Rome", "SandyBridge"])
def test_processors_without_vnni_embed_the_same(encoder, tmp_path, processor):
    np.save(tmp_path / "pixels.npy", random_pixels()[:1])
    code = (
        "import sys, numpy; from clipsearch import load_encoder; encoder = load_encoder('mini')\n"
        f"texts, pictures = encoder.encode_texts({TEXTS}), encoder.encode_pixels(numpy.load(sys.argv[1]))\n"
        "numpy.savez(sys.argv[2], texts=texts, pictures=pictures)\n"
        "from clipsearch.encoders.mini.openvino_operations import adds_int8_exactly; assert not adds_int8_exactly()"
    )
    emulated = ["qemu-x86_64", "-cpu", processor, sys.executable, "-c", code]
    subprocess.run([*emulated, tmp_path / "pixels.npy", tmp_path / "theirs.npz"], check=True, capture_output=True)
    with np.load(tmp_path / "theirs.npz") as theirs:
        np.testing.assert_allclose(theirs["texts"], encoder.encode_texts(TEXTS), atol=1e-6)
        np.testing.assert_allclose(theirs["pictures"], encoder.encode_pixels(random_pixels()[:1]), atol=1e-6)


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
    (tmp_path / "mini" / "text.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="reinstall"):
        MiniEncoder(tmp_path / "mini").encode_texts(["a dog"])
