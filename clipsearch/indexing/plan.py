"""How folders differ from what an index knows of them."""

from __future__ import annotations

import os
import stat
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from clipsearch._internal.paths import MANIFEST, NOT_THERE, TAR, is_remote
from clipsearch.errors import SyncRefused
from clipsearch.images.files import ReadLimits
from clipsearch.indexing.retries import IN_THE_FILE, is_due
from clipsearch.indexing.walk import Listing, WalkRules, is_image_name, list_images
from clipsearch.store.collection import Collection
from clipsearch.store.rows import KnownFailure, Place
from clipsearch.types import Failure, ImageFile

Walk: TypeAlias = Callable[[str, WalkRules, str], Iterable[Listing]]
"""From a root, its rules and a folder below it ("" for the root) to what is there, as `list_images` says it."""

IsDue: TypeAlias = Callable[[KnownFailure], bool]
"""Whether a file that failed, and is as it was then, is to be tried again."""

FindArchive: TypeAlias = Callable[[str, str], "tuple[str, int] | None"]
"""What `archive_at` says."""

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
    changed: int = 0  # how many of `todo` were known before, and are not what they were
    retried: int = 0  # how many of `todo` are what they were when they failed
    unchanged: int = 0
    doubted: list[tuple[Place, ImageFile]] = field(default_factory=list)  # of the unchanged: to be compared by content
    recent: range = range(0)  # files of such a time, in nanoseconds, may still be being written: left for a later run
    waiting: int = 0  # how many of those there are, new or changed
    known_failures: int = 0  # unchanged files that could not be read before
    others: int = 0  # files beside the photos that are none
    changed_archives: set[str] = field(default_factory=set)  # relative to the root
    says_captions: bool = False  # whether who reads its files says what captions they have, and that others have none
    placeholders: int = 0  # photos that are in a cloud alone: nothing is read, and what is known of them stays
    unreadable: list[Failure] = field(default_factory=list)  # not to be listed or looked at: nothing there is missing


def due(limits: ReadLimits | None = None, *, retry: bool = False) -> IsDue:
    """Which failures a run with these limits tries again; with `retry`, all."""
    now = limits or ReadLimits()
    return lambda known: retry or is_due(known.cause, known.attempts, known.tried_with, now)


def archive_at(root: str, folder: str) -> tuple[str, int] | None:
    """The archive on this machine that a folder of the catalog is, or is inside: relative to the root, and its mtime_ns.

    Where nobody can look, it may be one, of a time that no archive has.
    """
    parts = folder.split("/") if folder and not is_remote(root) else []
    if ".." in parts:  # which no catalog of ours has
        return None
    for count in range(1, len(parts) + 1):
        try:
            state = os.stat(os.path.join(root, *parts[:count]))
        except ValueError:
            return None
        except OSError as error:
            return None if error.errno in NOT_THERE else ("/".join(parts[:count]), -1)
        if not stat.S_ISDIR(state.st_mode):
            return ("/".join(parts[:count]), state.st_mtime_ns) if stat.S_ISREG(state.st_mode) else None
    return None


def plan_sync(
    collection: Collection, folder: str, root_id: int, rules: WalkRules, *, paranoid: bool = False, settled_for: float = 0.0,
    walk: Walk = list_images, find_archive: FindArchive = archive_at, is_due: IsDue | None = None, reads_archives: bool = False,
) -> SyncPlan:  # fmt: skip
    """Compare a folder at or below a root with what the index knows of it. An unchanged file costs one stat.

    If `paranoid`, photos of the same size and time are not believed to be unchanged: they will be read. Files written within
    the last `settled_for` seconds are left for a later run. `walk` and `find_archive` look at folders that are elsewhere.
    Files that failed and have not changed are tried again if `is_due` says so, by default as `due` does.

    Photos inside an archive (a file where the index knows a folder) are what they were while the archive is; if it has changed,
    it is one of `changed_archives`, and its photos stay as they are until somebody reads it. So do those of one that could not
    be read to its end, while it is what it was then. For a caller that `reads_archives`, one with a failure to be tried again
    counts as changed.
    """
    root = collection.roots()[root_id]
    under = "" if folder == root else Path(folder).relative_to(root).as_posix()
    now, moment = time.time_ns(), int(settled_for * 1e9)
    plan = SyncPlan(folder, recent=range(now - moment, now + moment))
    is_due = is_due or due()
    unseen = collection.folders(root_id, under)
    for listing in walk(root, rules, under):
        unseen.discard(listing.folder)
        plan.others += listing.others
        if listing.error:
            plan.unreadable.append(Failure(ImageFile(listing.path, 0, 0), f"cannot list this folder: {listing.error}"))
            unseen = {name for name in unseen if listing.folder and not name.startswith(f"{listing.folder}/")}
            continue
        if listing.unsure:
            above = f"{listing.folder}/" if listing.folder else ""
            unseen = {
                name
                for name in unseen
                if not (name.startswith(above) and name[len(above) :].partition("/")[0] in listing.unsure)
            }
        compare_folder(
            plan,
            collection,
            root_id,
            listing.folder,
            listing.path,
            listing.states,
            paranoid,
            listing.unsure,
            listing.placeholders,
            is_due,
        )
    inside = {name: find_archive(root, name) for name in sorted(unseen)}
    for name in [name for name, archive in inside.items() if not archive]:
        compare_folder(plan, collection, root_id, name, "", {})
    again = is_due if reads_archives else lambda known: False
    damaged = _keep_damaged(plan, collection, lambda name: find_archive(root, name), again)
    archives = {name: archive for name, archive in inside.items() if archive}
    plan.changed_archives |= {
        archive
        for name, (archive, _) in archives.items()
        if reads_archives and has_due(collection, root_id, name, again)
    }
    for name, (archive, time_ns) in archives.items():
        if archive in plan.changed_archives:
            continue
        images, failures = collection.known_files(root_id, name)
        if archive not in damaged and any(mtime_ns != time_ns for _, mtime_ns in (images | failures).values()):
            plan.changed_archives.add(archive)
        else:
            compare_folder(plan, collection, root_id, name, "", images | failures)
    return plan


def has_due(collection: Collection, root_id: int, folder: str, is_due: IsDue) -> bool:
    """Whether a failure in a folder of an archive (not in those below it) is to be tried again, or is to be settled still."""
    images, failures = collection.known_files(root_id, folder)
    return bool(failures) and any(
        is_due(known) or (name in images and known.cause in IN_THE_FILE)
        for name, known in collection.known_failures(root_id, folder).items()
    )


def _keep_damaged(
    plan: SyncPlan, collection: Collection, find: Callable[[str], tuple[str, int] | None], is_due: IsDue
) -> set[str]:
    """Keep what was wrong with archives that are there, though no walk lists them; those that are what they were then."""
    found, damaged = plan.missing_failures, set()
    plan.missing_failures = []
    for place in found:
        name = f"{place.folder}/{place.name}" if place.folder else place.name
        archive, time_ns = (find(name) if name.lower().endswith((TAR, MANIFEST)) else None) or (None, 0)
        known = collection.known_failure(place)
        if archive != name:
            plan.missing_failures.append(place)
        elif known and known.state[1] == time_ns and not is_due(known):
            plan.known_failures += 1
            damaged.add(name)
        else:
            plan.changed_archives.add(name)
    return damaged


def compare_folder(
    plan: SyncPlan,
    collection: Collection,
    root_id: int,
    folder: str,
    path: str,
    found: dict[str, tuple[int, int]],
    paranoid: bool = False,
    unsure: Mapping[str, str] = MappingProxyType({}),
    placeholders: Sequence[str] = (),
    is_due: IsDue | None = None,
) -> None:
    """Add how one folder differs. All at once: a loop over its files would take as long as asking the disk.

    What is known of names that are `unsure` (name → why) or `placeholders` stays as it is. A photo that could not be read again
    is an image and a failure at once: of the state that it was indexed in, and of the one in which it failed. It is looked at
    again until that is settled: see `sync`. Without `is_due`, nothing that failed is tried again.
    """
    images, failures = collection.known_files(root_id, folder)
    for name in placeholders:
        plan.placeholders += 1
        plan.unchanged += images.pop(name, None) is not None
        plan.known_failures += failures.pop(name, None) is not None
    if photos := sorted(name for name in unsure if name in images or is_image_name(name)):
        more = f" (nor at {len(photos) - 1:,} others in its folder)" if len(photos) > 1 else ""
        reason = f"cannot look at this file{more}: {unsure[photos[0]]}"
        plan.unreadable.append(Failure(ImageFile(os.path.join(path, photos[0]), 0, 0), reason))
    again = {
        name
        for name, known in (collection.known_failures(root_id, folder) if failures and is_due else {}).items()
        if name in found and found[name] in (known.state, images.get(name))
        if is_due and (is_due(known) or (name in images and (known.cause in IN_THE_FILE or not is_remote(path))))
    }
    if paranoid or again:
        plan.doubted += [
            (Place(root_id, folder, name), ImageFile(os.path.join(path, name), *state))
            for name, state in sorted(images.items() & found.items())
            if paranoid or name in again
        ]
    if found == images and not failures:
        plan.unchanged += len(found)
        return
    unchanged = images.items() & found.items()
    plan.unchanged += len(unchanged)
    for name, state in sorted(found.items() - unchanged):
        if failures.get(name) == state and name not in again:
            plan.known_failures += 1
        elif state[1] in plan.recent:
            plan.waiting += 1
        else:
            plan.todo.append((Place(root_id, folder, name), ImageFile(os.path.join(path, name), *state)))
            if failures.get(name) == state:
                plan.retried += 1
            else:
                plan.changed += name in images or name in failures
    for name in sorted(images.keys() - found.keys() - unsure.keys()):
        row = collection.known_file(Place(root_id, folder, name))
        if row and row.image_id is not None:
            plan.missing[row.image_id] = row.size
    gone = failures.keys() - found.keys() - unsure.keys()
    plan.missing_failures += [Place(root_id, folder, name) for name in sorted(gone)]


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
