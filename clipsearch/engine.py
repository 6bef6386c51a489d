"""SearchEngine: the facade that the command line, the server and library users share."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipsearch._internal.commands import command, how_to_make
from clipsearch._internal.paths import is_remote
from clipsearch.encoders import choose_default_model, load_encoder, require_expected
from clipsearch.encoders.base import Encoder
from clipsearch.errors import ClipsearchError, CollectionNotFound, ModelMismatch, QueryError
from clipsearch.exchange import Exchange
from clipsearch.indexing import roots
from clipsearch.milvus.address import is_address, parse_address
from clipsearch.query.embed import QueryEmbedder
from clipsearch.query.hits import Explanation, Hits
from clipsearch.query.language import parse_query
from clipsearch.query.search import search
from clipsearch.store.collection import Collection
from clipsearch.types import Failure, ImageRecord, Order, Query, Term

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from clipsearch.analysis.duplicates import Duplicates
    from clipsearch.analysis.labels import LabelledImage
    from clipsearch.analysis.optimization import OptimizeReport, Progress
    from clipsearch.analysis.statistics import By, Stats
    from clipsearch.distributed.indexing import ClusterReport
    from clipsearch.images.files import ReadLimits
    from clipsearch.indexing import (
        apply as sync,  # imported where it is used: a query needs neither Pillow nor processes
    )
    from clipsearch.indexing.status import Status
    from clipsearch.indexing.walk import WalkRules
    from clipsearch.milvus.store import StoreReader
    from clipsearch.query.vector_store import SelectionT, VectorStore
    from clipsearch.store.approximate.description import Kind
    from clipsearch.store.lock import OnBusy
    from clipsearch.types import Condition


class SearchEngine(Exchange):
    """An index and the model it was made with. Use as a context manager, or call `close`.

    Opening costs next to nothing: the index is opened and the model loaded when they are first needed, and both are kept.
    """

    def __init__(
        self,
        index: str | os.PathLike[str] | None = None,
        *,
        store: str | None = None,
        model: str | None = None,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        if (index is None) == (store is None):
            raise ClipsearchError("name an index or a store, and not both")
        self._address = parse_address(store) if store is not None else None
        folder = os.path.abspath(os.path.expanduser(index or ""))
        self.index_folder = Path(
            self._address.shown if self._address else folder
        )  # of a store: its name, and no folder
        self._store: StoreReader | None = None
        self._model = model
        self._device = device
        self._precision = precision
        self._encoder: Encoder | None = None
        self._embedder: QueryEmbedder | None = None
        self._reader: Collection | None = None

    @classmethod
    def open(
        cls, folder: str | os.PathLike[str], *, model: str | None = None, device: str = "auto", precision: str = "auto"
    ) -> SearchEngine:
        """The index of a photo folder (in its `.clipsearch`), the index folder itself, or a store by its address.

        `model`, `device` and `precision` are what load_encoder() takes. By default the model is the index's own, or for a new
        index the best one at hand; an index keeps its precision, and chooses it by its first 64 photos.
        """
        if is_address(folder):
            return cls(store=str(folder), model=model, device=device, precision=precision)
        path = Path(os.path.abspath(os.path.expanduser(folder)))
        is_index = path.name == roots.INDEX_FOLDER or (path / "catalog.sqlite").is_file()
        return cls(path if is_index else path / roots.INDEX_FOLDER, model=model, device=device, precision=precision)

    def close(self) -> None:
        """Let go of the index and the model."""
        for opened in (self._reader, self._store):
            if opened is not None:  # an empty one counts as false, and is asked how many it has
                opened.close()
        self._reader = self._store = self._encoder = self._embedder = None

    def __enter__(self) -> SearchEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def encoder(self) -> Encoder:
        """The index's model, loaded at first use. ModelMismatch where another was asked for."""
        return self._load_encoder(self._source())

    @property
    def model_name(self) -> str | None:
        """The index's model by name; None before the first photo."""
        fingerprint = self._source().fingerprint
        return fingerprint.model if fingerprint else None

    @property
    def version(self) -> int:
        """A number that differs once somebody else, another engine or process, has committed to the index."""
        store = self._open_store()
        return store.manifest.state if store is not None else self._collection().catalog.version

    def index(
        self,
        *folders: str | os.PathLike[str],
        rules: WalkRules | None = None,
        prune: bool = False,
        paranoid: bool = False,
        retry: bool = False,
        settled_for: float = 0.0,
        jobs: int | None = None,
        batch_size: int | None = None,
        limits: ReadLimits | None = None,
        progress: sync.Progress | None = None,
        stopped: Callable[[], bool] = lambda: False,
        on_busy: OnBusy | None = None,
    ) -> sync.SyncReport:
        """Make the index agree with folders: add, update, move and remove what has changed there.

        Without folders, those indexed before; for a new index, the folder it lies in. `rules` is kept for the next time.
        SyncRefused where a folder is gone, or more than half of the index would go, unless `prune`. With `paranoid`, every
        photo is read and compared by its content, also where its size and time have not changed. With `retry`, every file that
        failed is tried again, and not only those of which `images.attempts` says so. Files written within the last
        `settled_for` seconds may not be whole yet, and are left for a later run. Where `stopped`, asked again and again, says
        so, the run ends early, with what is finished, as by Ctrl-C. Where another process is writing, `on_busy` says, as often
        as it is asked, whether to try again; without it, CollectionBusy.
        """
        from clipsearch.indexing import apply as sync
        from clipsearch.indexing import plan

        start = time.monotonic()
        if not (self.index_folder / "catalog.sqlite").exists():  # then nothing may be left behind if this goes wrong
            for folder in folders:
                roots.require_folder(roots.absolute(folder))
            self._encoder = self._encoder or self._load(self._model or choose_default_model(), self._precision)
        with Collection(self.index_folder, writable=True, on_busy=on_busy) as collection:
            targets = roots.targets(collection, folders, rules, prune)
            fingerprint = collection.fingerprint
            if fingerprint is None or self._model not in (None, fingerprint.model):
                collection.require(self._load_encoder(collection).spec.fingerprint)
            plans = [
                plan.plan_sync(
                    collection,
                    folder,
                    root_id,
                    walk,
                    paranoid=paranoid,
                    settled_for=settled_for,
                    is_due=plan.due(limits, retry=retry),
                )
                for folder, root_id, walk in targets
            ]
            if not prune:
                plan.check_loss(plans, len(collection))
            report = sync.apply_sync(
                collection,
                plans,
                lambda: self._load_encoder(collection),
                limits=limits,
                jobs=jobs,
                batch_size=batch_size,
                prune=prune,
                progress=progress,
                stopped=stopped,
            )
        report.seconds = time.monotonic() - start
        return report

    def index_on_cluster(
        self,
        *sources: str,
        ray: str = "local",
        parts: str | None = None,
        rules: WalkRules | None = None,
        prune: bool = False,
        paranoid: bool = False,
        retry: bool = False,
        jobs: int | None = None,
        batch_size: int | None = None,
        limits: ReadLimits | None = None,
        progress: sync.Progress | None = None,
        on_busy: OnBusy | None = None,
    ) -> ClusterReport:
        """What `index` does, by workers of a Ray cluster; `ray` is its address, and "local" starts one in place.

        Sources are folders, URLs of folders in storage elsewhere, and tar and Parquet files of photos, on this machine or
        elsewhere; without any, all that the index knows. Workers write to `parts`, a folder or URL that all machines share, by
        default in the index folder; all is committed at once, as `distributed.indexing` says. `jobs` is how many processors a
        worker takes, by default its whole node.
        """
        from clipsearch.distributed.indexing import ClusterOptions, index_on_cluster

        start = time.monotonic()
        if not (self.index_folder / "catalog.sqlite").exists():
            for source in sources:
                if not is_remote(source) and not os.path.exists(os.path.expanduser(source)):
                    raise ClipsearchError(f"there is no {source}")
            self._encoder = self._encoder or self._load(self._model or choose_default_model(), self._precision)
        with Collection(self.index_folder, writable=True, on_busy=on_busy) as collection:
            fingerprint = collection.fingerprint
            if fingerprint is None or self._model not in (None, fingerprint.model):
                collection.require(self._load_encoder(collection).spec.fingerprint)
            report = index_on_cluster(
                collection,
                sources,
                lambda: self._load_encoder(collection),
                ClusterOptions(ray, parts, self._device, jobs, batch_size),
                rules=rules,
                prune=prune,
                paranoid=paranoid,
                retry=retry,
                limits=limits,
                progress=progress,
            )
        report.seconds = time.monotonic() - start
        return report

    def search(self, query: str | os.PathLike[str] | Image | NDArray[np.float32] | Query, top_k: int = 10) -> Hits:
        """The `top_k` photos nearest to a text, a picture (a Path or PIL image), an embedding (float32, (dim,)), or a Query.

        A text may have several parts, "a dog + snow - people"; see `clipsearch.query.language`. Scores are exact cosines, and
        equal scores are in the order of their paths.
        """
        (hits,) = self.search_many([parse_query(query)], top_k)
        return hits

    def search_many(self, queries: Sequence[Query], top_k: int = 10) -> list[Hits]:
        """What `search` finds for each of many queries, sooner: texts are encoded together, and share scans.

        An error of one of them is raised for all.
        """
        collection = self._source()
        if collection.fingerprint is None:
            return [Hits([], query, Explanation("", collection.name, 0, 0, 0, {})) for query in queries]
        self._embedder = self._embedder or QueryEmbedder(self.encoder)
        return search(collection, self._embedder, queries, top_k)

    def browse(
        self, condition: Condition | None = None, *, sort: Order = "date", offset: int = 0, top_k: int = 50
    ) -> tuple[list[ImageRecord], int]:
        """Photos without a query, the newest first or by name: `top_k` after the first `offset`; and how many there are."""
        if top_k < 1 or offset < 0:
            raise QueryError(
                f"top_k is {top_k} and the offset {offset}; ask for at least one photo, from the first or later"
            )
        return self._source().browse(condition, sort, offset, top_k)

    def records(self, ids: Sequence[int]) -> dict[int, ImageRecord]:
        """image_id → record, for those that are in the index."""
        return self._source().records(ids)

    def same_content(self, content_hash: str) -> list[int]:
        """The photos whose file has this sha256 (hexadecimal), oldest first."""
        return self._source().same_content(content_hash)

    def vector(self, image_id: int) -> NDArray[np.float32]:
        """A photo's unit vector (dim,). KeyError where there is no such photo."""
        vector: NDArray[np.float32] = self._source().vectors([image_id])[0]
        return vector

    def like(self, record: ImageRecord, weight: float = 1.0) -> tuple[Term, tuple[int, ...]]:
        """A photo as a term, and the photos of its content, for `Query.own`. QueryError where it has just been removed."""
        try:
            vector = self.vector(record.image_id)
        except KeyError:
            raise QueryError(f"{record.file.name} has just been removed; search again") from None
        return Term(vector, weight), tuple(self.same_content(record.info.content_hash))

    def label(
        self,
        labels: Sequence[str],
        *,
        prompts: Sequence[str] | None = None,
        condition: Condition | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Generator[LabelledImage, None, None]:
        """Every photo with the probability of each label, as `labels.label_images` says; to be read while this is open."""
        from clipsearch.analysis.labels import LabelledImage, check_labels, label_images

        collection, texts = self._collection(), check_labels(labels)
        if collection.fingerprint is None:
            return (image for image in list[LabelledImage]())
        return label_images(collection, self.encoder, texts, prompts=prompts, condition=condition, progress=progress)

    def status(self, *, scan: bool = True) -> Status:
        """What is indexed, by which model; with `scan`, also how far the folders have moved on since."""
        from clipsearch.indexing.status import read_status

        return read_status(self._collection(), scan)

    def failures(self) -> list[Failure]:
        """Every file that could not be indexed, and why, by path."""
        return self._collection().failures()

    def forget(self, *folders: str | os.PathLike[str], on_busy: OnBusy | None = None) -> int:
        """Remove folders from the index, never from the disk; how many photos went. They return if indexed again."""
        self._collection()  # refuse before a lock or a folder is made
        with Collection(self.index_folder, writable=True, on_busy=on_busy) as collection:
            forgotten = 0
            for folder in folders:
                forgotten += roots.forget(collection, roots.absolute(folder))
            collection.commit()
        return forgotten

    def optimize(
        self, *, recall: float = 0.99, max_milliseconds: float | None = None, max_bytes: int | None = None,
        kinds: Sequence[Kind] | None = None, force: bool = False, progress: Progress | None = None,
    ) -> OptimizeReport:  # fmt: skip
        """Make an approximate index, which searches then use, as `optimizing.optimize` says; `Query.exact` bypasses it."""
        from clipsearch.analysis.optimization import optimize

        return optimize(
            self._collection(), lambda: self.encoder, recall=recall, max_milliseconds=max_milliseconds, max_bytes=max_bytes,
            kinds=kinds, force=force, progress=progress,
        )  # fmt: skip

    def remove_approximate(self) -> bool:
        """Go back to exact searches alone; whether there was an approximate index."""
        from clipsearch.store.approximate.folder import remove

        return remove(self._collection().folder)

    def duplicates(
        self,
        condition: Condition | None = None,
        *,
        exact_only: bool = False,
        least_cosine: float | None = None,
        jobs: int | None = None,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> Duplicates:
        """Groups of photos that are copies of each other, as `duplicates.find_duplicates` says. Nothing is deleted."""
        from clipsearch.analysis.duplicates import find_duplicates

        return find_duplicates(
            self._collection(),
            condition,
            exact_only=exact_only,
            least_cosine=least_cosine,
            jobs=jobs,
            progress=progress,
        )

    def stats(
        self,
        by: Sequence[By] | None = None,
        condition: Condition | None = None,
        *,
        top: int = 10,
        depth: int = 1,
    ) -> Stats:
        """How many photos there are by year, camera, folder, format and the like, as `stats.count_photos` says."""
        from clipsearch.analysis.statistics import USUAL_BY, count_photos

        return count_photos(self._collection(), by or USUAL_BY, condition, top=top, depth=depth)

    def _load(self, name: str, precision: str) -> Encoder:
        return load_encoder(name, device=self._device, precision=precision)

    def _load_encoder(self, collection: VectorStore[SelectionT]) -> Encoder:
        if self._encoder is None:
            fingerprint = collection.fingerprint
            name = self._model or (fingerprint.model if fingerprint else choose_default_model())
            if fingerprint and not self._model:
                require_expected(name, self.index_folder)
            settled = fingerprint.precision if fingerprint else None
            if settled and self._precision not in ("auto", settled):
                raise ModelMismatch(
                    f"the index at {self.index_folder} holds embeddings in {settled}, not in {self._precision}; leave "
                    "--precision out, or make another index with --index"
                )
            encoder = self._load(name, settled or self._precision)
            if fingerprint:
                collection.require(encoder.spec.fingerprint)
            self._encoder = encoder
        elif collection.fingerprint:  # another index may have taken its place
            collection.require(self._encoder.spec.fingerprint)
        return self._encoder

    def _source(self) -> VectorStore[Any]:
        """What answers queries: the store, or the index."""
        store = self._open_store()
        return self._collection() if store is None else store

    def _open_store(self) -> StoreReader | None:
        if self._address and self._store is None:
            from clipsearch.milvus.store import StoreReader

            self._store = StoreReader(self._address)
        return self._store

    def _collection(self) -> Collection:
        if self._address:
            raise ClipsearchError(
                f"{self._address} is a store, which answers queries and nothing else; to have an index of its photos here: "
                f"{command('pull', '--store', str(self._address), '--index', 'DIR')}"
            )
        if self._reader is None:
            try:
                self._reader = Collection(self.index_folder)
            except CollectionNotFound:
                how = how_to_make(self.index_folder)
                raise CollectionNotFound(f"there is no index at {self.index_folder}; to make it: {how}") from None
        return self._reader
