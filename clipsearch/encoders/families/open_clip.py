"""Models in OpenCLIP's layout, as `open_clip.model` has them: CLIP, SigLIP, and CLIP with a RoBERTa for texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from clipsearch.encoders.families import timm_siglip
from clipsearch.encoders.families.chinese_clip import bert_tensors
from clipsearch.encoders.families.hugging_face import ACTIVATIONS
from clipsearch.encoders.open_clip_config import cleaning, is_vision_transformer
from clipsearch.encoders.plan import (
    HIGHEST,
    ImagePlan,
    ModelPlan,
    Stored,
    Tensors,
    TextPlan,
    layers,
    linear,
    norm,
)
from clipsearch.encoders.shape import ModelShape, TowerShape

_LAYER = {"norm1": "ln_1", "qkv": "attn.in_proj_", "out": "attn.out_proj", "norm2": "ln_2"}
_LAYER |= {"fc1": "mlp.c_fc", "fc2": "mlp.c_proj"}
_POOLINGS: dict[str, Literal["end", "last", "first"]] = {
    "argmax": "end",
    "eos": "end",
    "last": "last",
    "first": "first",
}
# Parts of a transformer's layers that our towers do not have.
_UNUSUAL = ("qk_norm", "scaled_cosine_attn", "scale_heads", "scale_attn_inner", "scale_attn", "scale_fc")
_OTHER = r"attn_mask|input_resolution|context_length|vocab_size|transformer\.embeddings\.position_ids"
_TEXT, _IMAGE, _DECODER = r"(?!visual\.|logit_|text_decoder\.).*", r"visual\..*", r"text_decoder\..*"


def plan(config: Mapping[str, Any], shape: ModelShape) -> ModelPlan:
    """See `plan_of`. `config` is the part of the configuration that describes the model."""
    text, vision = config["text_cfg"], config["vision_cfg"]
    tensors: Tensors = {"logit_scale": Stored("logit_scale", ())}
    if config.get("init_logit_bias") is not None:
        tensors["logit_bias"] = Stored("logit_bias", ())
    foreign: set[Literal["text", "image"]] = set()
    other = [_OTHER, _DECODER]
    if text.get("hf_model_name"):
        tensors |= _roberta_tensors(text.get("hf_proj_type", "mlp"), shape)
    elif _is_usual(text, shape.text) and not text.get("embed_cls"):
        tensors |= _text_tensors(text, shape)
    else:
        foreign.add("text")
        other.append(_TEXT)
    image = ImagePlan(shape.image, shape.image_size, shape.patch_size, "class")
    siglip = timm_siglip.image_plan(vision, shape)
    if siglip:
        image = siglip
        tensors |= timm_siglip.image_tensors(image)
    elif is_vision_transformer(vision) and _is_usual(vision, shape.image) and not vision.get("attentional_pool"):
        if vision.get("pool_type") == "avg":
            is_first = vision.get("final_ln_after_pool") is not True
            image = ImagePlan(shape.image, shape.image_size, shape.patch_size, "average", is_first)
        tensors |= _image_tensors(vision, image, shape.dim)
    else:
        foreign.add("image")
        other.append(_IMAGE)
    return ModelPlan(
        text=_text_plan(text, shape, is_foreign="text" in foreign),
        image=image,
        tensors=tensors,
        foreign=frozenset(foreign),
        optional_prefix="text.",
        other_tensors="|".join(other),
    )


def _is_usual(values: Mapping[str, Any], tower: TowerShape) -> bool:
    """Whether our towers compute all that a tower of OpenCLIP's own has."""
    is_plain = values.get("block_type") in (None, "default") and not any(map(values.get, _UNUSUAL))
    return is_plain and values.get("ls_init_value") is None and tower.activation in ACTIVATIONS


def _text_plan(text: Mapping[str, Any], shape: ModelShape, *, is_foreign: bool) -> TextPlan:
    is_roberta, is_bidirectional = bool(text.get("hf_model_name")), text.get("no_causal_mask") is True
    pooling = text.get("pool_type", "argmax")
    return TextPlan(
        tower=shape.text,
        dim=shape.dim,
        vocabulary=shape.vocabulary,
        context_length=shape.context_length,
        pooling="mean" if is_roberta else _POOLINGS[pooling],
        end_token=HIGHEST if pooling == "argmax" and not is_roberta else shape.end_token,
        is_causal=not is_bidirectional and not is_roberta,
        is_padded=(is_bidirectional or pooling == "last" or is_foreign) and not is_roberta,
        padding=None if text.get("hf_tokenizer_name") else 0,
        is_norm_first=not is_roberta,
        position_offset=2 if is_roberta else 0,
        cleaning=cleaning(text),
        hides_end=(text.get("tokenizer_kwargs") or {}).get("strip_sep_token") is True,
    )


def _text_tensors(text: Mapping[str, Any], shape: ModelShape) -> Tensors:
    width = shape.text.width
    tensors = {
        "text.tokens.weight": Stored("token_embedding.weight", (shape.vocabulary, width)),
        "text.positions.weight": Stored("positional_embedding", (shape.positions, width)),
        **layers(shape.text, "text", "transformer.resblocks.{}", _LAYER),
        **norm("text.final_norm", "ln_final", width),
    }
    if text.get("proj_type") == "none":
        return tensors
    if text.get("proj_bias"):
        return tensors | linear("text.projection", "text_projection", shape.dim, width)
    return tensors | {"text.projection.weight": Stored("text_projection", (shape.dim, width), is_transposed=True)}


def _roberta_tensors(projection: object, shape: ModelShape) -> Tensors:
    """The tensors of a RoBERTa, and of the perceptron or matrix behind it. `projection` says which."""
    width, hidden = shape.text.width, (shape.text.width + shape.dim) // 2
    tensors = bert_tensors(shape, "transformer")
    if projection == "linear":
        return tensors | linear("text.projection", "proj", shape.dim, width, has_bias=False)
    return {
        **tensors,
        **linear("text.hidden", "proj.0", hidden, width, has_bias=False),
        **linear("text.projection", "proj.2", shape.dim, hidden, has_bias=False),
    }


def _image_tensors(vision: Mapping[str, Any], image: ImagePlan, dim: int) -> Tensors:
    width, side = image.tower.width, image.patch_size
    return {
        "image.patches.weight": Stored("visual.conv1.weight", (width, 3, side, side)),
        "image.class": Stored("visual.class_embedding", (width,)),
        "image.positions.weight": Stored("visual.positional_embedding", (image.patches + 1, width)),
        **({} if vision.get("no_ln_pre") else norm("image.pre_norm", "visual.ln_pre", width)),
        **layers(image.tower, "image", "visual.transformer.resblocks.{}", _LAYER),
        **norm("image.post_norm", "visual.ln_post", width),
        "image.projection.weight": Stored("visual.proj", (dim, width), is_transposed=True),
    }
