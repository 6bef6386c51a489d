"""Small pictures to look at."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from PIL import Image

from clipsearch._internal.cpu import cores
from clipsearch.images.pool import DecoderPool
from clipsearch.types import Box, Failure, ImageFile


def thumbnails(paths: Sequence[str], box: tuple[int, int]) -> list[Image.Image | None]:
    """Each file as an upright RGB picture that fits into (width, height) pixels, in the order given.

    None for a file that cannot be read, or is gone. Files are decoded as for an index, in processes that can be stopped.
    """
    return [None if isinstance(found, Failure) else found for found in each_thumbnail(paths, box)]


def each_thumbnail(paths: Sequence[str], box: tuple[int, int]) -> Generator[Image.Image | Failure, None, None]:
    """`thumbnails` one after another, so that thousands need no more memory than some, with the reason where there is none."""
    if not paths:
        return
    with DecoderPool(Box(*box), workers=min(cores(), len(paths))) as pool:
        for found in pool.read([ImageFile(path, 0, 0) for path in paths]):
            yield found if isinstance(found, Failure) else Image.fromarray(found.pixels)
