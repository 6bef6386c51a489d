"""Read a checkpoint folder's description before anything heavy is loaded."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from clipsearch.encoders import load_encoder
from clipsearch.encoders.checkpoint import Checkpoint, read_pixel_spec
from clipsearch.errors import ModelError
from tests.lazy import LazyModule

safetensors, torch = LazyModule("safetensors.torch"), LazyModule("torch")
CLIP_PREPROCESSING = {
    "crop_size": {"height": 224, "width": 224}, "do_center_crop": True, "do_normalize": True, "do_resize": True,
    "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.2, 0.2], "resample": 3, "size": {"shortest_edge": 224},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip", "projection_dim": 4}))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(CLIP_PREPROCESSING))
    (tmp_path / "tokenizer.json").write_text("{}")
    save_file({"weight": np.arange(100_000, dtype=np.float32)}, tmp_path / "model.safetensors")
    return tmp_path


def preprocessing(folder, **changes):
    (folder / "preprocessor_config.json").write_text(json.dumps({**CLIP_PREPROCESSING, **changes}))
    return read_pixel_spec(folder)


def test_preprocessing_is_read_in_its_newer_and_older_forms(folder):
    spec = preprocessing(folder)
    assert (spec.shortest_edge, spec.resize_to, spec.crop_to, spec.output_size) == (224, None, (224, 224), (224, 224))
    assert preprocessing(folder, size=224, crop_size=224) == spec
    square = preprocessing(folder, size={"height": 256, "width": 240}, do_center_crop=False)
    assert (square.shortest_edge, square.resize_to, square.crop_to, square.output_size) == (
        None,
        (256, 240),
        None,
        (256, 240),
    )
    plain = preprocessing(folder, do_normalize=False, do_rescale=False)
    assert (plain.mean, plain.std, plain.rescale_factor) == ((0, 0, 0), (1, 1, 1), 1)


def test_preprocessing_may_lie_inside_the_processors_own_file(folder):
    expected = preprocessing(folder)
    (folder / "preprocessor_config.json").unlink()
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": CLIP_PREPROCESSING}))
    assert read_pixel_spec(folder) == expected


@pytest.mark.parametrize(
    "change", [{"size": {"longest_edge": 3}}, {"image_mean": [1]}, {"do_center_crop": False}, {"resample": "x"}]
)
def test_preprocessing_that_makes_no_sense_is_a_clear_error(folder, change):
    with pytest.raises(ModelError, match="preprocessing"):
        preprocessing(folder, **change)


def test_a_digest_tells_weights_preprocessing_and_configuration_apart(folder):
    first = Checkpoint(folder).digest
    assert Checkpoint(folder).digest == first
    preprocessing(folder, resample=2)
    assert Checkpoint(folder).digest != first
    preprocessing(folder)
    weights = np.arange(100_000, dtype=np.float32)
    weights[::1000] += 1
    save_file({"weight": weights}, folder / "model.safetensors")
    second = Checkpoint(folder).digest
    assert second != first
    (folder / "config.json").write_text(json.dumps({"model_type": "clip", "projection_dim": 5}))
    assert Checkpoint(folder).digest not in (first, second)


def test_a_digest_does_not_depend_on_where_the_folder_is_or_who_saved_it(folder, tmp_path_factory):
    before = Checkpoint(folder).digest
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "transformers_version": "9", "_name_or_path": "/x"}))
    moved = folder.rename(tmp_path_factory.mktemp("moved") / "model")
    assert Checkpoint(moved).digest == before


def test_pickled_weights_are_never_loaded(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="pickled weights"):
        load_encoder(folder)


def test_a_copy_of_a_known_repository_with_pickled_weights_names_the_safe_one(folder, tmp_path_factory):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    for place in ("metaclip-b16-400m", "models--facebook--metaclip-b16-400m/snapshots/0123"):
        copy = shutil.copytree(folder, tmp_path_factory.mktemp("copies") / place)
        with pytest.raises(ModelError, match=r"models pull timm/vit_base_patch16_clip_224\.metaclip_400m"):
            load_encoder(copy)


@pytest.mark.long  # torch writes and reads a checkpoint, 40 seconds
def test_the_conversion_in_the_documentation_works_and_runs_no_code(clip_checkpoint, tmp_path, monkeypatch):
    copy = shutil.copytree(clip_checkpoint, tmp_path / "model")
    torch.save(safetensors.load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text("utf-8")
    program = next(block for block in re.findall(r"```python\n(.+?)```", page, re.DOTALL) if "torch.load" in block)
    assert "weights_only=True" in program
    monkeypatch.chdir(copy)
    exec(compile(program, "docs/models.md", "exec"), {})
    texts = ["a cat", "red"]
    assert np.array_equal(load_encoder(copy).encode_texts(texts), load_encoder(clip_checkpoint).encode_texts(texts))


@pytest.mark.parametrize(("kind", "message"), [("bert", "'bert' is not one"), (None, "None is not one")])
def test_other_architectures_are_named(folder, kind, message):
    (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    with pytest.raises(ModelError, match=message):
        load_encoder(folder)


def test_a_folder_without_a_checkpoint_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"not a checkpoint folder: it has no config\.json"):
        load_encoder(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read"):
        load_encoder(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(ModelError, match="JSON object"):
        load_encoder(tmp_path)


def test_weights_that_are_cut_short_are_a_clear_error(folder):
    (folder / "config.json").write_text(json.dumps({"model_type": "clip"}))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(ModelError, match="safetensors"):
        load_encoder(folder)
