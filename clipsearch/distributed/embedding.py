"""What a worker does, by the same pipeline as one machine: a chunk of photos in, a part out."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from importlib import import_module

from clipsearch._internal.paths import is_remote
from clipsearch.distributed.chunks import Chunk, FilesChunk
from clipsearch.distributed.parts import Written, write_part
from clipsearch.distributed.reading import Photos, open_chunk
from clipsearch.distributed.storage import NOT_ALLOWED
from clipsearch.encoders import load_encoder
from clipsearch.encoders.base import Encoder
from clipsearch.errors import ClipsearchError, ModelMismatch, StorageError
from clipsearch.images.files import ReadLimits
from clipsearch.images.pool import DecoderPool, PoolClosed
from clipsearch.indexing.pipeline import Embedded, embed_files
from clipsearch.types import Failure, Fingerprint


@dataclass(frozen=True, slots=True)
class Job:
    """What is the same for all chunks of a run. The driver has settled it."""

    fingerprint: Fingerprint
    parts: str  # the folder, on this machine or elsewhere, that parts go to
    limits: ReadLimits
    device: str = "auto"
    jobs: int | None = None
    batch_size: int | None = None
    version: str = field(default_factory=lambda: own_version())


class EmbedFiles:
    """Embeds chunks of photos, several at once if called from several threads. The model is loaded with the first."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._lock = threading.Lock()
        self._encoder: Encoder | None = None
        self._pool: DecoderPool | None = None
        self._closed = False

    def is_here(self) -> bool:
        """True, once there is something to ask."""
        return True

    def embed(self, name: str, chunk: Chunk) -> Written:
        """Embed a chunk's photos and write its part, under the chunk's name; again, where another chunk's failure ended it.

        ModelMismatch where this machine has another model by that name; StorageError and OSError where the part cannot be
        written or the photos' storage not be reached. What is wrong with one photo is in the part.
        """
        require_seen(chunk)
        while True:
            encoder, pool = self._start()
            with (
                open_chunk(chunk, self._job.limits) as photos,
                closing(self._outcomes(photos, encoder, pool)) as outcomes,  # before the chunk they read from
                suppress(PoolClosed),
            ):
                return write_part(self._job.parts, name, outcomes, photos.captions, self._job.fingerprint)

    def close(self) -> None:
        """Stop every process that decodes."""
        with self._lock:
            self._closed = True
            if self._pool:
                self._pool.close()

    def _outcomes(
        self, photos: Photos, encoder: Encoder, pool: DecoderPool
    ) -> Generator[Embedded | Failure, None, None]:
        total = refused = 0
        for some in embed_files(photos.files, encoder, pool, batch_size=self._job.batch_size):
            if pool.closed:  # by another chunk that failed; what the pool says from then on is no judgement on photos
                raise PoolClosed
            total += len(some)
            refused += sum(isinstance(outcome, Failure) and outcome.reason == NOT_ALLOWED for outcome in some)
            yield from some
        if total == refused > 1:
            raise StorageError(
                f"a node may read none of {total:,} photos, as {some[-1].file.path}: all nodes need the right to; photos that "
                "nobody may read are left out with --exclude"
            )
        yield from photos.failures

    def _start(self) -> tuple[Encoder, DecoderPool]:
        job = self._job
        with self._lock:
            if self._closed:
                raise StorageError("this worker was stopped")
            if self._encoder is None:
                if job.version != own_version():
                    raise ClipsearchError(f"a node has clipsearch {own_version()}, and the driver {job.version}")
                self._encoder = load_encoder(
                    job.fingerprint.model, device=job.device, precision=job.fingerprint.precision or "auto"
                )
                require_same(self._encoder.spec.fingerprint, job.fingerprint)
            if self._pool is None or self._pool.closed:
                self._pool = DecoderPool(self._encoder.spec.pixels, job.limits, job.jobs)
            return self._encoder, self._pool


def own_version() -> str:
    """The clipsearch of this machine. The package itself is above this module, which must not import its name."""
    return str(import_module("clipsearch").__version__)


def require_seen(chunk: Chunk) -> None:
    """Raise StorageError where this machine sees none of a chunk's files: its disk is at fault, and not the photos."""
    if isinstance(chunk, FilesChunk):
        paths = [file.path for file in chunk.files]
        if not any(is_remote(path) or os.path.lexists(path) for path in paths):
            raise StorageError(
                f"a node has no {paths[0]}, nor what lies beside it; the photos must be at the same place on all nodes, as on "
                "a network drive, or in storage that all reach (s3://...)"
            )


def require_same(mine: Fingerprint, wanted: Fingerprint) -> None:
    """Raise ModelMismatch unless a node's model is the driver's, in the same precision."""
    if (mine.digest, mine.dim, mine.precision) != (wanted.digest, wanted.dim, wanted.precision):
        raise ModelMismatch(
            f"a node has another model by the name {wanted.model!r} than the driver ({mine.digest[:12]} in "
            f"{mine.precision}, not {wanted.digest[:12]} in {wanted.precision}); put the same checkpoint on all"
        )
