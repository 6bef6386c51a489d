"""Keep an index up to date: wait until something changes below its folders and then stays quiet, and index again.

The system says what changes, as far as it does: not for drives of other machines, nor for more folders than it can watch. So
everything is compared again from time to time, too; an unchanged photo costs one stat.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from clipsearch._internal.cancel import CancelToken
from clipsearch._internal.paths import is_remote
from clipsearch.errors import ClipsearchError, CollectionError, DecodersUnavailable, SyncRefused
from clipsearch.images.formats import is_image_name
from clipsearch.indexing import roots
from clipsearch.indexing.apply import SyncReport
from clipsearch.indexing.walk import WalkRules
from clipsearch.store.collection import Collection

QUIET = 1.0
"""Seconds without a change before a round begins; also how long ago a file must have been written to be read in it."""

LONGEST = 30.0
"""Seconds of changes without a pause after which a round begins all the same."""

_LOOK = 0.2  # seconds between two looks at what has changed; stopping takes as long
_THERE = 1.0  # seconds between two looks whether the folders are there
_COMPARE = 900.0  # seconds between two rounds at most
_COMPARE_BLINDLY = 60.0  # the same where the system does not say what changes, or a round was refused


@dataclass(frozen=True, slots=True)
class _Watched:
    """A folder, also as the system may name it, and what a walk of it passes over."""

    folder: str
    names: tuple[str, ...]
    rules: WalkRules
    filled: bool  # whether something is in it, or indexed below it: empty, it is then a drive that is not mounted


class Watch:
    """Rounds of indexing, each after a change. It belongs to the thread that goes through `rounds`.

    `update` makes a round: it gets the folders that are there, makes the index agree with them and says what it did; it should
    leave files for later that were written within the last QUIET seconds (the `settled_for` of SearchEngine.index). `notice`
    gets a sentence for people when something is in the way. `folders` are by default all that are indexed, also later ones,
    with the rules that the index has for them. ClipsearchError where watchfiles is not installed.
    """

    def __init__(
        self, index_folder: Path, folders: Sequence[str | os.PathLike[str]] = (), rules: WalkRules | None = None, *,
        update: Callable[[Sequence[str]], SyncReport], notice: Callable[[str], None], cancel: CancelToken | None = None,
    ) -> None:  # fmt: skip
        require_watchfiles()
        self._index_folder = index_folder
        self._folders = [roots.absolute(folder) for folder in folders]
        self._rules = rules
        self._update = update
        self._notice = notice
        self._cancel = cancel or CancelToken()
        self._troubles: dict[str, str] = {}  # what is in the way now, and was said, by where

    def rounds(self) -> Iterator[SyncReport]:
        """Index at once, and then after changes, until it is cancelled; what each round did that was carried out.

        Whatever can pass is waited for: folders or an index that are not there, a round that would lose too much, a full disk.
        """
        while not self._cancel.cancelled:
            watched = self._watched()
            there = self._there(watched)
            if not there:
                self._cancel.wait(_THERE)
                continue
            yield from self._rounds_while(watched, there)

    def _rounds_while(self, watched: list[_Watched], there: dict[str, tuple[int, int]]) -> Iterator[SyncReport]:
        """Rounds while the same folders are there."""
        now = time.monotonic()
        first: float | None = now  # of the changes since the last round; what changed before anybody looked is one
        last, looked, compared, every = now - QUIET, now, now, _COMPARE
        for changed in self._changes(watched, there):
            if self._cancel.cancelled:
                return
            now = time.monotonic()
            if changed:
                first, last = first or now, now
            due = first is not None and (now - last >= QUIET or now - first >= LONGEST)
            if due or now - looked >= _THERE:
                looked = now
                if self._there(watched) != there:
                    return
            if due:
                report = self._round(list(there))
                first, compared = None, time.monotonic()
                every = _COMPARE if report else _COMPARE_BLINDLY
                if report:
                    yield report
                if report and report.waiting:
                    first = last = compared
                if self._watched() != watched:
                    return
            if now - compared >= every:
                return

    def _round(self, folders: list[str]) -> SyncReport | None:
        try:
            report = self._update(folders)
        except (SyncRefused, CollectionError, DecodersUnavailable, OSError) as error:
            self._trouble("round", str(error))
            return None
        except ClipsearchError:
            if all(os.path.isdir(folder) for folder in folders):
                raise
            return None  # one has just gone; whoever looks next will say so
        self._troubles.pop("round", None)
        return report

    def _changes(self, watched: list[_Watched], there: dict[str, tuple[int, int]]) -> Iterator[bool]:
        """Several times a second, whether something has changed that matters."""
        from watchfiles import watch

        moment = int(_LOOK * 1000)
        try:
            for changes in watch(
                *there, watch_filter=None, debounce=moment, step=50, rust_timeout=moment, yield_on_timeout=True,
                ignore_permission_denied=True,
            ):  # fmt: skip
                yield any(self._matters(path, watched) for _, path in changes)
        except OSError as error:
            if self._there(watched) != there:
                return
            self._trouble(
                "system",
                f"the system cannot say what changes ({error}); comparing every {_COMPARE_BLINDLY:.0f} seconds instead. On "
                "Linux, fs.inotify.max_user_watches must be more than the number of folders",
            )
            end = time.monotonic() + _COMPARE_BLINDLY
            while time.monotonic() < end:
                yield False
                self._cancel.wait(_LOOK)

    def _matters(self, path: str, watched: list[_Watched]) -> bool:
        """Whether a walk would see what has changed there."""
        index = str(self._index_folder)
        if any(_inside(path, name) is not None for name in (index, os.path.realpath(index))):
            return False
        for one in watched:
            for inside in filter(None, (_inside(path, name) for name in one.names)):
                *folders, name = Path(inside).parts
                above = (os.path.basename(one.folder), *folders)
                if any(map(one.rules.skips_folder, folders, above)) or one.rules.skips_folder(name):
                    continue
                if is_image_name(name) is not False or os.path.isdir(path):
                    return True
        return False

    def _watched(self) -> list[_Watched]:
        """The folders to watch, whether or not they are there now; none while the index cannot be read."""
        try:
            with Collection(self._index_folder) as collection:
                folders = self._folders or [root for root in collection.roots().values() if not is_remote(root)]
                watched = [self._as_indexed(collection, folder) for folder in folders]
        except CollectionError as error:
            if self._has_index():  # or its drive has just gone, perhaps in the middle of reading; `_there` says so
                self._trouble("catalog", str(error))
            return []
        self._passed("catalog", f"the index at {self._index_folder} can be read again")
        return watched

    def _as_indexed(self, collection: Collection, folder: str) -> _Watched:
        place = collection.place(collection.spelled(folder))
        rules = self._rules or (roots.rules_of(collection, place.root_id) if place else WalkRules())
        filled = roots.holds_something(folder) or any(
            collection.folders(root_id, under) for root_id, under in collection.places(folder)
        )
        return _Watched(folder, (folder, os.path.realpath(folder)), rules, filled)

    def _there(self, watched: list[_Watched]) -> dict[str, tuple[int, int]]:
        """The folders that are there, and what each is, so that one put in its place is noticed. Who is not is said."""
        if not self._has_index():  # a new one must not be made where the old one's drive is not mounted
            self._trouble("index", f"the index at {self._index_folder} is not there now; waiting until it is back")
            return {}
        self._passed("index", f"the index at {self._index_folder} is back")
        found = {}
        for one in watched:
            try:
                state = os.stat(one.folder)
            except OSError:
                state = None
            if state and (not one.filled or roots.holds_something(one.folder)):
                found[one.folder] = (state.st_dev, state.st_ino)
                self._passed(one.folder, f"{one.folder} is back")
            else:
                what = "is empty" if state else "is not there"
                self._trouble(one.folder, f"{one.folder} {what} now; waiting until it is back. Nothing was removed")
        return found

    def _has_index(self) -> bool:
        return (self._index_folder / "catalog.sqlite").is_file()

    def _trouble(self, where: str, text: str) -> None:
        if self._troubles.get(where) != text:
            self._troubles[where] = text
            self._notice(text)

    def _passed(self, where: str, text: str) -> None:
        if self._troubles.pop(where, None):
            self._notice(text)


def require_watchfiles() -> None:
    """ClipsearchError, naming the extra, unless watchfiles is installed."""
    from importlib.util import find_spec

    if find_spec("watchfiles") is None:
        raise ClipsearchError("watching folders needs watchfiles: pip install 'clipsearch[watch]'")


def _inside(path: str, folder: str) -> str | None:
    """A path from a folder at or above it, "" for the folder itself; else None."""
    if path == folder:
        return ""
    prefix = folder.rstrip(os.sep) + os.sep
    return path[len(prefix) :] if path.startswith(prefix) else None
