"""The filter by file format: the names that people use, and the formats that an index has."""

from __future__ import annotations

from clipsearch.conditions import Condition, Either, Test
from clipsearch.errors import QueryError
from clipsearch.images.file_types import OTHER_RAW, RAW_FORMATS, VIDEO_FORMATS

_GROUPS = {"raw": (*RAW_FORMATS, OTHER_RAW), "video": VIDEO_FORMATS}
_COMMON = ("jpeg", "heic", "png", "webp", "avif", "jxl", "tiff", "gif", "psd", *_GROUPS)
_PICTURES = (
    "JPEG HEIF PNG WEBP AVIF JXL TIFF GIF PSD PSB JPEG2000 BMP DIB MPO TGA DDS QOI PCX DCX PPM ICO ICNS CUR SGI FITS FLI PCD "
    "IM MSP PIXAR SUN XBM XPM BLP FTEX GBR IMT MCIDAS SPIDER unknown"
)  # as the reader names them, most of them by Pillow
_SUFFIXES = {
    "JPEG": "jpg jpe jfif", "HEIF": "heic hif", "PNG": "apng", "AVIF": "avifs", "TIFF": "tif",
    "JPEG2000": "jp2 j2k j2c jpc jpf jpx", "TGA": "vda vst", "PPM": "pbm pgm pnm pfm", "SGI": "rgb rgba", "FITS": "fit",
    "FLI": "flc", "PIXAR": "pxr", "SUN": "ras", "MPEG": "mpg", "MTS": "m2ts", "3GP": "3g2",
}  # fmt: skip
_KNOWN = {
    **{name.lower(): name for name in (*_PICTURES.split(), *RAW_FORMATS, OTHER_RAW, *VIDEO_FORMATS)},
    **{suffix: name for name, suffixes in _SUFFIXES.items() for suffix in suffixes.split()},
    "photoshop": "PSD",
    "jpeg xl": "JXL",
    "jpeg 2000": "JPEG2000",
}
"""Each name in lower case → the format as an index has it."""


def known_format(name: str) -> str | None:
    """A file format as an index has it, by its name or a suffix; None for one that clipsearch does not know."""
    return _KNOWN.get(name.strip().lower().lstrip("."))


def of_format(name: str) -> Condition:
    """A file format by its name, or by a suffix: jpg for JPEG, heic for HEIF, tif for TIFF. Case does not count.

    `raw` is any camera's, and `video` any film's. QueryError for a name that clipsearch does not know.
    """
    short = name.strip().lower().lstrip(".")
    if not short:
        raise QueryError("the format is empty; give a format")
    if short in _GROUPS:
        return Either(tuple(Test("format", "=", member) for member in _GROUPS[short]))
    if short not in _KNOWN:
        from difflib import get_close_matches  # a right filter does not need it

        near = get_close_matches(short, [*_COMMON, *_KNOWN], 1, 0.7)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise QueryError(f"there is no format {short!r}; there are {', '.join(_COMMON)} and rarer ones{hint}")
    return Test("format", "=", _KNOWN[short])
