"""Facts inside a photo: where each format has EXIF, XMP and IPTC, and which of them count.

The date is EXIF's DateTimeOriginal or DateTimeDigitized, else XMP's, else IPTC's, else EXIF's DateTime. The last one comes
late because it is when the file was changed: programs and scanners write it, while XMP says when the picture was taken.
Texts and the rating are XMP's, else IPTC's, else EXIF's: photo managers change XMP, and leave the others as they were.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from clipsearch.images import exif, jpeg, jpeg_xl, xmp_facts
from clipsearch.images.facts import Facts, complete
from clipsearch.images.iptc import IPTC_RESOURCE, read_iptc, resource
from clipsearch.images.tiff_tags import TiffTags, is_tiff
from clipsearch.types import ImageInfo

logger = logging.getLogger(__name__)

XMP_TAG, IPTC_TAG, PHOTOSHOP_TAG = 0x02BC, 0x83BB, 0x8649

XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
"""What a box of type uuid with XMP begins with, in CR3 and in films: XMP part 3, 1.1.4."""

_PNG, _PNG_XMP = b"\x89PNG\r\n\x1a\n", b"XML:com.adobe.xmp\0"
_GIF_XMP = b"\x21\xff\x0bXMP DataXMP"  # an extension's head; the packet is not in blocks: XMP part 3, 1.1.2
_MOST_CHUNKS = 100_000


@dataclass(frozen=True, slots=True)
class Packets:
    """The XMP packets and the IPTC records of a photo, as bytes."""

    xmp: tuple[bytes, ...] = ()
    iptc: bytes = b""


def with_facts(
    info: ImageInfo, main: dict[int, Any], exif_tags: dict[int, Any], gps: dict[int, Any], packets: Packets
) -> ImageInfo:
    """A photo's facts with those of its EXIF tables, XMP packets and IPTC records."""
    sources = [*_xmp_facts(packets), *([read_iptc(packets.iptc)] if packets.iptc else [])]
    taken_at = exif.taken_time(exif_tags)
    info = replace(
        info,
        taken_at=taken_at,
        taken_from="exif" if taken_at else None,
        camera=exif.camera(main),
        gps=exif.position(gps),
    )
    info = complete(info, *sources, exif.texts(main))
    if info.taken_at is None and (changed_at := exif.change_time(main, exif_tags)):
        info = replace(info, taken_at=changed_at, taken_from="changed")
    return info


def with_packets(info: ImageInfo, packets: Packets) -> ImageInfo:
    """A film's facts with those of the XMP packets inside it."""
    return complete(info, *_xmp_facts(packets))


def _xmp_facts(packets: Packets) -> Iterator[Facts]:
    for packet in packets.xmp:
        try:
            yield xmp_facts.read_xmp(packet, "xmp")
        except ValueError as error:
            logger.info("an XMP packet in a photo is not used: %s", error)


def find_packets(data: bytes, opened: Mapping[Any, Any] | None = None) -> Packets:
    """The packets in a picture's bytes. `opened` is Pillow's `info`, which has those of HEIF and AVIF."""
    if data.startswith(b"\xff\xd8"):
        xmp, photoshop = jpeg.packets(data, xmp_facts.MAX_BYTES)
        return Packets(xmp, resource(photoshop, IPTC_RESOURCE))
    if data.startswith(_PNG):
        return Packets(tuple(_png_packets(data)))
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Packets(tuple(_webp_packets(data)))
    if is_tiff(data):
        return tiff_packets(TiffTags(data))
    if jpeg_xl.is_jpeg_xl(data):
        packet = jpeg_xl.box(data, b"xml ")
        return Packets((packet,) if packet else ())
    if data.startswith(b"GIF8"):
        start = data.find(_GIF_XMP) + len(_GIF_XMP)
        return Packets((data[start : start + xmp_facts.MAX_BYTES],)) if start >= len(_GIF_XMP) else Packets()
    found = opened.get("xmp") if opened else None
    return Packets((found,)) if isinstance(found, bytes) else Packets()


def tiff_packets(tags: TiffTags) -> Packets:
    """The packets in the first directory of a TIFF structure."""
    entries, _ = tags.directory(tags.first())
    xmp = tags.content(entries, XMP_TAG, xmp_facts.MAX_BYTES)
    iptc = tags.content(entries, IPTC_TAG) or resource(tags.content(entries, PHOTOSHOP_TAG), IPTC_RESOURCE)
    return Packets((xmp,) if xmp else (), iptc)


def png_exif(data: bytes) -> bytes:
    """The EXIF tags of a PNG as a TIFF structure, also if they follow the pixels. Empty without tags."""
    return next((data[start:end] for kind, start, end in _png_chunks(data) if kind == b"eXIf"), b"")


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start, end) of the content of each chunk: PNG (ISO 15948), 5.3."""
    at = len(_PNG)
    for _ in range(_MOST_CHUNKS):
        length = int.from_bytes(data[at : at + 4], "big")
        if at + 12 + length > len(data):
            return
        yield data[at + 4 : at + 8], at + 8, at + 8 + length
        at += 12 + length


def _png_packets(data: bytes) -> Iterator[bytes]:
    for kind, start, end in _png_chunks(data):
        if kind != b"iTXt" or not data.startswith(_PNG_XMP, start) or start + len(_PNG_XMP) + 2 > end:
            continue
        is_compressed = data[start + len(_PNG_XMP)] == 1
        text = data.find(b"\0", start + len(_PNG_XMP) + 2, end)  # after the language
        text = data.find(b"\0", text + 1, end) + 1 if text >= 0 else 0  # after the translated keyword
        if text and is_compressed:
            decompressor = zlib.decompressobj()
            try:
                yield decompressor.decompress(data[text:end], xmp_facts.MAX_BYTES)
            except zlib.error:
                continue
        elif text:
            yield data[text:end]


def _webp_packets(data: bytes) -> Iterator[bytes]:
    at = 12
    for _ in range(_MOST_CHUNKS):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + length > len(data):
            return
        if data[at : at + 4] == b"XMP ":
            yield data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
