"""Weights straight from safetensors files: memory-mapped, read only where they are looked at, without torch.

The format (https://huggingface.co/docs/safetensors): eight bytes with the length of a JSON header, the header, the tensors.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsearch.errors import ModelError

_MAX_HEADER = 100_000_000  # bytes; the format's own limit
_TYPES: dict[str, Any] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}


class Weights:
    """The tensors of some safetensors files, by name, as float32."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._tensors: dict[str, tuple[NDArray[np.uint8], dict[str, Any]]] = {}
        for file in files:
            self._add(file)

    def _add(self, file: Path) -> None:
        try:
            data: NDArray[np.uint8] = np.memmap(file, np.uint8, mode="r")
            start = 8 + int.from_bytes(data[:8].tobytes(), "little")
            if start > min(len(data), _MAX_HEADER):
                raise ValueError("its header is longer than the file")
            header = json.loads(data[8:start].tobytes())
            header.pop("__metadata__", None)
            for name, entry in header.items():
                self._tensors[name] = data[start:], entry
        except (OSError, ValueError, AttributeError) as error:
            raise ModelError(f"{file} is not a safetensors file: {error}") from error

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        """A tensor; a read-only view of the file where it is stored as float32. ModelError where there is none."""
        try:
            data, entry = self._tensors[name]
            kind, shape, (start, end) = _TYPES[entry["dtype"]], entry["shape"], entry["data_offsets"]
            if not 0 <= start <= end <= len(data) or end - start != math.prod(shape) * kind.itemsize:
                raise ValueError("its place in the file is wrong")
            stored = data[start:end].view(kind).reshape(shape)
        except (KeyError, ValueError, TypeError) as error:
            raise ModelError(f"the checkpoint has no usable weights named {name}: {error}") from error
        if entry["dtype"] == "BF16":  # the upper half of a float32
            widened: NDArray[np.float32] = (stored.astype("<u4") << 16).view(np.float32)
            return widened
        return np.asarray(stored, np.float32)
