"""Hostile or mixed-up model folders give a clear error before anything is built. Loading never hangs."""

import contextlib
import json
import os
import shutil

import numpy as np
import pytest

from clipsearch import load_encoder
from clipsearch.encoders.base import grey_pixels
from clipsearch.encoders.checkpoint import Checkpoint, call_tokenizers, require_words_differ
from clipsearch.encoders.mini.encoder import FOLDER, MiniEncoder
from clipsearch.encoders.tokenizers.clip import tokenizer_of_vocabulary
from clipsearch.errors import ModelError
from tests.cli.running import run_here
from tests.conftest import save_photo
from tests.encoders.support import change_json, change_weights, refused
from tests.encoders.tokenizers.test_clip import FEW_MERGES
from tests.encoders.tokenizers.test_clip import save as save_vocabulary
from tests.lazy import LazyModule

torch, torch_encoder = LazyModule("torch"), LazyModule("clipsearch.encoders.torch_encoder")

DEEP = "[" * 100_000
pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")


# -- configuration


@pytest.mark.parametrize("tower", ["text_config", "vision_config"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_hidden_layers", 100_000_000), ("num_hidden_layers", 0), ("num_hidden_layers", -1), ("num_hidden_layers", 2.0),
        ("num_hidden_layers", True), ("num_hidden_layers", "2"), ("num_hidden_layers", None), ("num_hidden_layers", "huge"),
        ("hidden_size", 2**40), ("hidden_size", 0), ("intermediate_size", 2**62), ("num_attention_heads", 5),
        ("num_attention_heads", 0), ("layer_norm_eps", "x"), ("layer_norm_eps", -1), ("hidden_act", []),
    ],
)  # fmt: skip
def test_numbers_that_no_model_has_are_refused_before_anything_is_built(any_copy, tower, name, value, monkeypatch):
    monkeypatch.setattr("clipsearch.encoders.torch_encoder._load_model", lambda *arguments: pytest.fail("it was built"))
    text = "1" + "0" * 5000 if value == "huge" else json.dumps(value)
    config = json.loads((any_copy / "config.json").read_text())
    config[tower][name] = "HERE"
    (any_copy / "config.json").write_text(json.dumps(config).replace('"HERE"', text))
    refused(any_copy, name if value != "huge" else "cannot be read")


@pytest.mark.parametrize(
    ("tower", "name", "value"),
    [
        ("text_config", "vocab_size", 2**50),
        ("text_config", "max_position_embeddings", 0),
        ("vision_config", "image_size", 10**9),
        ("vision_config", "patch_size", 0),
        ("vision_config", "patch_size", 65),
        ("vision_config", "num_channels", 4),
    ],
)
def test_sizes_that_no_model_has_are_refused(any_copy, tower, name, value):
    change_json(any_copy / "config.json", lambda values: values[tower].update({name: value}))
    refused(any_copy, "whole number|larger than image_size")


def test_a_model_that_its_weights_are_too_few_for_is_refused_before_memory_is_taken(any_copy, monkeypatch):
    monkeypatch.setattr("clipsearch.encoders.torch_encoder._load_model", lambda *arguments: pytest.fail("it was built"))
    change_json(
        any_copy / "config.json", lambda values: values["text_config"].update(num_hidden_layers=200, hidden_size=16384)
    )
    refused(any_copy, "incomplete|has the shape")


def test_an_end_of_text_that_no_text_has_is_refused(clip_copy):
    change_json(clip_copy / "config.json", lambda values: values["text_config"].update(eos_token_id=-1))
    refused(clip_copy, "eos_token_id")
    change_json(clip_copy / "config.json", lambda values: values["text_config"].update(eos_token_id=7))
    with pytest.raises(ModelError, match="does not end a text as the model expects"):
        load_encoder(clip_copy).encode_texts(["cat"])


@pytest.mark.parametrize("length", [0, 2, -1, "x", True])
def test_a_text_length_that_leaves_no_room_for_a_word_is_refused(any_copy, length):
    change_json(any_copy / "tokenizer_config.json", lambda values: values.update(model_max_length=length))
    refused(any_copy, "model_max_length")


@pytest.mark.parametrize(
    "change",
    [
        {"image_mean": [float("nan")] * 3}, {"image_std": [0.0, 1, 1]}, {"rescale_factor": float("inf")}, {"resample": 9},
        {"size": {"height": 10**9, "width": 10**9}, "do_center_crop": False}, {"crop_size": {"height": 0, "width": 0}},
        {"size": {"shortest_edge": -5}}, {"size": []}, {"size": "x"},
    ],
)  # fmt: skip
def test_preprocessing_that_would_take_all_memory_or_give_no_numbers_is_refused(clip_copy, change):
    change_json(clip_copy / "preprocessor_config.json", lambda values: values.update(change))
    refused(clip_copy, "preprocessing")


@pipes
@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "preprocessor_config.json",
        "tokenizer_config.json",
        "model.safetensors",
        "special_tokens_map.json",
    ],
)
def test_a_pipe_in_place_of_a_file_does_not_hang(any_copy, name):
    (any_copy / name).unlink(missing_ok=True)
    os.mkfifo(any_copy / name)
    with pytest.raises(ModelError, match="pipe"):
        load_encoder(any_copy).encode_texts(["red"])


@pipes
def test_a_pipe_in_place_of_a_tokenizer_or_an_index_does_not_hang(any_copy):
    (any_copy / "tokenizer.json").unlink()
    os.mkfifo(any_copy / "tokenizer.json")
    refused(any_copy, "has no tokenizer")
    os.mkfifo(any_copy / "model.safetensors.index.json")
    (any_copy / "model.safetensors").unlink()
    refused(any_copy, "not a file")


@pipes
def test_a_pipe_as_configuration_ends_a_command_with_one_sentence(clip_copy, tmp_path):
    save_photo(tmp_path / "photos" / "red.jpg", "red")
    (clip_copy / "config.json").unlink()
    os.mkfifo(clip_copy / "config.json")
    status, _, errors = run_here("index", "photos", "--model", clip_copy, cwd=tmp_path)
    assert status == 1 and "config.json cannot be read: it is not a file" in errors and "Traceback" not in errors


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "tokenizer_config.json"])
@pytest.mark.parametrize("content", [DEEP, '{"a":' * 60 + "1" + "}" * 60, '{"a": "' + "x" * 1_000_000 + '"}'])
def test_json_that_is_nested_or_huge_is_refused(any_copy, name, content):
    (any_copy / name).write_text(content)
    refused(any_copy, f"{name} cannot be read: it is (nested|larger)")


@pytest.mark.parametrize("name", ["tokenizer.json", "special_tokens_map.json"])
def test_a_tokenizers_json_that_is_nested_is_refused(any_copy, name):
    (any_copy / name).write_text(DEEP)
    if name == "tokenizer.json" or not Checkpoint(any_copy).plan:
        with pytest.raises(ModelError, match="tokenizer"):
            load_encoder(any_copy).encode_texts(["red"])


# -- tokenizers


def test_a_folder_without_its_tokenizer_is_an_error(any_copy):
    (any_copy / "tokenizer.json").unlink()
    refused(any_copy, "has no tokenizer: it needs tokenizer.json")
    with pytest.raises(ModelError, match="has no tokenizer"):
        torch_encoder.TorchEncoder(Checkpoint(any_copy))


def test_a_tokenizer_that_knows_no_words_is_an_error(any_copy):
    def forget(values):
        values["model"]["vocab"] = {word: number for word, number in values["model"]["vocab"].items() if number < 4}

    change_json(any_copy / "tokenizer.json", forget)
    with pytest.raises(ModelError, match="cannot tell words apart"):
        load_encoder(any_copy).encode_texts(["red"])


def test_a_tokenizer_of_another_model_is_an_error(any_copy):
    def move(values):
        values["model"]["vocab"] = {w: n + 5000 * (n > 3) for w, n in values["model"]["vocab"].items()}
        values["model"]["vocab"] |= {f"word{number}": number for number in range(20, 5000)}

    change_json(any_copy / "tokenizer.json", move)
    with pytest.raises(ModelError, match="another model's"):
        load_encoder(any_copy).encode_texts(["red"])


def bpe(folder):
    """Give a checkpoint a tokenizer like CLIP's and a token table that fits. Returns the number of tokens."""
    (folder / "tokenizer.json").unlink()
    shutil.copytree(save_vocabulary(folder / "bpe", FEW_MERGES), folder, dirs_exist_ok=True)
    tokens = len(json.loads((folder / "vocab.json").read_text()))
    numbers = {"vocab_size": tokens, "eos_token_id": tokens - 1}
    change_json(folder / "config.json", lambda values: values["text_config"].update(numbers))
    table = "text_model.embeddings.token_embedding.weight"
    change_weights(folder, lambda weights: weights.update({table: torch.randn(tokens, weights[table].shape[1])}))
    return tokens


def test_a_vocabulary_without_its_merges_is_an_error(clip_copy):
    bpe(clip_copy)
    assert load_encoder(clip_copy).encode_texts(["a dog"]).shape == (1, 24)
    words = {f"word{number}": number for number in range(2000)}
    change_json(clip_copy / "vocab.json", lambda values: values.update(words))
    with pytest.raises(ModelError, match=r"tokens and only .* merges, so it is incomplete"):
        load_encoder(clip_copy).encode_texts(["a dog"])


@pytest.mark.parametrize("texts", [["a dog"], ["é"], ["a dog"] * 9])
def test_a_vocabulary_larger_than_the_models_is_an_error(clip_copy, texts):
    tokens = bpe(clip_copy)
    change_json(clip_copy / "vocab.json", lambda values: values.update({"more": tokens}))
    with pytest.raises(ModelError, match="another model's"):
        load_encoder(clip_copy).encode_texts(texts)


def test_a_tokenizer_that_drops_merges_by_chance_gives_a_text_the_same_tokens_each_time(clip_copy):
    bpe(clip_copy)
    tokenizer_of_vocabulary(clip_copy).save(str(clip_copy / "tokenizer.json"))
    change_json(clip_copy / "tokenizer.json", lambda values: values["model"].update(dropout=0.5))
    encoder = load_encoder(clip_copy)
    first = encoder.encode_texts(["a dog and all"])
    for _ in range(10):
        np.testing.assert_array_equal(encoder.encode_texts(["a dog and all"]), first)


def test_a_panic_of_the_tokenizers_library_is_an_error_and_ctrl_c_is_not(tmp_path):
    class PanicException(BaseException):
        pass

    def fail(error):
        raise error

    with pytest.raises(ModelError, match="cannot load its tokenizer: index out of bounds"):
        call_tokenizers(lambda: fail(PanicException("index out of bounds")), tmp_path)
    with pytest.raises(KeyboardInterrupt):
        call_tokenizers(lambda: fail(KeyboardInterrupt()), tmp_path)
    with pytest.raises(ModelError, match="cannot tell words apart"):
        require_words_differ(lambda word: [1] * len(word), tmp_path)


# -- code that comes with a folder


@pytest.mark.parametrize("kind", [load_encoder, lambda folder: torch_encoder.TorchEncoder(Checkpoint(folder))])
def test_what_a_configuration_says_of_code_kernels_and_other_files_is_passed_over(any_copy, kind, tmp_path):
    ran = tmp_path / "ran"
    (any_copy / "evil.py").write_text(f"open({str(ran)!r}, 'w')\nclass M: pass\nclass T: pass\n")
    expected = kind(any_copy).encode_texts(["red"])

    def ask(values):
        values["auto_map"] = {"AutoModel": "evil.M", "AutoConfig": "evil.M", "AutoTokenizer": ["evil.T", None]}
        values["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_4bit": True}
        values["num_labels"] = 2**63  # transformers would make a table of this size
        values["transformers_weights"] = "../other.safetensors"
        values["attn_implementation"] = values["_attn_implementation"] = "some/kernel"
        values["text_config"]["attn_implementation"] = "some/kernel"

    change_json(any_copy / "config.json", ask)
    (any_copy / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": "some/model", "peft_type": "LORA"})
    )
    np.testing.assert_allclose(kind(any_copy).encode_texts(["red"]), expected, atol=1e-6)
    assert not ran.exists()


def test_code_that_a_tokenizer_names_is_never_run(any_copy, tmp_path):
    ran = tmp_path / "ran"
    (any_copy / "evil.py").write_text(f"open({str(ran)!r}, 'w')\nclass T: pass\n")
    named = {"auto_map": {"AutoTokenizer": ["evil.T", "evil.T"]}, "tokenizer_class": "T"}
    change_json(any_copy / "tokenizer_config.json", lambda values: values.update(named))
    with contextlib.suppress(ModelError):
        torch_encoder.TorchEncoder(Checkpoint(any_copy))
    assert not ran.exists()


# -- the embedded model


@pytest.mark.parametrize(
    "name", ["config.json", "tokenizer.json", "text.safetensors", "image.safetensors", "preprocessor_config.json"]
)
@pytest.mark.parametrize("content", [b"", b"{}", DEEP.encode()])
def test_an_incomplete_embedded_model_says_so(tmp_path, name, content):
    folder = shutil.copytree(FOLDER, tmp_path / "mini")
    (folder / name).write_bytes(content)
    if (name, content) != ("preprocessor_config.json", b"{}"):  # an empty one means CLIP's defaults
        with pytest.raises(ModelError, match=r"reinstall clipsearch|preprocessor_config"):
            broken = MiniEncoder(folder)
            broken.encode_texts(["red"])
            broken.encode_pixels(grey_pixels((325, 325)))
