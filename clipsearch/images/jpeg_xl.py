"""The size of a JPEG XL picture, read before it is decoded: ISO 18181-1, annex D, and 18181-2 for its boxes."""

from __future__ import annotations

CODESTREAM = b"\xff\x0a"
CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
MISSING_DECODER = "a JPEG XL picture; to read it, `pip install 'clipsearch[jxl]'`"

_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_EDGE_BITS = (9, 13, 18, 30)
_HEADER_BYTES = 16  # the size takes 75 bits at most
_MOST_BOXES = 100


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


def _codestream_start(data: bytes) -> int | None:
    if data.startswith(CODESTREAM):
        return 0
    at = 0
    for _ in range(_MOST_BOXES):
        size, kind, head = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        if kind == b"jxlc":
            return at + head
        if kind == b"jxlp":
            return at + head + 4  # after the number of the part
        if size < head or at + size >= len(data):
            return None
        at += size
    return None


class _Bits:
    """Reads numbers from bytes, the lowest bits first. Missing bytes count as zeros."""

    def __init__(self, data: bytes) -> None:
        self._left = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        value = self._left & ((1 << count) - 1)
        self._left >>= count
        return value
