"""Keep an index up to date: wait until something changes below its folders and then stays quiet, and index again.

The system does not report every change: not those on drives of other machines, nor in more folders than it can watch. So all
folders are compared again from time to time; an unchanged photo costs one stat.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from clipsearch._internal.cancel import CancelToken
from clipsearch._internal.paths import identity, is_remote
from clipsearch.errors import ClipsearchError, CollectionError, DecodersUnavailable, SyncRefused
from clipsearch.images.companions import JSON, XMP
from clipsearch.images.file_types import is_image_name
from clipsearch.indexing import roots
from clipsearch.indexing.report import SyncReport
from clipsearch.indexing.rule_changes import RuleChanges, next_rules
from clipsearch.indexing.system_folders import system_folder_below
from clipsearch.indexing.walk import WalkRules
from clipsearch.store.catalog_file import has_catalog
from clipsearch.store.collection import Collection

logger = logging.getLogger(__name__)

QUIET = 1.0
"""Seconds without a change before a round starts. A file must also have been written that long ago to be read in it."""

LONGEST = 30.0
"""Seconds of changes without a pause after which a round starts anyway."""

_LOOK = 0.2  # seconds between two looks at the changes; cancelling takes as long
_PRESENCE_INTERVAL = 1.0  # seconds between two checks that the folders exist
_COMPARE_INTERVAL = 900.0  # seconds between two rounds at most
_COMPARE_INTERVAL_BLIND = 60.0  # the same if the system does not report changes, or a round failed


@dataclass(frozen=True, slots=True)
class _Watched:
    """A folder to watch."""

    folder: str
    names: tuple[str, ...]  # the paths by which the system may report it
    rules: WalkRules
    filled: bool  # whether it holds files or indexed photos; if it is empty later, its drive is not mounted


class Watch:
    """Indexes in rounds, each after a change. It belongs to the thread that iterates `rounds`.

    `update` does one round: it gets the folders that exist, makes the index agree with them and returns its report. It should
    leave files of the last QUIET seconds for later (`settled_for` of SearchEngine.index). `notice` gets a sentence for people
    if something prevents a round. `folders` are by default all indexed ones, also those added later, with the rules that the
    index has for them. Raises ClipsearchError if watchfiles is not installed.
    """

    def __init__(
        self,
        index_folder: Path,
        folders: Sequence[str | os.PathLike[str]] = (),
        rules: WalkRules | RuleChanges | None = None,
        *,
        update: Callable[[Sequence[str]], SyncReport],
        notice: Callable[[str], None],
        cancel: CancelToken | None = None,
    ) -> None:
        require_watchfiles()
        self._index_folder = index_folder
        self._folders = [roots.absolute(folder) for folder in folders]
        self._rules = rules
        self._update = update
        self._notice = notice
        self._cancel = cancel or CancelToken()
        self._troubles: dict[str, str] = {}  # what prevents a round now and was reported, by subject

    def rounds(self) -> Iterator[SyncReport]:
        """Index at once, and then after changes, until cancelled; yields the report of each round that was carried out.

        Conditions that may pass are waited for: missing folders or a missing index, a round that would lose too much, a full
        disk.
        """
        while not self._cancel.cancelled:
            watched = self._watched()
            present = self._present(watched)
            if not present:
                self._cancel.wait(_PRESENCE_INTERVAL)
                continue
            yield from self._rounds_while(watched, present)

    def _rounds_while(self, watched: list[_Watched], present: dict[str, tuple[int, int]]) -> Iterator[SyncReport]:
        """Do rounds as long as the same folders exist."""
        now = time.monotonic()
        first: float | None = now  # time of the first change since the last round; the start counts as one
        last, looked, compared, interval = now - QUIET, now, now, _COMPARE_INTERVAL
        for changed in self._changes(watched, present):
            if self._cancel.cancelled:
                return
            now = time.monotonic()
            if changed:
                first, last = first or now, now
            due = first is not None and (now - last >= QUIET or now - first >= LONGEST)
            if due or now - looked >= _PRESENCE_INTERVAL:
                looked = now
                if self._present(watched) != present:
                    return
            if due:
                report = self._round(list(present))
                first, compared = None, time.monotonic()
                interval = _COMPARE_INTERVAL if report else _COMPARE_INTERVAL_BLIND
                if report:
                    yield report
                    if report.waiting:
                        first = last = compared
                if self._watched() != watched:
                    return
            if now - compared >= interval:
                return

    def _round(self, folders: list[str]) -> SyncReport | None:
        logger.debug("a round over %d folders begins", len(folders))
        try:
            report = self._update(folders)
        except (SyncRefused, CollectionError, DecodersUnavailable, OSError) as error:
            self._trouble("round", str(error))
            return None
        except ClipsearchError:
            if all(os.path.isdir(folder) for folder in folders):
                raise
            return None  # a folder has just gone, which `_present` will report
        self._troubles.pop("round", None)
        return report

    def _changes(self, watched: list[_Watched], present: dict[str, tuple[int, int]]) -> Iterator[bool]:
        """Yield several times a second whether something relevant has changed."""
        from watchfiles import watch

        if inside := next(filter(None, map(system_folder_below, present)), ""):
            yield from self._blind(f"{inside} is a file system of the machine itself, in which nothing can be watched")
            return
        moment = int(_LOOK * 1000)
        try:
            for changes in watch(
                *present,
                watch_filter=None,
                debounce=moment,
                step=50,
                rust_timeout=moment,
                yield_on_timeout=True,
                ignore_permission_denied=True,
            ):
                yield any(self._matters(path, watched) for _, path in changes)
        except OSError as error:
            if self._present(watched) != present:
                return
            yield from self._blind(
                f"the system cannot say what changes ({error})",
                ". On Linux, fs.inotify.max_user_watches must be more than the number of folders",
            )

    def _blind(self, why: str, advice: str = "") -> Iterator[bool]:
        """Say why changes are not seen, and wait until the next look."""
        self._trouble("system", f"{why}; comparing every {_COMPARE_INTERVAL_BLIND:.0f} seconds instead{advice}")
        end = time.monotonic() + _COMPARE_INTERVAL_BLIND
        while time.monotonic() < end:
            yield False
            self._cancel.wait(_LOOK)

    def _matters(self, path: str, watched: list[_Watched]) -> bool:
        """Whether a walk would see a change at this path."""
        changed = Path(path)
        if any(changed.is_relative_to(index) for index in (self._index_folder, os.path.realpath(self._index_folder))):
            return False
        for root in watched:
            for above_root in root.names:
                if not changed.is_relative_to(above_root) or changed == Path(above_root):
                    continue
                *folders, name = changed.relative_to(above_root).parts
                above = (os.path.basename(root.folder), *folders)
                if any(map(root.rules.skips_folder, folders, above)) or root.rules.skips_folder(name):
                    continue
                is_beside = name.lower().endswith((XMP, JSON))
                if is_beside or is_image_name(name) is not False or os.path.isdir(path):
                    return True
        return False

    def _watched(self) -> list[_Watched]:
        """The folders to watch, even if they are missing now; none while the index cannot be read."""
        try:
            with Collection(self._index_folder) as collection:
                folders = self._folders or [root for root in collection.roots().values() if not is_remote(root)]
                watched = [self._as_indexed(collection, folder) for folder in folders]
        except CollectionError as error:
            if has_catalog(self._index_folder):  # otherwise its drive has just gone, which `_present` will report
                self._trouble("catalog", str(error))
            return []
        self._passed("catalog", f"the index at {self._index_folder} can be read again")
        return watched

    def _as_indexed(self, collection: Collection, folder: str) -> _Watched:
        place = collection.place(collection.spelled(folder))
        known = roots.rules_of(collection, place.root_id) if place else None
        rules = next_rules(self._rules, known, is_named=False)
        filled = roots.holds_something(folder) or any(
            collection.folders(root_id, under) for root_id, under in collection.places(folder)
        )
        return _Watched(folder, (folder, os.path.realpath(folder)), rules, filled)

    def _present(self, watched: list[_Watched]) -> dict[str, tuple[int, int]]:
        """The folders that exist and the identity of each, which changes if another takes its place. Reports missing ones."""
        if not has_catalog(self._index_folder):  # do not make a new one while the old one's drive is not mounted
            self._trouble("index", f"the index at {self._index_folder} is not there now; waiting until it is back")
            return {}
        self._passed("index", f"the index at {self._index_folder} is back")
        present = {}
        for root in watched:
            folder = identity(root.folder)
            if folder and (not root.filled or roots.holds_something(root.folder)):
                present[root.folder] = folder
                self._passed(root.folder, f"{root.folder} is back")
            else:
                problem = "is empty" if folder else "is not there"
                self._trouble(
                    root.folder, f"{root.folder} {problem} now; waiting until it is back. Nothing was removed"
                )
        return present

    def _trouble(self, subject: str, text: str) -> None:
        if self._troubles.get(subject) != text:
            self._troubles[subject] = text
            self._notice(text)

    def _passed(self, subject: str, text: str) -> None:
        if self._troubles.pop(subject, None):
            self._notice(text)


def require_watchfiles() -> None:
    """Raise ClipsearchError unless watchfiles is installed."""
    from importlib.util import find_spec

    if find_spec("watchfiles") is None:
        raise ClipsearchError("watching folders needs watchfiles: pip install 'clipsearch[watch]'")
