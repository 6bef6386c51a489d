"""What an index holds, and what has changed in its folders since."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from clipsearch._internal.paths import is_remote
from clipsearch.indexing.plan import leave_own, plan_sync
from clipsearch.indexing.raw_thumbnails import paths_to_read_again
from clipsearch.indexing.roots import rules_of
from clipsearch.indexing.texts import count_texts, reads_text
from clipsearch.store.approximate.index import ApproximateStatus
from clipsearch.store.collection import Collection
from clipsearch.types import Fingerprint


@dataclass(frozen=True, slots=True)
class RootStatus:
    """One indexed folder, compared with the disk."""

    path: str
    present: bool  # whether the folder exists; a remote one is assumed to
    new: int | None  # photos not indexed yet; None if the folder was not compared
    changed: int | None  # photos, and archives of photos
    missing: int | None
    retry: int | None = None  # files that could not be read and are tried again
    unreadable: int | None = None  # folders that cannot be listed now, and files that cannot be looked at
    facts: int | None = None  # unchanged photos whose facts are read again: a file beside them is new, changed or gone


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
    approximate: ApproximateStatus | None = None
    text_model: str | None = None  # the other model that texts are encoded with
    next_model: str | None = None  # the model that the index is being changed to
    next_images: int = 0  # how many images the new index has so far
    previous_model: str | None = None  # that of the index before this one, if it was kept
    texts_read: int | None = None  # photos whose text was looked for; None if the index does not read text
    with_text: int = 0  # of them

    @property
    def stale(self) -> int | None:
        """How many files are not up to date; None if a folder was not compared.

        These are the files that are new, changed, missing or tried again, photos whose facts are to be read again, and what
        cannot be looked at now.
        """
        if any(root.new is None for root in self.roots):
            return None
        counts = [
            (root.new, root.changed, root.missing, root.retry, root.unreadable, root.facts) for root in self.roots
        ]
        return sum(count or 0 for of_root in counts for count in of_root)


def read_status(collection: Collection, scan: bool) -> Status:
    """The status of an index; with `scan`, its folders are walked and compared."""
    images, failures, photo_bytes = collection.counts()
    roots = []
    again = paths_to_read_again(collection) if scan else set()
    for root_id, path in collection.roots().items():
        present = is_remote(path) or Path(path).is_dir()
        if not scan or not present or is_remote(path):
            roots.append(RootStatus(path, present, None, None, None))
            continue
        plan = plan_sync(collection, path, root_id, rules_of(collection, root_id), read_again=again)
        leave_own(plan, collection)
        new = len(plan.todo) - plan.changed - plan.retried
        changed = plan.changed + len(plan.changed_archives)
        retry, unreadable = plan.retried + len(plan.doubted), len(plan.unreadable)
        missing, facts = len(plan.missing), len(plan.outdated_facts)
        roots.append(RootStatus(path, present, new, changed, missing, retry, unreadable, facts))
    next_model, next_images = _model_and_images(collection.successor())
    previous_model, _ = _model_and_images(collection.previous())
    texts = count_texts(collection) if reads_text(collection) else None
    return Status(
        index=str(collection.folder),
        model=collection.fingerprint,
        images=images,
        failures=failures,
        photo_bytes=photo_bytes,
        index_bytes=bytes_below(collection.folder)[0],
        segments=len(collection.segment_infos()),
        roots=tuple(roots),
        approximate=collection.approximate_status(),
        text_model=collection.text_model,
        next_model=next_model,
        next_images=next_images,
        previous_model=previous_model,
        texts_read=texts.read if texts else None,
        with_text=texts.with_text if texts else 0,
    )


def _model_and_images(collection: Collection | None) -> tuple[str | None, int]:
    if collection is None:
        return None, 0
    with collection:
        fingerprint = collection.fingerprint
        return (fingerprint.model if fingerprint else None), len(collection)


def bytes_below(folder: Path) -> tuple[int, int]:
    """The bytes of all files below a folder, and how many files these are. Files may come and go meanwhile.

    SQLite's "-shm" files do not count: they are only there while the index is open.
    """
    total = files = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file() and not path.name.endswith("-shm"):
                total += path.stat().st_size
                files += 1
    return total, files
