"""What the configurations of transformers and OpenCLIP say about preprocessing, as a PixelSpec."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clipsearch.errors import ModelError, one_line
from clipsearch.types import PixelSpec

_MAX_PIXELS = 4096  # a side of a preprocessed picture
_WHITE = 255
_CLIP_MEAN, _CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_OPEN_CLIP_RESAMPLING = {"bicubic": 3, "bilinear": 2, "random": 3}  # PIL.Image.Resampling; "random" is for training


def transformers_pixels(config: Mapping[str, Any], image_size: int, folder: Path) -> PixelSpec:
    """The preprocessing that a preprocessor_config.json describes.

    `image_size` is for a NaFlex model: pictures are squashed to that square. Raises ModelError if the preprocessing makes no
    sense, or would give pictures that are huge or differ in size.
    """
    try:
        shortest_edge, resize_to = _resizing(config.get("size", 224))
        if "max_num_patches" in config:
            shortest_edge, resize_to = None, (image_size, image_size)
        crop = (
            config.get("crop_size", shortest_edge) if config.get("do_center_crop", shortest_edge is not None) else None
        )
        resizes, normalises = config.get("do_resize", True), config.get("do_normalize", True)
        spec = PixelSpec(
            shortest_edge=shortest_edge if resizes else None,
            resize_to=resize_to if resizes else None,
            crop_to=_height_and_width(crop) if crop else None,
            resample=int(config.get("resample", 3)),
            mean=_rgb(config.get("image_mean", _CLIP_MEAN)) if normalises else (0.0, 0.0, 0.0),
            std=_rgb(config.get("image_std", _CLIP_STD)) if normalises else (1.0, 1.0, 1.0),
            rescale_factor=float(config.get("rescale_factor", 1 / 255)) if config.get("do_rescale", True) else 1.0,
        )
        _require_sensible(spec)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise ModelError(f"{folder}: cannot make sense of its image preprocessing: {one_line(error)}") from error
    return spec


def open_clip_pixels(config: Any, image_size: int, folder: Path) -> PixelSpec:
    """The preprocessing that `preprocess_cfg` of an open_clip_config.json describes.

    Source: `image_transform_v2` in open_clip's transform.py. Raises ModelError for the same reasons as `transformers_pixels`.
    """
    square = (image_size, image_size)
    try:
        mode, interpolation = config.get("resize_mode") or "shortest", config.get("interpolation") or "bicubic"
        if mode not in ("shortest", "longest", "squash"):
            raise ValueError(f"there is no resize_mode {mode!r:.40}")
        spec = PixelSpec(
            shortest_edge=image_size if mode == "shortest" else None,
            resize_to=square if mode == "squash" else None,
            crop_to=None if mode == "squash" else square,
            resample=_OPEN_CLIP_RESAMPLING[interpolation],
            mean=_rgb(_three(config.get("mean")) or _CLIP_MEAN),
            std=_rgb(_three(config.get("std")) or _CLIP_STD),
            longest_edge=image_size if mode == "longest" else None,
            fill=int(config.get("fill_color", 0)) if mode == "longest" else 0,
            crops_as_torchvision=mode == "shortest",
        )
        if not 0 <= spec.fill <= _WHITE:
            raise ValueError(f"fill_color is {spec.fill}")
        _require_sensible(spec)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise ModelError(f"{folder}: cannot make sense of its image preprocessing: {one_line(error)}") from error
    return spec


def _three(value: Any) -> Any:
    """A number for each colour, if there is one for all."""
    return [value] * 3 if isinstance(value, (int, float)) else value


def _require_sensible(spec: PixelSpec) -> None:
    """Raise ValueError if pictures would differ in size, be huge, or hold values that are not finite."""
    sides = (*spec.output_size, *(spec.resize_to or ()), spec.shortest_edge or 1)
    if not all(0 < side <= _MAX_PIXELS for side in sides):
        raise ValueError(f"it makes pictures of {sides} pixels; 1 to {_MAX_PIXELS:,} are allowed")
    if not 0 <= spec.resample <= 5:
        raise ValueError(f"there is no resampling {spec.resample}")
    if not all(map(math.isfinite, (*spec.mean, *spec.std, spec.rescale_factor))):
        raise ValueError("its numbers are not finite")
    if not all((*spec.std, spec.rescale_factor)):
        raise ValueError("its standard deviation or rescaling is zero")


def _resizing(size: Any) -> tuple[int | None, tuple[int, int] | None]:
    """(shortest edge, (height, width)); one of them is None."""
    if isinstance(size, int):
        return int(size), None
    if "shortest_edge" in size:
        return int(size["shortest_edge"]), None
    return None, _height_and_width(size)


def _height_and_width(size: Any) -> tuple[int, int]:
    if isinstance(size, int):
        return size, size
    if "shortest_edge" in size:
        return int(size["shortest_edge"]), int(size["shortest_edge"])
    return int(size["height"]), int(size["width"])


def _rgb(values: Any) -> tuple[float, float, float]:
    red, green, blue = values
    return float(red), float(green), float(blue)
