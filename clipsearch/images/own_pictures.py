"""Mark the pictures that clipsearch makes from photos, so that it does not index them as photos."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from clipsearch._internal.windows import is_misread, opened_as
from clipsearch.types import ImageFile

MARK = "Made by clipsearch from photos"
"""The comment of such a picture: a comment segment of a JPEG, the text "Comment" of a PNG."""

_HEAD_BYTES = 4096  # first bytes of a file, which hold the mark; other programs may add data before it
_SIGNATURES = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class OwnPicture:
    """A file that is such a picture. It is not embedded."""

    file: ImageFile


def mark(kind: str) -> dict[str, Any]:
    """The options of Pillow's `save` that put the mark into a picture of a kind, "JPEG" or "PNG"."""
    if kind == "JPEG":
        return {"comment": MARK.encode()}
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Comment", MARK)
    return {"pnginfo": info}


def is_own_picture(path: str) -> bool:
    """Whether a file is a picture with the mark. False if it cannot be read."""
    if is_misread(path):
        return False
    try:
        descriptor = os.open(opened_as(path), os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            head = os.read(descriptor, _HEAD_BYTES)
        finally:
            os.close(descriptor)
    except OSError:
        return False
    return has_mark(head)


def has_mark(data: bytes) -> bool:
    """Whether the bytes of a file, or its first ones, are those of a picture with the mark."""
    return data.startswith(_SIGNATURES) and MARK.encode() in data[:_HEAD_BYTES]
