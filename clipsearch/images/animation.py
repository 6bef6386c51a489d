"""How long each frame of an animation is shown, read without decoding the frames.

Sources: the GIF89a specification; WebP's container specification; PNG, third edition; ISO 14496-12 for AVIF.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from PIL import Image

from clipsearch.images.boxes import boxes_below

MOST_FRAMES_SEEN = 1000
"""Frames of an animation that are looked at. It counts as if it ended there."""

MOST_FRAME_PIXELS = 200_000_000
"""Pixels of all frames that are looked at: some 650 frames of 640 x 480, or 96 of 1920 x 1080."""

_USUAL_SECONDS = 0.1  # of a frame without a duration; browsers agree on it
_MOST_BLOCKS = 4_000_000  # of a GIF; blocks of 255 bytes are a file of 1 GB
_MOST_CHUNKS = 1_000_000  # of a WebP or PNG


def frame_seconds(image: Image.Image, data: bytes) -> list[float]:
    """The duration of each frame, in seconds, of a file opened by Pillow; empty if it is not an animation.

    Only the frames that are looked at count. A frame without a duration is shown for a tenth of a second.
    """
    readers = {"GIF": _of_gif, "WEBP": _of_webp, "PNG": _of_png, "AVIF": _of_avif}
    if image.format == "GIF":
        most = MOST_FRAMES_SEEN
    elif image.format in readers:
        most = min(MOST_FRAMES_SEEN, getattr(image, "n_frames", 1) - first_frame(image))
    else:
        return []
    most = min(most, MOST_FRAME_PIXELS // max(image.width * image.height, 1))
    if most < 2:
        return []
    seconds = []
    for duration in readers[image.format](data):
        seconds.append(duration if duration > 0 else _USUAL_SECONDS)
        if len(seconds) == most:
            break
    return seconds if len(seconds) > 1 else []


def first_frame(image: Image.Image) -> int:
    """Pillow's number of the first frame. A PNG may begin with a picture that is not part of its animation."""
    return 1 if getattr(image, "default_image", False) else 0


def gif_size(data: bytes) -> tuple[int, int]:
    """(width, height) of a GIF's first frame. Pillow takes memory for it on opening, even beyond the size in the header."""
    return next(((width, height) for _, width, height in _gif_frames(data)), (0, 0))


def _of_gif(data: bytes) -> Iterator[float]:
    pixels = 0
    for seconds, width, height in _gif_frames(data):
        pixels += width * height
        if pixels > MOST_FRAME_PIXELS:
            return
        yield seconds


def _gif_frames(data: bytes) -> Iterator[tuple[float, int, int]]:
    """(seconds, width, height) of each frame. A frame that reaches beyond the picture enlarges it, as in Pillow."""
    if len(data) < 13:
        return
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at = 13 + _palette_bytes(flags)
    seconds = 0.0
    for _ in range(_MOST_BLOCKS):
        kind = data[at : at + 1]
        if kind == b"!":
            if data[at + 1 : at + 2] == b"\xf9":
                seconds = int.from_bytes(data[at + 4 : at + 6], "little") / 100
            at = _after_blocks(data, at + 2)
        elif kind == b"," and at + 10 <= len(data):
            left, top, across, down, flags = struct.unpack_from("<HHHHB", data, at + 1)
            width, height = max(width, left + across), max(height, top + down)
            yield seconds, width, height
            seconds = 0.0
            at = _after_blocks(data, at + 11 + _palette_bytes(flags))
        elif kind in (b"", b";"):
            return
        else:
            at += 1


def _palette_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_blocks(data: bytes, at: int) -> int:
    """The offset after blocks of up to 255 bytes; an empty block is the last."""
    for _ in range(_MOST_BLOCKS):
        if at >= len(data) or not data[at]:
            break
        at += data[at] + 1
    return at + 1


def _of_webp(data: bytes) -> Iterator[float]:
    at = 12
    for _ in range(_MOST_CHUNKS):
        if at + 8 > len(data):
            return
        kind, length = struct.unpack_from("<4sI", data, at)
        if kind == b"ANMF":
            yield int.from_bytes(data[at + 20 : at + 23], "little") / 1000
        at += 8 + length + length % 2


def _of_png(data: bytes) -> Iterator[float]:
    at = 8
    for _ in range(_MOST_CHUNKS):
        if at + 8 > len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"fcTL" and at + 32 <= len(data):
            numerator, denominator = struct.unpack_from(">HH", data, at + 28)
            yield numerator / (denominator or 100)
        at += 12 + length


def _of_avif(data: bytes) -> Iterator[float]:
    for kind, start, end in boxes_below(data, 0, len(data), (b"moov",)):
        if kind == b"trak":
            yield from _of_track(data, start, end)
            return


def _of_track(data: bytes, start: int, end: int) -> Iterator[float]:
    scale = 0
    for kind, inside, _ in boxes_below(data, start, end, (b"mdia",)):
        if kind == b"mdhd":
            at = inside + (20 if data[inside : inside + 1] == b"\1" else 12)
            scale = int.from_bytes(data[at : at + 4], "big")
    for kind, inside, after in boxes_below(data, start, end, (b"mdia", b"minf", b"stbl")):
        if kind == b"stts":
            for at in range(inside + 8, after - 7, 8):
                count, ticks = struct.unpack_from(">II", data, at)
                for _ in range(min(count, MOST_FRAMES_SEEN)):
                    yield ticks / scale if scale else 0.0
