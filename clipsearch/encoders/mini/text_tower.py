"""mini's text tower: MiniLM as a numpy forward pass, and two views of its output side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipsearch.encoders.mini.weights import DecodedWeights
from clipsearch.encoders.plan import TextPlan
from clipsearch.encoders.shape import TowerShape, require_known_vocabulary
from clipsearch.encoders.tokenizers import open_tokenizer
from clipsearch.encoders.towers.text_tower import ACTIVATIONS, Array, TextTower

WEIGHTS, TABLE = "text.safetensors", "tokenizer.table"
_TOWER = TowerShape(layers=6, heads=12, width=384, mlp_width=1536, activation="gelu", norm_epsilon=1e-12)
_VOCABULARY = 30522
_HEAD_EPSILON = 1e-5


class MiniTextTower(TextTower):
    """Texts to raw vectors (n, 2 * width): what training made of MiniLM's output, and beside it that output itself, centred."""

    def __init__(self, folder: Path, context_length: int) -> None:
        plan = TextPlan(
            tower=_TOWER,
            dim=2 * _TOWER.width,
            vocabulary=_VOCABULARY,
            context_length=context_length,
            pooling="mean",
            is_norm_first=False,
        )
        super().__init__(
            folder, plan, DecodedWeights(folder / WEIGHTS), open_tokenizer(folder, MiniVocabulary(), folder / TABLE)
        )

    def _forward(self, ids: NDArray[np.int64]) -> Array:
        mean = super()._forward(ids)
        x = self._norm(mean, "text.head.norm", _HEAD_EPSILON)
        hidden = ACTIVATIONS[_TOWER.activation](self._linear(x, "text.head.up"))
        trained = _unit(self._linear(x, "text.head.linear") + self._linear(hidden, "text.head.down"))
        centred = _unit(_unit(mean) - self._weights["text.language.mean"])
        return np.concatenate([trained, centred * self._weights["text.language.weight"]], axis=1)


class MiniVocabulary:
    """See Vocabulary."""

    def require_vocabulary(self, tokens: int, folder: Path) -> None:
        """See Vocabulary."""
        require_known_vocabulary(tokens, _VOCABULARY, folder)


def _unit(rows: Array) -> Array:
    """Rows scaled to length 1."""
    unit: Array = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit
