"""Convert pictures with a colour profile to sRGB. Models were trained on sRGB, and screens show it."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from PIL.ImageCms import ImageCmsTransform

_PROBE_STEPS = range(0, 256, 51)
_CLOSE = 3  # steps of 1/255; variants of sRGB's own profile differ by 2 at most
_RELATIVE_COLORIMETRIC = 1
_BLACK_POINT = 0x2000  # black-point compensation, the default of photo programs

_SPACES = {"RGB": "RGB ", "CMYK": "CMYK"}
"""Modes of Pillow that are converted, and the colour space of their profiles: ICC.1, table 19."""


def needs_conversion(profile: object, mode: str) -> bool:
    """Whether a picture of this mode, with this embedded ICC profile, looks different in sRGB."""
    return isinstance(profile, bytes) and mode in _SPACES and _transform(profile, mode) is not None


def to_srgb(image: Image.Image, profile: object) -> Image.Image:
    """An RGB or CMYK picture as sRGB. A picture without a profile, or with a broken or an sRGB one, is returned as it is."""
    transform = _transform(profile, image.mode) if isinstance(profile, bytes) and image.mode in _SPACES else None
    if transform is None:
        return image
    converted = transform.apply(image)
    converted.info.pop("icc_profile", None)
    return converted


@lru_cache(16)
def _transform(profile: bytes, mode: str) -> ImageCmsTransform | None:
    """The conversion from a profile to sRGB; None if it changes nothing visible or the profile cannot be used."""
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space != _SPACES[mode]:
            return None
        transform = ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent(_RELATIVE_COLORIMETRIC),
            ImageCms.Flags(_BLACK_POINT),
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):  # a broken profile must not lose the picture
        return None
    if mode == "RGB":
        probe = _probe()
        changed = zip(probe.tobytes(), transform.apply(probe).tobytes(), strict=True)
        if all(abs(before - after) <= _CLOSE for before, after in changed):
            return None
    return transform


def _probe() -> Image.Image:
    """Colours from all over the cube, as a picture."""
    colours = [(r, g, b) for r in _PROBE_STEPS for g in _PROBE_STEPS for b in _PROBE_STEPS]
    probe = Image.new("RGB", (len(colours), 1))
    probe.putdata(colours)
    return probe
