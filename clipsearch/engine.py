"""SearchEngine: the facade that the command line, the server and library users share."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from clipsearch import roots
from clipsearch.encoders import choose_default_model, load_encoder
from clipsearch.encoders.base import Encoder
from clipsearch.errors import CollectionNotFound, ModelMismatch, QueryError
from clipsearch.query import parse_query
from clipsearch.schema import Failure, Hit, Query
from clipsearch.search import embed_query, search
from clipsearch.store.collection import Collection

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from clipsearch import sync  # imported where it is used: a query needs neither Pillow nor processes
    from clipsearch.images.discover import WalkRules
    from clipsearch.images.files import ReadLimits
    from clipsearch.status import Status


class SearchEngine:
    """An index and the model it was made with. Use as a context manager, or call `close`.

    Opening costs next to nothing: the index is opened and the model loaded when they are first needed, and both are kept.
    """

    def __init__(
        self, index: str | os.PathLike[str], *, model: str | None = None, device: str = "auto", precision: str = "auto"
    ) -> None:
        self.index_folder = Path(os.path.abspath(os.path.expanduser(index)))  # noqa: PTH100, PTH111 - keeps links as they are
        self._model = model
        self._device = device
        self._precision = precision
        self._encoder: Encoder | None = None
        self._reader: Collection | None = None

    @classmethod
    def open(
        cls, folder: str | os.PathLike[str], *, model: str | None = None, device: str = "auto", precision: str = "auto"
    ) -> SearchEngine:
        """The index of a photo folder (in its `.clipsearch`), or the index folder itself.

        `model`, `device` and `precision` are what load_encoder() takes. By default the model is the index's own, or for a new
        index the best one at hand; an index keeps its precision, and chooses it by its first 64 photos.
        """
        path = Path(os.path.abspath(os.path.expanduser(folder)))  # noqa: PTH100, PTH111
        is_index = path.name == roots.INDEX_FOLDER or (path / "catalog.sqlite").is_file()
        return cls(path if is_index else path / roots.INDEX_FOLDER, model=model, device=device, precision=precision)

    def close(self) -> None:
        """Let go of the index and the model."""
        if self._reader:
            self._reader.close()
        self._reader = self._encoder = None

    def __enter__(self) -> SearchEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def encoder(self) -> Encoder:
        """The index's model, loaded at first use. ModelMismatch where another was asked for."""
        return self._load_encoder(self._collection())

    @property
    def model_name(self) -> str | None:
        """The index's model by name; None before the first photo."""
        fingerprint = self._collection().fingerprint
        return fingerprint.model if fingerprint else None

    def index(
        self,
        *folders: str | os.PathLike[str],
        rules: WalkRules | None = None,
        prune: bool = False,
        jobs: int | None = None,
        batch_size: int | None = None,
        limits: ReadLimits | None = None,
        progress: sync.Progress | None = None,
    ) -> sync.SyncReport:
        """Make the index agree with folders: add, update, move and remove what has changed there.

        Without folders, those indexed before; for a new index, the folder it lies in. `rules` is kept for the next time.
        SyncRefused where a folder is gone, or more than half of the index would go, unless `prune`.
        """
        from clipsearch import sync

        start = time.monotonic()
        if not (self.index_folder / "catalog.sqlite").exists():  # then nothing may be left behind if this goes wrong
            for folder in folders:
                roots.require_folder(roots.absolute(folder))
            self._encoder = self._encoder or load_encoder(
                self._model or choose_default_model(), device=self._device, precision=self._precision
            )
        with Collection(self.index_folder, writable=True) as collection:
            targets = roots.targets(collection, folders, rules, prune)
            fingerprint = collection.fingerprint
            if fingerprint is None or self._model not in (None, fingerprint.model):
                collection.require(self._load_encoder(collection).spec.fingerprint)
            plans = [sync.plan_sync(collection, folder, root_id, walk) for folder, root_id, walk in targets]
            if not prune:
                sync.check_loss(plans, len(collection))
            report = sync.apply_sync(
                collection,
                plans,
                lambda: self._load_encoder(collection),
                limits=limits,
                jobs=jobs,
                batch_size=batch_size,
                progress=progress,
            )
        report.seconds = time.monotonic() - start
        return report

    def search(self, query: str | os.PathLike[str] | Image | NDArray[np.float32] | Query, top_k: int = 10) -> list[Hit]:
        """The `top_k` photos nearest to a text (str), a picture (a Path or PIL image), or an embedding (float32, (dim,)).

        Scores are exact cosines; equal scores are in the order of their paths.
        """
        wanted = parse_query(query)
        if top_k < 1:
            raise QueryError(f"top_k is {top_k}; ask for at least one result")
        collection = self._collection()
        if collection.fingerprint is None:
            return []
        return search(collection, embed_query(wanted, self.encoder), top_k)

    def status(self, *, scan: bool = True) -> Status:
        """What is indexed, by which model; with `scan`, also how far the folders have moved on since."""
        from clipsearch.status import read_status

        return read_status(self._collection(), scan)

    def failures(self) -> list[Failure]:
        """Every file that could not be indexed, and why, by path."""
        return self._collection().failures()

    def forget(self, *folders: str | os.PathLike[str]) -> int:
        """Remove folders from the index, never from the disk; how many photos went. They return if indexed again."""
        self._collection()  # refuse before a lock or a folder is made
        with Collection(self.index_folder, writable=True) as collection:
            forgotten = 0
            for folder in folders:
                forgotten += roots.forget(collection, roots.absolute(folder))
            collection.commit()
        return forgotten

    def _load_encoder(self, collection: Collection) -> Encoder:
        if self._encoder is None:
            fingerprint = collection.fingerprint
            name = self._model or (fingerprint.model if fingerprint else choose_default_model())
            settled = fingerprint.precision if fingerprint else None
            if settled and self._precision not in ("auto", settled):
                raise ModelMismatch(
                    f"the index at {self.index_folder} holds embeddings in {settled}, not in {self._precision}; leave "
                    "--precision out, or make another index with --index"
                )
            encoder = load_encoder(name, device=self._device, precision=settled or self._precision)
            if fingerprint:
                collection.require(encoder.spec.fingerprint)
            self._encoder = encoder
        return self._encoder

    def _collection(self) -> Collection:
        if self._reader is None:
            try:
                self._reader = Collection(self.index_folder)
            except CollectionNotFound:
                raise CollectionNotFound(
                    f"there is no index at {self.index_folder}; make one with: clipsearch index {self.index_folder.parent}"
                ) from None
        return self._reader
