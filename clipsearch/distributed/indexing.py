"""Index on a cluster: plan, have workers embed chunks into parts, and commit all parts at once."""

from __future__ import annotations

import itertools
import logging
import os
import uuid
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.cancel import CancelToken
from clipsearch._internal.paths import is_remote
from clipsearch.distributed.chunk_worker import ClusterJob
from clipsearch.distributed.chunks import Chunk, chunk_id
from clipsearch.distributed.cluster import Cluster, NamedChunk
from clipsearch.distributed.parts import Part, find_parts, is_whole, read_files, read_part, remove_parts
from clipsearch.distributed.planning import complete, plan_work
from clipsearch.distributed.storage import plain_url, remove_file
from clipsearch.encoders import precision
from clipsearch.encoders.base import Encoder
from clipsearch.errors import Cancelled, ClipsearchError, ClipsearchWarning, CollectionDamaged
from clipsearch.images.files import ReadLimits
from clipsearch.images.own_pictures import OwnPicture
from clipsearch.images.pool import Decoded, DecoderPool
from clipsearch.indexing import roots
from clipsearch.indexing.apply import apply_sync
from clipsearch.indexing.pipeline import Embedded, first_pixels
from clipsearch.indexing.plan import SyncOptions, check_loss
from clipsearch.indexing.report import IndexProgress, SyncReport
from clipsearch.store.collection import Collection
from clipsearch.store.verify import require_whole_vectors
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import Failure, Fingerprint

logger = logging.getLogger(__name__)

_FOLDER = "parts"  # the default, in the index folder
_OWNER = "parts owner"  # a key of the index's `meta`


@dataclass(slots=True)
class ClusterReport(SyncReport):
    """What a run on a cluster did."""

    parts: int = 0  # one for each chunk of photos
    reused: int = 0  # of `parts`: finished by an earlier run


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """How to run on a cluster. `address` is that of `Cluster`; `parts` is a folder or URL, by default in the index folder."""

    address: str
    parts: str | None = None
    device: str = "auto"


def index_on_cluster(
    collection: CollectionWriter,
    sources: Sequence[str],
    load_encoder: Callable[[], Encoder],
    cluster: ClusterOptions,
    options: SyncOptions,
    progress: IndexProgress | None = None,
    cancel: CancelToken | None = None,
) -> ClusterReport:
    """Make an index agree with folders, URLs of folders, tar and Parquet files; without any, with all that it knows.

    Finished parts stay until all are committed at once. Raises SyncRefused, and ModelMismatch if a node has another model.
    """
    cancel, limits = cancel or CancelToken(), options.limits
    folder = _folder_for_parts(collection, cluster.parts)
    require_whole_vectors(collection, cancel.check)
    taken_back = roots.taken_back(collection, sources, options.rules)
    work = plan_work(collection, sources, options)
    check_loss(work.plans, len(collection), prune=options.prune)
    chunks = [*work.chunks, *(chunk for archive in work.archives for chunk in archive.chunks)]
    report = ClusterReport(parts=len(chunks))
    logger.debug("%d chunks; parts go to %s", len(chunks), folder)
    finished: dict[str, Part] = {}
    named: list[NamedChunk] = []
    if chunks:
        fingerprint = _settled(collection, load_encoder(), chunks, limits, options.jobs)
        salt = _identity(collection) if cluster.parts else ""
        named = [(chunk_id(chunk, fingerprint, limits, salt), chunk) for chunk in chunks]
        finished = _usable(folder, {name for name, _ in named})
        report.reused = len(finished)
        job = ClusterJob(fingerprint, folder, limits, cluster.device, options.jobs, options.batch_size)
        todo = [(name, chunk) for name, chunk in named if name not in finished]
        try:
            _embed(collection, cluster.address, job, todo, finished, report, progress, cancel)
        except Cancelled:
            report.interrupted = True
            report.left = sum(len(chunk.files) for _, chunk in todo)
            return report
    parts = {id(chunk): finished[name] for name, chunk in named}
    for archive in work.archives:
        files = (file for chunk in archive.chunks for file in read_files(folder, parts[id(chunk)]))
        complete(collection, archive, files, options)
    plans = [*work.plans, *(archive.plan for archive in work.archives)]
    check_loss(plans, len(collection), prune=options.prune)
    try:
        outcomes = itertools.chain([work.known], _outcomes(collection, folder, parts, chunks))
        done = apply_sync(collection, plans, load_encoder, options, cancel=cancel, outcomes=outcomes)
    except Cancelled:
        report.interrupted, report.left = True, sum(len(plan.todo) for plan in plans)
        return report
    remove_parts(folder, {name for name, _ in named} if cluster.parts else None)
    for name in SyncReport.__dataclass_fields__:
        setattr(report, name, getattr(done, name))
    report.no_longer_excluded = taken_back
    return report


def _embed(
    collection: CollectionWriter,
    address: str,
    job: ClusterJob,
    todo: list[NamedChunk],
    finished: dict[str, Part],
    report: ClusterReport,
    progress: IndexProgress | None,
    cancel: CancelToken,
) -> None:
    """Have workers embed the chunks that are not finished. ClipsearchError if a part is not where it should be."""
    if not todo:
        return
    sizes = {name: len(chunk.files) for name, chunk in todo}
    done, total = 0, sum(sizes.values())
    if progress:
        progress(report, done, total)
    with closing(Cluster(address)) as cluster:
        collection.publish()  # roots, model and precision, for the next run if this one is cancelled
        for written in cluster.embed(job, todo, cancel):
            if not is_remote(job.parts) and not Path(job.parts, written.part.name).is_file():
                raise ClipsearchError(
                    f"a worker has written a part to {job.parts} on its own machine. Name a folder that all machines share: "
                    "`parts=FOLDER` or `parts=s3://BUCKET/FOLDER`"
                )
            finished[written.part.chunk] = written.part
            done += written.rows
            total += written.rows - sizes[written.part.chunk]  # the size of an archive is known once it has been read
            report.failed += written.failed
            if progress:
                progress(report, done, total)


def _settled(
    collection: CollectionWriter, encoder: Encoder, chunks: list[Chunk], limits: ReadLimits, jobs: int | None
) -> Fingerprint:
    """The model with the precision of all workers. If the precision is open, the first photos decide."""
    if encoder.spec.fingerprint.precision is None:
        encoder.settle_precision(lambda: _first_pixels(encoder, chunks, limits, jobs))
    collection.settle_precision(encoder.spec.fingerprint)
    return encoder.spec.fingerprint


def _first_pixels(encoder: Encoder, chunks: list[Chunk], limits: ReadLimits, jobs: int | None) -> NDArray[np.float32]:
    """The first photos, decoded for the model: float32 (n, 3, height, width)."""

    def decoded() -> Generator[Decoded | Failure]:
        with DecoderPool(encoder.spec.pixels, limits, jobs) as pool:
            for chunk in chunks:
                with chunk.open(limits) as photos:
                    yield from pool.read(itertools.islice(photos.files, precision.JUDGED_PHOTOS))

    with closing(decoded()) as outcomes:
        return first_pixels(encoder, outcomes, [])


def _usable(folder: str, wanted: set[str]) -> dict[str, Part]:
    """The parts of these chunks that are whole. A damaged one is removed, so that it is made again."""
    usable: dict[str, Part] = {}
    for part in find_parts(folder):
        if part.chunk not in wanted or part.chunk in usable:
            continue
        if is_whole(folder, part):
            usable[part.chunk] = part
        else:
            warnings.warn(f"{folder}/{part.name} is damaged and is made again", ClipsearchWarning, stacklevel=2)
            remove_file(folder, part.name)
    return usable


def _outcomes(
    collection: Collection, folder: str, parts: dict[int, Part], chunks: list[Chunk]
) -> Iterator[list[Embedded | Failure | OwnPicture]]:
    """The outcome of every file, in the order of the chunks. ClipsearchError if a part has other files than its chunk."""
    for chunk in chunks:
        assert collection.fingerprint
        part, files = parts[id(chunk)], iter(chunk.files)
        other_files = ClipsearchError(
            f"{folder}/{part.name} holds other photos than it should; delete it and run this again"
        )
        for batch in read_part(folder, part, collection.fingerprint):
            expected = [file.path for file in itertools.islice(files, len(batch))]
            if chunk.files and [outcome.file.path for outcome in batch] != expected:
                raise other_files
            yield batch
        if next(files, None) is not None:
            raise other_files


def _folder_for_parts(collection: Collection, parts: str | None) -> str:
    """The folder or URL for the parts of this run."""
    if parts is None:
        own = collection.folder / _FOLDER
        if own.is_symlink():
            raise CollectionDamaged(
                f"{own} is a symbolic link, which is not followed. Name another folder: `parts=FOLDER`"
            )
        return str(own)
    return plain_url(parts) if is_remote(parts) else str(Path(os.path.expanduser(parts)).absolute())


def _identity(collection: CollectionWriter) -> str:
    """A random id of this index, because indexes with the same photos may share a folder for parts."""
    known = collection.meta(_OWNER)
    if known is None:
        known = uuid.uuid4().hex
        collection.set_meta(_OWNER, known)
    return known
