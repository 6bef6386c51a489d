"""A perceptual hash: bits that survive re-encoding, resizing and light retouching, and differ between photos."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clipsearch.types import PixelSpec

SIDE = 64
HASH_PIXELS = PixelSpec(None, (SIDE, SIDE), None, 4, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
"""A photo is decoded to SIDE x SIDE for its hash, whatever its shape. Each pixel is the mean of what it covers."""

BITS = 256
"""Length of a hash."""

_MIN_DEVIATION = 3.0  # of a grey picture, of 255 levels; the hash of anything plainer, such as a white page, is noise

_FREQUENCIES = 16  # kept in each direction
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


def perceptual_hashes(pixels: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Hashes of pictures (n, 64, 64, 3), uint64 (n, 4): one bit for each of the 16 x 16 lowest frequencies.

    A bit is set if the frequency's cosine coefficient of the grey picture is above the median of all coefficients. This is
    pHash (C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010, section 3.2.1), which keeps
    8 x 8 frequencies.
    """
    grey = _grey(pixels)
    cosines = _cosines()
    low = (cosines @ grey @ cosines.T).reshape(len(pixels), BITS)
    low[:, 0] = 0.0  # the mean brightness: it tells nothing apart and would move the median
    bits = low > np.median(low, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(np.uint64)


def are_plain(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether pictures (n, 64, 64, 3) are too plain to be told apart by their hashes, bool (n,)."""
    plain: NDArray[np.bool_] = _grey(pixels).std(axis=(1, 2)) < _MIN_DEVIATION
    return plain


def differing_bits(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The number of differing bits, int64 (n,), between hashes (n, 4) and (n, 4), or one (4,) and many."""
    differing = np.ascontiguousarray(a ^ b).view(np.uint8)
    counts: NDArray[np.int64] = _ONES[differing].sum(axis=-1, dtype=np.int64)
    return counts


def _grey(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    grey: NDArray[np.float64] = pixels.astype(np.float64) @ _LUMA
    return grey


def _cosines() -> NDArray[np.float64]:
    """The first rows of the DCT-II (_FREQUENCIES, SIDE); its scale does not matter here."""
    frequency, position = np.arange(_FREQUENCIES)[:, None], np.arange(SIDE)[None]
    cosines: NDArray[np.float64] = np.cos(np.pi / SIDE * (position + 0.5) * frequency)
    return cosines


_ONES = np.array([value.bit_count() for value in range(256)], np.uint8)
