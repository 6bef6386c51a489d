"""What is asked of a vector before it is kept, and of one that was."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

_UNIT_TOLERANCE = 1e-5


def is_unit(vector: NDArray[np.float32]) -> bool:
    """Whether a vector (dim,) has norm 1, as nearly as float32 can say it."""
    return abs(float(np.linalg.norm(vector.astype(np.float64))) - 1) <= _UNIT_TOLERANCE  # NaN is not


def vector_check(vector: NDArray[np.float32]) -> int:
    """A checksum (CRC-32) of a vector (dim,)."""
    return zlib.crc32(vector.astype("<f4", copy=False).tobytes())
