"""A blurred picture of a few bytes, which a page shows until the thumbnail is there."""

from __future__ import annotations

from PIL import Image

PLACEHOLDER_SIZE = (4, 3)
"""(width, height) in pixels, whatever the shape of the photo: the page stretches it over the photo's place."""

PLACEHOLDER_BYTES = 3 * PLACEHOLDER_SIZE[0] * PLACEHOLDER_SIZE[1]


def placeholder(picture: Image.Image) -> bytes:
    """An upright RGB picture as PLACEHOLDER_BYTES: the rows from the bottom up, each pixel as blue, green, red.

    A BMP file has its pixels in this order, so that a page only has to put the same 54 bytes before them.
    """
    small = picture.resize(PLACEHOLDER_SIZE, Image.Resampling.BOX, reducing_gap=2.0)
    return small.transpose(Image.Transpose.FLIP_TOP_BOTTOM).tobytes("raw", "BGR")
