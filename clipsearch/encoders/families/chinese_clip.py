"""Chinese-CLIP as `transformers.ChineseCLIPModel` has it: BERT for texts, and CLIP's image tower."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clipsearch.encoders.families.clip import clip_image_tensors, image_plan
from clipsearch.encoders.families.hugging_face import ACTIVATIONS
from clipsearch.encoders.plan import ModelPlan, Stored, Tensors, TextPlan, layers, linear, norm
from clipsearch.encoders.shape import ModelShape

_LAYER = {
    "norm1": "attention.output.LayerNorm",
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "out": "attention.output.dense",
    "norm2": "output.LayerNorm",
    "fc1": "intermediate.dense",
    "fc2": "output.dense",
}


def plan(config: Mapping[str, Any], shape: ModelShape) -> ModelPlan | None:
    """See `plan_of`."""
    if not {shape.text.activation, shape.image.activation} <= ACTIVATIONS:
        return None
    return ModelPlan(
        text=TextPlan(
            tower=shape.text,
            dim=shape.dim,
            vocabulary=shape.vocabulary,
            context_length=shape.context_length,
            pooling="first",
            is_norm_first=False,
        ),
        image=image_plan(shape),
        tensors={
            "logit_scale": Stored("logit_scale", ()),
            **bert_tensors(shape, "text_model"),
            **linear("text.projection", "text_projection", shape.dim, shape.text.width, has_bias=False),
            **clip_image_tensors(shape),
        },
        reads_english=False,
    )


def bert_tensors(shape: ModelShape, stored: str) -> Tensors:
    """The tensors of BERT, which has no final norm here, and no pooling layer. Their names begin with `stored`."""
    width, embeddings = shape.text.width, f"{stored}.embeddings"
    return {
        "text.tokens.weight": Stored(f"{embeddings}.word_embeddings.weight", (shape.vocabulary, width)),
        "text.positions.weight": Stored(f"{embeddings}.position_embeddings.weight", (shape.positions, width)),
        "text.token_types.weight": Stored(f"{embeddings}.token_type_embeddings.weight", (shape.token_types, width)),
        **norm("text.embedding_norm", f"{embeddings}.LayerNorm", width),
        **layers(shape.text, "text", f"{stored}.encoder.layer.{{}}", _LAYER),
    }
