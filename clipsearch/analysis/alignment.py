"""How well two pictures agree in detail, one laid over the other: whether a near-copy was only cropped or framed.

A perceptual hash knows how light and dark are spread over a picture. Two letters on one paper, two receipts of one shop and two
screenshots of one program have that in common. Their details differ, wherever they are laid.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clipsearch.types import PixelSpec

SIDE = 256
DETAIL_PIXELS = PixelSpec(None, (SIDE, SIDE), None, 4, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
"""A picture is decoded to SIDE x SIDE, whatever its shape. Each pixel is the mean of what it covers."""

LEAST_AGREEMENT = 0.66
"""Pictures that agree less are not copies (`benchmarks/measure_copies.py`)."""

_COARSE = SIDE // 2
_STRETCHES = np.array([0.94, 0.97, 1.0, 1 / 0.97, 1 / 0.94])  # of each direction by itself
_FINER = np.array([0.985, 1.0, 1 / 0.985])
_PARTS = 16  # in each direction
_LEAST_POWER = 0.1  # of the mean part: parts with less detail than that, such as sky and paper, are noise
_BLUR = 1 / 40  # of a side; larger shapes do not count as detail

Grey = NDArray[np.float32]


def agreement(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """The correlation of the details of two pictures (SIDE, SIDE, 3), -1 to 1, laid over each other as well as they can be.

    `b` is stretched by up to 6% in each direction, and moved to where the correlation of the two is highest.
    """
    fine_a, fine_b = _details(a), _details(b)
    coarse_a, coarse_b = _halved(fine_a), _halved(fine_b)
    coarse, fine = np.fft.rfft2(coarse_a), np.fft.rfft2(fine_a)
    _, down, across = max(
        (_laid_over(coarse_a, coarse, coarse_b, down, across), down, across)
        for down in _STRETCHES
        for across in _STRETCHES
    )
    return max(_laid_over(fine_a, fine, fine_b, down * y, across * x) for y in _FINER for x in _FINER)


def _details(pixels: NDArray[np.uint8]) -> Grey:
    """The grey picture less a blurred one, by a Gaussian."""
    grey = pixels.astype(np.float32).mean(axis=2)
    height, width = grey.shape
    squares = np.fft.fftfreq(height)[:, None] ** 2 + np.fft.rfftfreq(width)[None] ** 2
    blurred = np.fft.irfft2(np.fft.rfft2(grey) * np.exp(-2 * (np.pi * SIDE * _BLUR) ** 2 * squares), s=grey.shape)
    details: Grey = (grey - blurred).astype(np.float32)
    return details


def _halved(picture: Grey) -> Grey:
    halved: Grey = picture.reshape(_COARSE, 2, _COARSE, 2).mean(axis=(1, 3))
    return halved


def _laid_over(a: Grey, spectrum: NDArray[np.complexfloating], b: Grey, down: float, across: float) -> float:
    """The correlation of `a`, of this spectrum, with `b`, which is stretched around its centre and moved where it fits best."""
    side = len(a)
    size = round(side * across), round(side * down)
    stretched = np.asarray(Image.fromarray(b).resize(size, Image.Resampling.BILINEAR))
    laid = np.zeros_like(a)
    (to_y, from_y), (to_x, from_x) = (_middle(side, length) for length in stretched.shape)
    laid[to_y, to_x] = stretched[from_y, from_x]
    fit = np.fft.irfft2(spectrum * np.conj(np.fft.rfft2(laid)), s=a.shape)
    moved = np.roll(laid, np.unravel_index(int(fit.argmax()), fit.shape), axis=(0, 1))
    return _agreement_of_parts(a, moved)


def _agreement_of_parts(a: Grey, b: Grey) -> float:
    """The mean correlation of the parts that have details, so that a ruled line counts no more than text does.

    The outermost parts are left out: a frame may cover them.
    """
    size = len(a) // _PARTS
    left, right = (
        picture.reshape(_PARTS, size, _PARTS, size)[1:-1, :, 1:-1].swapaxes(1, 2).reshape(-1, size * size)
        for picture in (a, b)
    )
    left, right = left - left.mean(1, keepdims=True), right - right.mean(1, keepdims=True)
    left_power, right_power = (left * left).sum(1), (right * right).sum(1)
    power = left_power + right_power
    counted = power > _LEAST_POWER * power.mean()
    products = (left * right).sum(1)[counted]
    lengths = np.sqrt(left_power * right_power)[counted]
    return float(np.mean(products / np.maximum(lengths, 1e-6 * power.mean()))) if power.any() else 0.0


def _middle(side: int, length: int) -> tuple[slice, slice]:
    """Where a stretched side goes: a place in `side` pixels, and the part of its `length` pixels that is put there."""
    if length <= side:
        start = (side - length) // 2
        return slice(start, start + length), slice(None)
    start = (length - side) // 2
    return slice(None), slice(start, start + side)
