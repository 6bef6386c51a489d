"""DistilBERT as `transformers.DistilBertModel` has it, with a linear layer on the mean of its outputs."""

from __future__ import annotations

from clipsearch.encoders.plan import Stored, Tensors, TextPlan, layers, linear, norm

NORM_EPSILON = 1e-12
_LAYER = {
    "norm1": "sa_layer_norm",
    "q": "attention.q_lin",
    "k": "attention.k_lin",
    "v": "attention.v_lin",
    "out": "attention.out_lin",
    "norm2": "output_layer_norm",
    "fc1": "ffn.lin1",
    "fc2": "ffn.lin2",
}


def tensors(plan: TextPlan, positions: int, *, has_bias: bool) -> Tensors:
    """The tensors of the model, and of the linear layer as sentence-transformers names it."""
    width = plan.tower.width
    return {
        "text.tokens.weight": Stored("embeddings.word_embeddings.weight", (plan.vocabulary, width)),
        "text.positions.weight": Stored("embeddings.position_embeddings.weight", (positions, width)),
        **norm("text.embedding_norm", "embeddings.LayerNorm", width),
        **layers(plan.tower, "text", "transformer.layer.{}", _LAYER),
        **linear("text.projection", "linear", plan.dim, width, has_bias=has_bias),
    }
