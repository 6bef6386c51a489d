"""Turn frames of HDR films (PQ, HLG) and of BT.2020 into sRGB, by one table of colours for each kind.

The curves: ITU-R BT.2100 for PQ and HLG, BT.2087 for the matrix of BT.2020. White is at 203 cd/m², as BT.2408 recommends. Light
above three quarters of it is compressed into the rest of the range, by the brightest of the three colours, so that hues stay.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

from PIL import Image, ImageFilter

PQ, HLG = 16, 18
"""Codes of transfer characteristics in films: ITU-T H.273, table 3."""

BT2020 = 9
"""The code of the primaries, H.273, table 2, and of the matrix, table 4."""

_STEPS = 25  # of each colour in the table; between them it is interpolated
_WHITE = 203.0  # cd/m² of a white page
_HLG_PEAK = 1000.0  # cd/m² of the screen that HLG is shown on
_HLG_GAMMA = 1.2  # for that screen
_KNEE = 0.75  # of the range, from where brightness is compressed
_TO_BT709 = ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187))
_LUMINANCE = (0.2627, 0.6780, 0.0593)

Colour = tuple[float, float, float]


def to_srgb(picture: Image.Image, transfer: int, primaries: int) -> Image.Image:
    """A frame's picture in sRGB. `transfer` and `primaries` are the codes of H.273. Others than the three stay as they are."""
    kind = transfer if transfer in (PQ, HLG) else 0
    if not kind and primaries != BT2020:
        return picture
    return picture.filter(_table(kind))


@lru_cache(4)
def _table(transfer: int) -> ImageFilter.Color3DLUT:
    to_linear = {PQ: _from_pq, HLG: _from_hlg}.get(transfer, _from_sdr)

    def convert(red: float, green: float, blue: float) -> Colour:
        return _to_display(to_linear((red, green, blue)), compress=transfer != 0)

    return ImageFilter.Color3DLUT.generate(_STEPS, convert)


def _from_pq(signal: Colour) -> Colour:
    """Light relative to white."""
    return _each(_pq, signal)


def _pq(value: float) -> float:
    root = value ** (1 / 78.84375)
    return float(10000 / _WHITE * (max(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125))


def _from_hlg(signal: Colour) -> Colour:
    """Light relative to white, on a screen of _HLG_PEAK."""
    scene = _each(_hlg, signal)
    luminance = sum(weight * value for weight, value in zip(_LUMINANCE, scene, strict=True))
    gain = _HLG_PEAK / _WHITE * luminance ** (_HLG_GAMMA - 1) if luminance > 0 else 0.0
    return _each(lambda value: gain * value, scene)


def _hlg(value: float) -> float:
    return value * value / 3 if value <= 0.5 else (math.exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12


def _from_sdr(signal: Colour) -> Colour:
    return _each(lambda value: value**2.4, signal)


def _to_display(light: Colour, compress: bool) -> Colour:
    """BT.2020 light to sRGB values."""
    linear = [max(sum(a * b for a, b in zip(row, light, strict=True)), 0.0) for row in _TO_BT709]
    peak = max(linear)
    if compress and peak > _KNEE:
        room = 1 - _KNEE
        scale = (1 - room * math.exp((_KNEE - peak) / room / 3)) / peak
        linear = [value * scale for value in linear]
    encode = _srgb if compress else lambda value: min(value, 1.0) ** (1 / 2.4)
    return _each(encode, (linear[0], linear[1], linear[2]))


def _srgb(value: float) -> float:
    return 12.92 * value if value <= 0.0031308 else 1.055 * min(value, 1.0) ** (1 / 2.4) - 0.055


def _each(function: Callable[[float], float], colour: Colour) -> Colour:
    return function(colour[0]), function(colour[1]), function(colour[2])
