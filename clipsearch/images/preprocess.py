"""From an upright picture to the array that a model takes, the way Hugging Face's PIL processors make it.

Decoding processes only resize and crop. They do not import numpy, because that takes them longer than a photo does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image

from clipsearch.types import Box, PixelSpec, TextSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MAX_RESIZED = 16 * 1024**2  # pixels before the crop, 64 MB: at 224 px, a picture 334 times as long as wide


def minimum_size(spec: PixelSpec | Box | TextSpec) -> tuple[int, int]:
    """(width, height) below which a decoder must not shrink a picture for this model or thumbnail, or to be read."""
    if isinstance(spec, TextSpec):
        return spec.shorter // 2, spec.shorter // 2  # decoders keep twice as much, which is enough for letters
    if isinstance(spec, Box):  # no thumbnail is wider; if the picture is narrower, its height suffices too
        return (spec.width * 3 // 4 if spec.fast else spec.width), 1  # decoders keep twice as much
    if spec.resize_to:
        return spec.resize_to[1], spec.resize_to[0]
    edge = spec.shortest_edge or max(spec.output_size)
    return edge, edge


def resize_and_crop(image: Image.Image, spec: PixelSpec) -> Image.Image:
    """The picture at the model's size: (width, height) = spec.output_size reversed, still 8-bit RGB.

    Sizes are rounded down as in transformers' `get_resize_output_image_size`. A crop larger than the picture adds black.
    """
    if spec.longest_edge and spec.crop_to:
        return _fit_and_pad(image, spec.longest_edge, spec.crop_to, spec)
    size = image.size
    if spec.resize_to:
        size = (spec.resize_to[1], spec.resize_to[0])
    elif spec.shortest_edge:
        short, long = sorted(image.size)
        longer = int(spec.shortest_edge * long / short)
        size = (spec.shortest_edge, longer) if image.width <= image.height else (longer, spec.shortest_edge)
    if size != image.size and size[0] * size[1] > _MAX_RESIZED and spec.crop_to:
        return _resize_only_the_crop(image, size, spec.crop_to, Image.Resampling(spec.resample))
    if size != image.size:
        image = image.resize(size, Image.Resampling(spec.resample))
    if spec.crop_to and spec.crop_to != (image.height, image.width):
        height, width = spec.crop_to
        start = _torchvision_crop_start if spec.crops_as_torchvision else _crop_start
        left, top = start(image.width, width), start(image.height, height)
        image = image.crop((left, top, left + width, top + height))
    return image


def _fit_and_pad(image: Image.Image, edge: int, size: tuple[int, int], spec: PixelSpec) -> Image.Image:
    """The whole picture with its longer edge at `edge` pixels, in the middle of one of `size` (height, width)."""
    ratio = edge / max(image.size)
    width, height = (max(1, round(side * ratio)) for side in image.size)
    padded = Image.new("RGB", size[::-1], (spec.fill,) * 3)
    resized = image.resize((width, height), Image.Resampling(spec.resample))
    padded.paste(resized, ((size[1] - width) // 2, (size[0] - height) // 2))
    return padded


def _resize_only_the_crop(
    image: Image.Image, size: tuple[int, int], crop: tuple[int, int], resample: Image.Resampling
) -> Image.Image:
    """The crop (height, width) of a picture resized to `size` (width, height), without making the rest of it.

    A line of 2 x 30,000 pixels, resized whole, would take 3 GB. Pillow may resize a part in another order of rows and columns
    than the whole; for noise, pixels then differ by half a step of 1/255 on average.
    """
    (height, width), (across, down) = crop, (image.width / size[0], image.height / size[1])
    left, top = _crop_start(size[0], width), _crop_start(size[1], height)
    x, y = max(left, 0), max(top, 0)
    right, bottom = min(left + width, size[0]), min(top + height, size[1])
    box = (x * across, y * down, min(right * across, image.width), min(bottom * down, image.height))
    part = image.resize((right - x, bottom - y), resample, box=box)
    return part.crop((left - x, top - y, left - x + width, top - y + height))


def _crop_start(size: int, crop: int) -> int:
    """Where a centred crop begins. transformers rounds up if the crop is larger than the picture."""
    return (size - crop) // 2 if size >= crop else -((crop - size + 1) // 2)


def _torchvision_crop_start(size: int, crop: int) -> int:
    """Where torchvision's CenterCrop begins, which OpenCLIP uses."""
    return round((size - crop) / 2)


def fit_into(image: Image.Image, box: Box) -> Image.Image:
    """The picture shrunk to fit into the box, with its aspect ratio; never enlarged. May change the picture given.

    A fast box takes Hamming's filter. From 800 to 512 px it takes 3.3 ms in place of 7.1; the PSNR between the two is 43 dB.
    """
    filter, gap = (Image.Resampling.HAMMING, 1.5) if box.fast else (Image.Resampling.LANCZOS, 3.0)
    image.thumbnail((box.width, box.height), filter, reducing_gap=gap)
    return image


def fit_for_reading(image: Image.Image, spec: TextSpec) -> Image.Image:
    """The picture shrunk to the size at which its text is read; never enlarged."""
    scale = max(spec.longer / max(image.size), spec.shorter / min(image.size))
    scale = min(scale, (spec.most / (image.width * image.height)) ** 0.5)
    if scale >= 1:
        return image
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def preprocess(images: Sequence[Image.Image], spec: PixelSpec) -> NDArray[np.float32]:
    """8-bit RGB pictures to float32 (n, 3, height, width)."""
    import numpy as np

    return normalise([np.asarray(resize_and_crop(image, spec)) for image in images], spec)


def normalise(pixels: NDArray[np.uint8] | Sequence[NDArray[np.uint8]], spec: PixelSpec) -> NDArray[np.float32]:
    """(n, height, width, 3) of 0..255 to float32 (n, 3, height, width): rescaled, minus the mean, divided by std."""
    import numpy as np

    array = np.asarray(pixels)
    out = np.empty((len(array), 3, *array.shape[1:3]), np.float32)
    values = (np.arange(256).astype(np.float64) * spec.rescale_factor).astype(np.float32)
    for channel, (mean, std) in enumerate(zip(spec.mean, spec.std, strict=True)):
        table = (values - np.float32(mean)) / np.float32(std)  # in transformers' own order and precision
        out[:, channel] = table[array[..., channel]]
    return out
