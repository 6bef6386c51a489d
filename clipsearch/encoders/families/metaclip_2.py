"""MetaCLIP 2 as `transformers.MetaClip2Model` has it: CLIP's towers, with a vocabulary of many languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from clipsearch.encoders.families import clip
from clipsearch.encoders.plan import ModelPlan
from clipsearch.encoders.shape import ModelShape


def plan(config: Mapping[str, Any], shape: ModelShape) -> ModelPlan | None:
    """See `plan_of`. The end token is always the configured one. Published models have 2, which means another one to CLIP."""
    model = clip.plan(config, shape)
    return model and replace(model, text=replace(model.text, end_token=shape.end_token))
