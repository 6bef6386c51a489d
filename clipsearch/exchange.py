"""What goes out of an index and comes into it: files of embeddings, and stores. A part of the facade, `SearchEngine`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from clipsearch.encoders.base import Encoder
from clipsearch.milvus.address import StoreAddress, parse_address
from clipsearch.store.collection import Collection
from clipsearch.types import Fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable

    from clipsearch.milvus.pull import PullReport
    from clipsearch.milvus.push import PushReport
    from clipsearch.store.lock import OnBusy
    from clipsearch.transfer import exporting, importing
    from clipsearch.transfer.fields import Format
    from clipsearch.types import Condition


class Exchange:
    """What knows its index, and the model it was asked for."""

    index_folder: Path
    _address: StoreAddress | None
    _model: str | None
    _precision: str

    def _collection(self) -> Collection:
        raise NotImplementedError

    def _load(self, name: str, precision: str) -> Encoder:
        raise NotImplementedError

    def push(
        self,
        store: str,
        *,
        prune: bool = False,
        take_over: bool = False,
        progress: Callable[[int, int], None] | None = None,
        on_busy: OnBusy | None = None,
    ) -> PushReport:
        """Make a store hold what the index holds, as `stores.pushing.push` says. It can be interrupted and run again."""
        from clipsearch.milvus.push import push

        self._collection()  # refuse before a lock or a folder is made
        address = parse_address(store)
        with Collection(self.index_folder, writable=True, on_busy=on_busy) as collection:
            return push(collection, address, prune=prune, take_over=take_over, progress=progress)

    def pull(
        self,
        store: str,
        *,
        prune: bool = False,
        progress: Callable[[int, int], None] | None = None,
        on_busy: OnBusy | None = None,
    ) -> PullReport:
        """Make the index hold what a store holds, as `stores.pulling.pull` says. It can be interrupted and run again."""
        from clipsearch.milvus.pull import pull

        if self._address:
            self._collection()  # says that it is none
        return pull(parse_address(store), self.index_folder, prune=prune, progress=progress, on_busy=on_busy)

    def export(
        self, out: str | os.PathLike[str], *, format: Format | None = None, condition: Condition | None = None,
        relative_to: str | None = None, embeddings: bool = False, force: bool = False,
        progress: exporting.Progress | None = None,
    ) -> exporting.ExportReport:  # fmt: skip
        """Write photos and their embeddings to npy, parquet, csv or jsonl files, as `transfer.exporting.export` says."""
        from clipsearch.transfer.exporting import export

        return export(
            self._collection(), out, format=format, condition=condition, relative_to=relative_to, embeddings=embeddings,
            force=force, progress=progress,
        )  # fmt: skip

    def import_embeddings(
        self, file: str | os.PathLike[str], *, folder: str | os.PathLike[str] | None = None, any_length: bool = False,
        trust_model: bool = False, jobs: int | None = None, progress: importing.Progress | None = None,
    ) -> importing.ImportReport:  # fmt: skip
        """Take embeddings made elsewhere for photos below the indexed folders, or below `folder`, which becomes one.

        The file is a .npy with its .jsonl, a .jsonl or a .parquet. It must be from the index's model, or for a new index from
        the one this engine was opened with; where it does not say, that model must be named and `trust_model` confirms it.
        Vectors must be of length 1, unless `any_length`. Rows that are not taken, stale ones above all, are in the report.
        ClipsearchError, before anything is written, where the file as a whole cannot be taken.
        """
        from clipsearch.transfer.admission import import_file

        index = self._collection().fingerprint if (self.index_folder / "catalog.sqlite").exists() else None

        def asked() -> Fingerprint | None:
            if index and index.model == self._model:
                return index
            return self._load(self._model, self._precision).spec.fingerprint if self._model else None

        return import_file(
            self.index_folder, index, file, asked, folder=folder, any_length=any_length, trust_model=trust_model, jobs=jobs,
            progress=progress,
        )  # fmt: skip
