"""What a worker does, with the same pipeline as one machine: read a chunk of photos, write a part."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from importlib import import_module

from clipsearch._internal.paths import is_remote
from clipsearch.distributed.archives import ChunkPhotos
from clipsearch.distributed.chunks import Chunk
from clipsearch.distributed.parts import WrittenPart, write_part
from clipsearch.distributed.storage import NOT_ALLOWED
from clipsearch.encoders import load_encoder
from clipsearch.encoders.base import Encoder
from clipsearch.errors import ClipsearchError, ModelMismatch, StorageError
from clipsearch.images.files import ReadLimits
from clipsearch.images.own_pictures import OwnPicture
from clipsearch.images.pool import DecoderPool, PoolClosed
from clipsearch.indexing.pipeline import Embedded, embed_files
from clipsearch.types import Failure, Fingerprint


@dataclass(frozen=True, slots=True)
class ClusterJob:
    """What the driver decided for all chunks of a run."""

    fingerprint: Fingerprint
    parts: str  # folder or URL for the parts
    limits: ReadLimits
    device: str = "auto"
    jobs: int | None = None
    batch_size: int | None = None
    version: str = field(default_factory=lambda: own_version())


class ChunkWorker:
    """Embeds chunks of photos, several at once if called from several threads. The first chunk loads the model."""

    def __init__(self, job: ClusterJob) -> None:
        self._job = job
        self._lock = threading.Lock()
        self._encoder: Encoder | None = None
        self._pool: DecoderPool | None = None
        self._closed = False

    def is_here(self) -> bool:
        """True. Ray answers once the worker has started."""
        return True

    def embed(self, name: str, chunk: Chunk) -> WrittenPart:
        """Embed a chunk's photos and write its part under the chunk's name. If another chunk's failure ends it, start again.

        Failures of single photos are in the part. Raises ModelMismatch if this machine has another model of that name, and
        StorageError or OSError if the part cannot be written or the storage of the photos cannot be reached.
        """
        require_seen(chunk)
        while True:
            encoder, pool = self._start()
            with (
                chunk.open(self._job.limits) as photos,
                closing(self._outcomes(photos, encoder, pool)) as outcomes,  # closed before the chunk that they read
                suppress(PoolClosed),
            ):
                return write_part(self._job.parts, name, outcomes, photos.captions, self._job.fingerprint)

    def close(self) -> None:
        """Stop every decoding process."""
        with self._lock:
            self._closed = True
            if self._pool:
                self._pool.close()

    def _outcomes(
        self, photos: ChunkPhotos, encoder: Encoder, pool: DecoderPool
    ) -> Generator[Embedded | Failure | OwnPicture, None, None]:
        total = refused = 0
        for batch in embed_files(photos.files, encoder, pool, batch_size=self._job.batch_size):
            if pool.closed:  # by another chunk that failed; later failures say nothing about the photos
                raise PoolClosed
            total += len(batch)
            refused += sum(isinstance(outcome, Failure) and outcome.reason == NOT_ALLOWED for outcome in batch)
            for outcome in batch:
                yield OwnPicture(outcome.file) if outcome.file.path in photos.own else outcome
        if total == refused > 1:
            raise StorageError(
                f"a node may not read any of {total:,} photos, such as {batch[-1].file.path}. Give all nodes the right to read "
                "them, or leave them out with `exclude`"
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
                self._pool = DecoderPool(self._encoder.spec.pixels, job.limits, job.jobs, all_pictures=True)
            return self._encoder, self._pool


def own_version() -> str:
    """The version of clipsearch here. Modules must not import from the package itself, which is above them."""
    return str(import_module("clipsearch").__version__)


def require_seen(chunk: Chunk) -> None:
    """Raise StorageError if this machine sees none of a chunk's files: its disk is at fault, and not the photos."""
    paths = [file.path for file in chunk.files]
    if paths and not any(is_remote(path) or os.path.lexists(path) for path in paths):
        raise StorageError(
            f"a node has neither {paths[0]} nor the photos beside it. The photos must be at the same place on all nodes, as on "
            "a network drive, or in storage that all nodes reach (s3://...)"
        )


def require_same(mine: Fingerprint, wanted: Fingerprint) -> None:
    """Raise ModelMismatch unless a node has the driver's model, in the same precision."""
    if not mine.is_same(wanted):
        raise ModelMismatch(
            f"a node has another model named {wanted.model!r} than the driver ({mine.digest[:12]} in {mine.precision}, not "
            f"{wanted.digest[:12]} in {wanted.precision}). Put the same checkpoint on all nodes"
        )
