"""A file of embeddings and an index: whether they go together, before anything is written."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from clipsearch._internal.cancel import CancelToken
from clipsearch.errors import CollectionNotFound
from clipsearch.indexing import roots
from clipsearch.store.collection import Collection
from clipsearch.transfer.checking import agreed_model, count_rows
from clipsearch.transfer.importing import ImportReport, Progress, import_rows
from clipsearch.transfer.readers import open_source
from clipsearch.types import Fingerprint


def import_file(
    index_folder: Path, index: Fingerprint | None, file: str | os.PathLike[str], asked: Callable[[], Fingerprint | None], *,
    folder: str | os.PathLike[str] | None = None, any_length: bool = False, trust_model: bool = False,
    jobs: int | None = None, progress: Progress | None = None, cancel: CancelToken | None = None,
) -> ImportReport:  # fmt: skip
    """Take a file's embeddings into an index: see SearchEngine.import_embeddings.

    `index` is the index's model, None for a new one, and `asked` gives that of the model that the user names, if any.
    """
    start = time.monotonic()
    below = None if folder is None else roots.absolute(folder)
    if below is not None:
        roots.require_folder(below)
    elif not (index_folder / "catalog.sqlite").exists():
        raise CollectionNotFound(
            f"there is no index at {index_folder}; for a new one, say where the photos are: --in FOLDER"
        )
    source = open_source(Path(roots.absolute(file)))
    fingerprint = agreed_model(source, index, asked(), trust=trust_model)
    total = count_rows(source, any_length=any_length)
    with Collection(index_folder, writable=True) as collection:
        collection.require(fingerprint)
        collection.settle_precision(fingerprint)
        if below is not None:
            roots.targets(collection, [below], None, False)
        report = import_rows(
            collection,
            source,
            total,
            folder=below,
            any_length=any_length,
            jobs=jobs,
            progress=progress,
            cancel=cancel,
        )
    report.seconds = time.monotonic() - start
    return report
