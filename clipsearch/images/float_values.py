"""TIFF files of floating-point colours, which Pillow does not read, as 8-bit pictures.

Source: TIFF 6.0; Adobe Photoshop TIFF Technical Note 3, for the predictor of floating-point values.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PIL import Image

from clipsearch.errors import ImageError
from clipsearch.images.files import ReadLimits, require_few_pixels
from clipsearch.images.tiff_tags import TiffTags, Value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WIDTH, _HEIGHT, _BITS, _COMPRESSION = 0x0100, 0x0101, 0x0102, 0x0103
_STARTS, _SAMPLES, _ROWS, _LENGTHS, _PLANES, _PREDICTOR = 0x0111, 0x0115, 0x0116, 0x0117, 0x011C, 0x013D
_TILE_WIDTH, _TILE_HEIGHT, _TILE_STARTS, _TILE_LENGTHS = 0x0142, 0x0143, 0x0144, 0x0145
_FORMAT, _PROFILE = 0x0153, 0x8773
_FLOATING = 3
_NONE, _DEFLATE, _OLD_DEFLATE = 1, 8, 32946
_COMPRESSIONS = {1: "no compression", 5: "LZW", 7: "JPEG", 8: "deflate", 32773: "PackBits", 32946: "deflate"}
_KINDS = {1: "unsigned", 2: "signed", 3: "floating-point", 4: "undefined", 5: "complex", 6: "complex"}
_MOST_CHANNELS = 16


def describe(tags: TiffTags, entries: dict[int, Value]) -> str:
    """The kind of pixels in a TIFF's directory, as a phrase for people."""
    samples, bits = tags.number(entries, _SAMPLES) or 1, tags.number(entries, _BITS) or 1
    kind = _KINDS.get(tags.number(entries, _FORMAT) or 1, "unknown")
    compression = tags.number(entries, _COMPRESSION) or 1
    return f"a TIFF of {samples} x {bits}-bit {kind} values with {_COMPRESSIONS.get(compression, f'compression {compression}')}"


def read_float_tiff(
    tags: TiffTags, limits: ReadLimits, before_loading: Callable[[int], None] | None
) -> Image.Image | None:
    """The first picture of a TIFF of floating-point values, RGB or L; None if it has none.

    Values between 0 and 1 count as display values. If the profile is linear or some values are above 1, they count as linear
    light. Raises ImageError if there are too many pixels, or the compression is not supported.
    """
    entries, _ = tags.directory(tags.first())
    if tags.number(entries, _FORMAT) != _FLOATING:
        return None
    width, height = tags.number(entries, _WIDTH), tags.number(entries, _HEIGHT)
    samples, bits = tags.number(entries, _SAMPLES) or 1, tags.number(entries, _BITS)
    is_known = tags.number(entries, _COMPRESSION) in (0, _NONE, _DEFLATE, _OLD_DEFLATE) and bits in (16, 32, 64)
    if not is_known or not 0 < samples <= _MOST_CHANNELS or not (width and height):
        raise ImageError(f"{describe(tags, entries)}, which clipsearch does not read; save it as 8 or 16 bits")
    needs = samples * (bits // 8 + 4)
    require_few_pixels(width, height, limits, bytes_per_pixel=needs)
    if before_loading:
        before_loading(width * height * needs)
    values = _pixels(tags, entries, width, height, samples)
    channels = values[..., :3] if samples >= 3 else values[..., 0]
    profile = tags.value(entries, _PROFILE)
    is_linear = isinstance(profile, bytes) and b"linear" in profile.lower()
    return _to_picture(channels, is_linear)


def linear_to_8_bits(values: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Linear light, 1 for white, as sRGB values of 8 bits (IEC 61966-2-1). Values that are not finite become black."""
    import numpy as np

    light = np.clip(np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=1.0, neginf=0.0), 0, 1)
    curve = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.power(light, np.float32(1 / 2.4)) - 0.055)
    result: NDArray[np.uint8] = np.rint(255 * curve).astype(np.uint8)
    return result


def _to_picture(values: NDArray[np.float32], is_linear: bool) -> Image.Image:
    import numpy as np

    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if low >= 0 and high <= 1 and not is_linear:
        pixels = np.rint(255 * np.nan_to_num(values, nan=0.0)).clip(0, 255).astype(np.uint8)
    elif is_linear or (low >= _DARKEST_LIGHT and high <= _BRIGHTEST_LIGHT):
        pixels = linear_to_8_bits(values)
    else:  # heights or temperatures, for example, not light: scale by their own range
        span = high - low if high > low else math.inf
        pixels = np.rint(255 * (np.nan_to_num(values, nan=low) - low).clip(0, span) / span).astype(np.uint8)
    return Image.fromarray(pixels)


_DARKEST_LIGHT, _BRIGHTEST_LIGHT = -1.0, 64.0
"""Linear light in photos of high dynamic range is rarely beyond these; 1 is white, and colours that sRGB lacks are negative."""


def _pixels(tags: TiffTags, entries: dict[int, Value], width: int, height: int, samples: int) -> NDArray[np.float32]:
    """float32 (height, width, samples)."""
    import numpy as np

    bits = tags.number(entries, _BITS)
    across, down = tags.number(entries, _TILE_WIDTH), tags.number(entries, _TILE_HEIGHT)
    starts, lengths = tags.numbers(entries, _TILE_STARTS), tags.numbers(entries, _TILE_LENGTHS)
    if not starts:
        starts, lengths = tags.numbers(entries, _STARTS), tags.numbers(entries, _LENGTHS)
        across, down = width, min(tags.number(entries, _ROWS) or height, height)
    if not 0 < across <= 2 * width + 1024 or not 0 < down <= 2 * height + 1024:
        raise ImageError("cannot be decoded: this TIFF has tiles of an impossible size")
    is_planar = tags.number(entries, _PLANES) == 2
    in_block = 1 if is_planar else samples
    pixels = np.zeros((height, width, samples), np.float32)
    columns = math.ceil(width / across)
    blocks = columns * math.ceil(height / down)
    if min(len(starts), len(lengths)) < blocks * (samples if is_planar else 1):
        raise ImageError("cannot be decoded: this TIFF is cut short")
    for number, (start, length) in enumerate(zip(starts, lengths, strict=False)):
        plane, place = divmod(number, blocks)
        if plane >= (samples if is_planar else 1):
            break
        y, x = place // columns * down, place % columns * across
        rows = min(down, height - y) if not tags.numbers(entries, _TILE_STARTS) else down
        block = _block(tags, entries, start, length, (rows, across, in_block), bits)
        part = block[: height - y, : width - x]
        if is_planar:
            pixels[y : y + down, x : x + across, plane] = part[..., 0]
        else:
            pixels[y : y + down, x : x + across] = part
    return pixels


def _block(
    tags: TiffTags, entries: dict[int, Value], start: int, length: int, shape: tuple[int, int, int], bits: int
) -> NDArray[np.float32]:
    """One strip or tile: float32 (rows, columns, samples)."""
    import numpy as np

    size = math.prod(shape) * bits // 8
    packed = tags.data[start : start + length]
    plain = (
        packed if tags.number(entries, _COMPRESSION) in (0, _NONE) else zlib.decompressobj().decompress(packed, size)
    )
    if len(plain) < size:
        raise ImageError("cannot be decoded: this TIFF is cut short")
    order = tags.order
    raw = np.frombuffer(plain, np.uint8, size)
    if tags.number(entries, _PREDICTOR) == 3:  # a row's bytes by significance, as differences from the byte before
        rows = raw.reshape(shape[0], bits // 8, shape[1], shape[2])
        flat = rows.reshape(shape[0], -1, shape[2]).cumsum(axis=1, dtype=np.uint8)
        raw = np.ascontiguousarray(flat.reshape(shape[0], bits // 8, -1).transpose(0, 2, 1)).reshape(-1)
        order = ">"
    elif tags.number(entries, _PREDICTOR) == 2:
        raise ImageError(f"{describe(tags, entries)} and a predictor for whole numbers; save it as 8 or 16 bits")
    values: NDArray[np.float32] = raw.view(f"{order}f{bits // 8}").reshape(shape).astype(np.float32)
    return values
