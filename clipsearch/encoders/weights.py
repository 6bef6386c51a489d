"""Weights straight from safetensors files: memory-mapped, read only where they are looked at, without torch.

The format (https://huggingface.co/docs/safetensors): eight bytes with the length of a JSON header, the header, the tensors.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.untrusted_files import open_plain, parse_json, why
from clipsearch.errors import ModelError

_MAX_HEADER = 20_000_000  # bytes; a hundred thousand tensors
_TYPES: dict[str, Any] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}
# Numbers from 0 upwards, which older checkpoints hold although nothing reads them.
HARMLESS = frozenset({"text_model.embeddings.position_ids", "vision_model.embeddings.position_ids"})


class Weights:
    """The tensors of some safetensors files, by name, as float32. All of them lie inside their files."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._tensors: dict[str, tuple[NDArray[np.uint8], dict[str, Any]]] = {}
        self._folder = Path()
        for file in files:
            self._folder = file.parent
            self._add(file)

    def _add(self, file: Path) -> None:
        try:
            with open_plain(file) as stream:
                data: NDArray[np.uint8] = np.memmap(stream, np.uint8, mode="r")
            start = 8 + int.from_bytes(data[:8].tobytes(), "little")
            if start > min(len(data), _MAX_HEADER):
                raise ValueError("its header is longer than the file, or than any model's")
            header = parse_json(data[8:start].tobytes())
            header.pop("__metadata__", None)
            _require_whole(header, len(data) - start)
            if twice := next((name for name in header if name in self._tensors), None):
                raise ValueError(f"{twice} is in another file as well")
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelError(
                f"{file} is not a safetensors file, or only a part of one: {why(error)}; fetch the checkpoint again"
            ) from error
        self._tensors.update((name, (data[start:], entry)) for name, entry in header.items())

    @property
    def count(self) -> int:
        """Values of all tensors together."""
        return sum(math.prod(entry["shape"]) for _, entry in self._tensors.values())

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def require(self, expected: Mapping[str, tuple[int, ...]]) -> None:
        """Raise ModelError unless these are the tensors, name → shape, and in a form that can be read."""
        shapes = {name: tuple(entry["shape"]) for name, (_, entry) in self._tensors.items() if name not in HARMLESS}
        require_all(self._folder, expected.keys() - shapes.keys(), shapes.keys() - expected.keys())
        for name, shape in expected.items():
            require_shape(self._folder, name, shapes[name], shape)
        self.require_readable()

    def require_readable(self) -> None:
        """Raise ModelError if a tensor is not of the kinds of numbers that clipsearch reads."""
        for name, (_, entry) in self._tensors.items():
            if entry["dtype"] not in _TYPES and name not in HARMLESS:
                raise ModelError(
                    f"{self._folder}: {name} is stored as {entry['dtype']!r:.20}, and clipsearch reads {', '.join(_TYPES)}; "
                    "choose a checkpoint in one of these"
                )

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        """A tensor; a read-only view of the file where it is stored as float32. ModelError where there is none."""
        try:
            data, entry = self._tensors[name]
            kind, shape, (start, end) = _TYPES[entry["dtype"]], entry["shape"], entry["data_offsets"]
            if end - start != math.prod(shape) * kind.itemsize:
                raise ValueError("its place in the file is wrong")
            stored = data[start:end].view(kind).reshape(shape)
        except (KeyError, ValueError, TypeError) as error:
            raise ModelError(f"the checkpoint has no usable weights named {name}: {error}") from error
        if entry["dtype"] == "BF16":  # the upper half of a float32
            widened: NDArray[np.float32] = (stored.astype("<u4") << 16).view(np.float32)
            return widened
        return np.asarray(stored, np.float32)


def require_all(folder: Path, missing: Iterable[str], surplus: Iterable[str]) -> None:
    """Raise ModelError if tensors are missing, whose values would be made up, or if there are some that nothing reads."""
    missing, surplus = sorted(missing), sorted(set(surplus) - HARMLESS)
    if missing:
        raise ModelError(
            f"{folder} is incomplete: {len(missing)} of the model's tensors are missing from its weights, such as "
            f"{missing[0]}; fetch the checkpoint again"
        )
    if surplus:
        raise ModelError(
            f"{folder}: its weights have {len(surplus)} tensors that a model as in config.json does not have, such as "
            f"{surplus[0]!r:.100}; the files are of different models: fetch the checkpoint again"
        )


def require_shape(folder: Path, name: str, stored: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Raise ModelError if a tensor has another shape than config.json gives it. A single number may have any."""
    if stored != expected and not math.prod(stored) == math.prod(expected) == 1:
        raise ModelError(
            f"{folder}: {name} has the shape {stored}, but config.json gives it {expected}; the files are of different "
            "models: fetch the checkpoint again"
        )


def _require_whole(header: dict[str, Any], size: int) -> None:
    """Raise ValueError unless tensors, one after another, fill a file's `size` bytes, as the format has it."""
    if not header:
        raise ValueError("it has no tensors")
    places = []
    for name, entry in header.items():
        shape, (start, end) = entry["shape"], entry["data_offsets"]
        if not all(type(number) is int and number >= 0 for number in (*shape, start, end)) or len(shape) > 8:
            raise ValueError(f"the place of {name!r:.100} in it makes no sense")
        if entry["dtype"] in _TYPES and end - start != math.prod(shape) * _TYPES[entry["dtype"]].itemsize:
            raise ValueError(f"the place of {name!r:.100} in it does not fit its shape")
        places.append((start, end))
    reached = 0
    for start, end in sorted(places):
        if start != reached:
            raise ValueError("its tensors overlap, or leave gaps")
        reached = end
    if reached != size:
        raise ValueError(f"its tensors take {reached:,} bytes and it has {size:,}")
