"""A batch over all cores: each part on one of them, so that no core waits for another in the middle of a picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.cpu import cores

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class Parts:
    """Calls a single-threaded `run` on parts of a batch at once.

    While other processes decode photos, a model that shares every layer among its threads waits at each for the slowest.
    """

    def __init__(self, run: Run) -> None:
        from concurrent.futures import ThreadPoolExecutor  # not for a lone text

        self._run = run
        self._count = cores()
        self._threads = ThreadPoolExecutor(self._count, thread_name_prefix="clipsearch-model")

    def __call__(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """`run` of the whole batch."""
        parts = min(self._count, len(pixels))
        if parts < 2:
            return self._run(pixels)
        return np.concatenate(list(self._threads.map(self._run, np.array_split(pixels, parts))))
