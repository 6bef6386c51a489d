"""What this machine runs models with: installed libraries, the device, the cores."""

from __future__ import annotations

import logging
import os
import platform
import sys
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.cpu import cores
from clipsearch.errors import ModelError

logger = logging.getLogger(__name__)

EmbedPixels: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From preprocessed pictures, float32 (n, 3, height, width), to raw vectors (n, dim)."""


def import_torch_encoder(purpose: str) -> ModuleType:
    """The module torch_encoder. Raises ModelError, with what to install for `purpose`, if torch or transformers is missing."""
    missing = [name for name in ("torch", "transformers") if not _is_installed(name)]
    if missing:
        alternative = "" if _is_installed("openvino") else " (or, for pictures on a CPU, openvino)"
        raise ModelError(
            f"{purpose} needs {' and '.join(missing)}{alternative}, which is not installed: pip install {' '.join(missing)}. "
            "If this system has no such package, use the small model that ships with clipsearch: `model='mini'`"
        )
    from clipsearch.encoders import torch_encoder

    return torch_encoder


def import_open_clip_encoder(purpose: str) -> ModuleType:
    """The module open_clip_encoder. Raises ModelError, with what to install for `purpose`, if a library is missing."""
    if not all(map(_is_installed, ("torch", "transformers", "open_clip", "timm"))):
        raise ModelError(
            f"{purpose} needs OpenCLIP's own library, which is not installed: `pip install 'clipsearch[open-clip]'`. If this "
            "system has no such package, use another model; `clipsearch models` lists some"
        )
    from clipsearch.encoders import open_clip_encoder

    return open_clip_encoder


def runs_checkpoints() -> bool:
    """Whether a library that encodes pictures with a checkpoint is installed."""
    return _is_installed("openvino") or (_is_installed("torch") and _is_installed("transformers"))


@cache
def best_device() -> str:
    """The best of "cuda", "mps" and "cpu" on this machine. torch is only imported if there may be a GPU for it."""
    gpu_files = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg")  # the last one: Windows' subsystem for Linux
    is_apple = sys.platform == "darwin" and platform.machine() == "arm64"
    if sys.platform != "win32" and not is_apple and not any(map(os.path.exists, gpu_files)):
        return "cpu"
    try:
        return str(import_torch_encoder("a GPU").choose_device("auto").type)
    except ModelError as error:
        logger.info("using the CPU: %s", error)
        return "cpu"


class DataParallel:
    """Runs a single-threaded image tower on parts of a batch, one part a core.

    A model that shares every layer among its threads waits at each layer for the slowest one, while other processes decode
    photos.
    """

    def __init__(self, tower: EmbedPixels) -> None:
        from concurrent.futures import ThreadPoolExecutor  # a text query does without it

        self._tower = tower
        self._count = cores()
        self._threads = ThreadPoolExecutor(self._count, thread_name_prefix="clipsearch-model")

    def __call__(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Raw vectors (n, dim) of the whole batch."""
        parts = min(self._count, len(pixels))
        if parts < 2:
            return self._tower(pixels)
        return np.concatenate(list(self._threads.map(self._tower, np.array_split(pixels, parts))))


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):  # a broken installation
        return False
