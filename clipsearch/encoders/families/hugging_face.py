"""The names that several of transformers' model classes share."""

from __future__ import annotations

from clipsearch.encoders.plan import Stored, Tensors, layers
from clipsearch.encoders.shape import ModelShape

ACTIVATIONS = frozenset({"quick_gelu", "gelu", "gelu_pytorch_tanh"})
"""The activations that our towers compute."""

LAYER = {
    "norm1": "layer_norm1",
    **{part: f"self_attn.{part}_proj" for part in ("q", "k", "v", "out")},
    "norm2": "layer_norm2",
    "fc1": "mlp.fc1",
    "fc2": "mlp.fc2",
}
"""The parts of a layer, of CLIP and SigLIP: the towers' name → the stored name."""


def text_tensors(shape: ModelShape) -> Tensors:
    """The embeddings and layers of a text tower."""
    width, embeddings = shape.text.width, "text_model.embeddings"
    return {
        "text.tokens.weight": Stored(f"{embeddings}.token_embedding.weight", (shape.vocabulary, width)),
        "text.positions.weight": Stored(f"{embeddings}.position_embedding.weight", (shape.positions, width)),
        **layers(shape.text, "text", "text_model.encoder.layers.{}", LAYER),
    }


def image_tensors(shape: ModelShape, positions: int) -> Tensors:
    """The patches, positions and layers of an image tower."""
    width, side, embeddings = shape.image.width, shape.patch_size, "vision_model.embeddings"
    return {
        "image.patches.weight": Stored(f"{embeddings}.patch_embedding.weight", (width, 3, side, side)),
        "image.positions.weight": Stored(f"{embeddings}.position_embedding.weight", (positions, width)),
        **layers(shape.image, "image", "vision_model.encoder.layers.{}", LAYER),
    }
