"""Read the markers of a JPEG (ITU-T T.81, annex B), without decoding the picture."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_START, END = b"\xff\xd8", b"\xff\xd9"
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15; the other three are tables
_DECODED = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}  # baseline, extended and progressive, with Huffman or arithmetic codes
_PROGRESSIVE = {0xC2, 0xCA}
_SCAN = 0xDA
_XMP, _MORE_XMP = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
_PHOTOSHOP = b"Photoshop 3.0\0"
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)  # a marker that ends the coded data of a scan
_FILL = re.compile(rb"\xff*")
_MOST_SEGMENTS = 4096
_MOST_STARTS = 10_000  # start of a JPEG in a file of another format; random bytes have one in every 16 million


@dataclass(frozen=True, slots=True)
class JpegFrame:
    """The frame header of a JPEG. `marker` is the second byte of its SOF marker."""

    marker: int
    bits: int  # per sample
    width: int
    height: int

    @property
    def is_lossless(self) -> bool:
        """Whether it uses a lossless process, as cameras do for sensor data."""
        return self.marker in (0xC3, 0xC7, 0xCB, 0xCF)

    @property
    def is_readable(self) -> bool:
        """Whether Pillow decodes such a frame."""
        return self.marker in _DECODED and self.bits == 8 and self.width > 0 and self.height > 0

    @property
    def is_of_another_kind(self) -> bool:
        """Whether it is valid, but of a kind that Pillow does not decode, such as 12 bits a colour."""
        return self.width > 0 and self.height > 0 and not self.is_readable


def read_frame(data: bytes, start: int = 0) -> JpegFrame | None:
    """The frame header of the JPEG that begins at `start`; None if there is none."""
    for marker, at, length in _segments(data, start):
        if marker in _FRAMES and length >= 8:
            bits, height, width = struct.unpack_from(">BHH", data, at)
            return JpegFrame(marker, bits, width, height)
    return None


def exif_block(data: bytes, start: int = 0) -> int:
    """The offset of the TIFF structure with the EXIF tags of the JPEG at `start`; -1 if it has none."""
    for marker, at, length in _segments(data, start):
        if marker == 0xE1 and length > 14 and data[at : at + 6] == b"Exif\0\0":
            return at + 6
    return -1


def has_all_headers(data: bytes) -> bool:
    """Whether the beginning of a JPEG reaches to its first scan, before which its facts are."""
    return any(marker == _SCAN for marker, _, _ in _segments(data, 0))


def packets(data: bytes, most: int, start: int = 0) -> tuple[tuple[bytes, ...], bytes]:
    """(XMP packets, Photoshop's resources) of the JPEG at `start`. At most `most` bytes of each are taken.

    XMP that is too long for a segment is in further ones, as a second packet: XMP part 3, 1.1.3.1.
    """
    xmp = b""
    resources: list[bytes] = []
    parts: dict[int, bytes] = {}
    size = 0
    for marker, at, length in _segments(data, start):
        if marker == 0xE1 and data.startswith(_XMP, at) and not xmp:
            xmp = data[at + len(_XMP) : at + length]
        elif marker == 0xE1 and data.startswith(_MORE_XMP, at) and size + length <= most:
            offset = int.from_bytes(data[at + len(_MORE_XMP) + 36 : at + len(_MORE_XMP) + 40], "big")
            parts[offset] = data[at + len(_MORE_XMP) + 40 : at + length]
            size += length
        elif marker == 0xED and data.startswith(_PHOTOSHOP, at) and sum(map(len, resources)) + length <= most:
            resources.append(data[at + len(_PHOTOSHOP) : at + length])
    more = b"".join(parts[offset] for offset in sorted(parts)) if b"HasExtendedXMP" in xmp else b""
    return tuple(packet for packet in (xmp, more) if packet), b"".join(resources)


def end_of(data: bytes, start: int) -> int:
    """The offset behind the JPEG that begins at `start`: behind its end marker, or the end of the data."""
    at = start
    for marker, segment, length in _segments(data, start):
        at = segment + length
        if marker == _SCAN:
            break
    while match := _AFTER_SCAN.search(data, at):
        at = match.end()
        if match.group() == END:
            return at
    return len(data)


def embedded_frames(data: bytes, first: int = 0) -> Iterator[tuple[int, JpegFrame]]:
    """(start, frame) of every JPEG in the data, from `first` on, that Pillow can decode. Every byte is read."""
    at = data.find(b"\xff\xd8\xff", first)
    for _ in range(_MOST_STARTS):
        if at < 0:
            return
        frame = read_frame(data, at)
        if frame and frame.is_readable:
            yield at, frame
        at = data.find(b"\xff\xd8\xff", at + 2)


def has_all_first_passes(data: bytes) -> bool:
    """Whether a cut progressive JPEG has a first pass over every coefficient. Later passes only refine it.

    True for other JPEGs, which have a single pass.
    """
    frame = read_frame(data)
    if frame is None or frame.marker not in _PROGRESSIVE:
        return frame is not None
    last = -1
    at = 0
    while (at := data.find(b"\xff\xda", at)) >= 0:  # inside coded data, a zero follows each FF
        last, at = at, at + 2
    if last < 0 or last + 5 > len(data):
        return False
    components = data[last + 4]
    approximation = last + 4 + 2 * components + 3  # T.81, B.2.3: Ah and Al are the last byte of the header
    return approximation < len(data) and data[approximation] >> 4 > 0


def _segments(data: bytes, start: int) -> Iterator[tuple[int, int, int]]:
    """(marker, offset of its content, length of its content) up to the first scan, which is included."""
    if data[start : start + 2] != _START:
        return
    at = start + 2
    for _ in range(_MOST_SEGMENTS):
        at = max(at, _FILL.match(data, at).end() - 1)  # type: ignore[union-attr]  # it matches any bytes
        if len(data) < at + 4 or data[at] != 0xFF:
            return
        marker = data[at + 1]
        if marker in _WITHOUT_LENGTH:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        if length < 2 or at + 2 + length > len(data):
            return
        yield marker, at + 4, length - 2
        if marker == _SCAN:
            return
        at += 2 + length
