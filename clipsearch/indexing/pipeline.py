"""Files in, embeddings out: processes decode ahead while the model works on the batch before."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.cancel import CancelToken
from clipsearch._internal.cpu import cores
from clipsearch.encoders.base import Encoder
from clipsearch.errors import Cancelled
from clipsearch.images.pool import Decoded, DecoderPool
from clipsearch.images.preprocess import normalise
from clipsearch.types import Embeddings, Failure, ImageFile, ImageInfo, PixelSpec

_A_CORE = 8  # pictures of a batch
_AT_ONCE = 4  # pictures a core; more make no model on a CPU faster, and Ctrl-C waits for two batches' worth
_PATIENCE = 0.5  # seconds that Ctrl-C waits for the model
_LOOK = 0.1  # seconds between two looks whether to stop
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
    cancel: CancelToken | None = None,
) -> Iterator[list[Embedded | Failure]]:
    """Every file's outcome, batch by batch, in the order given.

    A file whose content hash is `known`, or equal to that of an earlier file on its way, is not encoded again. While the model
    works on some batches, the caller has the one before and the next is put together. Memory does not grow with the files.
    Leaving early, by an error or Ctrl-C too, stops the pool; a model that is slow then ends its last pictures in a thread.
    Raises Cancelled once `cancel` is cancelled.
    """
    cancel = cancel or CancelToken()
    at_once = batch_size or _AT_ONCE * cores()
    batch_size = batch_size or default_batch_size()
    leaving = threading.Event()

    def encode(pixels: NDArray[np.float32]) -> Embeddings:
        parts = []
        for start in range(0, len(pixels), at_once):
            if leaving.is_set():
                raise CancelledError
            parts.append(encoder.encode_pixels(pixels[start : start + at_once]))
        return np.concatenate(parts)

    model = ThreadPoolExecutor(_ENCODED_AT_ONCE, thread_name_prefix="clipsearch-embed")
    running: deque[_Batch] = deque()
    batch = _Batch()
    try:
        for outcome in pool.read(files, cancel):
            batch.files.append(outcome)
            if isinstance(outcome, Decoded):
                content = outcome.info.content_hash
                if not known(content) and not any(content in before.wanted for before in running):
                    batch.wanted.setdefault(content, outcome)
            if len(batch.wanted) >= batch_size or len(batch.files) >= 8 * batch_size:
                running.append(_submitted(batch, model, encode, encoder.spec.pixels))
                batch = _Batch()
                if len(running) > _ENCODED_AT_ONCE:
                    outcomes = _outcomes(running[0], cancel)
                    running.popleft()
                    yield outcomes
        if batch.files:
            running.append(_submitted(batch, model, encode, encoder.spec.pixels))
        while running:
            outcomes = _outcomes(running[0], cancel)
            running.popleft()
            yield outcomes
    except BaseException as error:
        leaving.set()
        model.shutdown(wait=False, cancel_futures=True)
        pool.close()  # or the model would have to share the processor until it is done
        failed = isinstance(error, Exception) and not isinstance(error, Cancelled)
        patience = None if failed else _PATIENCE
        begun = [batch.embeddings for batch in running if batch.embeddings and not batch.embeddings.cancelled()]
        late = wait(begun, patience).not_done  # on a busy machine; whoever pressed Ctrl-C has been kept long enough
        if not late:
            model.shutdown()
        raise
    model.shutdown()


def default_batch_size() -> int:
    """Pictures encoded at once: eight for each core, from which more gain nothing, and 32 to 256 in all.

    Three batches are what an interruption may lose, and what decoded pictures take in memory.
    """
    return min(max(32, _A_CORE * cores()), 256)


def decode_for(encoder: Encoder, files: Iterable[ImageFile], pool: DecoderPool) -> NDArray[np.float32]:
    """The readable ones of some files as the model takes them, float32 (n, 3, height, width)."""
    pixels = [outcome.pixels for outcome in pool.read(files) if isinstance(outcome, Decoded)]
    return normalise(pixels, encoder.spec.pixels) if pixels else np.empty((0, 3, 0, 0), np.float32)


def _submitted(
    batch: _Batch, model: ThreadPoolExecutor, encode: Callable[[NDArray[np.float32]], Embeddings], spec: PixelSpec
) -> _Batch:
    if batch.wanted:
        batch.embeddings = model.submit(encode, normalise([decoded.pixels for decoded in batch.wanted.values()], spec))
    return batch


def _outcomes(batch: _Batch, cancel: CancelToken) -> list[Embedded | Failure]:
    cancel.check()
    while batch.embeddings and wait([batch.embeddings], _LOOK).not_done:
        cancel.check()
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
