"""The size of a JPEG XL picture, before it is decoded, and compressed tags: ISO 18181-1, annex D, and 18181-2 for boxes."""

from __future__ import annotations

from collections.abc import Iterator

CODESTREAM = b"\xff\x0a"
CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
MISSING_DECODER = "a JPEG XL picture; to read it, `pip install 'clipsearch[jxl]'`"

_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_EDGE_BITS = (9, 13, 18, 30)
_HEADER_BYTES = 16  # the size takes 75 bits at most
_MOST_BOXES = 100
_COMPRESSED = b"brob"
_MOST_BYTES = 1 << 20  # of a decompressed box
_TIFF = (b"II*\0", b"MM\0*")


def is_jpeg_xl(data: bytes) -> bool:
    """Whether data begins like a JPEG XL picture."""
    return data.startswith((CODESTREAM, CONTAINER))


def read_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) in the header, before the picture is turned upright; None if there is no header."""
    start = _codestream_start(data)
    if start is None or data[start : start + 2] != CODESTREAM:
        return None
    bits = _Bits(data[start + 2 : start + 2 + _HEADER_BYTES])
    is_small = bits.take(1)

    def edge() -> int:
        return 8 * (bits.take(5) + 1) if is_small else bits.take(_EDGE_BITS[bits.take(2)]) + 1

    height = edge()
    ratio = bits.take(3)
    width = height * _RATIOS[ratio][0] // _RATIOS[ratio][1] if ratio else edge()
    return width, height


def compressed_exif(data: bytes) -> bytes:
    """The EXIF tags in a box that is compressed with Brotli, as encoders write it; b"" without the box, or without Brotli."""
    return _tiff_in(_compressed_box(data, b"Exif"))


def exif_tags(data: bytes) -> bytes:
    """The EXIF tags in a box, compressed or not; b"" if there are none, or if Brotli is missing."""
    return _tiff_in(box(data, b"Exif"))


def box(data: bytes, name: bytes) -> bytes:
    """The content of a box, also if it is compressed with Brotli; b"" without the box, or without Brotli."""
    if data.startswith(CODESTREAM):
        return b""
    plain = next((data[start:end] for kind, start, end in _boxes(data) if kind == name), b"")
    return plain or _compressed_box(data, name)


def _compressed_box(data: bytes, name: bytes) -> bytes:
    if data.startswith(CODESTREAM):
        return b""
    for kind, start, end in _boxes(data):
        if kind == _COMPRESSED and data[start : start + 4] == name:
            return _decompressed(data[start + 4 : end])
    return b""


def _tiff_in(block: bytes) -> bytes:
    """The tags in an Exif box. The standard puts their offset before them. The plug-in leaves it out."""
    return next((block[at:] for at in (4, 0) if block[at : at + 4] in _TIFF), b"")


def _decompressed(data: bytes) -> bytes:
    """At most _MOST_BYTES of what Brotli has compressed; b"" if there are more, or if they are broken."""
    try:
        import brotli
    except ImportError:
        return b""
    decompressor = brotli.Decompressor()
    content = b""
    try:
        while not decompressor.is_finished() and len(content) <= _MOST_BYTES:
            part = decompressor.process(data, output_buffer_limit=_MOST_BYTES)
            if not part and not data:
                return b""
            content, data = content + part, b""
    except brotli.error:
        return b""
    return content if len(content) <= _MOST_BYTES else b""


def _codestream_start(data: bytes) -> int | None:
    if data.startswith(CODESTREAM):
        return 0
    for kind, start, _ in _boxes(data):
        if kind == b"jxlc":
            return start
        if kind == b"jxlp":
            return start + 4  # after the number of the part
    return None


def _boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start, end) of the content of each box."""
    at = 0
    for _ in range(_MOST_BOXES):
        size, kind, head = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        yield kind, at + head, at + size if size else len(data)
        if size < head or at + size >= len(data):
            return
        at += size


class _Bits:
    """Reads numbers from bytes, the lowest bits first. Missing bytes count as zeros."""

    def __init__(self, data: bytes) -> None:
        self._left = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        value = self._left & ((1 << count) - 1)
        self._left >>= count
        return value
