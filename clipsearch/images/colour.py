"""Convert pictures with a colour profile to sRGB. Models were trained on sRGB, and screens show it."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
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

_P3 = 12
_CURVES_LIKE_SRGB = (1, 2, 6, 13, 14, 15)  # BT.709, unspecified, BT.601, sRGB, BT.2020; not those of HDR
"""Numbers of ITU-T H.273 for primaries and for transfer characteristics, by which HEIF files name a colour space."""

_D50 = (0.9642, 1.0, 0.8249)  # the white of ICC profiles
_P3_RED, _P3_GREEN, _P3_BLUE = (0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407)
"""XYZ of the primaries of Display P3 (SMPTE EG 432-1, white D65), adapted to D50 by ICC.1's annex E."""

_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # IEC 61966-2-1 as ICC.1's parametric curve of type 3


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


def profile_of(nclx: object) -> bytes | None:
    """The ICC profile for colours that a HEIF file names by numbers: that of Display P3, or None for all others.

    `nclx` is what pillow-heif gives. Colours with an HDR curve stay as they are, since no profile describes it.
    """
    if not isinstance(nclx, dict) or nclx.get("color_primaries") != _P3:
        return None
    return _display_p3() if nclx.get("transfer_characteristics") in _CURVES_LIKE_SRGB else None


@lru_cache(1)
def _display_p3() -> bytes:
    """A matrix profile of Display P3: ICC.1:2022, section 8.4.3."""

    def fixed(values: Iterable[float]) -> bytes:
        return b"".join(struct.pack(">i", round(65536 * value)) for value in values)

    primaries = {b"rXYZ": _P3_RED, b"gXYZ": _P3_GREEN, b"bXYZ": _P3_BLUE, b"wtpt": _D50}
    tags = {name: b"XYZ " + bytes(4) + fixed(values) for name, values in primaries.items()}
    curve = b"para" + bytes(4) + struct.pack(">HH", 3, 0) + fixed(_SRGB_CURVE)
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    header_bytes, entry_bytes = 128, 12
    start = header_bytes + 4 + entry_bytes * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content
    header = struct.pack(
        ">I4sI4s4s4s12s4s", start + len(body), b"", 0x04400000, b"mntr", b"RGB ", b"XYZ ", b"", b"acsp"
    )
    header = header.ljust(68, b"\0") + fixed(_D50)
    return header.ljust(header_bytes, b"\0") + table + body


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
