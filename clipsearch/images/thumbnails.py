"""Small pictures of photos, to look at."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from PIL import Image

from clipsearch._internal.cpu import cores
from clipsearch.images.pool import DecoderPool
from clipsearch.types import Box, Failure, ImageFile


def thumbnails(paths: Sequence[str], box: tuple[int, int]) -> list[Image.Image | None]:
    """Each file as an upright RGB picture that fits into (width, height) pixels, in order; None if it cannot be read.

    Files are decoded in processes that can be stopped.
    """
    return [None if isinstance(outcome, Failure) else outcome for outcome in each_thumbnail(paths, box)]


def each_thumbnail(paths: Sequence[str], box: tuple[int, int]) -> Generator[Image.Image | Failure, None, None]:
    """Yield each file's thumbnail, or a Failure with the reason. Memory does not grow with the number of files."""
    with DecoderPool(Box(*box), workers=min(cores(), len(paths))) as pool:
        for outcome in pool.read([ImageFile(path, 0, 0) for path in paths]):
            yield outcome if isinstance(outcome, Failure) else Image.fromarray(outcome.pixels)
