"""Preprocessing, its second half: from pixels to the array a model takes, as Hugging Face's PIL processors make it.

Apart from the first half, since processes that only decode need no numpy: importing it takes them longer than a photo.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clipsearch.images.resize import resize_and_crop
from clipsearch.types import PixelSpec


def normalise(pixels: NDArray[np.uint8] | Sequence[NDArray[np.uint8]], spec: PixelSpec) -> NDArray[np.float32]:
    """(n, height, width, 3) of 0..255 to float32 (n, 3, height, width): rescaled, mean taken off, divided by std."""
    array = np.asarray(pixels)
    out = np.empty((len(array), 3, *array.shape[1:3]), np.float32)
    for channel, table in enumerate(_tables(spec)):
        out[:, channel] = table[array[..., channel]]
    return out


def preprocess(images: Sequence[Image.Image], spec: PixelSpec) -> NDArray[np.float32]:
    """8-bit RGB pictures to float32 (n, 3, height, width)."""
    return normalise([np.asarray(resize_and_crop(image, spec)) for image in images], spec)


def _tables(spec: PixelSpec) -> list[NDArray[np.float32]]:
    """What each of the 256 values becomes in each channel, computed in transformers' own order and precision."""
    values = (np.arange(256).astype(np.float64) * spec.rescale_factor).astype(np.float32)
    return [(values - np.float32(m)) / np.float32(s) for m, s in zip(spec.mean, spec.std, strict=True)]
