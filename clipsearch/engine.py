"""SearchEngine: the facade that the command line, the server and library users share."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from clipsearch.encoders import choose_default_model, load_encoder
from clipsearch.encoders.base import Encoder
from clipsearch.errors import ClipsearchError, CollectionNotFound, ModelMismatch, QueryError, SyncRefused
from clipsearch.images.discover import WalkRules
from clipsearch.query import parse_query
from clipsearch.schema import Failure, Fingerprint, Hit, Query
from clipsearch.search import embed_query, search
from clipsearch.store.collection import Collection

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from clipsearch import sync  # imported where it is used: a query needs neither Pillow nor processes
    from clipsearch.images.files import ReadLimits

INDEX_FOLDER = ".clipsearch"


@dataclass(frozen=True, slots=True)
class RootStatus:
    """One indexed folder, compared with the disk."""

    path: str
    present: bool  # whether the folder is there at all
    new: int | None  # photos not indexed yet; None where nobody looked
    changed: int | None
    missing: int | None


@dataclass(frozen=True, slots=True)
class Status:
    """What an index holds."""

    index: str
    model: Fingerprint | None
    images: int
    failures: int
    photo_bytes: int
    index_bytes: int
    segments: int
    roots: tuple[RootStatus, ...]

    @property
    def stale(self) -> int | None:
        """How many files differ from what is indexed; None where nobody looked."""
        counts = [count for root in self.roots for count in (root.new, root.changed, root.missing)]
        return None if None in counts else sum(count for count in counts if count)


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
        is_index = path.name == INDEX_FOLDER or (path / "catalog.sqlite").is_file()
        return cls(path if is_index else path / INDEX_FOLDER, model=model, device=device, precision=precision)

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
                _require_folder(_absolute(folder))
            self._encoder = self._encoder or load_encoder(
                self._model or choose_default_model(), device=self._device, precision=self._precision
            )
        with Collection(self.index_folder, writable=True) as collection:
            targets = self._targets(collection, folders, rules, prune)
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
        from clipsearch import sync

        collection = self._collection()
        images, failures, photo_bytes = collection.catalog.counts()
        roots = []
        for root_id, path in collection.roots().items():
            present = Path(path).is_dir()
            new = changed = missing = None
            if scan and present:
                plan = sync.plan_sync(collection, path, root_id, self._rules(collection, root_id))
                new, changed, missing = len(plan.todo) - plan.changed, plan.changed, len(plan.missing)
            roots.append(RootStatus(path, present, new, changed, missing))
        return Status(
            index=str(self.index_folder),
            model=collection.fingerprint,
            images=images,
            failures=failures,
            photo_bytes=photo_bytes,
            index_bytes=sum(path.stat().st_size for path in self.index_folder.rglob("*") if path.is_file()),
            segments=len(collection.catalog.segments()),
            roots=tuple(roots),
        )

    def failures(self) -> list[Failure]:
        """Every file that could not be indexed, and why, by path."""
        return self._collection().failures()

    def forget(self, *folders: str | os.PathLike[str]) -> int:
        """Remove folders from the index, never from the disk; how many photos went. They return if indexed again."""
        self._collection()  # refuse before a lock or a folder is made
        with Collection(self.index_folder, writable=True) as collection:
            forgotten = 0
            for folder in folders:
                forgotten += self._forget(collection, _absolute(folder))
            collection.commit()
        return forgotten

    def _forget(self, collection: Collection, folder: str) -> int:
        place = collection.place(folder)
        inside = [root_id for root_id, root in collection.roots().items() if Path(root).is_relative_to(folder)]
        if not place and not inside:
            raise ClipsearchError(
                f"{folder} is not in the index at {self.index_folder}; `clipsearch status` lists what is"
            )
        catalog = collection.catalog
        catalog.begin()
        ids = [image_id for root_id in inside for image_id in catalog.ids_below(root_id, "")]
        failures = sum(catalog.remove_failures_below(root_id, "") for root_id in inside)
        if place and not inside:
            under = f"{place.folder}/{place.name}" if place.folder else place.name
            ids = catalog.ids_below(place.root_id, under)
            failures = catalog.remove_failures_below(place.root_id, under)
            known = catalog.known_at(place)
            if known:  # a single file
                collection.discard(place)
                return 1
        if not ids and not failures and not inside:
            raise ClipsearchError(f"nothing below {folder} is in the index at {self.index_folder}")
        collection.remove(ids)
        for root_id in inside:
            catalog.drop_root(root_id)
        return len(ids)

    def _targets(
        self, collection: Collection, folders: Sequence[str | os.PathLike[str]], rules: WalkRules | None, prune: bool
    ) -> list[tuple[str, int, WalkRules]]:
        """(folder to walk, the root that holds it, rules) for each; folders inside another one are dropped."""
        known = collection.roots()
        wanted = [_absolute(folder) for folder in folders] or list(known.values())
        if not wanted:
            if self.index_folder.name != INDEX_FOLDER:
                raise ClipsearchError(
                    f"the index at {self.index_folder} has no folders yet; say which: clipsearch index FOLDER"
                )
            wanted = [str(self.index_folder.parent)]
        targets = []
        for folder in sorted(set(wanted)):
            if any(folder != other and Path(folder).is_relative_to(other) for other in wanted):
                continue
            place = collection.place(folder)
            self._require_there(collection, folder, place is not None, prune)
            if place is None or (folder == known.get(place.root_id) and rules is not None):
                root_id = collection.add_root(folder, (rules or WalkRules()).to_json())
            else:
                root_id = place.root_id
            targets.append((folder, root_id, rules or self._rules(collection, root_id)))
        return targets

    def _require_there(self, collection: Collection, folder: str, indexed: bool, prune: bool) -> None:
        if indexed and prune:
            return
        if indexed and len(collection) and not Path(folder).exists():
            raise SyncRefused(
                f"{folder} was indexed and is not there now. If it is on a drive that is not mounted, mount it and run this "
                "again; if it is really gone, confirm with --prune, or remove it with `clipsearch forget`. Nothing was changed"
            )
        _require_folder(folder)

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

    @staticmethod
    def _rules(collection: Collection, root_id: int) -> WalkRules:
        return WalkRules.from_json(collection.catalog.roots()[root_id][1])

    def _collection(self) -> Collection:
        if self._reader is None:
            try:
                self._reader = Collection(self.index_folder)
            except CollectionNotFound:
                raise CollectionNotFound(
                    f"there is no index at {self.index_folder}; make one with: clipsearch index {self.index_folder.parent}"
                ) from None
        return self._reader


def _require_folder(folder: str) -> None:
    path = Path(folder)
    if not path.exists():
        raise ClipsearchError(f"there is no folder {folder}")
    if not path.is_dir():
        raise ClipsearchError(f"{folder} is not a folder; give the folder that holds the photos")


def _absolute(folder: str | os.PathLike[str]) -> str:
    return os.path.abspath(os.path.expanduser(folder))  # noqa: PTH100, PTH111 - keeps links as the user named them
