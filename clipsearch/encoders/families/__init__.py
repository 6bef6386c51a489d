"""The families of models that run without torch, one file each: what a configuration means, and how tensors are named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from clipsearch.encoders.families import chinese_clip, clip, metaclip_2, open_clip, siglip
from clipsearch.encoders.open_clip_config import OPEN_CLIP
from clipsearch.encoders.plan import ModelPlan
from clipsearch.encoders.shape import ModelShape

_FAMILIES: dict[str, Callable[[Mapping[str, Any], ModelShape], ModelPlan | None]] = {  # by config.json's model_type
    "clip": clip.plan,
    "metaclip_2": metaclip_2.plan,
    "chinese_clip": chinese_clip.plan,
    "siglip": siglip.plan,
    "siglip2": siglip.plan,
    OPEN_CLIP: open_clip.plan,
}


def plan_of(model_type: str, config: Mapping[str, Any], shape: ModelShape) -> ModelPlan | None:
    """How to compute a model without torch; None if it has a part that we do not compute."""
    family = _FAMILIES.get(model_type)
    return family(config, shape) if family else None
