"""The embedded model's weights: int8 codes with float scales, which are decoded when they are first used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsearch.encoders.weights import Weights

SCALE = "_scale"  # what is added to a tensor's name for the scales of its rows


class DecodedWeights:
    """The tensors of a file, by name, as float32. Codes without scales are whole numbers.

    A tensor is kept from its second use on. A process that has one question would only fill memory with them.
    """

    def __init__(self, path: Path) -> None:
        self._stored = Weights([path])
        self._kept: dict[str, NDArray[np.float32]] = {}
        self._used: set[str] = set()

    def __contains__(self, name: object) -> bool:
        return name in self._stored

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        """A tensor. Raises ModelError if it is missing."""
        values = self._kept.get(name)
        if values is None:
            values = self._decode(name, slice(None))
            if name in self._used:
                self._kept[name] = values
            self._used.add(name)
        return values

    def rows(self, name: str, numbers: NDArray[Any]) -> NDArray[np.float32]:
        """The rows of a tensor with these numbers."""
        return self._decode(name, numbers)

    def _decode(self, name: str, rows: slice | NDArray[Any]) -> NDArray[np.float32]:
        stored, scales = self._stored.stored(name)[rows], f"{name}{SCALE}"
        if scales not in self._stored:
            return np.asarray(stored, np.float32)
        values: NDArray[np.float32] = stored.astype(np.float32)
        values *= self._stored.stored(scales)[rows]  # in place: a product of two dtypes takes longer
        return values
