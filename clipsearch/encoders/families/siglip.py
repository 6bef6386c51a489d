"""SigLIP and SigLIP 2 as `transformers.SiglipModel` has them, and SigLIP 2's NaFlex models (`Siglip2Model`).

NaFlex models take pictures of any shape. Here each picture is squashed to the square of patches that the model was
configured with, so that all embeddings of an index are comparable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from clipsearch.encoders.families.hugging_face import ACTIVATIONS, image_tensors, text_tensors
from clipsearch.encoders.plan import ImagePlan, ModelPlan, Stored, Tensors, TextPlan, attention_in_one, linear, norm
from clipsearch.encoders.shape import ModelShape


def plan(config: Mapping[str, Any], shape: ModelShape) -> ModelPlan | None:
    """See `plan_of`."""
    has_head = (config.get("vision_config") or {}).get("vision_use_head", True)
    if not {shape.text.activation, shape.image.activation} <= ACTIVATIONS or has_head is not True:
        return None
    image = ImagePlan(
        shape.image, shape.image_size, shape.patch_size, pooling="attention", normalises_before_pooling=True
    )
    return ModelPlan(
        text=TextPlan(
            tower=shape.text,
            dim=shape.dim,
            vocabulary=shape.vocabulary,
            context_length=shape.context_length,
            pooling="last",
            is_padded=True,
        ),
        image=image,
        tensors={
            "logit_scale": Stored("logit_scale", (1,)),
            "logit_bias": Stored("logit_bias", (1,)),
            **text_tensors(shape),
            **norm("text.final_norm", "text_model.final_layer_norm", shape.text.width),
            **linear("text.projection", "text_model.head", shape.dim, shape.text.width),
            **_image_tensors(shape, image, is_naflex=config.get("model_type") == "siglip2"),
        },
    )


def _image_tensors(shape: ModelShape, image: ImagePlan, *, is_naflex: bool) -> Tensors:
    tower, embeddings, head = shape.image, "vision_model.embeddings", "vision_model.head"
    tensors = image_tensors(shape, positions=image.patches)
    tensors["image.patches.weight"] = replace(tensors["image.patches.weight"], is_by_pixel=is_naflex)
    return {
        **tensors,
        "image.patches.bias": Stored(f"{embeddings}.patch_embedding.bias", (tower.width,)),
        **norm("image.post_norm", "vision_model.post_layernorm", tower.width),
        "image.head.probe": Stored(f"{head}.probe", (1, 1, tower.width)),
        **attention_in_one("image.head", f"{head}.attention.in_proj_", tower.width),
        **linear("image.head.out", f"{head}.attention.out_proj", tower.width, tower.width),
        **norm("image.head.norm", f"{head}.layernorm", tower.width),
        **linear("image.head.fc1", f"{head}.mlp.fc1", tower.mlp_width, tower.width),
        **linear("image.head.fc2", f"{head}.mlp.fc2", tower.width, tower.mlp_width),
    }
