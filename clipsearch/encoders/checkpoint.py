"""What a checkpoint folder in Hugging Face layout says about itself, read without torch or transformers."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from clipsearch._internal.untrusted_files import open_plain, read_json, why
from clipsearch.errors import ModelError, one_line
from clipsearch.types import PixelSpec

MODEL_TYPES = ("clip", "metaclip_2", "siglip", "chinese_clip")
"""Architectures with `get_image_features` and `get_text_features` that one pixel size and one code path serve."""

MOST_TOKENIZER_BYTES = 128_000_000
"""Of one of a tokenizer's files; that of SigLIP 2 has 34 million."""

_MOST_CONFIG_BYTES, _MOST_INDEX_BYTES = 1_000_000, 16_000_000
_MOST_LEVELS = 50  # of values within values; real configurations have four
_MOST_PIXELS = 4096  # of a side of a preprocessed picture
_TOKENIZERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "clip": (("tokenizer.json",), ("vocab.json", "merges.txt")),
    "metaclip_2": (("tokenizer.json",), ("sentencepiece.bpe.model",)),
    "siglip": (("tokenizer.json",), ("spiece.model",), ("tokenizer.model",)),
    "chinese_clip": (("tokenizer.json",), ("vocab.txt",)),
}
_CLIP_MEAN, _CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_PART = re.compile(r"[\w-][\w.-]*\.safetensors")
_SAMPLES, _SAMPLE_BYTES = 64, 4096
_PREPROCESSING_VERSION = 1  # raise it when our own preprocessing changes what an embedding is


def read_config(folder: Path) -> dict[str, Any]:
    """The checkpoint's config.json; ModelError where this is no checkpoint we can run."""
    config = read_object(folder / "config.json")
    kind = config.get("model_type")
    if kind == "siglip2":
        raise ModelError(
            f"{folder}: this is a NaFlex checkpoint, whose pictures vary in shape; clipsearch runs the fixed-size ones, "
            "such as google/siglip2-base-patch16-224"
        )
    if kind not in MODEL_TYPES:
        raise ModelError(f"{folder}: model type {kind!r:.60} is not one clipsearch runs ({', '.join(MODEL_TYPES)})")
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


def tensor_files(folder: Path) -> list[Path]:
    """The weights files that hold the model, as transformers chooses them: one, or those that an index names, or all.

    A folder may have others, such as OpenCLIP's layout of the same weights.
    """
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.exists() or not index.exists():
        return [whole] if whole.exists() else weight_files(folder)
    parts = read_object(index, _MOST_INDEX_BYTES).get("weight_map")
    names = set(parts.values()) if isinstance(parts, dict) and all(type(n) is str for n in parts.values()) else set()
    if not names or not all(_PART.fullmatch(name) for name in names):
        raise ModelError(f"{index} does not name safetensors files of its folder; fetch the checkpoint again")
    if missing := sorted(name for name in names if not (folder / name).is_file()):
        raise ModelError(
            f"{folder} is incomplete: {len(missing)} of {len(names)} weights files are missing, such as {missing[0]}; "
            "fetch the checkpoint again"
        )
    return [folder / name for name in sorted(names)]


def require_tokenizer(folder: Path, kind: str) -> None:
    """Raise ModelError if the tokenizer's files are missing: one without words would give every text the same vector."""
    choices = _TOKENIZERS[kind]
    if not any(all((folder / name).is_file() for name in names) for names in choices):
        wanted = ", or ".join(" and ".join(names) for names in choices)
        raise ModelError(f"{folder} has no tokenizer: it needs {wanted}; fetch the checkpoint again")


def read_pixel_spec(folder: Path) -> PixelSpec:
    """Preprocessing from `preprocessor_config.json`, or its newer place inside `processor_config.json`."""
    if (folder / "preprocessor_config.json").exists():
        config = read_object(folder / "preprocessor_config.json")
    else:
        config = read_object(folder / "processor_config.json").get("image_processor") or {}
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
        _require_sensible(spec)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise ModelError(f"{folder}: cannot make sense of its image preprocessing: {one_line(error)}") from error
    return spec


def _require_sensible(spec: PixelSpec) -> None:
    """Raise ValueError if pictures would differ in size, be huge, or hold no numbers."""
    sides = (*spec.output_size, *(spec.resize_to or ()), spec.shortest_edge or 1)
    if not all(0 < side <= _MOST_PIXELS for side in sides):
        raise ValueError(f"it makes pictures of {sides} pixels; 1 to {_MOST_PIXELS:,} are allowed")
    if not 0 <= spec.resample <= 5:
        raise ValueError(f"there is no resampling {spec.resample}")
    if not all(map(math.isfinite, (*spec.mean, *spec.std, spec.rescale_factor))):
        raise ValueError("its numbers are not finite")
    if not all((*spec.std, spec.rescale_factor)):
        raise ValueError("its standard deviation or rescaling is zero")


def digest(folder: Path, pixels: PixelSpec) -> str:
    """A sha256 that tells this model and preprocessing from any other, without reading 600 MB of weights.

    It covers the configuration and, of each weights file, its size, its header and 64 samples spread evenly over it.
    """
    total = hashlib.sha256(f"{_PREPROCESSING_VERSION} {sorted(asdict(pixels).items())}".encode())
    config = read_object(folder / "config.json")
    for volatile in ("_name_or_path", "transformers_version", "torch_dtype", "dtype"):
        config.pop(volatile, None)
    total.update(json.dumps(config, sort_keys=True).encode())
    for file in weight_files(folder):
        with _opened(file) as stream:
            size = os.fstat(stream.fileno()).st_size
            total.update(f"{size}".encode())
            header = int.from_bytes(stream.read(8), "little")
            total.update(stream.read(min(header, size)))
            for start in range(0, size, max(size // _SAMPLES, _SAMPLE_BYTES)):
                stream.seek(start)
                total.update(stream.read(_SAMPLE_BYTES))
    return total.hexdigest()


def read_object(path: Path, max_bytes: int = _MOST_CONFIG_BYTES) -> dict[str, Any]:
    """The JSON object in a file of a checkpoint; ModelError if there is none, or one that no checkpoint has."""
    try:
        data = read_json(path, max_bytes)
        _require_flat(data)
    except FileNotFoundError as error:
        raise ModelError(f"{path.parent} is not a checkpoint folder: it has no {path.name}") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {why(error)}") from error
    if not isinstance(data, dict):
        raise ModelError(f"{path} does not hold a JSON object")
    return data


def _require_flat(data: Any) -> None:
    level = [data]
    for _ in range(_MOST_LEVELS):
        level = [
            value
            for outer in level
            if isinstance(outer, (dict, list))
            for value in (outer.values() if isinstance(outer, dict) else outer)
        ]
    if level:
        raise ValueError("it is nested too deeply")


def _opened(file: Path) -> BinaryIO:
    try:
        return open_plain(file)
    except (OSError, ValueError) as error:
        raise ModelError(f"{file} cannot be read: {why(error)}") from error


def _size(size: Any) -> tuple[int | None, tuple[int, int] | None]:
    if isinstance(size, int):
        return int(size), None
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
