"""Small pictures of photos, to look at, and pictures as files."""

from __future__ import annotations

import base64
import io
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from PIL import Image

from clipsearch._internal.cpu import cores
from clipsearch.images.files import why_gone
from clipsearch.images.pool import Decoded, DecoderPool, picture_file
from clipsearch.types import Box, Failure, ImageFile, ImageRecord

_QUALITY = 80  # of JPEG; WebP is a fifth smaller and takes four times as long


def thumbnails(records: Sequence[ImageRecord], box: tuple[int, int]) -> list[Image.Image | None]:
    """Each photo as an upright RGB picture that fits into (width, height) pixels, in order; None if it cannot be read.

    Of a file with several pictures, it is the one at the record's moment. Files are decoded in processes that can be stopped.
    """
    return [None if isinstance(outcome, Failure) else outcome for outcome in each_thumbnail(records, box)]


def each_thumbnail(
    records: Sequence[ImageRecord], box: tuple[int, int]
) -> Generator[Image.Image | Failure, None, None]:
    """Yield each photo's thumbnail, or a Failure with the reason. Memory does not grow with the number of photos."""
    with closing(_decoded(records, box)) as outcomes:
        for outcome in outcomes:
            yield explained(outcome) if isinstance(outcome, Failure) else Image.fromarray(outcome.picture)


def indexed_thumbnails(records: Sequence[ImageRecord], box: tuple[int, int]) -> list[Image.Image | Failure]:
    """Thumbnails of indexed photos; a Failure for a file that cannot be read, or has changed since it was indexed."""
    outcomes = zip(records, _decoded(records, box), strict=True)
    return [_as_indexed(record, outcome) for record, outcome in outcomes]


def _as_indexed(record: ImageRecord, outcome: Decoded | Failure) -> Image.Image | Failure:
    if isinstance(outcome, Failure):
        return explained(outcome)
    if is_as_indexed(outcome, record):
        return Image.fromarray(outcome.picture)
    return Failure(record.file, "it has changed since it was indexed; index again to see it as it is now")


def explained(failure: Failure) -> Failure:
    """The failure of a photo that is to be shown: if its file is gone, with what to do in place of the system's words."""
    reason = why_gone(failure.file.path)
    return replace(failure, reason=reason) if reason else failure


def is_as_indexed(decoded: Decoded, record: ImageRecord) -> bool:
    """Whether a decoded file is as it was when it was indexed.

    A frame of a film comes without the hash of the film, which would have to be read whole; its size and time tell then.
    """
    if decoded.info.content_hash:
        return decoded.info.content_hash == record.info.content_hash
    return is_same_state(decoded.file, record.file)


def is_same_state(file: ImageFile, indexed: ImageFile) -> bool:
    """Whether a file has the size and the time that it had when it was indexed."""
    return (file.size, file.mtime_ns) == (indexed.size, indexed.mtime_ns)


def encoded(picture: Image.Image, format: str, **options: Any) -> bytes:
    """A picture as the bytes of a file, in Pillow's name of a format and with its options for that format."""
    stream = io.BytesIO()
    picture.save(stream, format, **options)
    return stream.getvalue()


def jpeg_data_url(picture: Image.Image) -> str:
    """A picture as a data: URL."""
    data = encoded(picture, "JPEG", quality=_QUALITY, optimize=True, progressive=True)
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode('ascii')}"


def _decoded(records: Sequence[ImageRecord], box: tuple[int, int]) -> Generator[Decoded | Failure, None, None]:
    with DecoderPool(Box(*box), workers=min(cores(), len(records))) as pool:
        yield from pool.read(map(picture_file, records))
