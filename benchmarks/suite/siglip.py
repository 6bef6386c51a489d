"""A checkpoint of SigLIP 2's shape (B/32, 256 px) with random weights and a tokenizer of its structure and size."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from clipsearch.encoders.families import plan_of
from clipsearch.encoders.shape import read_shape

ROOT = Path(__file__).resolve().parents[2]
_CONTEXT, _VOCABULARY = 64, 256_000
_CONFIG = {
    "model_type": "siglip",
    "text_config": {"vocab_size": _VOCABULARY, "max_position_embeddings": _CONTEXT, "layer_norm_eps": 1e-6},
    "vision_config": {"image_size": 256, "patch_size": 32, "layer_norm_eps": 1e-6},
}
_PREPROCESSING = {
    "size": {"height": 256, "width": 256},
    "resample": 2,
    "image_mean": [0.5] * 3,
    "image_std": [0.5] * 3,
}
_ACTIVATION = "gelu_pytorch_tanh"
_SPREAD = 0.03  # standard deviation of the weights


def make_siglip(folder: Path) -> Path:
    """Write the checkpoint, 1.5 GB, and return its folder."""
    config = {
        name: {**values, "hidden_act": _ACTIVATION} if isinstance(values, dict) else values
        for name, values in _CONFIG.items()
    }
    plan = plan_of("siglip", config, read_shape(config, _CONTEXT, folder))
    assert plan is not None
    _make_tokenizer(folder)
    random = np.random.default_rng(0)
    shapes = {stored.name: stored.stored_shape for stored in plan.tensors.values()}
    tensors = {name: random.standard_normal(shape, np.float32) * np.float32(_SPREAD) for name, shape in shapes.items()}
    for name, values in tensors.items():
        if "norm" in name and name.endswith("weight"):
            values += 1
    tensors |= {"logit_scale": np.array([4.7], np.float32), "logit_bias": np.array([-16.5], np.float32)}
    (folder / "preprocessor_config.json").write_text(json.dumps(_PREPROCESSING))
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))  # last: it says that the folder is whole
    return folder


def _make_tokenizer(folder: Path) -> None:
    sys.path.insert(0, str(ROOT / "tools"))
    from gemma_like import make

    make(folder, _words(), _VOCABULARY)


def _words() -> Iterator[str]:
    """Text that is in this repository: of English, and of the other languages that its tests and pages quote."""
    for path in sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/**/*.py"), *ROOT.glob("clipsearch/**/*.py")]):
        yield from path.read_text("utf-8", errors="ignore").splitlines()
