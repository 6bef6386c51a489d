"""Small checkpoints with random changes from fixed seeds. Each one is loaded or refused cleanly."""

import json
import shutil
from random import Random

import numpy as np
import pytest

from clipsearch import load_encoder
from clipsearch.errors import ModelError

ODD = [
    0, -1, 1, 3, 10**8, 10**30, 2**63, 1.5, float("nan"), float("inf"), True, False, None, "", "x", "\ud800", [], {}, [1, 2],
    {"a": 1}, [[]],
]  # fmt: skip
NAMES = [
    "auto_map", "quantization_config", "attn_implementation", "tokenizer_class", "num_labels", "id2label", "text_config_dict",
    "vision_config_dict", "pruned_heads", "extra_special_tokens", "added_tokens_decoder", "model_max_length", "dropout",
]  # fmt: skip


def places(value, path=()):
    """Yield the path of keys to every value inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*path, key)
        yield from places(item, (*path, key))


def change_values(values, chance):
    """Remove, add or replace one value of some JSON."""
    *way, key = chance.choice(list(places(values)))
    parent = values
    for step in way:
        parent = parent[step]
    kind = chance.randrange(4)
    if kind == 0 and isinstance(parent, dict):
        del parent[key]
    elif kind == 1 and isinstance(parent, dict):
        parent[chance.choice(NAMES)] = chance.choice(ODD)
    else:
        parent[key] = chance.choice(ODD)


def change_header(data, chance):
    """Change one value in the header of a safetensors file."""
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    change_values(header, chance)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[start:]


def change_bytes(data, chance):
    """Flip a bit, or remove or insert bytes, most often near the start."""
    at = chance.randrange(min(len(data), chance.choice([200, 20_000, len(data)])))
    return chance.choice(
        [
            data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :],
            data[:at],
            data[:at] + data[at + 9 :],
            data[:at] + b"\xff" * 8 + data[at:],
        ]
    )


def mutate(folder, chance):
    file = chance.choice(sorted(folder.iterdir()))
    if chance.randrange(4) == 0:
        file.write_bytes(change_bytes(file.read_bytes(), chance))
    elif file.suffix == ".safetensors":
        file.write_bytes(change_header(file.read_bytes(), chance))
    else:
        values = json.loads(file.read_bytes())
        change_values(values, chance)
        file.write_text(json.dumps(values))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.filterwarnings("ignore")  # truncated texts, or warnings of libraries
def test_a_mutated_checkpoint_is_loaded_or_refused(of_a_kind, tmp_path, seed):
    chance = Random(seed)
    for number in range(2):
        folder = shutil.copytree(of_a_kind, tmp_path / str(number))
        mutate(folder, chance)
        try:
            encoder = load_encoder(folder)
            texts = encoder.encode_texts(["a photo of a cat", "red"])
            encoder.encode_pixels(np.ones((1, 3, *encoder.spec.pixels.output_size), np.float32))
        except ModelError as error:
            assert str(error).isprintable() and len(str(error)) < 700
        else:
            assert not np.allclose(texts[0], texts[1], rtol=1e-5)
