"""Models without torch agree with the reference, and choose a precision that is good and faster."""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from clipsearch import SearchEngine, load_encoder
from clipsearch.encoders import local_encoder, precision
from clipsearch.encoders.base import normalise
from clipsearch.encoders.checkpoint import Checkpoint
from clipsearch.encoders.local_encoder import LocalEncoder
from clipsearch.encoders.prompts import query_bank
from clipsearch.encoders.weights import Weights
from clipsearch.errors import ClipsearchWarning, ModelError, ModelMismatch
from clipsearch.images.pool import DecoderPool
from tests.cli.running import run_here
from tests.conftest import save_photo, shared
from tests.encoders.support import TEXTS, save_checkpoint
from tests.lazy import LazyModule

safetensors, torch = LazyModule("safetensors.torch"), LazyModule("torch")
torch_encoder = LazyModule("clipsearch.encoders.torch_encoder")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def copy(folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def change(folder, **towers):
    config = json.loads((folder / "config.json").read_text())
    for tower, values in towers.items():
        config[tower] |= values
    (folder / "config.json").write_text(json.dumps(config))


def pixels(count=5, size=64):
    return np.random.default_rng(0).standard_normal((count, 3, size, size)).astype(np.float32)


def assert_same(folder, atol=1e-5):
    encoder, reference = load_encoder(folder), torch_encoder.TorchEncoder(Checkpoint(folder))
    assert isinstance(encoder, LocalEncoder)
    assert encoder.spec.logit_scale == pytest.approx(reference.spec.logit_scale)
    assert encoder.spec.context_length == reference.spec.context_length
    ours, theirs = encoder.spec.fingerprint, reference.spec.fingerprint
    assert (ours.digest, ours.dim) == (theirs.digest, theirs.dim)
    assert encoder.spec.logit_bias == pytest.approx(reference.spec.logit_bias)
    texts = [*TEXTS, "cat", "a a a a a a"]
    np.testing.assert_allclose(encoder.encode_texts(texts), reference.encode_texts(texts), atol=atol)
    np.testing.assert_allclose(encoder.encode_pixels(pixels()), reference.encode_pixels(pixels()), atol=atol)


def test_it_is_the_reference_to_1e5(folder):
    assert_same(folder)


@pytest.mark.parametrize("activation", ["gelu", "quick_gelu"])
@pytest.mark.parametrize("end", [2, 3])
def test_other_activations_and_end_tokens(copy, activation, end):
    change(copy, text_config={"hidden_act": activation, "eos_token_id": end}, vision_config={"hidden_act": activation})
    assert_same(copy)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_weights_in_half_precision(copy, dtype):
    weights = {
        name: value.to(getattr(torch, dtype))
        for name, value in safetensors.load_file(copy / "model.safetensors").items()
    }
    safetensors.save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert_same(copy)


def test_an_architecture_it_does_not_know_goes_to_torch(copy):
    change(copy, text_config={"hidden_act": "relu"})
    assert not Checkpoint(copy).plan
    assert isinstance(load_encoder(copy), torch_encoder.TorchEncoder)


def test_a_text_beyond_the_context_is_cut_with_a_warning(folder):
    with pytest.warns(ClipsearchWarning, match="text of 32 tokens cut to the model's 16"):
        ours = load_encoder(folder).encode_texts(["cat " * 30])
    with pytest.warns(ClipsearchWarning):
        theirs = torch_encoder.TorchEncoder(Checkpoint(folder)).encode_texts(["cat " * 30])
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize(
    "data", [b"", b"\xff" * 100, (2**40).to_bytes(8, "little") + b"{}", (4).to_bytes(8, "little") + b"[1]x"]
)
def test_a_damaged_weights_file_is_a_clear_error(tmp_path, data):
    (tmp_path / "x.safetensors").write_bytes(data)
    with pytest.raises(ModelError, match="is not a safetensors file"):
        Weights([tmp_path / "x.safetensors"])


def test_a_tensor_that_lies_outside_its_file_is_a_clear_error(tmp_path):
    header = json.dumps({"a": {"dtype": "F32", "shape": [1000], "data_offsets": [0, 4000]}}).encode()
    (tmp_path / "x.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    with pytest.raises(ModelError, match="take 4,000 bytes and it has 8"):
        Weights([tmp_path / "x.safetensors"])


def test_rows_of_a_table_are_converted_alone(tmp_path):
    table = np.arange(12, dtype=np.float32).reshape(4, 3)
    header = json.dumps({"a": {"dtype": "BF16", "shape": [4, 3], "data_offsets": [0, 24]}}).encode()
    halves = (table.view(np.uint32) >> 16).astype("<u2").tobytes()
    (tmp_path / "x.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + halves)
    rows = Weights([tmp_path / "x.safetensors"]).rows("a", np.array([[2, 0]]))
    np.testing.assert_array_equal(rows, table[[[2, 0]]])


def test_weights_that_do_not_fit_the_configuration_are_a_clear_error(copy):
    change(copy, vision_config={"patch_size": 8})
    with pytest.raises(ModelError, match=r"vision_model.* has the shape .*, but config.json gives it"):
        load_encoder(copy)


def test_ctrl_c_is_no_crash_after_another_thread_has_let_go_of_the_model(folder):
    script = f"""
import gc, signal, sys, threading
import numpy as np
from clipsearch import load_encoder
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored
towers = [load_encoder({str(folder)!r}, precision=name) for name in ("fp32", "int8")]
for encoder in towers:
    encoder.encode_pixels(np.zeros((2, 3, 64, 64), np.float32))
del encoder
def let_go():
    towers.clear()
    gc.collect()
thread = threading.Thread(target=let_go)
thread.start()
thread.join()
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    sys.exit(7)
"""
    assert subprocess.run([sys.executable, "-c", script], timeout=120).returncode == 7


# -- precision


def test_a_tower_is_loaded_once_for_all_threads(folder, monkeypatch):
    encoder, loaded = load_encoder(folder), []
    load = encoder._load_image_tower

    def watch(name):
        loaded.append(name)
        time.sleep(0.1)
        return load(name)

    monkeypatch.setattr(encoder, "_load_image_tower", watch)
    with ThreadPoolExecutor(3) as threads:
        results = list(threads.map(encoder.encode_pixels, [pixels()] * 3))
    assert loaded == ["fp32"]
    assert all((result == results[0]).all() for result in results)


def test_int8_is_near_fp32_and_not_equal(folder):
    exact, rough = load_encoder(folder, precision="fp32"), load_encoder(folder, precision="int8")
    a, b = exact.encode_pixels(pixels()), rough.encode_pixels(pixels())
    assert 0 < np.abs(a - b).max() < 0.05
    assert rough.spec.fingerprint.precision == "int8"


def test_a_comparison_takes_the_mean_off_and_counts_shared_results():
    rng = np.random.default_rng(0)
    mean = np.full(16, 10.0, np.float32)  # this large mean makes all plain cosines 1
    reference = (mean + rng.standard_normal((64, 16))).astype(np.float32)
    noisy = (reference + 0.5 * rng.standard_normal((64, 16))).astype(np.float32)
    queries = rng.standard_normal((20, 16)).astype(np.float32)
    same, other = precision.compare(reference, reference, queries), precision.compare(reference, noisy, queries)
    assert same.good and same.overlap == 1 and same.cosine == pytest.approx(1)
    assert not other.good and other.cosine < 0.97 and other.overlap < 1


def random_rows(rows=64, dim=8):
    return np.random.default_rng(0).standard_normal((rows, dim)).astype(np.float32)


def test_the_first_precision_that_is_good_and_faster_is_chosen(monkeypatch):
    clock = iter(np.cumsum([0, 10, 0, 1, 0, 4]))  # seconds: fp32 10, int8 1, bf16 4
    monkeypatch.setattr(precision, "perf_counter", lambda: next(clock))
    embed = {"fp32": lambda pixels: pixels, "int8": lambda pixels: -pixels, "bf16": lambda pixels: pixels}
    chosen, fidelity, vectors = precision.choose_precision(["int8", "bf16", "fp32"], embed.get, random_rows())
    assert chosen == "bf16" and fidelity.speed == pytest.approx(2.5)
    assert (vectors == random_rows()[: len(vectors)]).all()


def test_one_that_gains_nothing_is_not_chosen(monkeypatch):
    clock = iter(np.cumsum([0, 10, 0, 9.9]))
    monkeypatch.setattr(precision, "perf_counter", lambda: next(clock))
    chosen, fidelity, vectors = precision.choose_precision(["int8"], lambda name: lambda pixels: pixels, random_rows())
    assert (chosen, fidelity) == ("fp32", None) and len(vectors) == 32


@pytest.mark.parametrize(
    ("noise", "expected"),
    [(0.0, ("int8", 32)), (0.013, ("int8", 64)), (1.0, ("fp32", 32))],
    ids=["little", "some", "much"],
)
def test_half_of_the_photos_are_enough_for_a_clear_case(monkeypatch, noise, expected):
    monkeypatch.setattr(precision, "_MIN_SPEED", 0)
    noises = np.random.default_rng(1).standard_normal((64, 512)).astype(np.float32)
    embedded = []

    def embedder(name):
        def embed(rows):  # a picture's number stands for it
            numbers = rows[:, 0].astype(int)
            embedded.extend(numbers if name == "fp32" else [])
            return random_rows(64, 512)[numbers] + (noise * noises[numbers] if name == "int8" else 0)

        return embed

    chosen, _, vectors = precision.choose_precision(["int8"], embedder, np.arange(64.0)[:, None])
    assert (chosen, len(vectors)) == expected
    assert max(embedded) == expected[1] - 1


@pytest.mark.shared
def test_random_directions_are_no_less_strict_than_real_texts():
    random, real = np.random.default_rng(0), np.load(shared("data/embeddings/clip_b32_real.npz"))
    images, texts = (normalise(real[name].astype(np.float32)) for name in ("image", "text"))
    spreads, axes = np.linalg.svd(images - images.mean(0), full_matrices=False)[1:]
    for error in (0.01, 0.02, 0.03):
        for likeness in ("none", "a shift", "the pictures"):
            lost = []
            for _ in range(8):
                reference = images[random.choice(len(images), 64, replace=False)]
                noise = random.standard_normal((64, 512))
                if likeness == "a shift":
                    noise += random.standard_normal(512)
                elif likeness == "the pictures":
                    noise = noise * spreads @ axes
                noise *= error * np.linalg.norm(reference - reference.mean(0)) / np.linalg.norm(noise)
                queries = texts[random.choice(len(texts), 128, replace=False)]
                candidate = normalise(reference + noise)
                lost.append([1 - precision.compare(reference, candidate, q).overlap for q in (queries, None)])
            by_texts, by_directions = np.mean(lost, axis=0)
            assert by_directions > 0.95 * by_texts, (error, likeness)


def test_what_was_found_is_found_once_for_a_machine(folder, monkeypatch):
    encoder = load_encoder(folder)
    assert encoder.spec.fingerprint.precision is None
    encoder.settle_precision(lambda: pixels(5))
    assert encoder.spec.fingerprint.precision is None  # five pictures are too few to judge by
    fidelity = precision.Fidelity(0.999, 0.99, 2.0)
    monkeypatch.setattr(precision, "choose_precision", lambda *arguments: ("int8", fidelity, pixels()))
    encoder.settle_precision(lambda: pixels(64))
    assert (encoder.spec.fingerprint.precision, encoder.fidelity) == ("int8", fidelity)
    again = load_encoder(folder)
    again.settle_precision(lambda: pytest.fail("what was found before holds"))
    assert (again.spec.fingerprint.precision, again.fidelity) == ("int8", fidelity)


def test_an_index_keeps_its_precision(folder, tmp_path):
    for number in range(3):
        save_photo(tmp_path / f"{number}.jpg", "red", size=(90, 80), note=str(number))
    with SearchEngine.open(tmp_path, model=str(folder)) as engine:
        engine.index()
        assert engine.status().model.precision is None  # three photos are too few to judge by
    with SearchEngine.open(tmp_path, precision="int8") as engine:
        save_photo(tmp_path / "more.jpg", "blue", size=(90, 80))
        engine.index()
        assert engine.status().model.precision == "int8"
    with SearchEngine.open(tmp_path) as engine:
        save_photo(tmp_path / "last.jpg", "grey", size=(90, 80))
        assert engine.index().added == 1
        assert engine.encoder.spec.fingerprint.precision == "int8"
    with (
        SearchEngine.open(tmp_path, precision="fp32") as engine,
        pytest.raises(ModelMismatch, match="in int8, not in fp32"),
    ):
        engine.search("cat")
    with SearchEngine.open(tmp_path, precision="fp32") as engine:
        for update in (engine.index, engine.preview):  # also if there is no photo to encode
            with pytest.raises(ModelMismatch, match="in int8, not in fp32"):
                update()
    words = ("index", "--dry-run", "--precision", "fp32", "--model")
    status, _, errors = run_here(*words, folder, cwd=tmp_path)
    assert status == 1 and "in int8, not in fp32" in errors
    status, _, errors = run_here(*words, "mini", cwd=tmp_path)
    assert status == 0 and "would change" in errors  # another model may have any precision


@pytest.mark.parametrize(("judged", "expected"), [(4, "int8"), (64, None)], ids=["enough photos", "too few"])
def test_the_first_photos_settle_it_and_each_is_decoded_and_encoded_once(
    folder, tmp_path, monkeypatch, judged, expected
):
    ready = np.eye(24, dtype=np.float32)[:3]  # of the first three of four judged photos
    monkeypatch.setattr(precision, "JUDGED_PHOTOS", judged)
    monkeypatch.setattr(precision, "choose_precision", lambda *arguments: ("int8", None, ready))
    decoded, encoded = [], []
    submit, embed = DecoderPool._submit, LocalEncoder.embed_pixels
    monkeypatch.setattr(
        DecoderPool, "_submit", lambda pool, file, read: decoded.append(file.path) or submit(pool, file, read)
    )
    monkeypatch.setattr(LocalEncoder, "embed_pixels", lambda self, x: encoded.extend(x) or embed(self, x))
    for number in range(6):
        save_photo(tmp_path / f"{number}.jpg", "red", size=(90, 80), note=str(number))
    (tmp_path / "0_broken.jpg").write_bytes(b"no photo")
    with SearchEngine.open(tmp_path, model=str(folder)) as engine:
        report = engine.index()
        assert (report.added, report.failed) == (6, 1)
        assert engine.status().model.precision == expected
        ids = {Path(record.file.path).name: image_id for image_id, record in engine.records(range(1, 8)).items()}
        vectors = [engine.vector(ids[f"{number}.jpg"]) for number in range(3)]
    assert len(decoded) == len(set(decoded)) == 7
    assert len(encoded) == (3 if expected else 6)
    assert (np.array_equal(vectors, ready)) == bool(expected)


def test_without_openvino_torch_takes_the_pictures(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "clipsearch.encoders.towers.image_tower", None)
    encoder = load_encoder(folder)
    with pytest.warns(ClipsearchWarning, match="openvino is not installed"):
        ours = encoder.encode_pixels(pixels())
    np.testing.assert_allclose(ours, torch_encoder.TorchEncoder(Checkpoint(folder)).encode_pixels(pixels()), atol=1e-6)
    assert local_encoder._candidates("cpu") == ()


def test_precisions_that_a_model_cannot_run_in():
    with pytest.raises(ModelError, match=r"precision must be one of .auto., .* or .int8., not .int4."):
        load_encoder("mini", precision="int4")
    with pytest.raises(ModelError, match="runs in int8 only"):
        load_encoder("mini", precision="fp32")


def test_the_query_bank_is_128_different_texts():
    assert len(set(query_bank())) == 128
