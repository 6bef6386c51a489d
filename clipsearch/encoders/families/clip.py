"""CLIP as `transformers.CLIPModel` has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clipsearch.encoders.families.hugging_face import ACTIVATIONS, image_tensors, text_tensors
from clipsearch.encoders.plan import HIGHEST, ImagePlan, ModelPlan, Stored, Tensors, TextPlan, linear, norm
from clipsearch.encoders.shape import ModelShape

_OLD_END = 2  # the end token that older configurations wrongly name; the real one is the highest


def plan(config: Mapping[str, Any], shape: ModelShape) -> ModelPlan | None:
    """See `plan_of`."""
    if not {shape.text.activation, shape.image.activation} <= ACTIVATIONS or shape.end_token is None:
        return None
    return ModelPlan(
        text=TextPlan(
            tower=shape.text,
            dim=shape.dim,
            vocabulary=shape.vocabulary,
            context_length=shape.context_length,
            pooling="end",
            end_token=HIGHEST if shape.end_token == _OLD_END else shape.end_token,
            is_causal=True,
        ),
        image=image_plan(shape),
        tensors={
            "logit_scale": Stored("logit_scale", ()),
            **text_tensors(shape),
            **norm("text.final_norm", "text_model.final_layer_norm", shape.text.width),
            **linear("text.projection", "text_projection", shape.dim, shape.text.width, has_bias=False),
            **clip_image_tensors(shape),
        },
    )


def image_plan(shape: ModelShape) -> ImagePlan:
    """CLIP's image tower, which other families have as well."""
    return ImagePlan(shape.image, shape.image_size, shape.patch_size, "class")


def clip_image_tensors(shape: ModelShape) -> Tensors:
    """The tensors of CLIP's image tower."""
    width = shape.image.width
    return {
        "image.class": Stored("vision_model.embeddings.class_embedding", (width,)),
        **image_tensors(shape, positions=image_plan(shape).patches + 1),
        **norm("image.pre_norm", "vision_model.pre_layrnorm", width),  # spelt so in the checkpoints
        **norm("image.post_norm", "vision_model.post_layernorm", width),
        **linear("image.projection", "visual_projection", shape.dim, width, has_bias=False),
    }
