"""Develop a camera's raw file with LibRaw, which needs the extra `raw`. The only user of rawpy."""

from __future__ import annotations

import io
from collections.abc import Callable
from importlib.util import find_spec

from PIL import Image

from clipsearch.images.files import ReadLimits, require_few_pixels

_BYTES_PER_SENSOR_PIXEL = (
    6  # 2 for the sensor, 8 for four colours at half the size, and 3 for the picture at half the size
)


def has_libraw() -> bool:
    """Whether raw files can be developed here."""
    return find_spec("rawpy") is not None


def develop(
    data: bytes, limits: ReadLimits, before_loading: Callable[[int], None] | None
) -> tuple[Image.Image, tuple[int, int]]:
    """The photo at half the sensor's size, upright, 8-bit sRGB, and its whole (width, height), upright.

    Raises ImageError if it has too many pixels, and rawpy's own errors.
    """
    import rawpy

    with rawpy.imread(io.BytesIO(data)) as photo:
        sizes = photo.sizes
        require_few_pixels(sizes.raw_width, sizes.raw_height, limits, bytes_per_pixel=_BYTES_PER_SENSOR_PIXEL)
        if before_loading:
            before_loading(_BYTES_PER_SENSOR_PIXEL * sizes.raw_width * sizes.raw_height)
        array = photo.postprocess(half_size=True, use_camera_wb=True, output_bps=8)
        size = (sizes.height, sizes.width) if sizes.flip in (5, 6) else (sizes.width, sizes.height)
    return Image.fromarray(array), size
