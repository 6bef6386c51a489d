"""Camera raw files: their facts about the photo, and the previews inside them.

A preview is a picture of the photo, made by the camera or by the program that wrote the file. Reading a preview takes less time
than a JPEG of the sensor's size, and no library. Layouts: TIFF 6.0 and its makers' variants, DNG 1.7, ISO 14496-12 (CR3), and
the descriptions of CIFF, RAF and X3F in ExifTool's documentation.
"""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from clipsearch.images import exif
from clipsearch.images.boxes import boxes, boxes_below
from clipsearch.images.embedded import XMP_BOX, Packets, tiff_packets
from clipsearch.images.file_types import OTHER_RAW
from clipsearch.images.iptc import IPTC_RESOURCE, resource
from clipsearch.images.jpeg import embedded_frames, end_of, exif_block, packets, read_frame
from clipsearch.images.tiff_tags import EXIF_IFD, MAKER_NOTE, TiffTags, Value
from clipsearch.images.xmp_facts import MAX_BYTES

ORIENTATION = 0x0112

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 0x0100, 0x0101, 0x0102, 0x0103, 0x0106
_STRIPS, _STRIP_BYTES, _PLANES = 0x0111, 0x0117, 0x011C
_JPEG_START, _JPEG_BYTES = 0x0201, 0x0202
_DNG_VERSION, _CROP_SIZE = 0xC612, 0xC620
_EXIF_WIDTH, _EXIF_HEIGHT = 0xA002, 0xA003

_SENSOR_PHOTOMETRIC = (32803, 34892)  # a colour filter array, and linear raw
_SENSOR_COMPRESSIONS = (32767, 32769, 32770, 34713, 65000, 65535)  # Sony, Epson, Samsung, Nikon, Kodak, Pentax
_MAKERS = {  # the beginning of a maker's name, and the maker's format on top of TIFF
    "NIKON": "NEF",
    "SONY": "ARW",
    "PENTAX": "PEF",
    "RICOH": "PEF",
    "ASAHI": "PEF",
    "SAMSUNG": "SRW",
    "HASSELBLAD": "3FR",
    "PHASE ONE": "IIQ",
    "LEAF": "IIQ",
}
_SR2_CAMERAS = ("DSC-R1", "DSC-V3", "DSC-F828")
_ROTATIONS = {90: 6, 180: 3, 270: 8}  # degrees clockwise → EXIF orientation
_SMALLEST_SHARE = 0.6  # share of the sensor's pixels; fewer mean a crop of the sensor, or a preview's size
_SAME_SHAPE = 0.05  # of the logarithm of an aspect ratio; sensors have a few rows more than their JPEGs
_NEARLY = 0.9  # of a photo's width and height; previews leave out the sensor's edges
_MOST_BLOCKS = 64
_MOST_RECORDS = 1000


@dataclass(frozen=True, slots=True)
class Preview:
    """A picture inside a raw file: a JPEG, or 8-bit RGB pixels without compression."""

    start: int
    length: int
    width: int
    height: int
    is_jpeg: bool = True

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) as stored."""
        return self.width, self.height


@dataclass(slots=True)
class RawPhoto:
    """A raw file's facts about its photo. `width` and `height` are as stored, before it is turned upright; 0 if unknown."""

    format: str
    width: int = 0
    height: int = 0
    previews: list[Preview] = field(default_factory=list)
    main: dict[int, Any] = field(default_factory=dict)
    exif: dict[int, Any] = field(default_factory=dict)
    gps: dict[int, Any] = field(default_factory=dict)
    packets: Packets = field(default_factory=Packets)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) as stored: the photo's, or if it is unknown, that of the largest preview; (0, 0) without one."""
        if self.width and self.height:
            return self.width, self.height
        return next((preview.size for preview in self.by_size()), (0, 0))

    @property
    def orientation(self) -> int:
        """EXIF orientation, 1 to 8."""
        value = self.main.get(ORIENTATION)
        return value if isinstance(value, int) and 1 <= value <= 8 else 1

    def has_shape_of(self, preview: Preview) -> bool:
        """Whether a preview has the photo's aspect ratio. If not, it may have black bars, as many thumbnails do."""
        if not (self.width and self.height):
            return True
        ratio = preview.width * self.height / (preview.height * self.width)
        return abs(math.log(ratio)) <= _SAME_SHAPE

    def by_size(self) -> list[Preview]:
        """The previews, the largest first."""
        return sorted(self.previews, key=lambda preview: _area(preview.size), reverse=True)

    def previews_of(self, least: tuple[int, int] | None) -> list[Preview]:
        """The previews of at least a (width, height), the quickest to decode first; None asks for the photo's own size.

        Nearly the photo's own size is always enough. The smallest preview decodes fastest. Previews with another aspect ratio
        may have black bars, and come last.
        """
        width, height = self.width * _NEARLY, self.height * _NEARLY
        if least and self.width and self.height:
            width, height = min(least[0], width), min(least[1], height)
        elif least:
            width, height = least
        large = [preview for preview in self.by_size() if preview.width >= width > 0 and preview.height >= height > 0]
        if least is None:
            return large[:1]
        shaped = [preview for preview in reversed(large) if self.has_shape_of(preview)]
        return shaped + [preview for preview in large if preview not in shaped]

    def add_jpeg(self, data: bytes, start: int, length: int) -> None:
        """Add the JPEG here as a preview, if there is one and it can be decoded."""
        if start <= 0 or length <= 0 or start + length > len(data):
            return
        frame = read_frame(data, start)
        if frame and frame.is_readable and all(preview.start != start for preview in self.previews):
            self.previews.append(Preview(start, length, frame.width, frame.height))

    def add_all_jpegs(self, data: bytes) -> None:
        """Add every JPEG anywhere in the file: makers hide previews in notes whose layout they do not publish."""
        known = {preview.start for preview in self.previews}
        for start, frame in embedded_frames(data, 1):
            if start not in known:
                self.previews.append(Preview(start, end_of(data, start) - start, frame.width, frame.height))

    def take_facts_of_jpeg(self, data: bytes, start: int) -> None:
        """Take the facts that the raw file lacks from a JPEG's tags and packets."""
        block = exif_block(data, start)
        if block >= 0:
            main, more, gps = TiffTags(data, block).facts()
            self.main, self.exif, self.gps = main | self.main, more | self.exif, gps | self.gps
        if not self.packets.xmp:
            xmp, resources = packets(data, MAX_BYTES, start)
            self.packets = Packets(xmp, self.packets.iptc or resource(resources, IPTC_RESOURCE))


def read_raw(data: bytes) -> RawPhoto | None:
    """The facts and previews of a camera's raw file, or None if the data is something else."""
    start = data[:4]
    photo = None
    if start in (b"II*\0", b"MM\0*"):
        photo = _from_tiff(data)
    elif start == b"IIU\0":
        photo = _from_rw2(data)
    elif start in (b"IIRO", b"IIRS", b"MMOR"):
        photo = _from_tags(data, TiffTags(data), "ORF")
    elif data[4:12] == b"ftypcrx ":
        photo = _from_cr3(data)
    elif data[:16] == b"FUJIFILMCCD-RAW ":
        photo = _from_raf(data)
    elif start == b"FOVb":
        photo = _from_x3f(data)
    elif data[6:14] == b"HEAPCCDR":
        photo = _from_crw(data)
    return photo


# -- formats on top of TIFF


def _from_tiff(data: bytes) -> RawPhoto | None:
    tags = TiffTags(data)
    directories = list(tags.chain(tags.first()))
    name = _format_of(tags, directories) if directories else None
    return _from_tags(data, tags, name, directories) if name else None


def _format_of(tags: TiffTags, directories: list[dict[int, Value]]) -> str | None:
    main = directories[0]
    if _DNG_VERSION in main:
        return "DNG"
    if tags.data[8:10] == b"CR":
        return "CR2"
    if tags.data[8:12] in (b"IIII", b"MMMM"):
        return "IIQ"
    make, model = (_words(tags.value(main, tag)).upper() for tag in (exif.MAKE, exif.MODEL))
    if not any(_is_of_sensor(tags, entries) for entries in directories):
        return None
    name = next((name for maker, name in _MAKERS.items() if make.startswith(maker)), None)
    if name == "NEF" and tags.number(main, _COMPRESSION) == 6:
        return "NRW"
    if name == "ARW" and model in _SR2_CAMERAS:
        return "SR2"
    if name is None and not _is_of_sensor(tags, main):  # the main picture is only a thumbnail
        return OTHER_RAW
    return name


def _is_of_sensor(tags: TiffTags, entries: dict[int, Value]) -> bool:
    """Whether a directory describes the sensor's data, and not a picture made from it."""
    return (
        tags.number(entries, _PHOTOMETRIC) in _SENSOR_PHOTOMETRIC
        or tags.number(entries, _COMPRESSION) in _SENSOR_COMPRESSIONS
    )


def _from_tags(
    data: bytes, tags: TiffTags, name: str, directories: list[dict[int, Value]] | None = None
) -> RawPhoto | None:
    directories = directories or list(tags.chain(tags.first()))
    if not directories:
        return None
    photo = RawPhoto(name)
    photo.main, photo.exif, photo.gps = tags.facts()
    photo.packets = tiff_packets(tags)
    for entries in directories:
        photo.add_jpeg(data, tags.base + tags.number(entries, _JPEG_START), tags.number(entries, _JPEG_BYTES))
        _add_strips(photo, data, tags, entries)
    exif_entries, _ = tags.directory(tags.number(directories[0], EXIF_IFD))
    if MAKER_NOTE in exif_entries:
        _add_maker_previews(photo, data, tags, exif_entries[MAKER_NOTE])
    photo.width, photo.height = _size(photo, tags, directories)
    return photo


def _add_strips(photo: RawPhoto, data: bytes, tags: TiffTags, entries: dict[int, Value]) -> None:
    """Add a directory's picture, if it is a JPEG in one strip, or plain RGB in consecutive strips."""
    starts, lengths = tags.numbers(entries, _STRIPS), tags.numbers(entries, _STRIP_BYTES)
    if not starts or len(starts) != len(lengths):
        return
    start = tags.base + starts[0]
    compression = tags.number(entries, _COMPRESSION)
    if compression in (6, 7) and len(starts) == 1:
        photo.add_jpeg(data, start, lengths[0])
    width, height = tags.number(entries, _WIDTH), tags.number(entries, _HEIGHT)
    is_rgb = tags.number(entries, _PHOTOMETRIC) == 2 and tags.numbers(entries, _BITS) == [8, 8, 8]
    follows = all(a + b == c for a, b, c in zip(starts, lengths, starts[1:], strict=False))
    if compression == 1 and is_rgb and follows and tags.number(entries, _PLANES) in (0, 1):
        length = 3 * width * height
        if 0 < length <= sum(lengths) and start + length <= len(data):
            photo.previews.append(Preview(start, length, width, height, is_jpeg=False))


def _add_maker_previews(photo: RawPhoto, data: bytes, tags: TiffTags, note: Value) -> None:
    """Add the previews that Nikon, Olympus and Pentax keep in their notes."""
    at = note.offset
    head = data[at : at + 16]
    if head.startswith(b"Nikon\0"):
        inner = TiffTags(data, at + 10)
        entries, _ = inner.directory(inner.first())
        preview, _ = inner.directory(inner.number(entries, 0x0011))
        photo.add_jpeg(data, inner.base + inner.number(preview, _JPEG_START), inner.number(preview, _JPEG_BYTES))
    elif head.startswith((b"OLYMPUS\0", b"OM SYSTEM\0")):
        start = 12 if head.startswith(b"OLYMPUS") else 16
        inner = TiffTags(data, at, tags.order)
        entries, _ = inner.directory(start)
        settings, _ = inner.directory(inner.number(entries, 0x2020))
        photo.add_jpeg(data, at + inner.number(settings, 0x0101), inner.number(settings, 0x0102))
    elif head.startswith((b"AOC\0", b"PENTAX \0")):
        start = 6 if head.startswith(b"AOC") else 10
        inner = TiffTags(data, at, tags.order)
        entries, _ = inner.directory(start)
        offset, length = inner.number(entries, 0x0004), inner.number(entries, 0x0003)
        photo.add_jpeg(data, tags.base + offset, length)
        photo.add_jpeg(data, at + offset, length)


def _size(photo: RawPhoto, tags: TiffTags, directories: list[dict[int, Value]]) -> tuple[int, int]:
    """The photo's size: the file's value if it fits the size of the sensor."""
    of_sensor = [entries for entries in directories if _is_of_sensor(tags, entries)] or directories
    for entries in of_sensor:
        crop = tags.numbers(entries, _CROP_SIZE)
        if len(crop) == 2 and all(crop):
            return crop[0], crop[1]
    sensor = max(((tags.number(entries, _WIDTH), tags.number(entries, _HEIGHT)) for entries in of_sensor), key=_area)
    stated = _whole(photo.exif.get(_EXIF_WIDTH)), _whole(photo.exif.get(_EXIF_HEIGHT))
    largest = max(((preview.width, preview.height) for preview in photo.previews), key=_area, default=(0, 0))
    for size in (stated, largest):
        if _area(size) and (not _area(sensor) or _SMALLEST_SHARE <= _area(size) / _area(sensor) <= 1):
            return size
    return sensor


def _from_rw2(data: bytes) -> RawPhoto | None:
    """Panasonic: TIFF with another number in its header, tags for the sensor's borders, and the JPEG as a tag's value."""
    tags = TiffTags(data)
    photo = _from_tags(data, tags, "RW2")
    entries, _ = tags.directory(tags.first())
    if photo is None:
        return None
    top, left, bottom, right = (tags.number(entries, tag) for tag in (4, 5, 6, 7))
    if bottom > top and right > left:
        photo.width, photo.height = right - left, bottom - top
    if jpeg := entries.get(0x002E):
        photo.add_jpeg(data, jpeg.offset, jpeg.length)
        photo.take_facts_of_jpeg(data, jpeg.offset)
    return photo


# -- formats of their own


def _from_raf(data: bytes) -> RawPhoto | None:
    """Fujifilm: a header with the offsets of a JPEG with the EXIF tags, and of a list of sizes."""
    if len(data) < 100:
        return None
    start, length, sizes_start, sizes_length = struct.unpack_from(">IIII", data, 84)
    photo = RawPhoto("RAF")
    photo.add_jpeg(data, start, length)
    photo.take_facts_of_jpeg(data, start)
    records = data[sizes_start : sizes_start + min(sizes_length, 64 * 1024)]
    at = 4
    for _ in range(min(int.from_bytes(records[:4], "big"), _MOST_RECORDS)):
        if at + 4 > len(records):
            break
        tag, size = struct.unpack_from(">HH", records, at)
        if tag in (0x0100, 0x0111) and size == 4 and at + 8 <= len(records):  # the sensor, or the photo's part of it
            photo.height, photo.width = struct.unpack_from(">HH", records, at + 4)
        at += 4 + size
    return photo


def _from_cr3(data: bytes) -> RawPhoto:
    """Canon since 2018: boxes, with directories of tags in three of them, and previews in others."""
    photo = RawPhoto("CR3")
    for kind, start, end in boxes(data, 0, len(data)):
        if kind == b"moov":
            _add_movie_box(photo, data, start, end)
        elif kind == b"uuid":
            if data.startswith(XMP_BOX, start):
                photo.packets = Packets((data[start + len(XMP_BOX) : end],))
            at = data.find(b"PRVW", start, min(end, start + 256))
            jpeg = data.find(b"\xff\xd8\xff", at, min(end, at + 64)) if at >= 0 else -1
            photo.add_jpeg(data, jpeg, end - jpeg)
    photo.width, photo.height = (_whole(photo.exif.get(tag)) for tag in (_EXIF_WIDTH, _EXIF_HEIGHT))
    if not (photo.width and photo.height):
        photo.width, photo.height = (_whole(photo.main.get(tag)) for tag in (_WIDTH, _HEIGHT))
    return photo


def _add_movie_box(photo: RawPhoto, data: bytes, start: int, end: int) -> None:
    for kind, inside, after in boxes(data, start, end):
        if kind == b"uuid":
            for name, at, _ in boxes(data, inside + 16, after):
                if name in (b"CMT1", b"CMT2", b"CMT4"):
                    tags = TiffTags(data, at)
                    entries, _ = tags.directory(tags.first())
                    values = tags.values(entries)
                    if name == b"CMT1":
                        photo.main = values
                    elif name == b"CMT2":
                        photo.exif = values
                    else:
                        photo.gps = values
        elif kind == b"trak":
            sizes = offsets = -1
            for name, at, _ in boxes_below(data, inside, after, (b"mdia", b"minf", b"stbl")):
                if name == b"stsz" and at + 16 <= len(data):
                    fixed, _, first = struct.unpack_from(">III", data, at + 4)
                    sizes = fixed or first
                elif name in (b"co64", b"stco") and at + 16 <= len(data):
                    offsets = int.from_bytes(data[at + 8 : at + (16 if name == b"co64" else 12)], "big")
            photo.add_jpeg(data, offsets, sizes)


def _from_x3f(data: bytes) -> RawPhoto | None:
    """Sigma: a header with the size, and at the end a directory of sections."""
    if len(data) < 64:
        return None
    photo = RawPhoto("X3F")
    photo.width, photo.height, degrees = struct.unpack_from("<III", data, 28)
    (directory,) = struct.unpack_from("<I", data, len(data) - 4)
    if data[directory : directory + 4] == b"SECd":
        count = int.from_bytes(data[directory + 8 : directory + 12], "little")
        for number in range(min(count, _MOST_RECORDS)):
            entry = data[directory + 12 + 12 * number : directory + 24 + 12 * number]
            start, length = int.from_bytes(entry[:4], "little"), int.from_bytes(entry[4:8], "little")
            if entry[8:] in (b"IMA2", b"IMAG") and data[start : start + 4] == b"SECi":
                photo.add_jpeg(data, start + 28, length - 28)
    if photo.previews:
        photo.take_facts_of_jpeg(data, photo.previews[-1].start)
    if degrees in _ROTATIONS:
        photo.main.setdefault(ORIENTATION, _ROTATIONS[degrees])
    return photo


def _from_crw(data: bytes) -> RawPhoto | None:
    """Canon until 2004: CIFF, blocks whose directory is at their end."""
    order = ">" if data[:2] == b"MM" else "<"
    photo = RawPhoto("CRW")
    for tag, start, length in _ciff_records(data, order, struct.unpack_from(f"{order}I", data, 2)[0], len(data)):
        if tag == 0x2007:
            photo.add_jpeg(data, start, length)
        elif tag == 0x080A:
            make, _, model = data[start : start + min(length, 256)].partition(b"\0")
            photo.main |= {exif.MAKE: make, exif.MODEL: model}
        elif tag == 0x180E and length >= 4:
            (seconds,) = struct.unpack_from(f"{order}I", data, start)
            moment = datetime.fromtimestamp(seconds, timezone.utc)  # of the camera's clock, which has no zone
            photo.exif[exif.DATE_TIME_ORIGINAL] = moment.strftime("%Y:%m:%d %H:%M:%S")
        elif tag == 0x1810 and length >= 16:
            photo.width, photo.height, _, degrees = struct.unpack_from(f"{order}IIfi", data, start)
            if degrees % 360 in _ROTATIONS:
                photo.main[ORIENTATION] = _ROTATIONS[degrees % 360]
    return photo


def _ciff_records(data: bytes, order: str, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(tag, start, length) of the records in a block of CIFF and in the blocks inside it."""
    waiting = [(start, end)]
    for start, end in itertools.islice(_taken_from(waiting), _MOST_BLOCKS):
        if not 0 <= start <= end - 6 <= len(data) - 6:
            continue
        directory = start + struct.unpack_from(f"{order}I", data, end - 4)[0]
        count = struct.unpack_from(f"{order}H", data, directory)[0] if directory + 2 <= end else 0
        for number in range(min(count, _MOST_RECORDS, (end - directory - 2) // 10)):
            entry = directory + 2 + 10 * number
            tag, length, offset = struct.unpack_from(f"{order}HII", data, entry)
            if tag & 0xC000 == 0x4000:  # the value is in the directory itself
                yield tag & 0x3FFF, entry + 2, 8
            elif start + offset + length > end:
                continue
            elif tag & 0x3800 in (0x2800, 0x3000):
                waiting.append((start + offset, start + offset + length))
            else:
                yield tag & 0x3FFF, start + offset, length


def _taken_from(waiting: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Each item, including items added during the loop."""
    while waiting:
        yield waiting.pop()


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, (int, float)) and 0 < value < 2**31 else 0


def _words(value: Any) -> str:
    return value.split(b"\0")[0].decode("latin-1").strip() if isinstance(value, bytes) else ""
