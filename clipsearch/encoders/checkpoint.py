"""What a checkpoint folder in Hugging Face layout says about itself, read without torch or transformers."""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clipsearch.errors import ModelError
from clipsearch.schema import PixelSpec

MODEL_TYPES = ("clip", "metaclip_2", "siglip", "chinese_clip")
"""Architectures with `get_image_features` and `get_text_features` that one pixel size and one code path serve."""

ACTIVATIONS = ("quick_gelu", "gelu")
"""Those of CLIP checkpoints that run without torch."""

_CLIP_MEAN, _CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_SAMPLES, _SAMPLE_BYTES = 64, 4096
_PREPROCESSING_VERSION = 1  # raise it when our own preprocessing changes what an embedding is


def read_config(folder: Path) -> dict[str, Any]:
    """The checkpoint's config.json; ModelError where this is no checkpoint we can run."""
    config = _read_json(folder / "config.json")
    kind = config.get("model_type")
    if kind == "siglip2":
        raise ModelError(
            f"{folder}: this is a NaFlex checkpoint, whose pictures vary in shape; clipsearch runs the fixed-size ones, "
            "such as google/siglip2-base-patch16-224"
        )
    if kind not in MODEL_TYPES:
        raise ModelError(f"{folder}: model type {kind!r} is not one clipsearch runs ({', '.join(MODEL_TYPES)})")
    return config


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files, in order; ModelError where there are none, since pickled weights are never loaded."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        pickled = " (it has pickled weights, which could run code, so they are not loaded)"
        raise ModelError(
            f"{folder} has no *.safetensors file{pickled if list(folder.glob('*.bin')) else ''}; "
            "choose a checkpoint that ships safetensors"
        )
    return files


def read_pixel_spec(folder: Path) -> PixelSpec:
    """Preprocessing from `preprocessor_config.json`, or its newer place inside `processor_config.json`."""
    if (folder / "preprocessor_config.json").is_file():
        config = _read_json(folder / "preprocessor_config.json")
    else:
        config = _read_json(folder / "processor_config.json").get("image_processor") or {}
    try:
        size = config.get("size", 224)
        shortest_edge, resize_to = _size(size)
        crop = (
            config.get("crop_size", shortest_edge) if config.get("do_center_crop", shortest_edge is not None) else None
        )
        spec = PixelSpec(
            shortest_edge=shortest_edge if config.get("do_resize", True) else None,
            resize_to=resize_to if config.get("do_resize", True) else None,
            crop_to=_pair(crop) if crop else None,
            resample=int(config.get("resample", 3)),
            mean=_three(config.get("image_mean", _CLIP_MEAN)) if config.get("do_normalize", True) else (0.0, 0.0, 0.0),
            std=_three(config.get("image_std", _CLIP_STD)) if config.get("do_normalize", True) else (1.0, 1.0, 1.0),
            rescale_factor=float(config.get("rescale_factor", 1 / 255)) if config.get("do_rescale", True) else 1.0,
        )
        spec.output_size  # noqa: B018 - raises where pictures would differ in size
    except (TypeError, ValueError, KeyError) as error:
        raise ModelError(f"{folder}: cannot make sense of its image preprocessing: {error}") from error
    return spec


def digest(folder: Path, pixels: PixelSpec) -> str:
    """A sha256 that tells this model and preprocessing from any other, without reading 600 MB of weights.

    It covers the configuration and, of each weights file, its size, its header and 64 samples spread evenly over it.
    """
    total = hashlib.sha256(f"{_PREPROCESSING_VERSION} {sorted(asdict(pixels).items())}".encode())
    config = _read_json(folder / "config.json")
    for volatile in ("_name_or_path", "transformers_version", "torch_dtype", "dtype"):
        config.pop(volatile, None)
    total.update(json.dumps(config, sort_keys=True).encode())
    for file in weight_files(folder):
        size = file.stat().st_size
        total.update(f"{size}".encode())
        with file.open("rb") as stream:
            header = int.from_bytes(stream.read(8), "little")
            total.update(stream.read(min(header, size)))
            for start in range(0, size, max(size // _SAMPLES, _SAMPLE_BYTES)):
                stream.seek(start)
                total.update(stream.read(_SAMPLE_BYTES))
    return total.hexdigest()


@dataclass(frozen=True, slots=True)
class TowerConfig:
    """The shape of one of CLIP's two transformers."""

    layers: int
    heads: int
    activation: str  # one of ACTIVATIONS
    epsilon: float  # of its layer norms
    end_token: int = -1  # the text tower's
    image_size: int = 0  # the image tower's, pixels
    patch_size: int = 0


@dataclass(frozen=True, slots=True)
class ClipConfig:
    """What it takes to run a CLIP checkpoint without transformers."""

    text: TowerConfig
    vision: TowerConfig
    context_length: int  # tokens, with the special ones


def read_clip_config(folder: Path) -> ClipConfig | None:
    """The shape of a plain CLIP checkpoint, with transformers' defaults; None for anything else, which torch can run."""
    config = read_config(folder)
    if config["model_type"] != "clip":
        return None
    text = config.get("text_config_dict") or config.get("text_config") or {}  # in this order, as transformers has it
    vision = config.get("vision_config_dict") or config.get("vision_config") or {}
    tokenizer = _read_json(folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").is_file() else {}
    files = ("tokenizer.json",), ("vocab.json", "merges.txt")
    if not any(all((folder / name).is_file() for name in group) for group in files):
        return None
    try:
        return ClipConfig(
            text=_tower(text, heads=8, end_token=int(text.get("eos_token_id", 49407))),
            vision=_tower(
                vision,
                heads=12,
                image_size=int(vision.get("image_size", 224)),
                patch_size=int(vision.get("patch_size", 32)),
            ),
            context_length=int(
                min(text.get("max_position_embeddings", 77), tokenizer.get("model_max_length", math.inf))
            ),
        )
    except (TypeError, ValueError):
        return None


def _tower(values: dict[str, Any], heads: int, **more: int) -> TowerConfig:
    activation = values.get("hidden_act", "quick_gelu")
    if activation not in ACTIVATIONS:
        raise ValueError(activation)
    return TowerConfig(
        layers=int(values.get("num_hidden_layers", 12)),
        heads=int(values.get("num_attention_heads", heads)),
        activation=activation,
        epsilon=float(values.get("layer_norm_eps", 1e-5)),
        **more,
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"{path.parent} is not a checkpoint folder: it has no {path.name}") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise ModelError(f"{path} does not hold a JSON object")
    return data


def _size(size: Any) -> tuple[int | None, tuple[int, int] | None]:
    if isinstance(size, int):
        return size, None
    if "shortest_edge" in size:
        return int(size["shortest_edge"]), None
    return None, _pair(size)


def _pair(size: Any) -> tuple[int, int]:
    if isinstance(size, int):
        return size, size
    if "shortest_edge" in size:
        return int(size["shortest_edge"]), int(size["shortest_edge"])
    return int(size["height"]), int(size["width"])


def _three(values: Any) -> tuple[float, float, float]:
    red, green, blue = values
    return float(red), float(green), float(blue)


def is_checkpoint(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder looks like a checkpoint at all."""
    return (Path(folder) / "config.json").is_file()
