"""The shape of a checkpoint's two towers, checked against bounds and against its weights before anything is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipsearch.encoders import checkpoint
from clipsearch.errors import ModelError

ACTIVATIONS = ("quick_gelu", "gelu")
"""Those of CLIP checkpoints that run without torch."""

# The largest models of these families have 48 layers of 1,664 values and a million tokens.
_BOUNDS = {
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
}
# What transformers takes for a number that a configuration leaves out.
_TOWER = {"num_hidden_layers": 12, "num_attention_heads": 12, "hidden_size": 768, "intermediate_size": 3072}
_CLIP_TEXT = {**_TOWER, "num_attention_heads": 8, "hidden_size": 512, "intermediate_size": 2048, "vocab_size": 49408,
              "max_position_embeddings": 77}  # fmt: skip
_VISION = {**_TOWER, "image_size": 224, "patch_size": 32, "num_channels": 3}
_DEFAULTS: dict[str, tuple[dict[str, int], dict[str, int]]] = {
    "clip": (_CLIP_TEXT, _VISION),
    "metaclip_2": (_CLIP_TEXT, _VISION),
    "siglip": ({**_TOWER, "vocab_size": 32000, "max_position_embeddings": 64}, {**_VISION, "patch_size": 16}),
    "chinese_clip": (
        {**_TOWER, "vocab_size": 30522, "max_position_embeddings": 512, "type_vocab_size": 2},
        _VISION,
    ),
}
_SPARE_TOKENS = 1024  # of a tower; some are rounded up to a multiple of 128


@dataclass(frozen=True, slots=True)
class TowerConfig:
    """The shape of one of CLIP's two transformers."""

    layers: int
    heads: int
    width: int
    inner: int  # values between the two layers of its perceptrons
    activation: str
    epsilon: float  # of its layer norms
    end_token: int = -1  # the text tower's; -1: not given as one number
    image_size: int = 0  # the image tower's, pixels
    patch_size: int = 0


@dataclass(frozen=True, slots=True)
class ClipConfig:
    """The shape of a checkpoint."""

    text: TowerConfig
    vision: TowerConfig
    dim: int  # of an embedding, where it is projected
    tokens: int  # rows of the token table
    positions: int
    context_length: int  # tokens, with the special ones

    def require_tokens(self, count: int, where: Path) -> None:
        """Raise ModelError if a tokenizer with this many tokens is another model's."""
        if not self.tokens - _SPARE_TOKENS < count <= self.tokens:
            raise ModelError(
                f"{where}: its tokenizer has {count:,} tokens and the model {self.tokens:,}, so it is another model's; "
                "fetch the checkpoint again"
            )


def read_shape(folder: Path) -> ClipConfig:
    """The shape of any checkpoint that clipsearch runs. ModelError for numbers that no such model has."""
    config = checkpoint.read_config(folder)
    kind = config["model_type"]
    text, vision = (_values(config, tower, kind, folder) for tower in ("text_config", "vision_config"))
    text_numbers, vision_numbers = (
        {name: _number(values, name, defaults[name], f"{folder}: {tower}.") for name in defaults}
        for values, defaults, tower in zip(
            (text, vision), _DEFAULTS[kind], ("text_config", "vision_config"), strict=True
        )
    )
    if vision_numbers["patch_size"] > vision_numbers["image_size"]:
        raise ModelError(f"{folder}: in config.json, patch_size is larger than image_size")
    positions = text_numbers["max_position_embeddings"]
    if text.get("projection_size") is not None:  # of SigLIP's text tower; others have none
        _number(text, "projection_size", 0, f"{folder}: text_config.")
    return ClipConfig(
        text=_tower(text, text_numbers, folder, end_token=_end_token(text, text_numbers["vocab_size"], kind, folder)),
        vision=_tower(
            vision,
            vision_numbers,
            folder,
            image_size=vision_numbers["image_size"],
            patch_size=vision_numbers["patch_size"],
        ),
        dim=_number(config, "projection_dim", 512, f"{folder}: ")
        if kind != "siglip"
        else vision_numbers["hidden_size"],
        tokens=text_numbers["vocab_size"],
        positions=positions,
        context_length=min(positions, _longest_text(folder)),
    )


def read_clip_config(folder: Path) -> ClipConfig | None:
    """The shape of a plain CLIP checkpoint that runs without torch; None for anything else, which torch can run."""
    shape = read_shape(folder)
    known = {shape.text.activation, shape.vision.activation} <= set(ACTIVATIONS) and shape.text.end_token >= 0
    return shape if known and checkpoint.read_config(folder)["model_type"] == "clip" else None


def clip_tensors(config: ClipConfig) -> dict[str, tuple[int, ...]]:
    """Every tensor of a plain CLIP checkpoint: name → shape."""
    text, vision = config.text, config.vision
    patches = (vision.image_size // vision.patch_size) ** 2
    shapes: dict[str, tuple[int, ...]] = {
        "logit_scale": (),
        "text_projection.weight": (config.dim, text.width),
        "visual_projection.weight": (config.dim, vision.width),
        "text_model.embeddings.token_embedding.weight": (config.tokens, text.width),
        "text_model.embeddings.position_embedding.weight": (config.positions, text.width),
        "vision_model.embeddings.class_embedding": (vision.width,),
        "vision_model.embeddings.patch_embedding.weight": (vision.width, 3, vision.patch_size, vision.patch_size),
        "vision_model.embeddings.position_embedding.weight": (patches + 1, vision.width),
    }
    for norm, width in (
        ("text_model.final_layer_norm", text.width),
        ("vision_model.pre_layrnorm", vision.width),
        ("vision_model.post_layernorm", vision.width),
    ):
        shapes[f"{norm}.weight"] = shapes[f"{norm}.bias"] = (width,)
    for tower, name in ((text, "text_model"), (vision, "vision_model")):
        parts = {
            "layer_norm1": (tower.width,),
            "layer_norm2": (tower.width,),
            **{f"self_attn.{part}_proj": (tower.width, tower.width) for part in ("q", "k", "v", "out")},
            "mlp.fc1": (tower.inner, tower.width),
            "mlp.fc2": (tower.width, tower.inner),
        }
        for layer in range(tower.layers):
            for part, shape in parts.items():
                shapes[f"{name}.encoder.layers.{layer}.{part}.weight"] = shape
                shapes[f"{name}.encoder.layers.{layer}.{part}.bias"] = shape[:1]
    return shapes


def fewest_values(shape: ClipConfig) -> int:
    """The number of weights that a model of this shape has at least, whatever its family."""
    layers = sum(
        tower.layers * tower.width * (4 * tower.width + 2 * tower.inner) for tower in (shape.text, shape.vision)
    )
    tables = (shape.tokens + shape.positions) * shape.text.width
    return layers + tables + 3 * shape.vision.patch_size**2 * shape.vision.width


def _values(config: Mapping[str, Any], tower: str, kind: str, folder: Path) -> dict[str, Any]:
    """What config.json says of a tower; as in transformers, an old form of it comes first."""
    old = None if kind == "siglip" else config.get(f"{tower}_dict")
    values = config.get(tower, {}) if old is None else old
    if not isinstance(values, dict):
        raise ModelError(f"{folder}: {tower} in config.json does not hold an object")
    return values


def _number(values: Mapping[str, Any], name: str, default: int, where: str) -> int:
    value = values.get(name, default)
    if isinstance(value, list) and len(value) == 2 and value[0] == value[1]:  # the two sides of a square
        value = value[0]
    least, most = _BOUNDS[name]
    if type(value) is not int or not least <= value <= most:
        raise ModelError(
            f"{where}{name} in config.json is {_shown(value)}; it must be a whole number from {least} to {most:,}"
        )
    return value


def _tower(values: Mapping[str, Any], numbers: Mapping[str, int], folder: Path, **more: int) -> TowerConfig:
    width, heads = numbers["hidden_size"], numbers["num_attention_heads"]
    if width % heads:
        raise ModelError(
            f"{folder}: num_attention_heads in config.json is {heads}, which does not divide hidden_size, {width}"
        )
    epsilon = values.get("layer_norm_eps", 1e-5)
    if type(epsilon) not in (int, float) or not 0 <= epsilon < 1:
        raise ModelError(f"{folder}: layer_norm_eps in config.json is {_shown(epsilon)}; it must be from 0 to 1")
    activation = values.get("hidden_act", "quick_gelu")
    if not isinstance(activation, str):
        raise ModelError(f"{folder}: hidden_act in config.json is {_shown(activation)}; it must be a name")
    return TowerConfig(
        numbers["num_hidden_layers"], heads, width, numbers["intermediate_size"], activation, float(epsilon), **more
    )


def _end_token(text: Mapping[str, Any], tokens: int, kind: str, folder: Path) -> int:
    end = text.get("eos_token_id", 49407)
    if type(end) is int and 0 <= end < tokens:
        return end
    if kind == "clip" and not isinstance(end, list):  # it could be in no text, and all texts would have one vector
        raise ModelError(f"{folder}: eos_token_id in config.json is {_shown(end)}, and there are {tokens:,} tokens")
    return -1


def _longest_text(folder: Path) -> int:
    """What the tokenizer says of a text's length in tokens; it is often a number without meaning, and huge."""
    path = folder / "tokenizer_config.json"
    longest = checkpoint.read_object(path).get("model_max_length") if path.exists() else None
    if longest is None:
        return _BOUNDS["max_position_embeddings"][1]
    if type(longest) not in (int, float) or not longest >= 3:
        raise ModelError(f"{path}: model_max_length is {_shown(longest)}; it must be 3 or more")
    return int(min(longest, _BOUNDS["max_position_embeddings"][1]))


def _shown(value: object) -> str:
    if isinstance(value, int) and abs(value) > 10**18:
        return "a number of more than 18 digits"
    return repr(value)[:40]
