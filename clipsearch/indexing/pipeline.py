"""From files to embeddings: processes decode the next batches while the model encodes the one before."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.cancel import CancelToken
from clipsearch._internal.cpu import cores
from clipsearch.encoders import precision
from clipsearch.encoders.base import Encoder
from clipsearch.errors import Cancelled
from clipsearch.images.pool import Decoded, DecoderPool
from clipsearch.images.preprocess import normalise
from clipsearch.types import Embeddings, Failure, ImageFile, ImageInfo

_AHEAD_PER_CORE = 8  # pictures that are encoded, or wait for it; more gain nothing
_FIRST_BATCH = 8  # pictures: the first are found soon
_PIECE_PER_CORE = 4  # pictures of one call; more make no model on a CPU faster, and cancelling waits for two calls
_PATIENCE = 0.2  # seconds that cancelling waits for the model
_LOOK = 0.1  # seconds between two looks at the cancel token
_ENCODED_AT_ONCE = 2  # batches, so that no core idles at the end of one


@dataclass(frozen=True, slots=True)
class Embedded:
    """A file with the unit vectors (n, dim) of its pictures; None if its content was known already and not encoded."""

    file: ImageFile
    info: ImageInfo
    vectors: Embeddings | None
    placeholders: tuple[bytes, ...] = ()


@dataclass(slots=True)
class _Batch:
    """Files in order, and those to be encoded by content hash."""

    files: list[Decoded | Failure] = field(default_factory=list)
    wanted: dict[str, Decoded] = field(default_factory=dict)
    ready: dict[str, Embeddings] = field(default_factory=dict)  # by content hash, too
    embeddings: Future[Embeddings] | None = None

    @property
    def pictures(self) -> int:
        """How many pictures are to be encoded."""
        return sum(len(decoded.pixels) for decoded in self.wanted.values())

    @property
    def is_done(self) -> bool:
        """Whether the model has nothing left to do."""
        return self.embeddings is None or self.embeddings.done()


def embed_files(
    files: Iterable[ImageFile],
    encoder: Encoder,
    pool: DecoderPool,
    known: Callable[[str], bool] = lambda content_hash: False,
    batch_size: int | None = None,
    cancel: CancelToken | None = None,
) -> Iterator[list[Embedded | Failure]]:
    """Decode files, and yield what `embed_decoded` yields. Raises what `DecoderPool.read` raises."""
    cancel = cancel or CancelToken()
    return embed_decoded(pool.read(files, cancel), encoder, pool, known, batch_size, cancel)


def embed_decoded(
    decoded: Iterable[Decoded | Failure],
    encoder: Encoder,
    pool: DecoderPool,
    known: Callable[[str], bool] = lambda content_hash: False,
    batch_size: int | None = None,
    cancel: CancelToken | None = None,
    ready: Mapping[str, Embeddings] = MappingProxyType({}),
) -> Iterator[list[Embedded | Failure]]:
    """Yield the outcome of every file that a pool decodes, in batches and in the order of the files.

    A file whose content is `known`, or equal to that of an earlier file in progress, is not encoded again. `ready` has the
    vectors (n, dim) of files that were encoded before, by content hash. The next batches are
    decoded and encoded while the caller has the one before, in constant memory. Leaving early stops the pool, also by an error;
    a slow model may then finish its last pictures in a thread. Raises Cancelled.
    """
    cancel = cancel or CancelToken()
    # One call a batch, so that progress flows. All that is in memory is lost if the run is cancelled.
    ahead = _ENCODED_AT_ONCE * min(max(32, _AHEAD_PER_CORE * cores()), 256)
    most = _ENCODED_AT_ONCE if batch_size else max(_ENCODED_AT_ONCE, ahead // (_PIECE_PER_CORE * cores()))  # batches
    batch_size = piece = batch_size or _PIECE_PER_CORE * cores()
    enough = min(_FIRST_BATCH, batch_size)
    leaving = threading.Event()

    def encode(pixels: NDArray[np.uint8]) -> Embeddings:
        parts = []
        for start in range(0, len(pixels), piece):
            if leaving.is_set():
                raise CancelledError
            parts.append(encoder.encode_pixels(normalise(pixels[start : start + piece], encoder.spec.pixels)))
        return np.concatenate(parts)

    def submit(batch: _Batch) -> None:
        if batch.wanted:
            pixels = np.concatenate([decoded.pixels for decoded in batch.wanted.values()])
            batch.embeddings = model.submit(encode, pixels)
        if batch.files:
            running.append(batch)

    model = ThreadPoolExecutor(_ENCODED_AT_ONCE, thread_name_prefix="clipsearch-embed")
    running: deque[_Batch] = deque()
    batch = _Batch()
    try:
        for outcome in decoded:
            batch.files.append(outcome)
            if isinstance(outcome, Decoded):
                content = outcome.info.content_hash
                if known(content):
                    pass
                elif content in ready:
                    batch.ready[content] = ready[content]
                elif not any(content in before.wanted for before in running):
                    batch.wanted.setdefault(content, outcome)
            if batch.pictures >= enough or len(batch.files) >= 8 * enough:
                submit(batch)
                batch, enough = _Batch(), batch_size
                if len(running) > most:
                    yield _next_outcomes(running, cancel)
            while running and running[0].is_done:
                yield _next_outcomes(running, cancel)
        submit(batch)
        while running:
            yield _next_outcomes(running, cancel)
    except BaseException as error:
        leaving.set()
        model.shutdown(wait=False, cancel_futures=True)
        pool.close()  # decoders would slow down the model's last pictures
        failed = isinstance(error, Exception) and not isinstance(error, Cancelled)
        patience = None if failed else _PATIENCE
        started = [batch.embeddings for batch in running if batch.embeddings and not batch.embeddings.cancelled()]
        if not wait(started, patience).not_done:
            model.shutdown()
        raise
    model.shutdown()


def first_pixels(
    encoder: Encoder, decoded: Iterable[Decoded | Failure], taken: list[Decoded | Failure]
) -> NDArray[np.float32]:
    """The first pictures of as many files as a precision is judged by, as the model takes them: float32 (n, 3, height, width).

    What is taken from `decoded` is added to `taken`, also the files that cannot be read.
    """
    pixels: list[NDArray[np.uint8]] = []
    for outcome in decoded:
        taken.append(outcome)
        if isinstance(outcome, Decoded):
            pixels.append(outcome.picture)
        if len(pixels) == precision.JUDGED_PHOTOS:
            break
    if not pixels:
        return np.empty((0, 3, *encoder.spec.pixels.output_size), np.float32)
    return normalise(pixels, encoder.spec.pixels)


def judged_vectors(taken: list[Decoded | Failure], vectors: Embeddings) -> dict[str, Embeddings]:
    """The vectors (1, dim) of files by content hash, from those (n, dim) of the first pictures that `first_pixels` returned.

    A file with several pictures is left out: only its first one was encoded.
    """
    decoded = [outcome for outcome in taken if isinstance(outcome, Decoded)]
    pairs = zip(decoded, vectors, strict=False)
    return {file.info.content_hash: vector[None] for file, vector in pairs if len(file.pixels) == 1}


def _next_outcomes(running: deque[_Batch], cancel: CancelToken) -> list[Embedded | Failure]:
    """Wait for the first batch and remove it. It stays if the wait is cancelled or the model has failed."""
    batch = running[0]
    cancel.check()
    while batch.embeddings and wait([batch.embeddings], _LOOK).not_done:
        cancel.check()
    embeddings = batch.ready
    if batch.embeddings:
        ends = np.cumsum([len(decoded.pixels) for decoded in batch.wanted.values()])
        embeddings |= dict(zip(batch.wanted, np.split(batch.embeddings.result(), ends[:-1]), strict=True))
    outcomes: list[Embedded | Failure] = []
    for item in batch.files:
        vectors = None if isinstance(item, Failure) else embeddings.get(item.info.content_hash)
        if isinstance(item, Failure):
            outcomes.append(item)
        elif vectors is not None and not np.isfinite(vectors).all():
            outcomes.append(Failure(item.file, "the model gives no embedding for this picture"))
        else:
            outcomes.append(Embedded(item.file, item.info, vectors, item.placeholders))
    running.popleft()
    return outcomes
