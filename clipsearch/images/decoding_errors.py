"""What a decoder's error says about a file: its cause, and the reason in words that people say."""

from __future__ import annotations

import re

from PIL import UnidentifiedImageError

from clipsearch.errors import Cause, ImageError, one_line
from clipsearch.images.memory import TOO_MUCH

NO_PICTURE = "not a picture in a format that clipsearch reads"
_DAMAGED = "its data is damaged"
_PLAIN_REASONS = (
    ("truncated", "the file is cut short"),  # "Truncated File Read", "image file is truncated (12 bytes not processed)"
    ("not enough image data", "the file is cut short"),
    ("only got", "the file is cut short"),  # "Expected to read 8 bytes but only got 0."
    ("reached eof", "the file is cut short"),
    ("could not create decoder object", "its data is damaged or cut short"),  # WebP
    ("max_text_chunk", "a text inside it is too large"),
    ("no image data", "it holds no picture"),
)
"""Words of Pillow's reasons, and how people say them."""

_OF_KIND = re.compile(r"\b(un(supported|implemented|known)|not (supported|implemented))\b", re.IGNORECASE)


def cause_of(error: Exception) -> Cause:
    """Whether the file itself caused an error, or the machine did, so that another run may succeed."""
    if isinstance(error, ImageError):
        return error.cause
    if isinstance(error, OSError) and error.errno is not None:
        return "access"
    return "memory" if "memory" in str(error).lower() else "content"


def reason_of(error: Exception) -> str:
    """Why a file cannot be decoded, in one short line.

    A decoder's own words are for its programmers: they are kept only if they name a kind of file that it does not read.
    """
    if isinstance(error, UnidentifiedImageError):
        return NO_PICTURE
    cause = cause_of(error)
    if cause == "memory":
        return TOO_MUCH
    if cause == "access" and isinstance(error, OSError) and error.strerror:
        return f"cannot be decoded: {error.strerror}"
    words = one_line(error)
    plain = next((plain for part, plain in _PLAIN_REASONS if part in words.lower()), None)
    if not plain and _OF_KIND.search(words):
        plain = f"clipsearch does not read this kind of file ({words})"
    return f"cannot be decoded: {plain or _DAMAGED}"[:300]
