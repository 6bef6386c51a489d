"""The limits of this machine, measured now: reading memory, multiplying, decoding."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.cpu import cores
from clipsearch.encoders.base import Encoder
from clipsearch.images.pool import Decoded, DecoderPool
from clipsearch.images.preprocess import normalise
from clipsearch.types import ImageFile


def best_of(work: Callable[[], object], times: int = 5) -> float:
    """The shortest of some runs, in seconds, because a limit is the speed of an idle machine."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def read_rate(vectors: NDArray[np.float32]) -> float:
    """Bytes a second that all cores together read in order: sums over an array much larger than their caches."""
    words = np.array_split(vectors.view(np.uint64).reshape(-1), cores())
    with ThreadPoolExecutor(cores()) as threads:
        return vectors.nbytes / best_of(lambda: list(threads.map(np.bitwise_xor.reduce, words)))


def multiply_rate() -> float:
    """fp32 operations a second of a matrix product of the image tower's shape, on all cores."""
    random = np.random.default_rng(0)
    left, right = random.random((1600, 768), np.float32), random.random((768, 3072), np.float32)
    return 2 * 1600 * 768 * 3072 / best_of(lambda: left @ right, 10)


def indexing_parts(encoder: Encoder, photos: Path) -> dict[str, float]:
    """Seconds a photo for decoding alone and for the model alone, each with all cores to itself.

    Indexing cannot be quicker than their sum: both need the same cores.
    """
    files = [ImageFile(str(path), path.stat().st_size, 0) for path in sorted(photos.rglob("*.jpg"))]
    with DecoderPool(encoder.spec.pixels) as pool:
        list(pool.read(files[:4]))  # the processes have started
        start = time.perf_counter()
        decoded = [outcome for outcome in pool.read(files) if isinstance(outcome, Decoded)]
        decoding = (time.perf_counter() - start) / len(files)
    batch = normalise([item.pixels for item in decoded[:32]], encoder.spec.pixels)
    encoder.encode_pixels(batch)
    return {"decode": decoding, "model": best_of(lambda: encoder.encode_pixels(batch), 5) / len(batch)}
