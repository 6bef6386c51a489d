"""Helpers that change small checkpoints and check refusals."""

import json

import pytest
from safetensors.torch import load_file, save_file

from clipsearch import load_encoder
from clipsearch.errors import ModelError


def change_weights(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def change_json(path, change):
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def refused(folder, match):
    with pytest.raises(ModelError, match=match) as error:
        load_encoder(folder)
    assert "\n" not in str(error.value) and len(str(error.value)) < 700
    return str(error.value)
