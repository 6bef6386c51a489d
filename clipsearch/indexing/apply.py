"""Carry out plans, so that an index agrees with its folders."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from clipsearch._internal.cancel import CancelToken
from clipsearch.errors import Cancelled
from clipsearch.images.own_pictures import OwnPicture
from clipsearch.indexing import roots
from clipsearch.indexing.plan import SyncOptions, SyncPlan, check_loss, plan_sync
from clipsearch.indexing.raw_thumbnails import paths_to_read_again
from clipsearch.indexing.reconciler import Reconciler
from clipsearch.indexing.report import IndexProgress, SyncReport
from clipsearch.indexing.unreadable import keep_unreadable
from clipsearch.store.catalog import DATE_FROM_FILES
from clipsearch.store.verify import require_whole_vectors
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import Box, Embeddings, Failure

if TYPE_CHECKING:  # decoders and encoders are imported only if there are files to decode
    from clipsearch.encoders.base import Encoder
    from clipsearch.images.pool import Decoded
    from clipsearch.indexing.pipeline import Embedded

_SMALLEST = Box(1, 1)  # of pictures, which are not decoded if only facts are read


def index_folders(
    collection: CollectionWriter,
    folders: Sequence[str | os.PathLike[str]],
    load_encoder: Callable[[], Encoder],
    options: SyncOptions,
    progress: IndexProgress | None = None,
    cancel: CancelToken | None = None,
) -> SyncReport:
    """Make an index agree with folders: choose the roots, walk them, plan the changes and apply them.

    Without `folders`, the indexed ones. If cancelled, returns a report with `interrupted`. Raises SyncRefused, and
    CollectionDamaged if a file of vectors is not as it was written.
    """
    cancel = cancel or CancelToken()
    try:
        require_whole_vectors(collection, cancel.check)
    except Cancelled:
        return SyncReport(interrupted=True)
    collection.make_roots_relative()
    taken_back = roots.taken_back(collection, folders, options.rules)
    targets = roots.targets(collection, folders, options.rules, options.prune)
    try:
        again = paths_to_read_again(collection)
        plans = [plan_sync(collection, *target, options, read_again=again, cancel=cancel) for target in targets]
    except Cancelled:
        return SyncReport(interrupted=True)
    check_loss(plans, len(collection), prune=options.prune)
    if options.date_from_files is not None:
        collection.remember(DATE_FROM_FILES, "yes" if options.date_from_files else None)
    report = apply_sync(collection, plans, load_encoder, options, progress, cancel)
    report.no_longer_excluded = taken_back
    return report


def apply_sync(
    collection: CollectionWriter,
    plans: list[SyncPlan],
    load_encoder: Callable[[], Encoder],
    options: SyncOptions,
    progress: IndexProgress | None = None,
    cancel: CancelToken | None = None,
    outcomes: Iterator[list[Embedded | Failure | OwnPicture]] | None = None,
) -> SyncReport:
    """Carry plans out, committing on the way. If cancelled, the run ends early and commits the finished files.

    An indexed photo that cannot be read now stays in the index and is listed as a failure. It leaves once its file has
    certainly changed into something that cannot be decoded. If more than half of the index would go, `options.prune` must
    confirm it.

    `load_encoder` is called only if there is a picture to encode. With `outcomes`, no file is read here: the outcomes come from
    elsewhere, in any order, and are committed all at once. If cancelled, everything is then left as it was, and Cancelled is
    raised.
    """
    cancel = cancel or CancelToken()
    reconciler = Reconciler(collection, plans, options, progress)
    keep_unreadable(collection, plans)
    try:
        if outcomes is None:
            _embed_changes(reconciler, load_encoder, options, cancel)
        else:
            reconciler.expect_all()
            with cancel.listening():
                for batch in outcomes:
                    cancel.check()
                    reconciler.take(batch)
        _read_facts(reconciler, options, cancel, commit=outcomes is None)
        reconciler.remove_missing()
    except Cancelled:
        if outcomes is not None:
            collection.rollback()
            raise
        reconciler.report.interrupted = True
    reconciler.remove_broken()
    reconciler.keep_raw_thumbnails()
    if reconciler.report.interrupted:
        collection.publish()  # merging can wait for the next run
    else:
        collection.commit()
    reconciler.report.left = reconciler.left
    return reconciler.report


def _embed_changes(
    reconciler: Reconciler, load_encoder: Callable[[], Encoder], options: SyncOptions, cancel: CancelToken
) -> None:
    """Decode and encode the files that need it, and take their outcomes. Only loading the model ignores `cancel`."""
    files = reconciler.files_to_decode(cancel)
    with cancel.listening():
        first = next(files, None)
    if first is None:
        return
    from clipsearch.images.pool import DecoderPool
    from clipsearch.indexing.pipeline import embed_decoded, first_pixels, judged_vectors

    encoder = load_encoder()
    with DecoderPool(encoder.spec.pixels, options.limits, options.jobs, all_pictures=True) as pool, cancel.listening():
        decoded = pool.read(itertools.chain([first], files), cancel)
        judged: list[Decoded | Failure] = []
        ready: dict[str, Embeddings] = {}
        if encoder.spec.fingerprint.precision is None:  # index, user and model leave it open: the first photos decide
            ready = judged_vectors(judged, encoder.settle_precision(lambda: first_pixels(encoder, decoded, judged)))
        reconciler.collection.settle_precision(encoder.spec.fingerprint)
        decoded = itertools.chain(judged, decoded)
        for batch in embed_decoded(decoded, encoder, pool, reconciler.knows, options.batch_size, cancel, ready):
            reconciler.take(batch)
            reconciler.commit_if_due()


def _read_facts(reconciler: Reconciler, options: SyncOptions, cancel: CancelToken, *, commit: bool) -> None:
    """Read the facts of photos again that are embedded already, and stage them; with `commit`, commit on the way."""
    files = reconciler.files_with_outdated_facts()
    if not files:
        return
    from clipsearch.images.pool import DecoderPool

    with DecoderPool(_SMALLEST, options.limits, options.jobs) as pool, cancel.listening():
        for outcome in pool.read_facts(files, cancel):
            reconciler.take_facts(outcome.file, outcome if isinstance(outcome, Failure) else outcome.info)
            if commit:
                reconciler.commit_if_due()
