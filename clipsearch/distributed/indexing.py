"""Indexing on a cluster: plan, have chunks embedded into parts, and commit all parts at once."""

from __future__ import annotations

import itertools
import os
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clipsearch._internal.cancel import CancelToken
from clipsearch._internal.paths import is_remote
from clipsearch.distributed import parts as storing
from clipsearch.distributed.chunks import Chunk, FilesChunk, chunk_id
from clipsearch.distributed.cluster import Cluster, require_ray
from clipsearch.distributed.embedding import Job
from clipsearch.distributed.parts import Part
from clipsearch.distributed.planning import Work, complete, plan_work
from clipsearch.distributed.reading import open_chunk
from clipsearch.distributed.storage import plain_url
from clipsearch.errors import Cancelled, ClipsearchError, ClipsearchWarning, CollectionDamaged
from clipsearch.images.files import ReadLimits
from clipsearch.indexing.apply import SyncReport, apply_sync
from clipsearch.indexing.pipeline import Embedded
from clipsearch.indexing.plan import check_loss
from clipsearch.types import Failure, Fingerprint, ImageFile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipsearch.encoders.base import Encoder
    from clipsearch.indexing.apply import Progress
    from clipsearch.indexing.walk import WalkRules
    from clipsearch.store.collection import Collection

_FOLDER = "parts"  # in the index folder, where nothing else is said
_OWNER = "parts owner"  # a key of the index's `meta`


@dataclass(slots=True)
class ClusterReport(SyncReport):
    """What a run on a cluster did."""

    parts: int = 0  # finished, each with one chunk's photos
    reused: int = 0  # of these, how many an earlier run had finished


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """How to run on a cluster. `address` is what Cluster takes; parts go to `parts`, by default into the index folder."""

    address: str
    parts: str | None = None
    device: str = "auto"
    jobs: int | None = None  # processors of a worker; by default all that its node has
    batch_size: int | None = None


def index_on_cluster(
    collection: Collection, given: Sequence[str], load_encoder: Callable[[], Encoder], options: ClusterOptions, *,
    rules: WalkRules | None = None, prune: bool = False, paranoid: bool = False, retry: bool = False,
    limits: ReadLimits | None = None, progress: Progress | None = None,
    cancel: CancelToken | None = None,
) -> ClusterReport:  # fmt: skip
    """Make an index agree with folders, URLs of folders, tar and Parquet files; without any, with all that it knows.

    Finished parts are kept until they are committed, all at once, and then removed: if it is cancelled, or this process
    or the cluster is killed, the next run takes them as they are. Nothing is committed before all is done.

    Raises ClipsearchError if the cluster or a storage cannot be reached, SyncRefused as `check_loss` does, and ModelMismatch if
    a node has another model.
    """
    limits, cancel = limits or ReadLimits(), cancel or CancelToken()
    require_ray()
    folder = _folder_for_parts(collection, options.parts)
    work = plan_work(collection, given, rules, limits, prune=prune, paranoid=paranoid, retry=retry)
    if not prune:
        check_loss(work.plans, len(collection))
    chunks = [*work.chunks, *(chunk for archive in work.archives for chunk in archive.chunks)]
    report = ClusterReport(parts=len(chunks))
    finished: dict[str, Part] = {}
    names: dict[int, str] = {}
    if chunks:
        fingerprint = _settled(collection, load_encoder(), chunks, limits, options.jobs)
        salt = _identity(collection) if options.parts else ""
        names = {id(chunk): chunk_id(chunk, fingerprint, limits, salt) for chunk in chunks}
        finished = _usable(folder, set(names.values()))
        report.reused = len(finished)
        job = Job(fingerprint, folder, limits, options.device, options.jobs, options.batch_size)
        todo = [(names[id(chunk)], chunk) for chunk in chunks if names[id(chunk)] not in finished]
        try:
            _embed(collection, options.address, job, todo, finished, report, progress, cancel)
        except Cancelled:
            report.interrupted = True
            report.left = sum(len(chunk.files) for _, chunk in todo if isinstance(chunk, FilesChunk))
            return report
    commit = _Commit(folder, work, names, finished, collection.fingerprint)
    for archive in work.archives:
        complete(collection, archive, commit.files_of(archive.chunks))
    plans = [*work.plans, *(archive.plan for archive in work.archives)]
    if not prune:
        check_loss(plans, len(collection))
    try:
        done = apply_sync(
            collection, plans, load_encoder, limits=limits, prune=prune, cancel=cancel, outcomes=commit.outcomes()
        )
    except Cancelled:
        report.interrupted, report.left = True, sum(len(plan.todo) for plan in plans)
        return report
    _clean_up(folder, set(names.values()) if options.parts else None)
    for name in SyncReport.__dataclass_fields__:
        setattr(report, name, getattr(done, name))
    return report


def _embed(
    collection: Collection,
    address: str,
    job: Job,
    todo: list[tuple[str, Chunk]],
    finished: dict[str, Part],
    report: ClusterReport,
    progress: Progress | None,
    cancel: CancelToken,
) -> None:
    """Have the chunks that are not finished embedded. ClipsearchError where a part is not where it should be."""
    if not todo:
        return
    total = sum(len(chunk.files) for _, chunk in todo if isinstance(chunk, FilesChunk))
    sizes = {name: len(chunk.files) if isinstance(chunk, FilesChunk) else 0 for name, chunk in todo}
    done = 0
    if progress:
        progress(report, done, total)
    with Cluster(address) as cluster:
        collection.publish()  # roots, model and precision: the next run, if it comes to that, finds them as they are now
        for written in cluster.embed(job, todo, cancel):
            if not is_remote(job.parts) and not Path(job.parts, written.part.name).is_file():
                raise ClipsearchError(
                    f"a worker has written a part to {job.parts} on its own machine; name a folder that all machines share: "
                    "--parts FOLDER, or --parts s3://BUCKET/FOLDER"
                )
            finished[written.part.chunk] = written.part
            done += written.rows
            total += written.rows - sizes[written.part.chunk]  # what is in an archive is known when it has been read
            report.failed += written.failed
            if progress:
                progress(report, done, total)


def _settled(
    collection: Collection, encoder: Encoder, chunks: list[Chunk], limits: ReadLimits, jobs: int | None
) -> Fingerprint:
    """The model with the precision that all workers are to encode in; chosen by the first photos where it is open."""
    if encoder.spec.fingerprint.precision is None:
        encoder.settle_precision(lambda: _first_pixels(encoder, chunks, limits, jobs))
    collection.settle_precision(encoder.spec.fingerprint)
    return encoder.spec.fingerprint


def _first_pixels(encoder: Encoder, chunks: list[Chunk], limits: ReadLimits, jobs: int | None) -> NDArray[np.float32]:
    """The first photos as `decode_for` gives them. Each chunk is read to the end of what is needed of it while it is open."""
    import numpy as np

    from clipsearch.encoders.precision import JUDGED_PHOTOS
    from clipsearch.images.pool import DecoderPool
    from clipsearch.indexing.pipeline import decode_for

    left = JUDGED_PHOTOS
    found = [np.empty((0, 3, *encoder.spec.pixels.output_size), np.float32)]

    def some(files: Iterator[ImageFile]) -> Iterator[ImageFile]:
        nonlocal left
        for file in itertools.islice(files, left):
            left -= 1
            yield file

    with DecoderPool(encoder.spec.pixels, limits, jobs) as pool:
        for chunk in chunks:
            with open_chunk(chunk, limits) as photos:
                pixels = decode_for(encoder, some(photos.files), pool)
            if len(pixels):
                found.append(pixels)
            if not left:
                break
    return np.concatenate(found)


def _usable(folder: str, wanted: set[str]) -> dict[str, Part]:
    """The parts of these chunks that are there and whole; a damaged one is removed, and made again."""
    found: dict[str, Part] = {}
    for part in storing.find_parts(folder):
        if part.chunk not in wanted or part.chunk in found:
            continue
        if storing.is_whole(folder, part):
            found[part.chunk] = part
        else:
            warnings.warn(f"{folder}/{part.name} is damaged and made again", ClipsearchWarning, stacklevel=2)
            storing.remove_part(folder, part)
    return found


@dataclass(slots=True)
class _Commit:
    """What parts say, in the order of the plans."""

    folder: str
    work: Work
    names: dict[int, str]  # id() of a chunk → its name
    finished: dict[str, Part]
    fingerprint: Fingerprint | None

    def files_of(self, chunks: list[Chunk]) -> Iterator[ImageFile]:
        """The files that are in an archive, as its parts say."""
        for chunk in chunks:
            yield from storing.read_files(self.folder, self._part(chunk))

    def outcomes(self) -> Iterator[list[Embedded | Failure]]:
        """Of every file. ClipsearchError where a part is not about its chunk's."""
        yield list(self.work.known)
        for chunk in self.work.chunks:
            files = iter(chunk.files if isinstance(chunk, FilesChunk) else ())
            for some in self._read(chunk):
                if [outcome.file.path for outcome in some] != [
                    file.path for file in itertools.islice(files, len(some))
                ]:
                    raise self._wrong(chunk)
                yield some
            if next(files, None) is not None:
                raise self._wrong(chunk)
        for archive in self.work.archives:
            for chunk in archive.chunks:
                yield from self._read(chunk)

    def _read(self, chunk: Chunk) -> Iterator[list[Embedded | Failure]]:
        assert self.fingerprint
        return storing.read_part(self.folder, self._part(chunk), self.fingerprint)

    def _part(self, chunk: Chunk) -> Part:
        return self.finished[self.names[id(chunk)]]

    def _wrong(self, chunk: Chunk) -> ClipsearchError:
        return ClipsearchError(
            f"{self.folder}/{self._part(chunk).name} is not about the photos that it should be about; delete it and run this "
            "again"
        )


def _folder_for_parts(collection: Collection, parts: str | None) -> str:
    """A folder of this index's own."""
    if parts is None:
        own = collection.folder / _FOLDER
        if own.is_symlink():
            raise CollectionDamaged(
                f"{own} is a symbolic link, so it is not followed; name another folder: --parts FOLDER"
            )
        return str(own)
    return plain_url(parts) if is_remote(parts) else str(Path(os.path.expanduser(parts)).absolute())


def _identity(collection: Collection) -> str:
    """What tells this index from others with the same photos, whose parts may lie in the same folder."""
    known = collection.meta(_OWNER)
    if known is None:
        known = uuid.uuid4().hex
        collection.set_meta(_OWNER, known)
    return known


def _clean_up(folder: str, done: set[str] | None) -> None:
    """Remove the parts that were committed, also where two workers made one of the same chunk; all, in the index folder."""
    for part in storing.find_parts(folder):
        if done is None or part.chunk in done:
            storing.remove_part(folder, part)
    storing.remove_unfinished(folder, done)
