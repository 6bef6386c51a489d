"""The shape of a model's two towers, as config.json describes it, checked against bounds before anything is built."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipsearch.errors import ModelError

# The largest models of these families have 48 layers of 1,664 values and a million tokens.
BOUNDS = {
    "num_hidden_layers": (1, 200),
    "hidden_size": (1, 16_384),
    "intermediate_size": (1, 65_536),
    "num_attention_heads": (1, 256),
    "vocab_size": (2, 4_000_000),
    "max_position_embeddings": (3, 16_384),
    "type_vocab_size": (1, 16),
    "image_size": (1, 4_096),
    "patch_size": (1, 4_096),
    "num_channels": (3, 3),
    "projection_dim": (1, 16_384),
    "projection_size": (1, 16_384),
    "num_patches": (1, 65_536),
}
MAX_CONTEXT_LENGTH = BOUNDS["max_position_embeddings"][1]

# The values that transformers uses if a configuration leaves them out.
_TOWER = {"num_hidden_layers": 12, "num_attention_heads": 12, "hidden_size": 768, "intermediate_size": 3072}
_CLIP_TEXT = {
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "hidden_size": 512,
    "intermediate_size": 2048,
    "vocab_size": 49408,
    "max_position_embeddings": 77,
}
_IMAGE = {**_TOWER, "image_size": 224, "patch_size": 32, "num_channels": 3}
_DEFAULTS: dict[str, tuple[dict[str, int], dict[str, int]]] = {  # model type → (text tower, image tower)
    "clip": (_CLIP_TEXT, _IMAGE),
    "metaclip_2": (_CLIP_TEXT, _IMAGE),
    "siglip": ({**_TOWER, "vocab_size": 32000, "max_position_embeddings": 64}, {**_IMAGE, "patch_size": 16}),
    "siglip2": (  # the NaFlex models, with a number of patches in place of a size
        {**_TOWER, "vocab_size": 32000, "max_position_embeddings": 64},
        {**_TOWER, "num_patches": 256, "patch_size": 16, "num_channels": 3},
    ),
    "chinese_clip": ({**_TOWER, "vocab_size": 30522, "max_position_embeddings": 512, "type_vocab_size": 2}, _IMAGE),
}
_SIGLIP = {"siglip", "siglip2"}
_CLIP_VALUES, _SIGLIP_VALUES = ("quick_gelu", 1e-5), ("gelu_pytorch_tanh", 1e-6)  # activation and norm_epsilon
_DEFAULT_VALUES = {  # model type → (text tower, image tower); SigLIP's own configurations leave them out
    "clip": (_CLIP_VALUES, _CLIP_VALUES),
    "metaclip_2": (_CLIP_VALUES, _CLIP_VALUES),
    "siglip": (_SIGLIP_VALUES, _SIGLIP_VALUES),
    "siglip2": (_SIGLIP_VALUES, _SIGLIP_VALUES),
    "chinese_clip": (("gelu", 1e-12), _CLIP_VALUES),
}
_SPARE_TOKENS = 1024  # rows of a token table without a token; some tables are rounded up to a multiple of 128


@dataclass(frozen=True, slots=True)
class TowerShape:
    """The shape of one of the two transformers."""

    layers: int
    heads: int
    width: int
    mlp_width: int  # values between the two layers of its perceptrons
    activation: str
    norm_epsilon: float  # of its layer norms


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The shape of a model: its towers, its inputs and its embeddings."""

    text: TowerShape
    image: TowerShape
    dim: int  # of an embedding, after the projection
    vocabulary: int  # rows of the token table
    positions: int
    context_length: int  # tokens, including the special ones
    end_token: int | None  # None if the configuration does not give it as one number
    image_size: int  # pixels
    patch_size: int
    token_types: int = 0  # rows of BERT's table of token types

    def min_values(self) -> int:
        """The number of weights that a model of this shape has at least, whatever its family."""
        layers = sum(
            tower.layers * tower.width * (4 * tower.width + 2 * tower.mlp_width) for tower in (self.text, self.image)
        )
        tables = (self.vocabulary + self.positions) * self.text.width
        return layers + tables + 3 * self.patch_size**2 * self.image.width

    def require_vocabulary(self, tokens: int, folder: Path) -> None:
        """Raise ModelError if a tokenizer with this many tokens belongs to another model."""
        require_known_vocabulary(tokens, self.vocabulary, folder)


def require_known_vocabulary(tokens: int, vocabulary: int, folder: Path) -> None:
    """Raise ModelError if a tokenizer with this many tokens belongs to another model than one with this many rows for them."""
    if not vocabulary - _SPARE_TOKENS < tokens <= vocabulary:
        raise ModelError(
            f"{folder}: its tokenizer has {tokens:,} tokens and the model {vocabulary:,}, so it is another model's; "
            "fetch the checkpoint again"
        )


def read_shape(config: Mapping[str, Any], max_text_length: int, folder: Path) -> ModelShape:
    """The shape that a config.json describes. Raises ModelError for numbers that no such model has.

    `max_text_length` is the tokenizer's limit, in tokens.
    """
    model_type = config["model_type"]
    text, image = (_tower_values(config, tower, model_type, folder) for tower in ("text_config", "vision_config"))
    text_defaults, image_defaults = _DEFAULTS[model_type]
    text_numbers = {name: _number(text, name, text_defaults[name], f"{folder}: text_config.") for name in text_defaults}
    image_numbers = {
        name: _number(image, name, image_defaults[name], f"{folder}: vision_config.") for name in image_defaults
    }
    if model_type == "siglip2":
        image_numbers["image_size"] = math.isqrt(image_numbers["num_patches"]) * image_numbers["patch_size"]
    if image_numbers["patch_size"] > image_numbers["image_size"]:
        raise ModelError(f"{folder}: in config.json, patch_size is larger than image_size")
    if text.get("projection_size") is not None:  # only SigLIP's text tower has one
        _number(text, "projection_size", 0, f"{folder}: text_config.")
    vocabulary, positions = text_numbers["vocab_size"], text_numbers["max_position_embeddings"]
    text_values, image_values = _DEFAULT_VALUES[model_type]
    return ModelShape(
        text=_tower(text, text_numbers, text_values, folder),
        image=_tower(image, image_numbers, image_values, folder),
        dim=image_numbers["hidden_size"]
        if model_type in _SIGLIP
        else _number(config, "projection_dim", 512, f"{folder}: "),
        vocabulary=vocabulary,
        positions=positions,
        context_length=min(positions, max_text_length),
        end_token=_end_token(text, vocabulary, model_type, folder),
        image_size=image_numbers["image_size"],
        patch_size=image_numbers["patch_size"],
        token_types=text_numbers.get("type_vocab_size", 0),
    )


def _tower_values(config: Mapping[str, Any], tower: str, model_type: str, folder: Path) -> dict[str, Any]:
    """A tower's part of config.json. As in transformers, an older form of it takes precedence."""
    older = None if model_type in _SIGLIP else config.get(f"{tower}_dict")
    values = config.get(tower, {}) if older is None else older
    if not isinstance(values, dict):
        raise ModelError(f"{folder}: {tower} in config.json does not hold an object")
    return values


def _number(values: Mapping[str, Any], name: str, default: int, prefix: str) -> int:
    return require_number(values.get(name, default), name, f"{prefix}{name} in config.json")


def require_number(value: Any, bounds: str, subject: str) -> int:
    """A whole number within BOUNDS[bounds], or the side of a square given as a pair. Raises ModelError for another value."""
    if isinstance(value, list) and len(value) == 2 and value[0] == value[1]:  # the two sides of a square
        value = value[0]
    low, high = BOUNDS[bounds]
    if type(value) is not int or not low <= value <= high:
        raise ModelError(f"{subject} is {shortened(value)}; it must be a whole number from {low} to {high:,}")
    return value


def _tower(
    values: Mapping[str, Any], numbers: Mapping[str, int], defaults: tuple[str, float], folder: Path
) -> TowerShape:
    width, heads = numbers["hidden_size"], numbers["num_attention_heads"]
    if width % heads:
        raise ModelError(
            f"{folder}: num_attention_heads in config.json is {heads}, which does not divide hidden_size, {width}"
        )
    epsilon = values.get("layer_norm_eps", defaults[1])
    if type(epsilon) not in (int, float) or not 0 <= epsilon < 1:
        raise ModelError(f"{folder}: layer_norm_eps in config.json is {shortened(epsilon)}; it must be from 0 to 1")
    activation = values.get("hidden_act", defaults[0])
    if not isinstance(activation, str):
        raise ModelError(f"{folder}: hidden_act in config.json is {shortened(activation)}; it must be a name")
    return TowerShape(
        numbers["num_hidden_layers"], heads, width, numbers["intermediate_size"], activation, float(epsilon)
    )


def _end_token(text: Mapping[str, Any], vocabulary: int, model_type: str, folder: Path) -> int | None:
    end = text.get("eos_token_id", 49407)
    if type(end) is int and 0 <= end < vocabulary:
        return end
    if model_type == "clip" and not isinstance(end, list):  # no text would contain it, and all would have one vector
        raise ModelError(
            f"{folder}: eos_token_id in config.json is {shortened(end)}, and there are {vocabulary:,} tokens"
        )
    return None


def shortened(value: object) -> str:
    """A value from an untrusted file, for a message."""
    if isinstance(value, int) and abs(value) > 10**18:
        return "a number of more than 18 digits"
    return repr(value)[:40]
