"""Incomplete, mixed-up, damaged or foreign weights are errors. Missing weights are never invented."""

import json

import numpy as np
import pytest

from clipsearch import load_encoder
from clipsearch.encoders.checkpoint import Checkpoint
from clipsearch.encoders.weights import Weights
from clipsearch.errors import ModelError
from tests.encoders.support import change_json, change_weights, refused
from tests.lazy import LazyModule

safetensors, torch = LazyModule("safetensors.torch"), LazyModule("torch")
torch_encoder = LazyModule("clipsearch.encoders.torch_encoder")

# -- weights


@pytest.mark.parametrize("missing", ["vision_model.", "text_model.encoder.layers.1.", "logit_scale"])
def test_a_checkpoint_without_some_of_its_weights_is_an_error(any_copy, missing):
    def leave_out(weights):
        for name in [name for name in weights if name.startswith(missing)]:
            del weights[name]

    if (
        missing.startswith("text_model")
        and json.loads((any_copy / "config.json").read_text())["model_type"] == "chinese_clip"
    ):
        missing = "text_model.encoder.layer.1."
    change_weights(any_copy, leave_out)
    assert missing in refused(any_copy, "incomplete") or "values" in refused(any_copy, "incomplete")


def test_the_torch_encoder_refuses_weights_that_transformers_would_make_up(any_copy):
    """A missing bias is too small to show in a count of values."""
    change_weights(any_copy, lambda weights: weights.pop("vision_model.encoder.layers.1.mlp.fc1.bias"))
    with pytest.raises(
        ModelError, match=r"1 of the model's tensors are missing .* vision_model\.encoder\.layers\.1\.mlp\.fc1\.bias"
    ):
        torch_encoder.TorchEncoder(Checkpoint(any_copy))


def test_weights_that_nothing_reads_are_an_error(any_copy):
    change_weights(any_copy, lambda weights: weights.update(surplus=torch.zeros(3)))
    refused(any_copy, "1 tensors that a model as in config.json does not have, such as 'surplus'")


def test_the_position_ids_of_older_checkpoints_are_no_surplus(any_copy):
    positions = {
        f"{tower}_model.embeddings.position_ids": torch.arange(count)[None]
        for tower, count in (("text", 16), ("vision", 17))
    }
    expected = load_encoder(any_copy).encode_texts(["red"])
    change_weights(any_copy, lambda weights: weights.update(positions))
    np.testing.assert_allclose(load_encoder(any_copy).encode_texts(["red"]), expected, atol=1e-6)


def test_weights_of_another_shape_are_an_error(any_copy):
    def widen(weights):
        name = "vision_model.post_layernorm.weight"
        weights[name] = torch.ones(len(weights[name]) + 1)

    change_weights(any_copy, widen)
    refused(any_copy, r"vision_model\.post_layernorm\.weight")


@pytest.mark.parametrize("dtype", ["int64", "float64", "bool"])
def test_weights_in_numbers_that_clipsearch_does_not_read_are_an_error(any_copy, dtype):
    name = "vision_model.post_layernorm.weight"
    change_weights(any_copy, lambda weights: weights.update({name: weights[name].to(getattr(torch, dtype))}))
    refused(any_copy, rf"{name} is stored as .* clipsearch reads F32, F16, BF16")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["text_projection.weight", "vision_model.post_layernorm.weight", "logit_scale"])
def test_weights_that_are_no_numbers_are_an_error(any_copy, name, value):
    if name == "text_projection.weight" and "siglip" in (any_copy / "config.json").read_text():
        name = "text_model.head.weight"
    change_weights(any_copy, lambda weights: weights[name].fill_(value))
    with pytest.raises(ModelError, match="weights are damaged"):
        encoder = load_encoder(any_copy)
        encoder.encode_texts(["red"])
        encoder.encode_pixels(np.ones((2, 3, 64, 64), np.float32))


@pytest.mark.parametrize(
    "cut", [lambda data: b"", lambda data: data[:-1], lambda data: data[:5000], lambda data: data + b"x"]
)
def test_a_weights_file_that_is_cut_or_goes_on_is_an_error(any_copy, cut):
    file = any_copy / "model.safetensors"
    file.write_bytes(cut(file.read_bytes()))
    refused(any_copy, r"model\.safetensors is not a safetensors file, or only a part of one")


def with_header(entries, size):
    header = json.dumps(entries).encode()
    return len(header).to_bytes(8, "little") + header + bytes(size)


@pytest.mark.parametrize(
    "entries",
    [
        {},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}},
        {"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}},
        {"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}},
        {"a": {"dtype": "F32", "shape": [True, 2], "data_offsets": [0, 8]}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8, 8]}},
        {"a": {"dtype": [], "shape": [2], "data_offsets": [0, 8]}},
        {
            "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
            "b": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
        },
        {"a": {"dtype": "F32", "shape": 2, "data_offsets": [0, 8]}},
        {"a": 1},
    ],
)
def test_a_header_that_makes_no_sense_is_an_error(tmp_path, entries):
    (tmp_path / "x.safetensors").write_bytes(with_header(entries, 8))
    with pytest.raises(ModelError, match="is not a safetensors file"):
        Weights([tmp_path / "x.safetensors"])


def save_parts(folder):
    weights = safetensors.load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    places = {name: f"model-0000{1 + number % 2}-of-00002.safetensors" for number, name in enumerate(weights)}
    for part in set(places.values()):
        safetensors.save_file(
            {name: weights[name] for name in weights if places[name] == part}, folder / part, metadata={"format": "pt"}
        )
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


def test_weights_in_parts_are_loaded_and_a_missing_part_is_named(any_copy):
    expected = load_encoder(any_copy).encode_texts(["red"])
    save_parts(any_copy)
    np.testing.assert_allclose(load_encoder(any_copy).encode_texts(["red"]), expected, atol=1e-6)
    (any_copy / "model-00002-of-00002.safetensors").unlink()
    refused(any_copy, r"1 of 2 weights files are missing, such as model-00002-of-00002\.safetensors")


@pytest.mark.parametrize(
    "name", ["../model/model-00001-of-00002.safetensors", "/etc/passwd", "model.bin", "", 5, "a\nb.safetensors"]
)
def test_an_index_of_parts_names_only_safetensors_files_of_its_folder(clip_copy, name):
    save_parts(clip_copy)
    change_json(clip_copy / "model.safetensors.index.json", lambda values: values["weight_map"].update(x=name))
    refused(clip_copy, "does not name safetensors files of its folder")


def test_another_layout_of_the_weights_beside_them_is_not_loaded(clip_copy):
    safetensors.save_file({"visual.proj": torch.zeros(2)}, clip_copy / "open_clip_model.safetensors")
    assert load_encoder(clip_copy).encode_texts(["red"]).shape == (1, 24)
