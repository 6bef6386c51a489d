"""Change the model of an index: build an index of the new model beside it, which then takes its place.

The old index answers until then. A run that was interrupted goes on where it was.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from clipsearch._internal.cancel import CancelToken
from clipsearch._internal.commands import PHOTOS, command
from clipsearch._internal.paths import is_elsewhere, is_gone, is_remote
from clipsearch.conditions import Either, Known
from clipsearch.errors import ClipsearchError, QueryError, SyncRefused
from clipsearch.indexing import roots
from clipsearch.indexing.apply import index_folders
from clipsearch.indexing.plan import SyncOptions
from clipsearch.indexing.report import IndexProgress, SyncReport
from clipsearch.indexing.texts import WAS_READ
from clipsearch.store.approximate.index import remove as remove_approximate
from clipsearch.store.catalog import SETTINGS
from clipsearch.store.collection import Collection
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import Fingerprint

if TYPE_CHECKING:  # encoders are imported only if there is a picture to encode
    from clipsearch.encoders.base import Encoder

_ROW_BYTES = 500  # of a photo in the catalog, with its share of SQLite's indexes
_COMPACT = 1.25  # bytes of a vector and its compact copy, relative to the vector's


@dataclass(frozen=True, slots=True)
class ModelChange:
    """A change of an index's model, before it or while it is under way."""

    former: str  # the model that the index has
    model: str  # the one that it gets
    images: int  # in the index
    done: int  # of them, or new ones, that are embedded already
    bytes: int  # about what the new index takes beside the old one, until that is deleted


def change_model(
    collection: CollectionWriter,
    folders: Sequence[str | os.PathLike[str]],
    encoder: Encoder,
    options: SyncOptions,
    keep_old: bool = False,
    progress: IndexProgress | None = None,
    cancel: CancelToken | None = None,
) -> SyncReport:
    """Embed all photos of an index with another model, and then have the new index take the old one's place.

    All indexed folders are walked. `folders` have to be among them, or inside, and get the rules of `options`. If cancelled,
    returns a report with `interrupted`, and the old index stays; so it does if SyncRefused is raised, because the new index
    lacks photos that are not known to be gone, unless `options.prune`. `keep_old` keeps a copy of the old index.
    """
    former, fingerprint = collection.fingerprint, encoder.spec.fingerprint
    assert former
    _require_here(collection, fingerprint)
    for folder in folders:
        if collection.place(collection.spelled(roots.absolute(folder))) is None:
            raise QueryError(
                f"{folder} is not in the index at {collection.folder}. Index it first, `{command('index', folder)}`, and then "
                "change the model"
            )
    for root in collection.roots().values():  # the successor has no photos yet that could be missed
        if not options.prune and not is_remote(root) and not Path(root).exists():
            roots.require_none_lost(collection, root)
    with collection.begin_successor(fingerprint, keep_old=keep_old) as successor:
        taken_back = roots.taken_back(successor, folders, options.rules)
        if folders or options.rules:
            roots.targets(successor, folders, options.rules, options.prune)  # stores the rules
        for key in SETTINGS:
            successor.remember(key, collection.meta(key))
        report = index_folders(successor, (), lambda: encoder, replace(options, rules=None), progress, cancel)
        report.no_longer_excluded = taken_back
        if report.interrupted:
            report.next_model = fingerprint.model
            return report
        if not options.prune:
            _require_all(collection, successor)
        _keep_texts(collection, successor)
        successor.commit()
        report.former_model = former.model
        kept = collection.hand_over(successor, keep_old=keep_old)
        report.kept_index = str(kept) if kept else None
    remove_approximate(collection.folder)
    return report


def plan_model_change(collection: Collection, fingerprint: Fingerprint) -> ModelChange:
    """What a change to this model means for an index that has a model."""
    former = collection.fingerprint
    assert former
    done = 0
    if successor := collection.successor():
        with successor:
            done = len(successor)
    size = collection.count_pictures() * fingerprint.dim * 4 * _COMPACT + len(collection) * _ROW_BYTES
    return ModelChange(former.model, fingerprint.model, len(collection), done, int(size))


def _require_here(collection: Collection, fingerprint: Fingerprint) -> None:
    """Raise ClipsearchError if a photo of an index is in remote storage or inside an archive: only a cluster reads those."""
    for root_id, root in collection.roots().items():
        for folder in collection.folders(root_id):
            if is_elsewhere(os.path.join(root, folder, "photo")) and collection.known_files(root_id, folder)[0]:
                other = command("index", PHOTOS, "--model", fingerprint.model, "--ray", "local", index="OTHER_DIR")
                raise ClipsearchError(
                    f"the index at {collection.folder} has photos in remote storage or in archives, such as in "
                    f"{os.path.join(root, folder)}, so its model cannot be changed in place. Make another index: {other}"
                )


def _require_all(old: Collection, new: Collection) -> None:
    """Raise SyncRefused if an index lacks photos of the old one that are not known to be gone, or most of them are gone."""
    missing: list[str] = []
    for root_id, root in old.roots().items():
        gone = 0
        for folder in sorted(old.folders(root_id)):
            there = new.known_files(root_id, folder)[0]
            for name, state in old.known_files(root_id, folder)[0].items():
                path = os.path.join(root, folder, name)
                if name not in there and is_gone(path):
                    gone += 1
                elif name not in there and _state_of(path) in (None, state):
                    missing.append(path)
        if gone and not any(new.known_files(root_id, folder)[0] for folder in new.folders(root_id)):
            raise SyncRefused(f"{root} has no photos any more, and the index has {gone:,} from there. {_HOW_TO_GO_ON}")
    if missing:
        raise SyncRefused(
            f"{len(missing):,} indexed photos cannot be read now or are left out, such as {missing[0]}, so the new index lacks "
            f"them. {_HOW_TO_GO_ON}"
        )
    if len(new) * 2 < len(old):
        raise SyncRefused(f"the new index has only {len(new):,} of the {len(old):,} indexed photos. {_HOW_TO_GO_ON}")


_HOW_TO_GO_ON = (
    "The old index stays in use until they can be read and the same command is run again. To do without them, confirm with "
    "`prune=True`. What is embedded is kept"
)


def _state_of(path: str) -> tuple[int, int] | None:
    try:
        state = os.stat(path)
    except OSError:
        return None
    return state.st_size, state.st_mtime_ns


def _keep_texts(old: Collection, new: CollectionWriter) -> None:
    """Stage what only the old index has: captions of photos that were moved out of a data set, and texts read in pictures."""
    for record in old.records(old.select(Either((Known("caption"), WAS_READ))).tolist()).values():
        place = new.place(record.file.path)
        known = new.known_file(place) if place else None
        if place is None or known is None or known.image_id is None:
            continue
        now = new.records([known.image_id])[known.image_id]
        if now.info.content_hash != record.info.content_hash:
            continue
        if now.info.text is None and record.info.text is not None:
            now = replace(now, info=replace(now.info, text=record.info.text))
            new.set_facts(now.image_id, now.info)
        if now.info.caption is None and record.info.caption is not None:
            new.add(place, now.file, replace(now.info, caption=record.info.caption), new.file_vectors(now.image_id))
