"""Photoshop files: the merged picture of PSD and PSB with 8, 16 or 32 bits, and the file's facts about the photo.

Source: Adobe Photoshop File Formats Specification, November 2019. Pillow reads the merged picture of 8-bit PSD files only.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

from PIL import Image

from clipsearch.errors import ImageError
from clipsearch.images.embedded import Packets

SIGNATURE = b"8BPS"
LARGE_DOCUMENT = 2  # the version of PSB

_MODES = {0: "bitmap", 1: "grey", 2: "indexed", 3: "RGB", 4: "CMYK", 7: "multichannel", 8: "duotone", 9: "Lab"}
_BANDS = {1: "L", 3: "RGB", 4: "CMYK", 8: "L"}  # colour mode → the mode of Pillow for its first channels
_LARGEST_EDGE = 300_000  # pixels, of PSB
_MOST_RESOURCES = 4096
_IPTC, _THUMBNAIL, _PROFILE, _VERSION, _EXIF, _XMP = 1028, 1036, 1039, 1057, 1058, 1060
_THUMBNAIL_HEADER = 28
_RAW, _RLE, _ZIP = 0, 1, 2


@dataclass(slots=True)
class PhotoshopFile:
    """The header of a Photoshop file, and the offset of its merged picture."""

    version: int  # 1 is PSD, 2 is PSB
    channels: int
    width: int
    height: int
    bits: int
    colours: int  # the number of the colour mode
    resources: dict[int, bytes] = field(default_factory=dict)
    picture_start: int = 0

    @property
    def format(self) -> str:
        """The name of its format."""
        return "PSB" if self.version == LARGE_DOCUMENT else "PSD"

    @property
    def describes(self) -> str:
        """Its kind, as a phrase for people."""
        return f"a {self.format} with {self.bits} bits in {_MODES.get(self.colours, 'unknown')} mode"

    @property
    def is_merged(self) -> bool:
        """Whether it has a merged picture, and not only layers."""
        version = self.resources.get(_VERSION, b"")
        return len(version) < 5 or version[4] != 0

    @property
    def profile(self) -> bytes | None:
        """The ICC profile."""
        return self.resources.get(_PROFILE)

    @property
    def exif(self) -> bytes:
        """The EXIF tags, as a TIFF structure; empty if there are none."""
        return self.resources.get(_EXIF, b"")

    @property
    def packets(self) -> Packets:
        """The XMP packet and the IPTC records."""
        xmp = self.resources.get(_XMP)
        return Packets((xmp,) if xmp else (), self.resources.get(_IPTC, b""))

    @property
    def thumbnail(self) -> bytes:
        """A small JPEG of the picture; empty if there is none."""
        return self.resources.get(_THUMBNAIL, b"")[_THUMBNAIL_HEADER:]


def read_header(data: bytes) -> PhotoshopFile:
    """The header and the resources. Raises ImageError if the file is cut within them."""
    try:
        version, channels, height, width, bits, colours = struct.unpack_from(">H6xHIIHH", data, 4)
        file = PhotoshopFile(version, channels, width, height, bits, colours)
        (colour_bytes,) = struct.unpack_from(">I", data, 26)
        at = 30 + colour_bytes
        (resource_bytes,) = struct.unpack_from(">I", data, at)
        _read_resources(file, data, at + 4, at + 4 + resource_bytes)
        at += 4 + resource_bytes
        (layer_bytes,) = struct.unpack_from(">Q" if version == LARGE_DOCUMENT else ">I", data, at)
        file.picture_start = at + (8 if version == LARGE_DOCUMENT else 4) + layer_bytes
    except struct.error as error:
        raise ImageError("cannot be decoded: this Photoshop file is cut short") from error
    if version not in (1, 2) or not (0 < width <= _LARGEST_EDGE and 0 < height <= _LARGEST_EDGE):
        raise ImageError("cannot be decoded: this Photoshop file has a broken header")
    return file


def _read_resources(file: PhotoshopFile, data: bytes, start: int, end: int) -> None:
    at = start
    for _ in range(_MOST_RESOURCES):
        if at + 12 > min(end, len(data)) or data[at : at + 4] not in (b"8BIM", b"MeSa"):
            return
        (number,) = struct.unpack_from(">H", data, at + 4)
        name = data[at + 6] + 1
        at += 6 + name + name % 2
        (length,) = struct.unpack_from(">I", data, at)
        if number in (_IPTC, _THUMBNAIL, _PROFILE, _VERSION, _EXIF, _XMP) and at + 4 + length <= len(data):
            file.resources.setdefault(number, data[at + 4 : at + 4 + length])
        at += 4 + length + length % 2


def bytes_per_pixel(file: PhotoshopFile) -> int:
    """The memory for decoding a pixel of the merged picture."""
    return 4 + (12 if file.bits == 32 else file.bits // 8)


def merged_picture(file: PhotoshopFile, data: bytes) -> Image.Image:
    """The merged picture in 8 bits: L, RGB or CMYK. Raises ImageError if its kind is not supported, or it is cut short."""
    mode = _BANDS.get(file.colours)
    bands = Image.getmodebands(mode) if mode else 0
    if mode is None or file.bits not in (8, 16, 32) or file.channels < bands:
        raise ImageError(f"{file.describes}, which clipsearch does not read; save it as 8-bit RGB")
    row = file.width * file.bits // 8
    planes = list(_planes(file, data, row, bands))
    pictures = [_to_8_bits(plane, file) for plane in planes]
    picture = pictures[0] if bands == 1 else Image.merge(mode, pictures)
    if mode == "CMYK":  # stored as 255 for no ink
        picture = picture.point(lambda value: 255 - value)
    if file.profile and file.bits != 32:  # 32-bit values are linear, even if the profile has another curve
        picture.info["icc_profile"] = file.profile
    return picture


def _planes(file: PhotoshopFile, data: bytes, row: int, bands: int) -> list[bytes]:
    """The first channels, each with `row` bytes for each of its rows."""
    at, height, size = file.picture_start + 2, file.height, row * file.height
    compression = int.from_bytes(data[file.picture_start : at], "big")
    if compression == _RAW:
        planes = [data[at + size * band : at + size * (band + 1)] for band in range(bands)]
    elif compression == _ZIP:
        whole = zlib.decompressobj().decompress(data[at:], size * bands)
        planes = [whole[size * band : size * (band + 1)] for band in range(bands)]
    elif compression == _RLE:
        counts_bytes = (4 if file.version == LARGE_DOCUMENT else 2) * height
        start = at + counts_bytes * file.channels
        planes = []
        for band in range(bands):
            counts = data[at + counts_bytes * band : at + counts_bytes * (band + 1)]
            if len(counts) < counts_bytes:
                raise ImageError("cannot be decoded: this Photoshop file is cut short")
            length = sum(struct.unpack(f">{height}{'I' if file.version == LARGE_DOCUMENT else 'H'}", counts))
            plane = Image.frombytes("L", (row, height), data[start : start + length], "packbits", "L")
            planes.append(plane.tobytes())
            start += length
    else:
        raise ImageError(f"{file.describes}, in a compression that clipsearch does not read; save it as 8-bit RGB")
    if any(len(plane) < size for plane in planes):
        raise ImageError("cannot be decoded: this Photoshop file is cut short")
    return planes


def _to_8_bits(plane: bytes, file: PhotoshopFile) -> Image.Image:
    size = file.width, file.height
    if file.bits == 32:
        import numpy as np  # rarely needed, and slow to import

        from clipsearch.images.float_values import linear_to_8_bits

        return Image.frombytes("L", size, linear_to_8_bits(np.frombuffer(plane, ">f4")).tobytes())
    return Image.frombytes("L", size, plane if file.bits == 8 else plane[::2])  # the high bytes, which come first
