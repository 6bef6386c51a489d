"""Weights from safetensors files, memory-mapped and without torch: only what is used is read.

The format (https://huggingface.co/docs/safetensors): eight bytes with the length of a JSON header, the header, the tensors.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.untrusted_files import open_plain, parse_json, why
from clipsearch.errors import ModelError

_MAX_HEADER_BYTES = 20_000_000  # a hundred thousand tensors
_MAX_AXES = 8
_DTYPES: dict[str, Any] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
    "I8": np.dtype("i1"),
}
_CHECKPOINT_DTYPES = (
    "F32",
    "F16",
    "BF16",
)  # int8 codes mean nothing without their scales; only the embedded model has both
# Numbers from 0 upwards, which older checkpoints hold although no model reads them.
_UNUSED = frozenset(f"{tower}embeddings.position_ids" for tower in ("text_model.", "vision_model.", ""))


class Weights:
    """The tensors of some safetensors files, by name, as float32. Raises ModelError if one lies outside its file.

    `optional_prefix` is left out of names that begin with it.
    """

    def __init__(self, files: Iterable[Path], optional_prefix: str = "") -> None:
        self._optional_prefix = optional_prefix
        self._tensors: dict[str, tuple[NDArray[np.uint8], dict[str, Any]]] = {}  # name → (file's tensors, header entry)
        self._folder = Path()
        for file in files:
            self._folder = file.parent
            self._add(file)

    def _add(self, file: Path) -> None:
        try:
            with open_plain(file) as stream:
                data: NDArray[np.uint8] = np.memmap(stream, np.uint8, mode="r")
            start = 8 + int.from_bytes(data[:8].tobytes(), "little")
            if start > min(len(data), _MAX_HEADER_BYTES):
                raise ValueError("its header is longer than the file, or than any model's")
            header = parse_json(data[8:start].tobytes())
            header.pop("__metadata__", None)
            header = _without_prefix(header, self._optional_prefix)
            _require_complete(header, len(data) - start)
            if duplicate := next((name for name in header if name in self._tensors), None):
                raise ValueError(f"{duplicate} is in another file as well")
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelError(
                f"{file} is not a safetensors file, or only a part of one: {why(error)}; fetch the checkpoint again"
            ) from error
        self._tensors.update((name, (data[start:], entry)) for name, entry in header.items())

    @property
    def count(self) -> int:
        """Number of values in all tensors."""
        return sum(math.prod(entry["shape"]) for _, entry in self._tensors.values())

    def require(self, expected: Mapping[str, tuple[int, ...]], unused: str = "") -> None:
        """Raise ModelError unless exactly these tensors, name → shape, are here and readable, and perhaps unused ones.

        `unused` is a regular expression for the whole names of those.
        """
        shapes = {
            name: tuple(entry["shape"])
            for name, (_, entry) in self._tensors.items()
            if name in expected or not (name in _UNUSED or re.fullmatch(unused, name))
        }
        require_same_names(self._folder, expected.keys() - shapes.keys(), shapes.keys() - expected.keys())
        for name, shape in expected.items():
            require_shape(self._folder, name, shapes[name], shape)
        self.require_readable(unused)

    def require_readable(self, unused: str = "") -> None:
        """Raise ModelError if a tensor has a type of number that clipsearch does not read."""
        for name, (_, entry) in self._tensors.items():
            is_readable = entry["dtype"] in _CHECKPOINT_DTYPES
            if not is_readable and name not in _UNUSED and not re.fullmatch(unused, name):
                raise ModelError(
                    f"{self._folder}: {name} is stored as {entry['dtype']!r:.20}, and clipsearch reads "
                    f"{', '.join(_CHECKPOINT_DTYPES)}; choose a checkpoint in one of these"
                )

    def __contains__(self, name: object) -> bool:
        return name in self._tensors

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        """A tensor; a read-only view of the file if it is stored as float32. Raises ModelError if it is missing."""
        return _as_float32(self.stored(name))

    def rows(self, name: str, numbers: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """The rows of a tensor with these numbers. The others are neither read nor converted."""
        return _as_float32(self.stored(name)[numbers])

    def stored(self, name: str) -> NDArray[Any]:
        """A read-only view of a tensor as it is stored; bfloat16 as uint16. Raises ModelError if it is missing."""
        try:
            data, entry = self._tensors[name]
            dtype = _DTYPES[entry["dtype"]]
        except KeyError as error:
            raise ModelError(f"the checkpoint has no usable weights named {name}") from error
        start, end = entry["data_offsets"]
        values: NDArray[Any] = data[start:end].view(dtype).reshape(entry["shape"])
        return values


def _as_float32(stored: NDArray[Any]) -> NDArray[np.float32]:
    if stored.dtype == _DTYPES["BF16"]:  # the upper half of a float32
        widened: NDArray[np.float32] = (stored.astype("<u4") << 16).view(np.float32)
        return widened
    return np.asarray(stored, np.float32)


def require_same_names(folder: Path, missing: Iterable[str], surplus: Iterable[str]) -> None:
    """Raise ModelError if a checkpoint lacks tensors, whose values would be made up, or has some that no model reads."""
    missing, surplus = sorted(missing), sorted(set(surplus) - _UNUSED)
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
    """Raise ModelError if a tensor's shape differs from that in config.json. A single number may have any shape."""
    if stored != expected and not math.prod(stored) == math.prod(expected) == 1:
        raise ModelError(
            f"{folder}: {name} has the shape {stored}, but config.json gives it {expected}; the files are of different "
            "models: fetch the checkpoint again"
        )


def _without_prefix(header: dict[str, Any], prefix: str) -> dict[str, Any]:
    names = {name: name.removeprefix(prefix) for name in header}
    if len(set(names.values())) < len(names):
        raise ValueError(f"it has a tensor both with {prefix!r} before its name and without")
    return {names[name]: entry for name, entry in header.items()}


def _require_complete(header: dict[str, Any], size: int) -> None:
    """Raise ValueError unless the tensors fill all `size` bytes after the header, without gaps, as the format requires."""
    if not header:
        raise ValueError("it has no tensors")
    ranges = []
    for name, entry in header.items():
        shape, (start, end) = entry["shape"], entry["data_offsets"]
        if not all(type(n) is int and n >= 0 for n in (*shape, start, end)) or len(shape) > _MAX_AXES:
            raise ValueError(f"the place of {name!r:.100} in it makes no sense")
        if entry["dtype"] in _DTYPES and end - start != math.prod(shape) * _DTYPES[entry["dtype"]].itemsize:
            raise ValueError(f"the place of {name!r:.100} in it does not fit its shape")
        ranges.append((start, end))
    filled = 0
    for start, end in sorted(ranges):
        if start != filled:
            raise ValueError("its tensors overlap, or leave gaps")
        filled = end
    if filled != size:
        raise ValueError(f"its tensors take {filled:,} bytes and it has {size:,}")
