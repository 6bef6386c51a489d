"""CLIP's text tower as a short numpy forward pass over memory-mapped weights.

One sentence takes 0.1 GFLOP at most; importing torch and transformers for it would take twenty times as long. The architecture
is that of `transformers.CLIPTextModelWithProjection`; tests compare the two.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsearch.encoders.clip.tokenizer import ClipTokenizer
from clipsearch.encoders.shape import ModelShape
from clipsearch.encoders.weights import Weights
from clipsearch.errors import ModelError

Array = NDArray[np.float32]
_BATCH = 64  # sentences of one length computed at once; bounds memory
_UNKNOWN_END = 2  # the end token that older configurations wrongly name; the real one is the highest


class TextTower:
    """Texts to raw vectors (n, dim). The tokenizer and the weights are read when they are first needed."""

    def __init__(self, folder: Path, shape: ModelShape, weights: Weights) -> None:
        self._folder, self._shape, self._weights = folder, shape, weights
        self.tokenizer = ClipTokenizer(folder, shape)

    def embed(self, texts: list[str]) -> Array:
        """Raw vectors (n, dim), float32. Texts are not padded: the tower is causal, so padding changes nothing."""
        tokens = self.tokenizer.encode(texts)
        by_length: dict[int, list[int]] = {}
        for number, ids in enumerate(tokens):
            by_length.setdefault(len(ids), []).append(number)
        vectors = np.empty((len(texts), self._shape.dim), np.float32)
        for numbers in by_length.values():
            for start in range(0, len(numbers), _BATCH):
                rows = numbers[start : start + _BATCH]
                batch = np.array([tokens[row] for row in rows])
                self._require_known(batch)
                try:
                    # Damaged weights overflow; the caller checks the result.
                    with np.errstate(invalid="ignore", over="ignore"):
                        vectors[rows] = self._forward(batch)
                except (IndexError, ValueError) as error:
                    raise ModelError(f"the weights in {self._folder} do not fit its configuration: {error}") from error
        return vectors

    def _require_known(self, ids: NDArray[Any]) -> None:
        """Raise ModelError if token ids (n, length) are not the tower's, or a text has no end: all would have one vector."""
        end = self._shape.end_token
        are_known = ids.dtype.kind == "i" and ids.size and ids.min() >= 0 and ids.max() < self._shape.vocabulary
        if not are_known or (end != _UNKNOWN_END and not (ids == end).any(axis=1).all()):
            raise ModelError(
                f"{self._folder}: its tokenizer gives tokens that the model does not know, or does not end a text as the model "
                "expects, so it is another model's; fetch the checkpoint again"
            )

    def _forward(self, ids: NDArray[np.int64]) -> Array:
        weights, tower = self._weights, self._shape.text
        count, length = ids.shape
        x = weights["text_model.embeddings.token_embedding.weight"][ids]
        x = x + weights["text_model.embeddings.position_embedding.weight"][:length]
        causal_mask = np.triu(np.full((length, length), -np.inf, np.float32), 1)
        activate = ACTIVATIONS[tower.activation]
        for layer in range(tower.layers):
            name = f"text_model.encoder.layers.{layer}"
            y = self._norm(x, f"{name}.layer_norm1")
            q, k, v = (
                self._linear(y, f"{name}.self_attn.{part}_proj")
                .reshape(count, length, tower.heads, -1)
                .transpose(0, 2, 1, 3)
                for part in "qkv"
            )
            attention = q @ k.transpose(0, 1, 3, 2) * np.float32(1 / math.sqrt(q.shape[-1])) + causal_mask
            attention = np.exp(attention - attention.max(axis=-1, keepdims=True))
            attention /= attention.sum(axis=-1, keepdims=True)
            y = (attention @ v).transpose(0, 2, 1, 3).reshape(count, length, -1)
            x = x + self._linear(y, f"{name}.self_attn.out_proj")
            y = self._linear(self._norm(x, f"{name}.layer_norm2"), f"{name}.mlp.fc1")
            x = x + self._linear(activate(y), f"{name}.mlp.fc2")
        end = self._shape.end_token
        ends = ids.argmax(axis=1) if end == _UNKNOWN_END else (ids == end).argmax(axis=1)
        last = self._norm(x[np.arange(count), ends], "text_model.final_layer_norm")
        vectors: Array = last @ weights["text_projection.weight"].T
        return vectors

    def _linear(self, x: Array, name: str) -> Array:
        matrix = self._weights[f"{name}.weight"]
        # numpy would multiply sentence by sentence; this is one product for all. With the large matrix on the left, BLAS reads
        # it in memory order, in half the time for a short sentence.
        flat = (matrix @ x.reshape(-1, x.shape[-1]).T).T + self._weights[f"{name}.bias"]
        y: Array = flat.reshape(*x.shape[:-1], len(matrix))
        return y

    def _norm(self, x: Array, name: str) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        scale = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + np.float32(self._shape.text.norm_epsilon))
        y: Array = centred / scale * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return y


def _quick_gelu(x: Array) -> Array:
    with np.errstate(over="ignore"):  # x / inf is the right limit
        y: Array = x / (1 + np.exp(np.float32(-1.702) * x))
    return y


def _gelu(x: Array) -> Array:
    """GELU, x * Φ(x), with the error function by Abramowitz & Stegun 7.1.26: off by at most 1.5e-7."""
    z = np.abs(x) * np.float32(math.sqrt(0.5))
    t = 1 / (1 + np.float32(0.3275911) * z)
    series = t * (
        0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * np.float32(1.061405429))))
    )
    erf = np.copysign(1 - series * np.exp(-z * z), x)
    y: Array = (np.float32(0.5) * x * (1 + erf)).astype(np.float32)
    return y


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"quick_gelu": _quick_gelu, "gelu": _gelu}
