"""A text tower as a short numpy forward pass over memory-mapped weights.

One sentence takes 0.1 to 11 GFLOP; importing torch and transformers for it would take longer. Tests compare each family with
its reference.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from clipsearch.encoders.base import warn_truncated
from clipsearch.encoders.plan import HIGHEST, TextPlan
from clipsearch.encoders.tokenizers import Tokenizer
from clipsearch.errors import ModelError

Array = NDArray[np.float32]
_BATCH = 64  # sentences of one length computed at once; bounds memory


class TextWeights(Protocol):
    """The tensors of a text tower, by the names that `clipsearch.encoders.plan` lists."""

    def __contains__(self, name: object) -> bool: ...

    def __getitem__(self, name: str) -> Array:
        """A tensor."""

    def rows(self, name: str, numbers: NDArray[Any]) -> Array:
        """The rows of a tensor with these numbers. A token table is large, and a text has few tokens."""


class TextTower:
    """Texts to raw vectors (n, dim). The tokenizer and the weights are read when they are first needed."""

    def __init__(self, folder: Path, plan: TextPlan, weights: TextWeights, tokenizer: Tokenizer) -> None:
        self._folder, self._plan, self._weights = folder, plan, weights
        self.tokenizer = tokenizer

    def embed(self, texts: list[str]) -> Array:
        """Raw vectors (n, dim), float32. Texts of one length are computed together, so that none needs padding.

        Issues a ClipsearchWarning for a text that is cut. Raises ModelError if the tokens are not the model's.
        """
        tokens = self.tokens(texts)
        by_length: dict[int, list[int]] = {}
        for number, ids in enumerate(tokens):
            by_length.setdefault(len(ids), []).append(number)
        vectors = np.empty((len(texts), self._plan.dim), np.float32)
        for numbers in by_length.values():
            for start in range(0, len(numbers), _BATCH):
                rows = numbers[start : start + _BATCH]
                batch = np.array([tokens[row] for row in rows])
                self.require_known(batch)
                try:
                    # Damaged weights overflow; the caller checks the result.
                    with np.errstate(invalid="ignore", over="ignore"):
                        vectors[rows] = self._forward(batch)
                except (IndexError, ValueError) as error:
                    raise ModelError(f"the weights in {self._folder} do not fit its configuration: {error}") from error
        return vectors

    def tokens(self, texts: list[str]) -> list[list[int]]:
        """The ids of each text's tokens, at most the context length, or exactly so many if the plan pads."""
        plan, limit = self._plan, self._plan.context_length
        tokens = self.tokenizer.encode(texts)
        warn_truncated(texts, map(len, tokens), limit)
        tokens = [
            ids if len(ids) <= limit else [*ids[: limit - 1], ids[-1]] for ids in tokens
        ]  # the last one ends a text
        if plan.hides_end:
            tokens = [[*ids[:-1], 0] for ids in tokens]
        if plan.is_padded:
            padding = self.tokenizer.padding if plan.padding is None else plan.padding
            tokens = [ids + [padding] * (limit - len(ids)) for ids in tokens]
        return tokens

    def require_known(self, ids: NDArray[Any]) -> None:
        """Raise ModelError if token ids (n, length) are not the tower's, or a text has no end: all would have one vector."""
        end = self._plan.end_token
        are_known = ids.dtype.kind == "i" and ids.size and ids.min() >= 0 and ids.max() < self._plan.vocabulary
        if not are_known or (end not in (None, HIGHEST) and not (ids == end).any(axis=1).all()):
            raise ModelError(
                f"{self._folder}: its tokenizer gives tokens that the model does not know, or does not end a text as the model "
                "expects, so it is another model's; fetch the checkpoint again"
            )

    def _forward(self, ids: NDArray[np.int64]) -> Array:
        weights, plan = self._weights, self._plan
        length, start = ids.shape[1], plan.position_offset
        x = weights.rows("text.tokens.weight", ids) + weights["text.positions.weight"][start : start + length]
        if "text.token_types.weight" in weights:
            x = x + weights["text.token_types.weight"][0]
        if "text.embedding_norm.weight" in weights:
            x = self._norm(x, "text.embedding_norm")
        mask = np.triu(np.full((length, length), -np.inf, np.float32), 1) if plan.is_causal else None
        for layer in range(plan.tower.layers):
            x = self._layer(x, f"text.layers.{layer}", mask)
        x = self._pool(x, ids)
        if "text.final_norm.weight" in weights:
            x = self._norm(x, "text.final_norm")
        if "text.hidden.weight" in weights:
            x = _gelu(self._linear(x, "text.hidden"))
        if "text.projection.weight" in weights:
            x = self._linear(x, "text.projection")
        return x

    def _layer(self, x: Array, name: str, mask: Array | None) -> Array:
        activate = ACTIVATIONS[self._plan.tower.activation]
        if self._plan.is_norm_first:
            x = x + self._attend(self._norm(x, f"{name}.norm1"), name, mask)
            y = self._linear(self._norm(x, f"{name}.norm2"), f"{name}.fc1")
            return x + self._linear(activate(y), f"{name}.fc2")
        x = self._norm(x + self._attend(x, name, mask), f"{name}.norm1")
        y = self._linear(x, f"{name}.fc1")
        return self._norm(x + self._linear(activate(y), f"{name}.fc2"), f"{name}.norm2")

    def _attend(self, x: Array, name: str, mask: Array | None) -> Array:
        count, length, width = x.shape
        q, k, v = (
            self._linear(x, f"{name}.{part}").reshape(count, length, self._plan.tower.heads, -1).transpose(0, 2, 1, 3)
            for part in "qkv"
        )
        attention = q @ k.transpose(0, 1, 3, 2) * np.float32(1 / math.sqrt(q.shape[-1]))
        if mask is not None:
            attention += mask
        attention = np.exp(attention - attention.max(axis=-1, keepdims=True))
        attention /= attention.sum(axis=-1, keepdims=True)
        return self._linear((attention @ v).transpose(0, 2, 1, 3).reshape(count, length, width), f"{name}.out")

    def _pool(self, x: Array, ids: NDArray[np.int64]) -> Array:
        """One row a text, of the outputs (n, length, width)."""
        plan = self._plan
        if plan.pooling == "mean":
            mean: Array = x.mean(axis=1)
            return mean
        rows = {"first": np.zeros(len(x), np.int64), "last": np.full(len(x), -1)}.get(plan.pooling)
        if rows is None:
            rows = ids.argmax(axis=1) if plan.end_token == HIGHEST else (ids == plan.end_token).argmax(axis=1)
        pooled: Array = x[np.arange(len(x)), rows]
        return pooled

    def _linear(self, x: Array, name: str) -> Array:
        matrix = self._weights[f"{name}.weight"]
        # numpy would multiply sentence by sentence; this is one product for all. With the large matrix on the left, BLAS reads
        # it in memory order, in half the time for a short sentence.
        flat = (matrix @ x.reshape(-1, x.shape[-1]).T).T
        if f"{name}.bias" in self._weights:
            flat = flat + self._weights[f"{name}.bias"]
        y: Array = flat.reshape(*x.shape[:-1], len(matrix))
        return y

    def _norm(self, x: Array, name: str, epsilon: float | None = None) -> Array:
        epsilon = self._plan.tower.norm_epsilon if epsilon is None else epsilon
        centred = x - x.mean(axis=-1, keepdims=True)
        scale = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + np.float32(epsilon))
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


def _gelu_tanh(x: Array) -> Array:
    """GELU by a hyperbolic tangent (arXiv:1606.08415), as SigLIP was trained with."""
    inner = np.float32(math.sqrt(2 / math.pi)) * x * (1 + np.float32(0.044715) * x * x)
    y: Array = np.float32(0.5) * x * (1 + np.tanh(inner))
    return y


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "quick_gelu": _quick_gelu,
    "gelu": _gelu,
    "gelu_pytorch_tanh": _gelu_tanh,
}
