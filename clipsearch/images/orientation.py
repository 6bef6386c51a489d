"""Turning pictures by their EXIF orientation."""

from __future__ import annotations

from typing import Any

from PIL import Image

from clipsearch.images.raw import ORIENTATION
from clipsearch.images.rgb import to_rgb

TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation → what makes a picture upright."""

SIDEWAYS = (5, 6, 7, 8)
"""The orientations that swap width and height."""


def turned(picture: Image.Image, orientation: Any) -> Image.Image:
    """A picture as stored, made upright."""
    return picture.transpose(TURN[orientation]) if orientation in TURN else picture


def turn_of(image: Image.Image, orientation: Any) -> Image.Transpose | None:
    """What makes a picture upright that Pillow has opened; None if it is."""
    is_upright = image.format == "JXL" and not getattr(image, "jpeg", False)  # libjxl has turned all others upright
    return TURN.get(orientation) if isinstance(orientation, int) and not is_upright else None


def upright_rgb(image: Image.Image) -> Image.Image:
    """A picture that a caller has opened, in 8-bit RGB and turned as the reader turns that of a file."""
    image.load()  # this turns TIFF upright
    try:
        orientation = image.getexif().get(ORIENTATION)
    except Exception:  # of many kinds; a broken tag must not lose the picture
        orientation = None
    turn, picture = turn_of(image, orientation), to_rgb(image)
    return picture if turn is None else picture.transpose(turn)
