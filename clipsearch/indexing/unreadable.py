"""Remember which folders could not be listed, and which files could not be looked at, so that `failures` names them.

They are no failures of the catalog: their photos stay as they are, and every run tries them again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from clipsearch.types import Failure, ImageFile

if TYPE_CHECKING:  # a listing of failures makes no plan
    from clipsearch.indexing.plan import SyncPlan
    from clipsearch.store.collection import Collection
    from clipsearch.store.writer import CollectionWriter

UNREADABLE = "unreadable"
_MOST = 1_000
_LONGEST = 500  # characters of a reason


def keep_unreadable(collection: CollectionWriter, plans: Iterable[SyncPlan]) -> None:
    """Stage what could not be read in this run's folders. What is known of other folders stays."""
    walked = [place for plan in plans if (place := collection.place(plan.folder))]
    known = [
        (root_id, path, reason)
        for root_id, path, reason in _stored(collection)
        if not any(
            root_id == place.root_id and (not place.path or f"{path}/".startswith(f"{place.path}/")) for place in walked
        )
    ]
    found = [
        (place.root_id, place.path, failure.reason)
        for plan in plans
        for failure in plan.unreadable
        if (place := collection.place(failure.file.path))
    ]
    all_of_them = sorted({*known, *found})[:_MOST]
    collection.remember(UNREADABLE, json.dumps(all_of_them) if all_of_them else None)


def unreadable_files(collection: Collection) -> list[Failure]:
    """The folders and files that the last run of their folder could not look at, by path."""
    roots = collection.roots()
    failures = [
        Failure(
            ImageFile(os.path.join(roots[root_id], *path.split("/")) if path else roots[root_id], 0, 0),
            reason,
            "access",
        )
        for root_id, path, reason in _stored(collection)
        if root_id in roots
    ]
    return sorted(failures, key=lambda failure: failure.file.path)


def _stored(collection: Collection) -> Iterator[tuple[int, str, str]]:
    """(root_id, path below the root, reason) of each. An index may be a stranger's: what makes no sense is left out."""
    try:
        values = json.loads(collection.meta(UNREADABLE) or "[]")
    except (ValueError, RecursionError):
        return
    for value in values[:_MOST] if isinstance(values, list) else ():
        if isinstance(value, list) and list(map(type, value)) == [int, str, str]:
            root_id, path, reason = value
            if not path or not ({"", ".", ".."}.intersection(path.split("/")) or "\0" in path):
                yield root_id, path, reason[:_LONGEST]
