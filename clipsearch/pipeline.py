"""Files in, embeddings out: processes decode ahead while the model works on the batch before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipsearch.encoders.base import Encoder
from clipsearch.images.pixels import normalise
from clipsearch.images.pool import Decoded, DecoderPool
from clipsearch.schema import Failure, ImageFile, ImageInfo

BATCH_SIZE = 32
"""Pictures encoded at once. Larger batches gain nothing on a CPU, and a batch is what an interruption may lose."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """A photo with its unit vector (dim,); None where its content was known already and was not encoded."""

    file: ImageFile
    info: ImageInfo
    vector: NDArray[np.float32] | None


def embed_files(
    files: Iterable[ImageFile],
    encoder: Encoder,
    pool: DecoderPool,
    *,
    known: Callable[[str], bool] = lambda content_hash: False,
    batch_size: int = BATCH_SIZE,
) -> Iterator[list[Embedded | Failure]]:
    """Every file's outcome, batch by batch, in the order given.

    A file whose content hash is `known`, or equal to that of an earlier file of the same batch, is not encoded again.
    Memory does not grow with the number of files.
    """
    batch: list[Decoded | Failure] = []
    wanted: dict[str, Decoded] = {}
    for outcome in pool.read(files):
        batch.append(outcome)
        if isinstance(outcome, Decoded) and not known(outcome.info.content_hash):
            wanted.setdefault(outcome.info.content_hash, outcome)
        if len(wanted) >= batch_size or len(batch) >= 8 * batch_size:
            yield _finish(batch, wanted, encoder)
            batch, wanted = [], {}
    if batch:
        yield _finish(batch, wanted, encoder)


def _finish(batch: list[Decoded | Failure], wanted: dict[str, Decoded], encoder: Encoder) -> list[Embedded | Failure]:
    vectors: dict[str, NDArray[np.float32]] = {}
    if wanted:
        pixels = normalise([decoded.pixels for decoded in wanted.values()], encoder.spec.pixels)
        vectors = dict(zip(wanted, encoder.encode_pixels(pixels), strict=True))
    outcomes: list[Embedded | Failure] = []
    for item in batch:
        if isinstance(item, Failure):
            outcomes.append(item)
            continue
        vector = vectors.get(item.info.content_hash)
        if vector is not None and not np.isfinite(vector).all():
            outcomes.append(Failure(item.file, "the model gives no direction for this picture"))
        else:
            outcomes.append(Embedded(item.file, item.info, vector))
    return outcomes
