"""Convert pictures of any mode to 8-bit RGB."""

from __future__ import annotations

import math

from PIL import Image

from clipsearch.errors import ImageError
from clipsearch.images import colour

_COLOURED = ("RGB", "RGBA", "RGBa", "RGBX", "P", "PA")  # modes that an RGB profile describes


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert any Pillow picture to 8-bit sRGB: transparency on white; 16-bit, 32-bit and float values scaled.

    Colours are converted if the picture has a profile other than sRGB.
    """
    picture = with_profile(image)
    return colour.to_srgb(picture, picture.info.get("icc_profile"))


def with_profile(image: Image.Image) -> Image.Image:
    """Convert any Pillow picture to 8-bit RGB. The profile that its colours still have is in `info`."""
    profile = image.info.get("icc_profile") or colour.profile_of(image.info.get("nclx_profile"))
    if image.mode == "CMYK" and colour.needs_conversion(profile, image.mode):
        return colour.to_srgb(image, profile)
    is_coloured = image.mode in _COLOURED
    picture = _without_profile(image)
    picture.info.pop("icc_profile", None)
    if is_coloured and profile:
        picture.info["icc_profile"] = profile
    return picture


def _without_profile(image: Image.Image) -> Image.Image:
    """Convert any Pillow picture to 8-bit RGB, without regard to its profile."""
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
    if image.mode == "I;16":  # half the time of the general way, and the same values
        return image.point(lambda value: value * (255 / 65535)).convert("L")
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
