"""Arithmetic on unit vectors: checks and exact scores."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from clipsearch.types import Embeddings, Scores

_UNIT_TOLERANCE = 1e-5


def is_unit(vector: NDArray[np.float32]) -> bool:
    """Whether a vector (dim,) has norm 1, to the precision of float32."""
    return abs(float(np.linalg.norm(vector.astype(np.float64))) - 1) <= _UNIT_TOLERANCE  # false for NaN


def vector_check(vector: NDArray[np.float32]) -> int:
    """A checksum (CRC-32) of a vector (dim,)."""
    return zlib.crc32(vector.astype("<f4", copy=False).tobytes())


def exact_scores(vectors: Embeddings, query: Embeddings) -> Scores:
    """Cosines, float64, of rows (n, dim) with one query (1, dim). Equal rows get equal scores, wherever they are."""
    scores: Scores = (vectors.astype(np.float64) * query[0].astype(np.float64)).sum(axis=1)
    return scores


def rounding_bound(dim: int) -> float:
    """The largest error of a float32 inner product of two unit vectors, in any order of summation.

    N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., equation (3.5): n u / (1 - n u), u = 2^-24.
    """
    error = dim * 2.0**-24
    return 1.01 * error / (1 - error)  # the stored rows' norms are 1 to within 1e-6
