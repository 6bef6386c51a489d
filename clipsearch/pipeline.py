"""Files in, embeddings out: processes decode ahead while the model works on the batch before."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clipsearch.encoders.base import Encoder
from clipsearch.images.pixels import normalise
from clipsearch.images.pool import Decoded, DecoderPool
from clipsearch.machine import cores
from clipsearch.schema import Embeddings, Failure, ImageFile, ImageInfo

_ENCODED_AT_ONCE = 2  # batches the model has, so that no core idles at the end of one


@dataclass(frozen=True, slots=True)
class Embedded:
    """A photo with its unit vector (dim,); None where its content was known already and was not encoded."""

    file: ImageFile
    info: ImageInfo
    vector: NDArray[np.float32] | None


@dataclass(slots=True)
class _Batch:
    """Files in order, and those of them that are to be encoded, by content hash."""

    files: list[Decoded | Failure] = field(default_factory=list)
    wanted: dict[str, Decoded] = field(default_factory=dict)
    embeddings: Future[Embeddings] | None = None


def embed_files(
    files: Iterable[ImageFile],
    encoder: Encoder,
    pool: DecoderPool,
    *,
    known: Callable[[str], bool] = lambda content_hash: False,
    batch_size: int | None = None,
) -> Iterator[list[Embedded | Failure]]:
    """Every file's outcome, batch by batch, in the order given.

    A file whose content hash is `known`, or equal to that of an earlier file on its way, is not encoded again. While the model
    works on some batches, the caller has the one before and the next is put together. Memory does not grow with the files.
    """
    batch_size = batch_size or default_batch_size()
    # Leaving early, by an error or Ctrl-C, waits for the batches that the model is at.
    with ThreadPoolExecutor(_ENCODED_AT_ONCE, thread_name_prefix="clipsearch-embed") as model:
        running: deque[_Batch] = deque()
        batch = _Batch()
        for outcome in pool.read(files):
            batch.files.append(outcome)
            if isinstance(outcome, Decoded):
                content = outcome.info.content_hash
                if not known(content) and not any(content in before.wanted for before in running):
                    batch.wanted.setdefault(content, outcome)
            if len(batch.wanted) >= batch_size or len(batch.files) >= 8 * batch_size:
                running.append(_submitted(batch, model, encoder))
                batch = _Batch()
                if len(running) > _ENCODED_AT_ONCE:
                    yield _outcomes(running.popleft())
        if batch.files:
            running.append(_submitted(batch, model, encoder))
        while running:
            yield _outcomes(running.popleft())


def default_batch_size() -> int:
    """Pictures encoded at once: eight for each core, from which more gain nothing, and 32 to 256 in all.

    Three batches are what an interruption may lose, and what decoded pictures take in memory.
    """
    return min(max(32, 8 * cores()), 256)


def decode_for(encoder: Encoder, files: Iterable[ImageFile], pool: DecoderPool) -> NDArray[np.float32]:
    """The readable ones of some files as the model takes them, float32 (n, 3, height, width)."""
    pixels = [outcome.pixels for outcome in pool.read(files) if isinstance(outcome, Decoded)]
    return normalise(pixels, encoder.spec.pixels) if pixels else np.empty((0, 3, 0, 0), np.float32)


def _submitted(batch: _Batch, model: ThreadPoolExecutor, encoder: Encoder) -> _Batch:
    if batch.wanted:
        pixels = normalise([decoded.pixels for decoded in batch.wanted.values()], encoder.spec.pixels)
        batch.embeddings = model.submit(encoder.encode_pixels, pixels)
    return batch


def _outcomes(batch: _Batch) -> list[Embedded | Failure]:
    vectors = dict(zip(batch.wanted, batch.embeddings.result(), strict=True)) if batch.embeddings else {}
    outcomes: list[Embedded | Failure] = []
    for item in batch.files:
        if isinstance(item, Failure):
            outcomes.append(item)
            continue
        vector = vectors.get(item.info.content_hash)
        if vector is not None and not np.isfinite(vector).all():
            outcomes.append(Failure(item.file, "the model gives no direction for this picture"))
        else:
            outcomes.append(Embedded(item.file, item.info, vector))
    return outcomes
