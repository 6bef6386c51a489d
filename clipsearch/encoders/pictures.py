"""Pictures as callers have them: files, PIL images, arrays or a file's bytes, to pixels at a model's size."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.arguments import path_advice
from clipsearch.errors import ImageError, one_line
from clipsearch.terms import PICTURE_ARRAY, empty_picture
from clipsearch.types import PixelSpec

if TYPE_CHECKING:
    from PIL.Image import Image

Picture: TypeAlias = "str | os.PathLike[str] | Image | NDArray[Any] | bytes"
"""A file's path, a PIL image, an array uint8 of shape (height, width[, 3 or 4]), or the bytes of a picture's file.

All but arrays are turned by their EXIF orientation.
"""


def require_several(images: object) -> None:
    """Raise TypeError for a single picture in place of a list of pictures."""
    kind = getattr(getattr(images, "dtype", None), "kind", "")  # a pandas Series of paths is several
    is_array = kind in "biuf" and hasattr(images, "shape") and len(images.shape) < 4
    is_one = isinstance(images, (str, os.PathLike, bytes, bytearray, memoryview)) or is_array
    if is_one or not isinstance(images, Iterable):
        raise TypeError(f"images are a list of pictures, not one {type(images).__name__}; put it into a list")


def prepared(images: Iterable[Picture], spec: PixelSpec, size: int) -> Iterator[list[NDArray[np.uint8]]]:
    """Yield pictures, decoded and at the model's size, `size` at a time: uint8 (height, width, 3) each.

    One decoded picture is in memory at a time. ImageError names the picture that cannot be read: by its path, or as images[3].
    """
    batch: list[NDArray[np.uint8]] = []
    for number, image in enumerate(images):
        batch.append(_pixels(image, number, spec))
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _pixels(image: Any, number: int, spec: PixelSpec) -> NDArray[np.uint8]:
    # A text query imports neither Pillow nor decoders.
    from clipsearch.images.preprocess import resize_and_crop

    name = (os.fspath(image) if isinstance(image, (str, os.PathLike)) else "") or f"images[{number}]"
    try:
        return np.asarray(resize_and_crop(_upright(image, spec), spec))
    except ImageError as error:
        raise ImageError(f"{name}: {error}", error.cause) from error
    except (OSError, ValueError, SyntaxError) as error:  # Pillow's, for an image that was opened and not yet loaded
        raise ImageError(f"{name}: {one_line(error)}") from error


def _upright(image: Any, spec: PixelSpec) -> Image:
    """A picture in 8-bit RGB, perhaps smaller than it was, but not below what the model needs."""
    from PIL.Image import Image, fromarray

    from clipsearch.images.files import ReadLimits
    from clipsearch.images.orientation import upright_rgb
    from clipsearch.images.preprocess import minimum_size
    from clipsearch.images.reader import decode_image, read_image
    from clipsearch.images.rgb import to_rgb

    if isinstance(image, (str, os.PathLike)):
        return read_image(image, minimum_size(spec))[0]
    if isinstance(image, (bytes, bytearray, memoryview)):
        return decode_image(bytes(image), minimum_size(spec), ReadLimits())[0]
    if isinstance(image, Image):
        if not all(image.size):
            raise ImageError(empty_picture(*image.size))
        return upright_rgb(image)
    if not hasattr(image, "__array__"):
        kind = f"{type(image).__name__}{path_advice(image)}"
        raise TypeError(f"a picture is a path, a PIL image, an array or the bytes of a file, not {kind}")
    pixels = np.asarray(image)
    is_picture = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))
    if pixels.dtype == np.uint8 and is_picture and not pixels.size:
        raise ImageError(empty_picture(pixels.shape[1], pixels.shape[0]))
    if pixels.dtype != np.uint8 or not is_picture:
        raise ImageError(f"the array is {pixels.dtype} of shape {pixels.shape}; a picture is {PICTURE_ARRAY}")
    return to_rgb(fromarray(pixels))
