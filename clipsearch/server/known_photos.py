"""Which photos of the index an uploaded picture is: by its bytes, or as a copy: smaller, saved again or slightly cropped."""

from __future__ import annotations

import numpy as np

from clipsearch.analysis.duplicates import MAX_DIFFERING_BITS
from clipsearch.analysis.perceptual_hash import HASH_PIXELS, are_plain, differing_bits, perceptual_hashes
from clipsearch.encoders.registry import copy_cosines
from clipsearch.engine import SearchEngine
from clipsearch.errors import ImageError
from clipsearch.images.pool import picture_file
from clipsearch.server.pictures import Pictures
from clipsearch.server.uploads import Upload
from clipsearch.terms import Query, Term
from clipsearch.types import ImageFile, ImageRecord

MOST = 5
"""Photos that are looked at closely, those nearest to the picture."""


def same_bytes(engine: SearchEngine, upload: Upload) -> list[ImageRecord]:
    """The photos with the very bytes of the picture, MOST at most."""
    ids = engine.same_content(upload.content_hash)[:MOST]
    return list(engine.records(ids).values())


def candidates(engine: SearchEngine, upload: Upload) -> list[ImageRecord]:
    """The photos that may be the picture, by their embeddings; the nearest first."""
    least = copy_cosines(engine.encoder.spec.fingerprint.model).candidate
    query = Query((Term(upload.vector),), min_score=least)
    return [hit.record for hit in engine.search(query, MOST)]


async def looking_the_same(pictures: Pictures, path: str, records: list[ImageRecord]) -> list[ImageRecord]:
    """Those of the photos whose perceptual hash is that of the picture's file. None if the picture is too plain to tell."""
    own = await _hash(pictures, ImageFile(path, 0, 0))
    if own is None:
        return []
    same = []
    for record in records:
        other = await _hash(pictures, picture_file(record))
        if other is not None and differing_bits(own, other)[0] <= MAX_DIFFERING_BITS:
            same.append(record)
    return same


async def _hash(pictures: Pictures, file: ImageFile) -> np.ndarray[tuple[int, ...], np.dtype[np.uint64]] | None:
    """The hash of a file's picture, uint64 (1, 4); None if it cannot be read or is too plain."""
    try:
        pixels = (await pictures.decode_file(file, HASH_PIXELS)).picture[None]
    except ImageError:
        return None
    return None if are_plain(pixels)[0] else perceptual_hashes(pixels)
