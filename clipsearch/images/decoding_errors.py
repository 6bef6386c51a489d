"""What a decoder's error says about a file: its cause, and the reason in words that people say."""

from __future__ import annotations

from PIL import UnidentifiedImageError

from clipsearch.errors import Cause, ImageError

NO_PICTURE = "not a picture in a format that clipsearch reads"
_PLAIN_REASONS = (
    ("truncated", "the file is cut short"),  # "Truncated File Read", "image file is truncated (12 bytes not processed)"
    ("data stream", "its data is damaged"),  # "broken data stream when reading image file"
    ("could not create decoder object", "its data is damaged or cut short"),  # WebP
)
"""Words of Pillow's reasons, and how people say them."""


def cause_of(error: Exception) -> Cause:
    """Whether the file itself caused an error, or the machine did, so that another run may succeed."""
    if isinstance(error, ImageError):
        return error.cause
    if isinstance(error, OSError) and error.errno is not None:
        return "access"
    return "memory" if "memory" in str(error).lower() else "content"


def reason_of(error: Exception) -> str:
    """Why a file cannot be decoded, in one short line."""
    if isinstance(error, UnidentifiedImageError):
        return NO_PICTURE
    text = error.args[0].decode("latin-1") if error.args and isinstance(error.args[0], bytes) else str(error)
    plain = next((plain for words, plain in _PLAIN_REASONS if words in text.lower()), None)
    return f"cannot be decoded: {plain or ' '.join(text.split()) or type(error).__name__}"[:300]
