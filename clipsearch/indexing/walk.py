"""Walk folders and list their photos, in an order that does not depend on the file system."""

from __future__ import annotations

import fnmatch
import os
import re
import stat
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from clipsearch._internal import windows
from clipsearch._internal.arguments import is_several, make_flags, require_text, short
from clipsearch._internal.commands import INDEX_FOLDER
from clipsearch._internal.paths import NOT_THERE, as_utf8, from_utf8, identity
from clipsearch._internal.windows import is_junction, is_misread, opened_as
from clipsearch.errors import QueryError
from clipsearch.images.file_types import has_image_signature, is_image_name, is_image_suffix
from clipsearch.images.files import FAR, clamped
from clipsearch.indexing.default_excludes import NO_MEDIA, default_exclude
from clipsearch.indexing.system_folders import is_system_folder, system_devices
from clipsearch.types import ImageFile, SkipReason

_DATALESS = 0x40000000  # of st_flags on macOS, SF_DATALESS: the bytes are in iCloud
_RECALLED = 0x400000 | 0x40000 | 0x1000  # of st_file_attributes: RECALL_ON_DATA_ACCESS, RECALL_ON_OPEN, OFFLINE
_ICLOUD_STUB = re.compile(r"\.(?P<name>.+)\.icloud")  # left by macOS before 14 for a file whose bytes are in iCloud
_HAS_PLACEHOLDERS = sys.platform in ("darwin", "win32")


@dataclass(frozen=True, slots=True)
class WalkRules:
    """What a walk skips, besides clipsearch's own folder."""

    hidden: bool = False  # enter hidden folders and take hidden files
    defaults: bool = True  # skip DEFAULT_EXCLUDES, folders with NO_MEDIA, and what clipsearch itself made
    follow_links: bool = False  # enter folders that are symbolic links; links to files always count
    exclude: tuple[str, ...] = ()  # glob patterns for names of files and folders

    def __post_init__(self) -> None:
        """QueryError for a value of another kind: one text would be a pattern for each of its letters."""
        make_flags(self, "hidden", "defaults", "follow_links")
        exclude: Any = self.exclude
        if not is_several(exclude):
            advice = f"; write ({exclude!r},)" if isinstance(exclude, str) else ""
            raise QueryError(f"exclude must be a tuple of names, not {short(exclude)}{advice}")
        object.__setattr__(self, "exclude", tuple(exclude))
        for pattern in self.exclude:
            require_text("a name in exclude", pattern)

    def to_json(self) -> dict[str, object]:
        """Plain values, to store beside the root."""
        return asdict(self) | {"exclude": [as_utf8(pattern) for pattern in self.exclude]}

    @classmethod
    def from_json(cls, data: dict[str, object]) -> WalkRules:
        """The inverse of `to_json`; unknown keys are ignored."""
        exclude = data.get("exclude") or ()
        return cls(
            hidden=bool(data.get("hidden")),
            defaults=bool(data.get("defaults", True)),
            follow_links=bool(data.get("follow_links")),
            exclude=tuple(from_utf8(str(pattern)) for pattern in exclude) if isinstance(exclude, (list, tuple)) else (),
        )

    def why_folder_skipped(self, name: str, inside: str = "") -> SkipReason | None:
        """Why a folder of this name is skipped; None if it is not. `inside` is the name of the folder that holds it."""
        if self.defaults and default_exclude(name, inside):
            return "default"
        return "own" if name == INDEX_FOLDER else self.why_file_skipped(name)

    def why_file_skipped(self, name: str) -> SkipReason | None:
        """Why a file of this name is skipped, whatever it holds; None if it is not."""
        if name[0] == "." and not self.hidden:
            return "hidden"
        return "excluded" if any(fnmatch.fnmatch(name, pattern) for pattern in self.exclude) else None

    def skips_folder(self, name: str, inside: str = "") -> bool:
        """Whether a folder of this name is skipped; `inside` is the name of the folder that holds it."""
        return self.why_folder_skipped(name, inside) is not None

    def skips_file(self, name: str) -> bool:
        """Whether a file of this name is skipped."""
        return self.why_file_skipped(name) is not None


ARCHIVES_ONLY = WalkRules(exclude=("*",))
"""For a folder with indexed archives only: a walk finds no photos in it, and leaves those of the archives alone."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The photos of one folder."""

    folder: str  # relative to the root, with "/" between parts; "" for the root itself
    path: str
    states: dict[str, tuple[int, int]] = field(default_factory=dict)  # name → (size in bytes, mtime_ns), unordered
    other_files: list[str] = field(default_factory=list)  # files that are no pictures by name or content, unordered
    error: str | None = None  # why the folder could not be listed
    unsure: dict[str, str] = field(default_factory=dict)  # files that could not be looked at: name → why
    placeholders: tuple[str, ...] = ()  # photos whose bytes are only in a cloud: opening one would download it
    skipped: dict[str, SkipReason] = field(default_factory=dict)  # files and folders that the rules leave out: why
    folders: frozenset[str] = frozenset()  # names in `skipped` of folders, or of links to folders

    @property
    def others(self) -> int:
        """How many files are no pictures by name or content."""
        return len(self.other_files)

    @property
    def files(self) -> tuple[ImageFile, ...]:
        """The photos, by name."""
        return tuple(ImageFile(os.path.join(self.path, name), *state) for name, state in sorted(self.states.items()))


def find_images(root: str | os.PathLike[str], rules: WalkRules | None = None) -> Iterator[ImageFile]:
    """Every photo below `root`, in a fixed order."""
    for listing in list_images(Path(root).absolute(), rules):
        yield from listing.files


def list_images(root: str | os.PathLike[str], rules: WalkRules | None = None, under: str = "") -> Iterator[Listing]:
    """List every folder below `root`, or below its folder `under`, in the order of their names.

    An unreadable folder has a listing with an error, and a file without a readable status is `unsure`: do not treat either as
    deleted. A missing folder has no listing. But if `root` itself disappears during the walk, like an unplugged drive, its
    folders have listings with an error. With `follow_links`, a folder with two paths (a loop, or a link beside its target) is
    listed once. File systems that hold no files, such as /proc, are never entered.
    """
    rules = rules or WalkRules()
    base = os.fspath(root)
    before = identity(base)
    seen: set[tuple[int, int]] = set()
    system = system_devices()
    stack = [under]
    while stack:
        folder = stack.pop()
        path = os.path.join(base, *folder.split("/")) if folder else base
        try:
            here = os.stat(opened_as(path))
            if here.st_ino and (here.st_dev, here.st_ino) in seen:
                continue
            seen.add((here.st_dev, here.st_ino))
            if here.st_dev in system:
                yield Listing(folder, path, skipped={"": "system"})
                continue
            with os.scandir(opened_as(path)) as scan:
                entries = list(scan)
        except OSError as error:
            is_deleted = isinstance(error, (FileNotFoundError, NotADirectoryError))
            if not is_deleted or (before and identity(base) != before):
                yield Listing(folder, path, error=error.strerror or str(error))
            continue
        listing, folders, vanished = _list_folder(folder, path, entries, rules)
        if vanished and before and identity(base) != before:
            listing = Listing(folder, path, error=vanished)
        yield listing
        stack.extend(sorted(folders, reverse=True))


def _list_folder(
    folder: str, path: str, entries: list[os.DirEntry[str]], rules: WalkRules
) -> tuple[Listing, list[str], str]:
    """Empty `entries` into (the folder's listing, the folders inside it to walk, the error of an entry that vanished or "")."""
    states: dict[str, tuple[int, int]] = {}
    folders: list[str] = []
    other_files: list[str] = []
    vanished = ""
    unsure: dict[str, str] = {}
    placeholders: list[str] = []
    skipped: dict[str, SkipReason] = {}
    skipped_folders: list[str] = []
    has_no_media = False
    inside = os.path.basename(path)
    while entries:  # calls none of our functions: one call a file takes a tenth of a second for 100,000
        entry = entries.pop()  # frees the system's status of the file
        name = entry.name
        dotted = name[0] == "."
        why: SkipReason | None = None
        try:
            if entry.is_dir(follow_symlinks=rules.follow_links):
                if windows.HERE and not rules.follow_links and is_junction(entry.path):
                    why = "link"
                else:
                    why = rules.why_folder_skipped(name, inside)
                if why is None:
                    folders.append(f"{folder}/{name}" if folder else name)
                elif name != INDEX_FOLDER:
                    skipped[name] = why
                    skipped_folders.append(name)
            elif dotted and (away := _in_icloud(name)):
                if not rules.skips_file(away):
                    placeholders.append(away)
            elif (dotted or rules.exclude) and (why := rules.why_file_skipped(name)):
                if name == NO_MEDIA:
                    has_no_media = True
                skipped[name] = why
            else:
                named = is_image_name(name) if dotted else is_image_suffix(name[name.rfind(".") :])
                info = None if named is False else entry.stat()
                if _HAS_PLACEHOLDERS and info and is_placeholder(info):
                    placeholders.append(name)
                elif info and stat.S_ISREG(info.st_mode) and (named or _looks_like_image(entry.path)):
                    time_ns = info.st_mtime_ns
                    states[name] = info.st_size, time_ns if -FAR < time_ns < FAR else clamped(time_ns)
                elif info and stat.S_ISDIR(info.st_mode):
                    skipped[name] = "link"
                    skipped_folders.append(name)
                else:
                    other_files.append(name)
                    if name == NO_MEDIA:
                        has_no_media = True
        except OSError as error:
            if error.errno in NOT_THERE or rules.skips_file(name):  # deleted meanwhile, or a broken link
                other_files.append(name)
                vanished = error.strerror or str(error)
            else:
                unsure[name] = error.strerror or str(error)
    if has_no_media and rules.defaults and folder:
        return Listing(folder, path, skipped={"": "default"}), [], vanished
    listing = Listing(
        folder,
        path,
        states,
        other_files,
        unsure=unsure,
        placeholders=tuple(sorted(name for name in placeholders if name not in states)),
        skipped=skipped,
        folders=frozenset(skipped_folders),
    )
    return listing, folders, vanished


def _in_icloud(name: str) -> str | None:
    """The name of the photo for which a hidden file is iCloud's placeholder; None for other files."""
    stub = _ICLOUD_STUB.fullmatch(name)
    return stub["name"] if stub and is_image_name(stub["name"]) else None


def is_placeholder(info: os.stat_result) -> bool:
    """Whether a file's bytes are only in a cloud (iCloud, OneDrive and the like), so that reading it would download them."""
    return bool(getattr(info, "st_flags", 0) & _DATALESS or getattr(info, "st_file_attributes", 0) & _RECALLED)


def _looks_like_image(path: str) -> bool:
    return not is_misread(path) and has_image_signature(path)


def reason_passed_over(
    root: str, folder: str, rules: WalkRules, system: frozenset[int] | None = None
) -> tuple[SkipReason, str] | None:
    """Why a walk of `root` with these rules does not enter a folder (relative to the root), and the path that decides it.

    `system` is what `system_devices` says, for callers that ask about many folders.
    """
    path = root
    parts = folder.split("/") if folder else []
    if {"", ".", ".."}.intersection(parts):  # only in a forged catalog
        return None
    system = system_devices() if system is None else system
    for name in parts:
        inside = os.path.basename(path)
        path = os.path.join(path, name)
        if why := rules.why_folder_skipped(name, inside):
            return why, path
        if not rules.follow_links and (os.path.islink(path) or is_junction(path)):
            return "link", path
        if is_system_folder(path, system):
            return "system", path
        if rules.defaults and os.path.lexists(marker := os.path.join(path, NO_MEDIA)):
            return "default", marker
    return None


def why_passed_over(root: str, folder: str, rules: WalkRules) -> str:
    """Why a walk of `root` with these rules skips a folder (relative to the root), as words; "" if it does not."""
    reason = reason_passed_over(root, folder, rules)
    if reason is None:
        return ""
    why, path = reason
    name = os.path.basename(path)
    if why == "link":
        return f"{path} is a link to a folder, which `clipsearch index` does not follow here"
    if why == "system":
        return f"{path} is a file system of the machine itself, which `clipsearch index` never enters"
    if name == NO_MEDIA:
        return f"`clipsearch index` passes over folders that have a {NO_MEDIA} file, as {os.path.dirname(path)} does"
    return f"`clipsearch index` passes over the folder {name}"
