"""Compare folders with an index."""

from __future__ import annotations

import logging
import os
import stat
import time
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from clipsearch._internal.cancel import CancelToken
from clipsearch._internal.paths import MANIFEST, NOT_THERE, TAR, is_elsewhere, is_remote
from clipsearch.errors import QueryError, SyncRefused
from clipsearch.images.file_types import is_image_name, missing_decoder, suffix_of
from clipsearch.images.files import ReadLimits
from clipsearch.images.own_pictures import is_own_picture
from clipsearch.indexing.default_excludes import because
from clipsearch.indexing.facts import FactSources, sources_in, usual_key
from clipsearch.indexing.retries import IN_THE_FILE, is_due
from clipsearch.indexing.rule_changes import RuleChanges
from clipsearch.indexing.system_folders import system_devices
from clipsearch.indexing.walk import Listing, WalkRules, list_images, reason_passed_over
from clipsearch.store.catalog import DATE_FROM_FILES
from clipsearch.store.rows import KnownFailure, KnownFile, Place, State
from clipsearch.types import Failure, ImageFile, SkipReason

logger = logging.getLogger(__name__)

_HOW_TO_GO_ON = (
    "If a drive is not mounted, mount it and run this again; if they are really gone, confirm with `prune=True`. "
    "Nothing was changed"
)
_HOW_TO_LEAVE_OUT = (
    "Their files stay as they are. To remove them from the index, confirm with `prune=True`. Nothing was changed"
)


_UNLIKE_ALL = (-1, -1)  # the state of no file

FEW_FILES = 1_000
"""New files whose first bytes are read before the run reads them. Each read may be a step of a disk's head."""


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """How to index. The fields are the parameters of `SearchEngine.index`."""

    rules: WalkRules | RuleChanges | None = None
    prune: bool = False
    paranoid: bool = False
    retry: bool = False
    settled_for: float = 0.0  # seconds
    jobs: int | None = None
    batch_size: int | None = None
    limits: ReadLimits = field(default_factory=ReadLimits)
    newest_first: bool = False
    date_from_files: bool | None = None  # whether photos without a date get that of their file; None: as the index says

    def __post_init__(self) -> None:
        """QueryError if the rules are not WalkRules or RuleChanges."""
        if not isinstance(self.rules, (WalkRules, RuleChanges, type(None))):
            raise QueryError(f"rules must be WalkRules or RuleChanges, not {self.rules!r}")
        if not isinstance(self.limits, ReadLimits):
            raise QueryError(f"limits must be ReadLimits, not {self.limits!r}")

    def is_due(self, failure: KnownFailure) -> bool:
        """Whether this run tries an unchanged failed file again. Files that are indexed as they are do not count."""
        return failure.cause != "incomplete" and (self.retry or is_due(failure, self.limits))


@dataclass(slots=True)
class SyncPlan:
    """How a folder differs from an index. Files are sorted by path and have their place in the catalog."""

    folder: str
    todo: list[tuple[Place, ImageFile]] = field(default_factory=list)  # new, or changed since
    missing: dict[int, int] = field(default_factory=dict)  # image_id → size in bytes of images whose file is gone
    missing_failures: list[Place] = field(default_factory=list)
    changed: int = 0  # of `todo`: known before, but different now
    retried: int = 0  # of `todo`: unchanged since they failed
    unchanged: int = 0
    doubted: list[tuple[Place, ImageFile]] = field(default_factory=list)  # unchanged files, to be compared by content
    recent: range = range(0)  # mtime_ns of files that may be incomplete still, and wait for a later run
    waiting: int = 0  # new or changed files with such a time
    known_failures: int = 0  # unchanged files that could not be read before
    others: int = 0  # files that are not photos
    skipped: Counter[str] = field(default_factory=Counter)  # suffix → how many of `others`; "" for none
    links: int = 0  # links to folders, which are not followed
    left_alone: int = 0  # folders in DEFAULT_EXCLUDES
    excluded: Counter[str] = field(default_factory=Counter)  # suffix → files that `rules.exclude` leaves out
    excluded_folders: Counter[str] = field(default_factory=Counter)  # name → folders that `rules.exclude` leaves out
    left_out: dict[int, SkipReason] = field(default_factory=dict)  # files of `missing` that the rules leave out now
    rules: WalkRules = field(default_factory=WalkRules)
    changed_archives: set[str] = field(default_factory=set)  # relative to the root
    says_captions: bool = False  # whether the files' reader knows captions; then an absent caption means none
    placeholders: int = 0  # photos whose bytes are only in a cloud; they are not read, and stay as they are
    unreadable: list[Failure] = field(default_factory=list)  # folders or files whose status cannot be read; not missing
    usual_facts: str = ""  # the key of facts that were read from a photo alone: see indexing.facts
    sources: dict[str, FactSources] = field(
        default_factory=dict
    )  # path → files beside a photo, if it is read in this run
    outdated_facts: list[tuple[Place, ImageFile]] = field(
        default_factory=list
    )  # unchanged, but the files beside are not


class KnownFiles(Protocol):
    """The methods of an index that planning uses. A Collection has them, and a preview uses an imagined index."""

    @property
    def folder(self) -> Path:
        """The index folder."""

    def roots(self) -> dict[int, str]:
        """root_id → the absolute path."""

    def root_rules(self) -> dict[int, dict[str, object]]:
        """root_id → the rules of its walk, as JSON has them."""

    def spelled(self, path: str) -> str:
        """A path, with the accents and capitals that the index uses."""

    def place(self, path: str) -> Place | None:
        """A path as root, folder and name; None if no root holds it."""

    def folders(self, root_id: int, under: str = "") -> set[str]:
        """Every folder at or below `under` in which a file is known."""

    def known_files(self, root_id: int, folder: str) -> tuple[dict[str, State], dict[str, State]]:
        """Name → (size, mtime_ns) of the images in a folder, and of its failures."""

    def meta(self, key: str) -> str | None:
        """A value that the index keeps."""

    def facts_from(self, root_id: int, usual: str) -> dict[str, dict[str, str]]:
        """Folder → name → what the facts of a root's images were read from, if that is not `usual`."""

    def known_failures(self, root_id: int, folder: str) -> dict[str, KnownFailure]:
        """Name → the known failure, for a folder."""

    def known_file(self, place: Place) -> KnownFile | None:
        """The index's record of a file."""

    def known_failure(self, place: Place) -> KnownFailure | None:
        """The index's record of a failure."""


class RootsToChoose(KnownFiles, Protocol):
    """Known files, and roots that can be added."""

    def add_root(self, path: str, rules: dict[str, object]) -> int:
        """Add a root, or give it new rules; its id."""


def archive_at(root: str, folder: str) -> tuple[str, int] | None:
    """The archive on this machine for a folder of the catalog, itself or a parent: (path below the root, mtime_ns).

    If the status of a part of the path cannot be read, it may be an archive, and gets a time that no archive has.
    """
    parts = folder.split("/") if folder and not is_remote(root) else []
    if ".." in parts:  # only in a forged catalog
        return None
    for count in range(1, len(parts) + 1):
        path = "/".join(parts[:count])
        try:
            state = os.stat(os.path.join(root, *parts[:count]))
        except ValueError:
            return None
        except OSError as error:
            return None if error.errno in NOT_THERE else (path, -1)
        if not stat.S_ISDIR(state.st_mode):
            return (path, state.st_mtime_ns) if stat.S_ISREG(state.st_mode) else None
    return None


def plan_sync(
    collection: KnownFiles,
    folder: str,
    root_id: int,
    rules: WalkRules,
    options: SyncOptions | None = None,
    *,
    walk: Callable[[str, WalkRules, str], Iterable[Listing]] = list_images,
    find_archive: Callable[[str, str], tuple[str, int] | None] = archive_at,
    reads_archives: bool = False,
    read_again: Container[str] = frozenset(),
    cancel: CancelToken | None = None,
) -> SyncPlan:
    """Compare a folder at or below a root with the index. An unchanged file costs one stat.

    With `options.paranoid`, photos of unchanged size and time are read and compared as well. Files written within the last
    `options.settled_for` seconds wait for a later run. `walk` and `find_archive` replace those of this machine for remote
    storage.

    An archive is a file for which the index has a folder. While it is unchanged, its photos count as unchanged, even if it
    could not be read to its end. A changed archive is added to `changed_archives`, and its photos stay as they are until it is
    read. If the caller `reads_archives`, an archive with a failure to be tried again counts as changed. Photos whose paths are
    in `read_again` count as changed, unless they have failed since. Raises Cancelled.
    """
    cancel, options = cancel or CancelToken(), options or SyncOptions()
    root = collection.roots()[root_id]
    under = "" if folder == root else Path(folder).relative_to(root).as_posix()
    now, moment = time.time_ns(), int(options.settled_for * 1e9)
    plan = SyncPlan(folder, recent=range(now - moment, now + moment), rules=rules)
    plan.usual_facts = usual_key(dates_from_files(collection, options))
    facts = collection.facts_from(root_id, plan.usual_facts)
    comparison = FolderComparison(plan, collection, root_id, options, read_again, facts)
    unseen = collection.folders(root_id, under)
    for listing in walk(root, rules, under):
        cancel.check()
        unseen.discard(listing.folder)
        above = f"{listing.folder}/" if listing.folder else ""
        count_skipped(plan, listing)
        if listing.error:
            plan.unreadable.append(Failure(ImageFile(listing.path, 0, 0), f"cannot list this folder: {listing.error}"))
            unseen = {name for name in unseen if not name.startswith(above)}
            continue
        if listing.unsure:
            unseen = {
                name
                for name in unseen
                if not (name.startswith(above) and name[len(above) :].partition("/")[0] in listing.unsure)
            }
        comparison.add(listing)
    archives: dict[str, tuple[int, list[str]]] = {}  # path below the root → (mtime_ns, its folders in the index)
    system = system_devices() if unseen else frozenset()
    for name in sorted(unseen):
        if archive := find_archive(root, name):
            archives.setdefault(archive[0], (archive[1], []))[1].append(name)
        else:
            passed_over = None if is_remote(root) else reason_passed_over(root, name, rules, system)
            comparison.add(Listing(name, ""), passed_over[0] if passed_over else None)
    candidates, plan.missing_failures = plan.missing_failures, []
    for place in candidates:  # a walk does not list archives, so the archive's own failure seems to be gone
        archive = find_archive(root, place.path) if place.path.lower().endswith((TAR, MANIFEST)) else None
        if archive and archive[0] == place.path:
            archives.setdefault(place.path, (archive[1], []))
        else:
            plan.missing_failures.append(place)
    for name, (time_ns, folders) in archives.items():
        parent, _, own_name = name.rpartition("/")
        place = Place(root_id, parent, own_name)
        if is_read_archive(collection, place, time_ns, folders, options if reads_archives else None):
            count_archive(plan, collection, place, folders)
        else:
            plan.changed_archives.add(name)
    logger.debug("%s: %d to do, %d missing, %d unchanged", folder, len(plan.todo), len(plan.missing), plan.unchanged)
    return plan


def dates_from_files(collection: KnownFiles, options: SyncOptions) -> bool:
    """Whether photos without a date get that of their file: as the options say, or as the index remembers."""
    if options.date_from_files is None:
        return collection.meta(DATE_FROM_FILES) is not None
    return options.date_from_files


def count_skipped(plan: SyncPlan, listing: Listing) -> None:
    """Add the files and folders that a walk skipped in one folder."""
    plan.others += listing.others
    if listing.other_files:
        plan.skipped.update(map(suffix_of, listing.other_files))
    if listing.skipped:
        plan.links += sum(reason == "link" for reason in listing.skipped.values())
        plan.left_alone += sum(reason in ("default", "system") for reason in listing.skipped.values())
        if plan.rules.exclude:
            names = sorted(name for name, reason in listing.skipped.items() if reason == "excluded")
            plan.excluded_folders.update(name for name in names if name in listing.folders)
            plan.excluded.update(suffix_of(name) for name in names if name not in listing.folders)


def is_read_archive(
    collection: KnownFiles, archive: Place, time_ns: int, folders: Sequence[str], options: SyncOptions | None
) -> bool:
    """Whether an archive is unchanged since it was read, without a failure to be tried again.

    `folders` are the archive's folders in the index. Without `options`, its failures do not matter.
    """
    failure = collection.known_failure(archive)
    if failure and (failure.state[1] != time_ns or (options and options.is_due(failure))):
        return False
    for folder in folders:
        images, failures = collection.known_files(archive.root_id, folder)
        if not failure and any(mtime_ns != time_ns for _, mtime_ns in (images | failures).values()):
            return False
        if options and failures:
            known_failures = collection.known_failures(archive.root_id, folder)
            if any(_is_open(known, name in images, options) for name, known in known_failures.items()):
                return False
    return bool(failure or folders)


def count_archive(plan: SyncPlan, collection: KnownFiles, archive: Place, folders: Iterable[str]) -> None:
    """Count the photos and failures of an unchanged archive."""
    plan.known_failures += collection.known_failure(archive) is not None
    for folder in folders:
        images, failures = collection.known_files(archive.root_id, folder)
        plan.unchanged += len(images.items() & (images | failures).items())
        plan.known_failures += len(failures.items() - images.items())


def _is_open(failure: KnownFailure, is_indexed: bool, options: SyncOptions) -> bool:
    """Whether a failure must be tried again, or settled: an indexed photo may have become something else."""
    return options.is_due(failure) or (is_indexed and failure.cause in IN_THE_FILE)


@dataclass(frozen=True, slots=True)
class FolderComparison:
    """Compares folders with an index, and adds the differences to a plan.

    A photo that could not be read again is both an image, in its indexed state, and a failure, in its failed state. It is tried
    again until one of the two is certain.
    """

    plan: SyncPlan
    collection: KnownFiles
    root_id: int
    options: SyncOptions
    read_again: Container[str] = frozenset()  # paths of photos that count as changed
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # what `KnownFiles.facts_from` returned

    def add(self, listing: Listing, passed_over: SkipReason | None = None) -> None:
        """Compare one folder, by sets: a loop over its files would take as long as the walk.

        Records of names in `unsure` or `placeholders` stay as they are. `passed_over` says why the rules leave the whole folder
        out.
        """
        plan, states = self.plan, listing.states
        images, failures = self.collection.known_files(self.root_id, listing.folder)
        for name in listing.placeholders:
            plan.placeholders += 1
            plan.unchanged += images.pop(name, None) is not None
            plan.known_failures += failures.pop(name, None) is not None
        if listing.other_files and images:  # a film that was indexed stays, if its decoder is missing now
            for name in images.keys() & set(listing.other_files):
                if missing_decoder(suffix_of(name)):
                    del images[name]
                    plan.unchanged += 1
        if photos := sorted(name for name in listing.unsure if name in images or is_image_name(name)):
            more = f" (nor at {len(photos) - 1:,} more in its folder)" if len(photos) > 1 else ""
            reason = f"cannot look at this file{more}: {listing.unsure[photos[0]]}"
            plan.unreadable.append(Failure(self._file(listing, photos[0], (0, 0))[1], reason))
        again = self._to_try_again(listing, images) if failures else set()
        if self.read_again:
            for name in images.keys() - (failures.keys() - again):
                if os.path.join(listing.path, name) in self.read_again:
                    images[name] = _UNLIKE_ALL
        unchanged = images.items() & states.items()
        plan.unchanged += len(unchanged)
        doubted = sorted(unchanged) if self.options.paranoid else sorted(item for item in unchanged if item[0] in again)
        plan.doubted += [self._file(listing, name, state) for name, state in doubted]
        first = len(plan.todo)
        self._compare_files(listing, images, failures, again, unchanged, passed_over)
        self._compare_facts(listing, dict(unchanged), [file for _, file in plan.todo[first:]])

    def _compare_facts(self, listing: Listing, unchanged: Mapping[str, State], todo: Sequence[ImageFile]) -> None:
        """Find the unchanged photos whose facts are to be read again, and the files beside them and beside the others to do."""
        plan, known = self.plan, self.facts.get(listing.folder, {})
        if (
            not plan.usual_facts
            or is_elsewhere(os.path.join(listing.path, "photo"))
            or not (known or listing.other_files)
        ):
            return
        sources = sources_in(listing, plan.usual_facts)
        used = {name for source in sources.values() for name in source.beside}
        plan.others -= len(used)
        plan.skipped -= Counter(map(suffix_of, used))
        outdated = [
            name
            for name in sorted(sources.keys() | known.keys())
            if name in unchanged
            and known.get(name, plan.usual_facts) != (sources[name].key if name in sources else plan.usual_facts)
        ]
        files = [self._file(listing, name, unchanged[name]) for name in outdated]
        plan.outdated_facts += files
        for file in (*todo, *(file for _, file in files)):
            if file.name in sources:
                plan.sources[file.path] = sources[file.name]

    def _compare_files(
        self,
        listing: Listing,
        images: dict[str, State],
        failures: dict[str, State],
        again: set[str],
        unchanged: Set[tuple[str, State]],
        passed_over: SkipReason | None,
    ) -> None:
        plan, states = self.plan, listing.states
        if states == images and not failures:
            return
        for name, state in sorted(states.items() - unchanged):
            if failures.get(name) == state and name not in again:
                plan.known_failures += 1
            elif state[1] in plan.recent:
                plan.waiting += 1
            else:
                plan.todo.append(self._file(listing, name, state))
                if failures.get(name) == state:
                    plan.retried += 1
                else:
                    plan.changed += name in images or name in failures
        for name in sorted(images.keys() - states.keys() - listing.unsure.keys()):
            known = self.collection.known_file(Place(self.root_id, listing.folder, name))
            if known and known.image_id is not None:
                plan.missing[known.image_id] = known.size
                if why := passed_over or listing.skipped.get(name) or listing.skipped.get(""):
                    plan.left_out[known.image_id] = why
        gone = failures.keys() - states.keys() - listing.unsure.keys()
        plan.missing_failures += [Place(self.root_id, listing.folder, name) for name in sorted(gone)]

    def _to_try_again(self, listing: Listing, images: dict[str, tuple[int, int]]) -> set[str]:
        """The files that failed, have not changed since, and are to be tried again."""
        is_local = not is_remote(listing.path)

        def is_open(name: str, known: KnownFailure) -> bool:
            if known.cause == "incomplete":  # certain, unless the image has been lost
                return name not in images
            if os.path.join(listing.path, name) in self.read_again:  # its content is known, but not its picture
                return self.options.is_due(known)
            return (name in images and is_local) or _is_open(known, name in images, self.options)

        return {
            name
            for name, known in self.collection.known_failures(self.root_id, listing.folder).items()
            if name in listing.states and listing.states[name] in (known.state, images.get(name))
            if is_open(name, known)
        }

    def _file(self, listing: Listing, name: str, state: tuple[int, int]) -> tuple[Place, ImageFile]:
        return Place(self.root_id, listing.folder, name), ImageFile(os.path.join(listing.path, name), *state)


def leave_own(plan: SyncPlan, known: KnownFiles) -> None:
    """Remove clipsearch's own pictures from the new files of a plan. If there are many new files, their content is not read."""
    if plan.rules.defaults and len(plan.todo) <= FEW_FILES:
        own = {file.path for place, file in plan.todo if known.known_file(place) is None and is_own_picture(file.path)}
        plan.todo = [(place, file) for place, file in plan.todo if file.path not in own]


def check_loss(plans: list[SyncPlan], total: int, *, prune: bool) -> None:
    """Raise SyncRefused if a folder has lost every photo, or an index of `total` images would lose more than half.

    `prune` confirms it. A missing photo does not count if a new file of its size may be the same photo under another name.
    """
    if prune:
        return
    for plan in plans:
        gone = len(plan.missing) - len(plan.left_out)
        if gone and not (plan.todo or plan.unchanged or plan.known_failures or plan.left_out):
            raise SyncRefused(
                f"{plan.folder} has no photos any more, and the index has {gone:,} from there. {_HOW_TO_GO_ON}"
            )
    arrivals = Counter(file.size for plan in plans for _, file in plan.todo)
    departures = Counter(size for plan in plans for size in plan.missing.values())
    lost = sum((departures - arrivals).values())
    left_out = Counter(reason for plan in plans for reason in plan.left_out.values())
    by_rules = min(lost, left_out.total())
    if by_rules and (lost * 2 > total or _empties_a_folder(plans)):
        gone = lost - by_rules
        others = f"; {gone:,} more {'is' if gone == 1 else 'are'} no longer there" if gone else ""
        share = f"all {total:,}" if by_rules == total else f"{by_rules:,} of the {total:,}"
        raise SyncRefused(
            f"{share} indexed photos would leave the index, {because(left_out)}{others}. {_HOW_TO_LEAVE_OUT}"
        )
    if lost * 2 > total:
        raise SyncRefused(
            f"{lost:,} of the {total:,} indexed photos {'is' if lost == 1 else 'are'} no longer there. {_HOW_TO_GO_ON}"
        )


def _empties_a_folder(plans: list[SyncPlan]) -> bool:
    """Whether the rules of a walk leave out the last photos of a folder."""
    return any(plan.left_out and not (plan.todo or plan.unchanged or plan.known_failures) for plan in plans)
