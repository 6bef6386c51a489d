"""`open_clip_config.json`, the configuration of a checkpoint in OpenCLIP's layout: values checked, defaults filled in.

Source of the names and defaults: open_clip's `CLIPVisionCfg` and `CLIPTextCfg` (model.py), `PreprocessCfg` (transform.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clipsearch.encoders.plan import Cleaning
from clipsearch.encoders.shape import ModelShape, TowerShape, require_number, shortened
from clipsearch.errors import ModelError

OPEN_CLIP = "open_clip"
"""`Checkpoint.model_type` of this layout."""

OPEN_CLIP_CONFIG = "open_clip_config.json"
UNKNOWN_ACTIVATION = ""
"""`TowerShape.activation` of a tower whose activation our towers do not compute."""

TEXT_MODELS = {
    "xlm-roberta-base": {"layers": 12, "width": 768, "heads": 12, "vocab_size": 250_002},
    "xlm-roberta-large": {"layers": 24, "width": 1024, "heads": 16, "vocab_size": 250_002},
    "roberta-base": {"layers": 12, "width": 768, "heads": 12, "vocab_size": 50_265},
}
"""Text towers of transformers that a configuration only names."""

_ROBERTA_POSITIONS = 514
_MAX_MLP_RATIO = 16
_VISION = {"layers": 12, "width": 768, "head_width": 64, "patch_size": 16, "image_size": 224}
_TEXT = {"layers": 12, "width": 512, "heads": 8, "context_length": 77, "vocab_size": 49408}
_BOUNDS = {  # → the name of such a number in `clipsearch.encoders.shape.BOUNDS`
    "layers": "num_hidden_layers",
    "width": "hidden_size",
    "heads": "num_attention_heads",
    "head_width": "hidden_size",
    "context_length": "max_position_embeddings",
    "vocab_size": "vocab_size",
    "patch_size": "patch_size",
    "image_size": "image_size",
}
_DEFAULT_EPSILON = 1e-5  # of torch's LayerNorm


def open_clip_model(config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The part of a configuration that describes the model. Raises ModelError if it does not describe both towers."""
    model = config.get("model_cfg")
    if not isinstance(model, dict) or not all(isinstance(model.get(name), dict) for name in ("vision_cfg", "text_cfg")):
        raise ModelError(
            f"{folder}: {OPEN_CLIP_CONFIG} does not describe a model: it needs model_cfg with vision_cfg and text_cfg; fetch "
            "the checkpoint again"
        )
    return model


def is_vision_transformer(vision: Mapping[str, Any]) -> bool:
    """Whether an image tower is OpenCLIP's own vision transformer, not a ResNet, nor one of the timm library."""
    return not vision.get("timm_model_name") and not isinstance(vision.get("layers"), list)


def open_clip_shape(model: Mapping[str, Any], folder: Path) -> ModelShape:
    """The shape of a model. A tower that is not described by numbers has the shape of OpenCLIP's defaults.

    Raises ModelError for numbers that no such model has.
    """
    vision, text = model["vision_cfg"], model["text_cfg"]
    if not is_vision_transformer(vision):
        vision = {name: value for name, value in vision.items() if name == "image_size"}
    hf_model = text.get("hf_model_name")
    if hf_model:
        text = {**text, **_text_model(text, folder)}
    _require_usable(text, vision, folder)
    is_quick = model.get("quick_gelu") is True
    image_numbers = _numbers(vision, _VISION, f"{folder}: vision_cfg.")
    text_numbers = _numbers(text, _TEXT, f"{folder}: text_cfg.")
    if image_numbers["patch_size"] > image_numbers["image_size"]:
        raise ModelError(f"{folder}: in {OPEN_CLIP_CONFIG}, patch_size is larger than image_size")
    heads = max(image_numbers["width"] // image_numbers["head_width"], 1)
    return ModelShape(
        text=_tower(text, text_numbers, text_numbers["heads"], is_quick and not hf_model, f"{folder}: text_cfg."),
        image=_tower(vision, image_numbers, heads, is_quick, f"{folder}: vision_cfg."),
        dim=require_number(model.get("embed_dim"), "projection_dim", f"{folder}: embed_dim in {OPEN_CLIP_CONFIG}"),
        vocabulary=text_numbers["vocab_size"],
        positions=_ROBERTA_POSITIONS if hf_model else text_numbers["context_length"],
        context_length=text_numbers["context_length"],
        end_token=_end_token(text, text_numbers["vocab_size"], folder),
        image_size=image_numbers["image_size"],
        patch_size=image_numbers["patch_size"],
        token_types=1,
    )


def cleaning(text: Mapping[str, Any]) -> Cleaning:
    """What is done with a text before it is tokenized."""
    chosen = (text.get("tokenizer_kwargs") or {}).get("clean")
    return chosen or ("whitespace" if text.get("hf_tokenizer_name") else "lower")


def _text_model(text: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The numbers of a text tower of transformers."""
    name = text["hf_model_name"]
    known = TEXT_MODELS.get(name.removeprefix("FacebookAI/")) if isinstance(name, str) else None
    if known is None:
        raise ModelError(
            f"{folder}: its text tower is {shortened(name)}, and clipsearch runs only {', '.join(TEXT_MODELS)}; choose "
            "another model"
        )
    pooling, projection = text.get("hf_pooler_type", "mean_pooler"), text.get("hf_proj_type", "mlp")
    if pooling != "mean_pooler" or projection not in ("linear", "mlp"):
        raise ModelError(
            f"{folder}: clipsearch does not run the pooling {shortened(pooling)} or the projection {shortened(projection)} "
            f"that {OPEN_CLIP_CONFIG} gives to its text tower; choose another model"
        )
    return {**known, "mlp_ratio": 4.0, "norm_kwargs": None, "act_kwargs": None, "pool_type": "argmax"}


def _require_usable(text: Mapping[str, Any], vision: Mapping[str, Any], folder: Path) -> None:
    """Raise ModelError if a text or a picture would have several vectors, or a tokenizer works in an unknown way."""
    options = text.get("tokenizer_kwargs") or {}
    clean = options.get("clean", "lower") if isinstance(options, dict) else None
    checked = (
        ("text_cfg.pool_type", text.get("pool_type", "argmax"), ("argmax", "eos", "last", "first")),
        ("vision_cfg.pool_type", vision.get("pool_type", "tok"), ("tok", "avg")),
        ("text_cfg.tokenizer_mode", text.get("tokenizer_mode") or None, (None,)),
        ("text_cfg.tokenizer_kwargs.clean", clean, ("lower", "whitespace", "canonicalize")),
    )
    for name, value, known in checked:
        if not isinstance(value, (str, type(None))) or value not in known:
            raise ModelError(
                f"{folder}: {name} in {OPEN_CLIP_CONFIG} is {shortened(value)}, which clipsearch does not run; choose another "
                "model"
            )


def _numbers(values: Mapping[str, Any], defaults: Mapping[str, int], prefix: str) -> dict[str, int]:
    return {
        name: require_number(values.get(name, default), _BOUNDS[name], f"{prefix}{name} in {OPEN_CLIP_CONFIG}")
        for name, default in defaults.items()
    }


def _tower(
    values: Mapping[str, Any], numbers: Mapping[str, int], heads: int, is_quick: bool, prefix: str
) -> TowerShape:
    width, ratio = numbers["width"], values.get("mlp_ratio", 4.0)
    if width % heads:
        raise ModelError(f"{prefix}width in {OPEN_CLIP_CONFIG} is {width}, which its {heads} heads do not divide")
    if type(ratio) not in (int, float) or not 1 / width <= ratio <= _MAX_MLP_RATIO:
        raise ModelError(
            f"{prefix}mlp_ratio in {OPEN_CLIP_CONFIG} is {shortened(ratio)}; it must be positive, and {_MAX_MLP_RATIO} at most"
        )
    norm_values = values.get("norm_kwargs") or {}
    epsilon: Any = norm_values.get("eps", _DEFAULT_EPSILON) if isinstance(norm_values, dict) else None
    if type(epsilon) not in (int, float) or not 0 <= epsilon < 1:
        raise ModelError(
            f"{prefix}norm_kwargs in {OPEN_CLIP_CONFIG} is {shortened(norm_values)}; eps must be from 0 to 1"
        )
    return TowerShape(
        numbers["layers"], heads, width, int(width * ratio), _activation(values, is_quick), float(epsilon)
    )


def _activation(values: Mapping[str, Any], is_quick: bool) -> str:
    options = values.get("act_kwargs")
    if is_quick:
        return "quick_gelu" if options is None else UNKNOWN_ACTIVATION
    if options in (None, {}, {"approximate": "none"}):
        return "gelu"
    return "gelu_pytorch_tanh" if options == {"approximate": "tanh"} else UNKNOWN_ACTIVATION


def _end_token(text: Mapping[str, Any], vocabulary: int, folder: Path) -> int | None:
    """The token that ends a text, if the text tower looks for it."""
    if text.get("pool_type") != "eos":
        return None
    end = text.get("eos_id", 2)
    if type(end) is not int or not 0 <= end < vocabulary:
        raise ModelError(
            f"{folder}: text_cfg.eos_id in {OPEN_CLIP_CONFIG} is {shortened(end)}, and there are {vocabulary:,} tokens"
        )
    return end
