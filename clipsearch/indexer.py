"""Indexer: what makes an index of photo folders with a model, keeps it current, and answers queries over it."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from clipsearch._internal.arguments import require_paths
from clipsearch._internal.commands import INDEX_FOLDER
from clipsearch.errors import ClipsearchError, QueryError
from clipsearch.query.null_scores import keep_null_scores
from clipsearch.searcher import Searcher, in_turn
from clipsearch.store.catalog_file import has_catalog

if TYPE_CHECKING:  # what reads photos is imported where it is used: a text query needs none of it
    from collections.abc import Callable, Iterator, Sequence

    from clipsearch._internal.cancel import CancelToken
    from clipsearch.distributed.indexing import ClusterReport
    from clipsearch.encoders.base import Encoder
    from clipsearch.images.files import ReadLimits
    from clipsearch.indexing.model_change import ModelChange
    from clipsearch.indexing.new_index import NewIndex
    from clipsearch.indexing.plan import SyncOptions
    from clipsearch.indexing.report import IndexProgress, SyncReport
    from clipsearch.indexing.rule_changes import RuleChanges
    from clipsearch.indexing.status import Status
    from clipsearch.indexing.walk import WalkRules
    from clipsearch.store.lock import OnBusy
    from clipsearch.store.writer import CollectionWriter
    from clipsearch.transfer.import_ import ImportReport
    from clipsearch.types import Failure, IndexPreview, Progress


class Indexer(Searcher):
    """A Searcher that also makes its index agree with photo folders.

    Only an index can be changed: over several indexes or a vector database, its methods raise ClipsearchError.
    """

    @in_turn
    def index(
        self,
        *folders: str | os.PathLike[str],
        rules: WalkRules | RuleChanges | None = None,
        prune: bool = False,
        paranoid: bool = False,
        retry: bool = False,
        change_model: bool = False,
        keep_old: bool = False,
        newest_first: bool = False,
        date_from_files: bool | None = None,
        read_text: bool | None = None,
        settled_for: float = 0.0,
        jobs: int | None = None,
        batch_size: int | None = None,
        limits: ReadLimits | None = None,
        progress: IndexProgress | None = None,
        text_progress: Progress | None = None,
        cancel: CancelToken | None = None,
        on_busy: OnBusy | None = None,
        keep_empty: bool = False,
    ) -> SyncReport:
        """Make the index agree with folders: add, update, move and remove what has changed there.

        The default is all indexed folders; for a new index, the folder it lies in. `rules` choose the files, and are kept for
        later runs: WalkRules replace all rules of a folder, RuleChanges only those that they name. SyncRefused if an indexed
        folder is gone, or if more than half of the index would go, unless `prune`. With `paranoid`, photos are compared by
        content even if size and time are unchanged; with `retry`, all failed files are tried again. With `newest_first`, new
        photos are taken in the order of their files' times, not of their paths. With `date_from_files`, photos without a date
        get the time of their file; the index remembers it until it is False. With `read_text`, the text in photos is read once
        they are embedded, which needs the extra `ocr`; the index remembers that, too, and `text_progress` gets the photos read
        and their total. Files younger than `settled_for` seconds wait for a later run. `jobs` processes decode (default: one a
        core), `batch_size` photos are encoded together, and `limits` bounds what one file may take. `progress` gets the report
        so far, the photos done and their total. If `cancel` is cancelled, the run keeps what is finished and returns a report
        with `interrupted`. `on_busy` decides whether to try again while another process writes; without it, CollectionBusy is
        raised. ModelMismatch if the index was made with another model, unless `change_model`: then all indexed photos are
        embedded again, the old index answers meanwhile, and the new one takes its place once it is complete. An interrupted
        change goes on with the next call. `keep_old` keeps the old index in a folder inside. If there is nothing to keep in a
        new index, the report has `no_index`, and nothing is left behind, unless `keep_empty`.
        """
        from clipsearch.images.files import ReadLimits
        from clipsearch.indexing.apply import index_folders
        from clipsearch.indexing.new_index import NewIndex
        from clipsearch.indexing.plan import SyncOptions
        from clipsearch.indexing.texts import read_new_texts, reads_text

        start = time.monotonic()
        require_paths("a folder", folders)
        limits = ReadLimits() if limits is None else limits
        if read_text:
            from clipsearch.images.text_reader import require_text_reader

            require_text_reader()  # before an hour of indexing, not after it
        new = NewIndex(self.index_folder) if self._is_new() and not keep_empty else None
        needs_model = new is None or self._model.name is not None or new.may_get_photos(folders, rules)
        options = SyncOptions(
            rules, prune, paranoid, retry, settled_for, jobs, batch_size, limits, newest_first, date_from_files
        )
        if change_model and (encoder := self._other_encoder()):
            report = self._change_model(folders, encoder, options, keep_old, progress, cancel, on_busy)
        else:
            with self._writing(folders, on_busy, needs_model=needs_model) as (collection, load_encoder):
                report = index_folders(collection, folders, load_encoder, options, progress, cancel)
                if not report.interrupted and (report.added or report.updated or collection.null_scores is None):
                    keep_null_scores(collection, partial(self._model.for_texts, collection))
                report.next_model = collection.successor_model
        if not report.interrupted and (read_text or reads_text(self._collection())):
            with self._writing((), on_busy) as (collection, _):
                read_new_texts(collection, report, read_text, options, text_progress, cancel)
        if new and report.found_nothing:
            self._take_back(new, report)
        report.seconds = time.monotonic() - start
        return report

    @in_turn
    def model_change(self) -> ModelChange | None:
        """What `index` would do with `change_model`; None if the index has the engine's model, or no photos yet."""
        from clipsearch.indexing.model_change import plan_model_change

        encoder = self._other_encoder()
        return plan_model_change(self._collection(), encoder.spec.fingerprint) if encoder else None

    @in_turn
    def preview(
        self,
        *folders: str | os.PathLike[str],
        rules: WalkRules | RuleChanges | None = None,
        prune: bool = False,
        paranoid: bool = False,
        retry: bool = False,
        limits: ReadLimits | None = None,
        cancel: CancelToken | None = None,
    ) -> IndexPreview:
        """What `index` would take, skip and remove with these parameters, and why, without doing it.

        Nothing is written and no model is loaded. Moved photos count as new and gone, because no photo is read. Folders in
        remote storage and archives are not looked at. Errors are those of `index`, except that a loss is a `refusal` of the
        preview.
        """
        from clipsearch.images.files import ReadLimits
        from clipsearch.indexing import roots
        from clipsearch.indexing.plan import SyncOptions
        from clipsearch.indexing.preview import preview_index

        require_paths("a folder", folders)
        options = SyncOptions(rules, prune, paranoid, retry, limits=ReadLimits() if limits is None else limits)
        if not self._is_new():
            known = self._collection().fingerprint
            if self._model.name is None or (known and known.model == self._model.name):  # another model may have any
                self._model.require_precision(self._collection())
            return preview_index(self.index_folder, self._collection(), folders, options, cancel)
        for folder in folders:
            roots.require_folder(roots.absolute(folder))
        return preview_index(self.index_folder, None, folders, options, cancel)

    @in_turn
    def index_on_cluster(
        self,
        *sources: str,
        ray: str = "local",
        parts: str | None = None,
        rules: WalkRules | RuleChanges | None = None,
        prune: bool = False,
        paranoid: bool = False,
        retry: bool = False,
        jobs: int | None = None,
        batch_size: int | None = None,
        limits: ReadLimits | None = None,
        progress: IndexProgress | None = None,
        cancel: CancelToken | None = None,
        on_busy: OnBusy | None = None,
        keep_empty: bool = False,
    ) -> ClusterReport:
        """Make the index agree with folders, like `index`, with the workers of a Ray cluster.

        `sources` are folders, URLs of folders in remote storage, and tar or Parquet files of photos (default: all that the
        index knows). `ray` is the cluster's address; "local" starts one here. Workers write to `parts`, a folder or URL that
        all machines share (default: in the index folder); all parts are committed together at the end. The next run uses
        the finished parts of an interrupted one. `jobs` is the number of processors of a worker (default: all of its node).
        Other parameters and errors are those of `index`; also ClipsearchError if the cluster or a storage cannot be reached.
        """
        from clipsearch.distributed.cluster import require_ray
        from clipsearch.distributed.indexing import ClusterOptions, index_on_cluster
        from clipsearch.images.files import ReadLimits
        from clipsearch.indexing.new_index import NewIndex
        from clipsearch.indexing.plan import SyncOptions

        start = time.monotonic()
        require_paths("a source", sources)
        require_ray()  # before a new index is made for it
        new = NewIndex(self.index_folder) if self._is_new() and not keep_empty else None
        cluster = ClusterOptions(ray, parts, self._model.device)
        limits = ReadLimits() if limits is None else limits
        options = SyncOptions(rules, prune, paranoid, retry, 0.0, jobs, batch_size, limits)
        with self._writing(sources, on_busy, remote=True) as (collection, load_encoder):
            report = index_on_cluster(collection, sources, load_encoder, cluster, options, progress, cancel)
        if new and report.found_nothing:
            self._take_back(new, report)
        report.seconds = time.monotonic() - start
        return report

    @in_turn
    def forget(self, *folders: str | os.PathLike[str], on_busy: OnBusy | None = None) -> int:
        """Remove folders or single files from the index, never from the disk; returns how many photos went.

        QueryError if a folder is not in the index, as one above an indexed folder is not; then nothing changes.
        CollectionBusy as for `index`.
        """
        from clipsearch.indexing import roots

        require_paths("a folder", folders)
        if not folders:
            raise QueryError("name at least one folder or photo to forget")
        with self._writer_of_index(on_busy) as collection:
            forgotten = sum([roots.forget(collection, roots.absolute(folder)) for folder in folders])
            collection.commit()
        return forgotten

    @in_turn
    def status(self, *, scan: bool = True) -> Status:
        """What is indexed and by which model; with `scan`, also what has changed in the folders since."""
        from clipsearch.indexing.status import read_status

        return read_status(self._collection(), scan)

    @in_turn
    def failures(self) -> list[Failure]:
        """Every file that could not be indexed, and every folder that could not be listed, with the reason, by path."""
        from clipsearch.indexing.unreadable import unreadable_files

        collection = self._collection()
        files, others = collection.failures(), unreadable_files(collection)
        return sorted([*files, *others], key=lambda failure: failure.file.path) if others else files

    @in_turn
    def remember_text_model(self, *, on_busy: OnBusy | None = None) -> None:
        """Have the index use this engine's text model from now on; "none" makes it forget another one.

        Without a text model, nothing changes. ModelMismatch if the model is not for the pictures of the index. CollectionBusy
        while another process writes; ClipsearchError if there are no photos yet.
        """
        if self._model.text_model is None:
            return
        collection = self._collection()
        if collection.fingerprint is None:
            raise ClipsearchError(f"{self.index_folder} has no photos yet; index some, and then name their text model")
        name = self.encoder.spec.text_model or None
        if name != collection.text_model:
            with self._writer_of_index(on_busy) as writable:
                writable.set_text_model(name)
                writable.commit()

    # -- inside

    def _other_encoder(self) -> Encoder | None:
        """The model that was named, if the index has photos and is of another model; else None."""
        return None if self._is_new() else self._model.other_than(self._collection().fingerprint)

    def _change_model(
        self,
        folders: Sequence[str | os.PathLike[str]],
        encoder: Encoder,
        options: SyncOptions,
        keep_old: bool,
        progress: IndexProgress | None,
        cancel: CancelToken | None,
        on_busy: OnBusy | None,
    ) -> SyncReport:
        from clipsearch.indexing.apply import index_folders
        from clipsearch.indexing.model_change import change_model

        self._close_index()  # Windows does not replace a file that is open
        with self._writer(on_busy) as collection:
            if self._model.other_than(collection.fingerprint) is None:  # another process was first
                return index_folders(collection, folders, lambda: encoder, options, progress, cancel)
            report = change_model(collection, folders, encoder, options, keep_old, progress, cancel)
            if not report.interrupted:
                keep_null_scores(collection, partial(self._model.for_texts, collection))
            return report

    def _is_new(self) -> bool:
        """Whether there is no index yet. CatalogUnreadable if there was one, and its catalog is missing."""
        from clipsearch.store.database import is_unfinished, require_no_lost_catalog

        require_no_lost_catalog(self.index_folder)
        return not has_catalog(self.index_folder) or is_unfinished(self.index_folder)

    def _take_back(self, new: NewIndex, report: SyncReport | ImportReport) -> None:
        """Remove a new index in which nothing is kept."""
        self._close_index()
        report.no_index = new.take_back()

    def _writer(self, on_busy: OnBusy | None) -> CollectionWriter:
        """The index, open for writing and made if it is new."""
        from clipsearch.store.writer import CollectionWriter  # a query needs nothing of it

        return CollectionWriter(self.index_folder, on_busy=on_busy)

    def _writer_of_index(self, on_busy: OnBusy | None) -> CollectionWriter:
        """`_writer` of an index that is there. CollectionNotFound, with nothing made, if it is not, or not any more."""
        if not has_catalog(self.index_folder):
            self._close_index()
        self._collection()
        return self._writer(on_busy)

    @contextmanager
    def _writing(
        self,
        sources: Sequence[str | os.PathLike[str]],
        on_busy: OnBusy | None,
        *,
        remote: bool = False,
        needs_model: bool = True,
    ) -> Iterator[tuple[CollectionWriter, Callable[[], Encoder]]]:
        """`_writer`, and what loads the index's model. The model belongs to it.

        For a new index, the sources are checked first, so that a mistake leaves nothing behind: they are folders, or with
        `remote` also files and URLs. Unless it `needs_model`, its model is only chosen once there is a photo.
        """
        if self._is_new():
            from clipsearch.indexing import roots

            roots.require_sources(sources, remote=remote)
            if not sources and self.index_folder.name == INDEX_FOLDER:
                roots.require_folder(str(self.index_folder.parent))
            if needs_model:
                self._model.for_new_index()
        with self._writer(on_busy) as collection:
            self._model.require_precision(collection)

            def load_encoder() -> Encoder:
                encoder = self._model.of(collection)
                collection.require(encoder.spec.fingerprint)
                return encoder

            fingerprint = collection.fingerprint
            if needs_model and (fingerprint is None or self._model.name not in (None, fingerprint.model)):
                load_encoder()
            yield collection, load_encoder
