"""Small pictures of photos, to look at, and pictures as files."""

from __future__ import annotations

import base64
import io
from collections.abc import Generator, Sequence
from contextlib import closing
from typing import Any

from PIL import Image

from clipsearch._internal.cpu import cores
from clipsearch.images.pool import Decoded, DecoderPool
from clipsearch.types import Box, Failure, ImageFile, ImageRecord

_QUALITY = 80  # of JPEG; WebP is a fifth smaller and takes four times as long


def thumbnails(paths: Sequence[str], box: tuple[int, int]) -> list[Image.Image | None]:
    """Each file as an upright RGB picture that fits into (width, height) pixels, in order; None if it cannot be read.

    Files are decoded in processes that can be stopped.
    """
    return [None if isinstance(outcome, Failure) else outcome for outcome in each_thumbnail(paths, box)]


def each_thumbnail(paths: Sequence[str], box: tuple[int, int]) -> Generator[Image.Image | Failure, None, None]:
    """Yield each file's thumbnail, or a Failure with the reason. Memory does not grow with the number of files."""
    with closing(_decoded(paths, box)) as outcomes:
        for outcome in outcomes:
            yield outcome if isinstance(outcome, Failure) else Image.fromarray(outcome.picture)


def indexed_thumbnails(records: Sequence[ImageRecord], box: tuple[int, int]) -> list[Image.Image | None]:
    """Thumbnails of indexed photos; None for a file that cannot be read, or has changed since it was indexed."""
    outcomes = zip(records, _decoded([record.file.path for record in records], box), strict=True)
    return [
        Image.fromarray(outcome.picture)
        if isinstance(outcome, Decoded) and outcome.info.content_hash == record.info.content_hash
        else None
        for record, outcome in outcomes
    ]


def encoded(picture: Image.Image, format: str, **options: Any) -> bytes:
    """A picture as the bytes of a file, in Pillow's name of a format and with its options for that format."""
    stream = io.BytesIO()
    picture.save(stream, format, **options)
    return stream.getvalue()


def jpeg_data_url(picture: Image.Image) -> str:
    """A picture as a data: URL."""
    data = encoded(picture, "JPEG", quality=_QUALITY, optimize=True, progressive=True)
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode('ascii')}"


def _decoded(paths: Sequence[str], box: tuple[int, int]) -> Generator[Decoded | Failure, None, None]:
    with DecoderPool(Box(*box), workers=min(cores(), len(paths))) as pool:
        yield from pool.read([ImageFile(path, 0, 0) for path in paths])
