"""How folders differ from what an index knows of them."""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from clipsearch.errors import SyncRefused
from clipsearch.images.discover import WalkRules, list_images
from clipsearch.schema import Failure, ImageFile
from clipsearch.store.catalog import Catalog
from clipsearch.store.collection import Collection
from clipsearch.store.rows import Place

_HOW_TO_GO_ON = (
    "If a drive is not mounted, mount it and run this again; if they are really gone, confirm with --prune. "
    "Nothing was changed"
)


@dataclass(slots=True)
class SyncPlan:
    """How a folder differs from an index. Files are listed by path, with the place each has in the catalog."""

    folder: str
    todo: list[tuple[Place, ImageFile]] = field(default_factory=list)  # new, or changed since
    missing: dict[int, int] = field(default_factory=dict)  # image_id → size in bytes of images no longer there
    missing_failures: list[Place] = field(default_factory=list)
    changed: int = 0  # how many of `todo` were known before
    unchanged: int = 0
    doubted: list[tuple[Place, ImageFile]] = field(default_factory=list)  # of the unchanged: to be compared by content
    recent: range = range(0)  # files of such a time, in nanoseconds, may still be being written: left for a later run
    waiting: int = 0  # how many of those there are, new or changed
    known_failures: int = 0  # unchanged files that could not be read before
    others: int = 0  # files beside the photos that are none
    unreadable: list[Failure] = field(default_factory=list)  # folders that could not be listed: none is missing


def plan_sync(
    collection: Collection, folder: str, root_id: int, rules: WalkRules, *, paranoid: bool = False, settled_for: float = 0.0
) -> SyncPlan:  # fmt: skip
    """Compare a folder at or below a root with what the index knows of it. An unchanged file costs one stat.

    If `paranoid`, photos of the same size and time are not believed to be unchanged: they will be read. Files written within
    the last `settled_for` seconds are left for a later run.
    """
    root = collection.roots()[root_id]
    under = "" if folder == root else Path(folder).relative_to(root).as_posix()
    now, moment = time.time_ns(), int(settled_for * 1e9)
    plan = SyncPlan(folder, recent=range(now - moment, now + moment))
    catalog = collection.catalog
    unseen = catalog.folders(root_id, under)
    for listing in list_images(root, rules, under):
        unseen.discard(listing.folder)
        plan.others += listing.others
        if listing.error:
            plan.unreadable.append(Failure(ImageFile(listing.path, 0, 0), f"cannot list this folder: {listing.error}"))
            unseen = {name for name in unseen if listing.folder and not name.startswith(f"{listing.folder}/")}
            continue
        _compare(plan, catalog, root_id, listing.folder, listing.path, listing.states, paranoid)
    for name in sorted(unseen):
        _compare(plan, catalog, root_id, name, "", {})
    return plan


def _compare(
    plan: SyncPlan,
    catalog: Catalog,
    root_id: int,
    folder: str,
    path: str,
    found: dict[str, tuple[int, int]],
    paranoid: bool = False,
) -> None:
    """One folder. Whole folders are compared at once: a loop over their files would take as long as asking the disk."""
    images, failures = catalog.known_in(root_id, folder)
    if paranoid:
        plan.doubted += [
            (Place(root_id, folder, name), ImageFile(os.path.join(path, name), *state))
            for name, state in sorted(images.items() & found.items())
        ]
    if found == images and not failures:
        plan.unchanged += len(found)
        return
    plan.unchanged += len(images.items() & found.items())
    plan.known_failures += len(failures.items() & found.items())
    known = images | failures
    for name, state in sorted(found.items()):
        if known.get(name) != state and state[1] in plan.recent:
            plan.waiting += 1
        elif known.get(name) != state:
            plan.todo.append((Place(root_id, folder, name), ImageFile(os.path.join(path, name), *state)))
            plan.changed += name in known
    for name in sorted(images.keys() - found.keys()):
        row = catalog.known_at(Place(root_id, folder, name))
        if row and row.image_id is not None:
            plan.missing[row.image_id] = row.size
    plan.missing_failures += [Place(root_id, folder, name) for name in sorted(failures.keys() - found.keys())]


def check_loss(plans: list[SyncPlan], total: int) -> None:
    """Raise SyncRefused where a folder has lost every photo, or an index of `total` images would lose more than half.

    A missing photo does not count where a new file of its size may be the same photo under another name.
    """
    for plan in plans:
        if plan.missing and not (plan.todo or plan.unchanged or plan.known_failures):
            raise SyncRefused(
                f"{plan.folder} has no photos any more, and {len(plan.missing):,} are indexed there. {_HOW_TO_GO_ON}"
            )
    arrivals = Counter(file.size for plan in plans for _, file in plan.todo)
    departures = Counter(size for plan in plans for size in plan.missing.values())
    lost = sum((departures - arrivals).values())
    if lost * 2 > total:
        raise SyncRefused(f"{lost:,} of the {total:,} indexed photos are no longer there. {_HOW_TO_GO_ON}")
