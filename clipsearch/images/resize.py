"""Preprocessing, its first half: an upright picture at the size a model takes, as Hugging Face's PIL processors make it."""

from __future__ import annotations

from PIL import Image

from clipsearch.types import Box, PixelSpec

_MOST = 16 * 1024**2  # pixels before the crop, 64 MB: at 224 px, of pictures 334 times as long as wide


def minimum_size(spec: PixelSpec | Box) -> tuple[int, int]:
    """(width, height) under which a decoder must not shrink a picture for this model or thumbnail."""
    if isinstance(spec, Box):
        return spec.width, 1  # no thumbnail is wider, and of one that is narrower, the height is enough as well
    if spec.resize_to:
        return spec.resize_to[1], spec.resize_to[0]
    edge = spec.shortest_edge or max(spec.output_size)
    return edge, edge


def resize_and_crop(image: Image.Image, spec: PixelSpec) -> Image.Image:
    """The picture at the model's size: (width, height) = spec.output_size reversed, still 8-bit RGB.

    Sizes are rounded down as in transformers' `get_resize_output_image_size`; a crop beyond the picture is black.
    """
    size = image.size
    if spec.resize_to:
        size = (spec.resize_to[1], spec.resize_to[0])
    elif spec.shortest_edge:
        short, long = sorted(image.size)
        longer = int(spec.shortest_edge * long / short)
        size = (spec.shortest_edge, longer) if image.width <= image.height else (longer, spec.shortest_edge)
    if size != image.size and size[0] * size[1] > _MOST and spec.crop_to:
        return _crop_of_resized(image, size, spec.crop_to, Image.Resampling(spec.resample))
    if size != image.size:
        image = image.resize(size, Image.Resampling(spec.resample))
    if spec.crop_to and spec.crop_to != (image.height, image.width):
        height, width = spec.crop_to
        left, top = _start(image.width, width), _start(image.height, height)
        image = image.crop((left, top, left + width, top + height))
    return image


def _crop_of_resized(
    image: Image.Image, size: tuple[int, int], crop: tuple[int, int], resample: Image.Resampling
) -> Image.Image:
    """The crop (height, width) of the picture at a size (width, height), of which nothing else is made.

    The whole of a line of 2 x 30,000 pixels would take 3 GB. Where Pillow takes rows and columns in another order for the part
    than for the whole, the pixels of noise differ by half a step of 1/255 in the mean.
    """
    (height, width), (across, down) = crop, (image.width / size[0], image.height / size[1])
    left, top = _start(size[0], width), _start(size[1], height)
    x, y = max(left, 0), max(top, 0)
    right, bottom = min(left + width, size[0]), min(top + height, size[1])
    box = (x * across, y * down, min(right * across, image.width), min(bottom * down, image.height))
    part = image.resize((right - x, bottom - y), resample, box=box)
    return part.crop((left - x, top - y, left - x + width, top - y + height))


def fit_into(image: Image.Image, box: Box) -> Image.Image:
    """The picture no larger than the box, with its aspect ratio; never enlarged. It may change the picture given."""
    image.thumbnail((box.width, box.height), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return image


def _start(size: int, crop: int) -> int:
    """Where a centred crop begins; transformers rounds up where the crop is the larger one."""
    return (size - crop) // 2 if size >= crop else -((crop - size + 1) // 2)
