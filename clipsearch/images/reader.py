"""Decode one file into an upright RGB picture and what the file says of itself."""

from __future__ import annotations

import hashlib
import io
import math
import os
import threading
import warnings
from collections.abc import Callable
from typing import Any

from PIL import Image, UnidentifiedImageError

from clipsearch.errors import Cause, ImageError
from clipsearch.images import exif
from clipsearch.images.files import ReadLimits, read_bytes
from clipsearch.images.memory import TOO_MUCH
from clipsearch.types import ImageFile, ImageInfo

DRAFT_FACTOR = 2
"""JPEGs are decoded at no less than this many times the size that the model wants.

Measured on ten 12-megapixel JPEGs against decoding them whole, for 224 px. The mean absolute difference of the pixels, in steps
of 1/255, is 0.20 to 0.43 with a factor of 2 (35 ms) and 0.09 to 0.24 with 4 (65 ms).
"""

# EPS would run Ghostscript; the others have no decoder in Pillow or are not pictures.
_REFUSED_FORMATS = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF", "XVTHUMB"}
_ORIENTATION = 0x0112  # EXIF 2.32, table 4: 1 to 8
_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_DECODING = threading.Lock()  # Pillow's pixel cap and Python's warning filters are global
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}


def read_image(
    path: str | os.PathLike[str],
    min_size: tuple[int, int] | None = None,
    limits: ReadLimits | None = None,
) -> tuple[Image.Image, ImageInfo, ImageFile]:
    """Decode a file: the picture, what the file says of itself, and the file's size and time as read.

    The picture is 8-bit RGB and upright: EXIF orientation is applied, transparency is put on white, palettes, CMYK, grey and
    16-bit values are converted, and of an animation the first frame counts. With `min_size` (width, height; upright), a JPEG
    may be decoded smaller, but not below DRAFT_FACTOR times `min_size`. Raises ImageError with the reason, whatever the decoder
    raised.
    """
    limits = limits or ReadLimits()
    data, file = read_bytes(path, limits.max_bytes)
    return *decode_image(data, min_size, limits), file


def decode_image(
    data: bytes,
    min_size: tuple[int, int] | None,
    limits: ReadLimits,
    before_loading: Callable[[int], None] | None = None,
) -> tuple[Image.Image, ImageInfo]:
    """Decode a file's bytes to an upright RGB picture and what the file says of itself. The parameters are as in `read_image`.

    `before_loading` gets the number of bytes that the decoded picture will take.
    """
    if not data:
        raise ImageError("empty file")
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        import pillow_heif

        pillow_heif.register_heif_opener()
    with _DECODING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Our own limit counts the pixels after `draft`.
        pillows_cap, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return _decode(data, min_size, limits, before_loading)
        except ImageError:
            raise
        except MemoryError as error:
            raise ImageError(TOO_MUCH, "memory") from error
        except Exception as error:  # decoders raise anything for broken bytes
            reason = _reason(error)
            of_the_system = isinstance(error, OSError) and error.errno is not None
            cause: Cause = "access" if of_the_system else "memory" if "memory" in reason.lower() else "content"
            raise ImageError(reason, cause) from error
        finally:
            Image.MAX_IMAGE_PIXELS = pillows_cap


def _decode(
    data: bytes, min_size: tuple[int, int] | None, limits: ReadLimits, before_loading: Callable[[int], None] | None
) -> tuple[Image.Image, ImageInfo]:
    Image.init()
    image = Image.open(io.BytesIO(data), formats=[name for name in Image.ID if name not in _REFUSED_FORMATS])
    image_format = image.format or "unknown"
    size, upright_size = image.size, None
    if image_format in ("JPEG", "MPO"):
        turned = _tags(image)[0].get(_ORIENTATION) in (5, 6, 7, 8)
        upright_size = size[::-1] if turned else size
        if min_size:
            width, height = min_size[::-1] if turned else min_size
            image.draft("RGB", (width * DRAFT_FACTOR, height * DRAFT_FACTOR))
    if image.size[0] * image.size[1] > limits.max_pixels:
        raise ImageError(
            f"{size[0]} x {size[1]} pixels are more than the {limits.max_pixels / 1e6:.0f} million allowed", "pixels"
        )
    if before_loading:
        before_loading(4 * image.size[0] * image.size[1])  # Pillow keeps RGB in four bytes a pixel
    image.load()
    # After loading, because PNG may have tags after the pixels, and loading turns TIFF upright.
    main, exif_tags, gps = _tags(image)
    picture, orientation = to_rgb(image), main.get(_ORIENTATION)
    if isinstance(orientation, int) and orientation in _TURN:
        picture = picture.transpose(_TURN[orientation])
    width, height = upright_size or picture.size
    info = ImageInfo(
        width=width,
        height=height,
        format=image_format,
        content_hash=hashlib.sha256(data).hexdigest(),
        taken_at=exif.capture_time(main, exif_tags),
        camera=exif.camera(main),
        gps=exif.position(gps),
    )
    return picture, info


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert any Pillow picture to 8-bit RGB: transparency on white; 16-bit, 32-bit and float values scaled."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        image = _to_8_bits(image)
    elif image.mode == "LAB":
        from PIL import ImageCms

        converted = ImageCms.profileToProfile(
            image, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
        assert converted is not None  # None is only for inPlace=True
        return converted
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        clear = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(clear, mask=clear.getchannel("A"))
        return white
    return image.convert("RGB")


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Scale grey of more than 8 bits: 16-bit values by their type's range, others by their own if they leave 0..255."""
    if image.mode == "F":
        low, high = _extrema(image)
        low, high = (0.0, 1.0) if low >= 0 and high <= 1 else (0.0, 255.0) if low >= 0 and high <= 255 else (low, high)
    else:
        if image.mode != "I":
            image = image.convert("I")
        low, high = _extrema(image)
        low, high = (0.0, 65535.0) if low >= 0 and high <= 65535 else (low, high)
    scale = 255 / (high - low) if high > low else 0.0
    offset = -low * scale
    return image.convert("F").point(lambda value: value * scale + offset).convert("L")


def _extrema(image: Image.Image) -> tuple[float, float]:
    """The lowest and the highest finite value."""
    low, high = image.getextrema()
    if isinstance(low, tuple) or isinstance(high, tuple):
        raise ImageError(f"unexpected bands in mode {image.mode}")
    if not (math.isfinite(low) and math.isfinite(high)):
        import numpy as np  # rarely needed, and slow to import

        values = np.asarray(image)
        values = values[np.isfinite(values)]
        low, high = (values.min(), values.max()) if len(values) else (0, 0)
    return float(low), float(high)


def _tags(image: Image.Image) -> tuple[dict[int, Any], dict[int, Any], dict[int, Any]]:
    """The EXIF tables (main, EXIF, GPS); empty if they cannot be parsed, because a broken tag must not cost the picture."""
    try:
        main = image.getexif()
        return dict(main), dict(main.get_ifd(exif.EXIF_IFD)), dict(main.get_ifd(exif.GPS_IFD))
    except Exception:
        return {}, {}, {}


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not a picture in a format we read"
    text = error.args[0].decode("latin-1") if error.args and isinstance(error.args[0], bytes) else str(error)
    return f"cannot be decoded: {' '.join(text.split()) or type(error).__name__}"[:300]
