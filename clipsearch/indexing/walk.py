"""Walk folders and find the photos in them, in an order that never depends on the file system."""

from __future__ import annotations

import fnmatch
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path

from clipsearch._internal import windows
from clipsearch._internal.paths import NOT_THERE, identity
from clipsearch._internal.windows import is_junction, is_misread, opened_as
from clipsearch.images.files import FAR, clamped
from clipsearch.types import ImageFile

SKIPPED_FOLDERS = (
    "@eaDir", "node_modules", "System Volume Information", "$RECYCLE.BIN", "$Recycle.Bin", "lost+found", "__MACOSX"
)  # fmt: skip
"""Folders that hold no photos of the user's, besides hidden ones: thumbnails of a NAS, packages, system folders."""

LIBRARIES = (".photoslibrary", ".photolibrary", ".aplibrary", ".migratedphotolibrary", ".migratedaplibrary")
"""What the libraries of Apple's Photos, iPhoto and Aperture end with: folders that the Finder shows as one file."""

_IN_LIBRARIES = ("originals", "masters")  # hold the photos; the other folders hold smaller copies, faces and thumbnails

_DATALESS = 0x40000000  # of st_flags on macOS: SF_DATALESS, whose bytes are in iCloud
_RECALLED = 0x400000 | 0x40000 | 0x1000  # of st_file_attributes: RECALL_ON_DATA_ACCESS, RECALL_ON_OPEN, OFFLINE
_MAY_BE_AWAY = sys.platform in ("darwin", "win32")

IMAGE_SUFFIXES = frozenset(
    [
        ".apng",
        ".avif",
        ".avifs",
        ".bmp",
        ".cur",
        ".dcx",
        ".dds",
        ".dib",
        ".fit",
        ".fits",
        ".flc",
        ".fli",
        ".gif",
        ".heic",
        ".heif",
        ".hif",
        ".icns",
        ".ico",
        ".im",
        ".j2c",
        ".j2k",
        ".jfif",
        ".jp2",
        ".jpc",
        ".jpe",
        ".jpeg",
        ".jpf",
        ".jpg",
        ".jpx",
        ".mpo",
        ".msp",
        ".pbm",
        ".pcd",
        ".pcx",
        ".pfm",
        ".pgm",
        ".png",
        ".pnm",
        ".ppm",
        ".psd",
        ".pxr",
        ".qoi",
        ".ras",
        ".rgb",
        ".rgba",
        ".sgi",
        ".tga",
        ".tif",
        ".tiff",
        ".vda",
        ".vst",
        ".webp",
        ".xbm",
        ".xpm",
    ]
)
"""A file that ends so is taken for a photo; one that then cannot be read is a failure the user hears of."""

OTHER_SUFFIXES = frozenset(
    [
        ".3gp",
        ".7z",
        ".aac",
        ".aae",
        ".avi",
        ".db",
        ".doc",
        ".docx",
        ".eps",
        ".flac",
        ".gz",
        ".ini",
        ".json",
        ".jsonl",
        ".m4a",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp3",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".ogg",
        ".pdf",
        ".ps",
        ".py",
        ".pyc",
        ".rar",
        ".sqlite",
        ".tar",
        ".thm",
        ".wav",
        ".webm",
        ".wmv",
        ".xlsx",
        ".xmp",
        ".zip",
    ]
)
"""What commonly lies beside photos in great number and is not opened to look inside."""

_SIGNATURES = (
    b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"BM", b"8BPS", b"qoif", b"DDS ",
    b"\0\0\0\x0cjP  \r\n", b"\xff\x4f\xff\x51", b"icns", b"\x59\xa6\x6a\x95",
    *(b"P%d%c" % (kind, space) for kind in range(1, 8) for space in b" \t\r\n"),
)  # fmt: skip
_FTYP_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1", b"avif", b"avis")
SIGNATURE_BYTES = 16


@dataclass(frozen=True, slots=True)
class WalkRules:
    """What a walk passes over, besides clipsearch's own folder."""

    hidden: bool = False  # look into hidden files and folders too
    defaults: bool = True  # skip SKIPPED_FOLDERS
    follow_links: bool = False  # enter folders that are symbolic links; links to files always count
    exclude: tuple[str, ...] = ()  # glob patterns for names of files and folders

    def to_json(self) -> dict[str, object]:
        """Plain values, for storing beside the root they were used on."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, object]) -> WalkRules:
        """The inverse of `to_json`; unknown keys are passed over."""
        exclude = data.get("exclude") or ()
        return cls(
            hidden=bool(data.get("hidden")),
            defaults=bool(data.get("defaults", True)),
            follow_links=bool(data.get("follow_links")),
            exclude=tuple(str(pattern) for pattern in exclude) if isinstance(exclude, (list, tuple)) else (),
        )

    def skips_folder(self, name: str, inside: str = "") -> bool:
        """Whether a folder of this name is passed over, `inside` another one."""
        if self.defaults and inside.lower().endswith(LIBRARIES) and name.lower() not in _IN_LIBRARIES:
            return True
        return name == ".clipsearch" or (self.defaults and name in SKIPPED_FOLDERS) or self.skips_file(name)

    def skips_file(self, name: str) -> bool:
        """Whether a file of this name is passed over."""
        if name[0] == "." and not self.hidden:
            return True
        return bool(self.exclude) and any(fnmatch.fnmatch(name, pattern) for pattern in self.exclude)


ARCHIVES_ONLY = WalkRules(exclude=("*",))
"""Of a folder in which nothing was asked for but archives: a walk finds no photos in it, and leaves what they hold alone."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One folder's photos. `error` says why the folder could not be listed, if it could not."""

    folder: str  # relative to the root, with "/" between parts; "" for the root itself
    path: str
    states: dict[str, tuple[int, int]]  # name → (size in bytes, mtime_ns), in no order
    others: int = 0  # what else was there: files that are no pictures by name or content
    error: str | None = None
    unsure: dict[str, str] = field(default_factory=dict)  # what could not be looked at: name → why
    placeholders: tuple[str, ...] = ()  # photos whose bytes are in a cloud alone: to open one would fetch it

    @property
    def files(self) -> tuple[ImageFile, ...]:
        """The photos, by name."""
        return tuple(ImageFile(os.path.join(self.path, name), *state) for name, state in sorted(self.states.items()))


def looks_like_image(head: bytes) -> bool:
    """Whether a file that begins with `head` (SIGNATURE_BYTES of it) is a picture, by its signature."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return True
    if head[4:8] == b"ftyp":
        return head[8:12] in _FTYP_BRANDS
    return head.startswith(_SIGNATURES)


def is_image_name(name: str) -> bool | None:
    """Whether a name says "photo": yes, no, or None where only the content can tell."""
    dot = name.rfind(".")
    return _by_suffix(name[dot:]) if dot > 0 and name[:dot].strip(".") else None  # as os.path.splitext has it


@lru_cache(1024)
def _by_suffix(suffix: str) -> bool | None:
    suffix = suffix.lower()
    return True if suffix in IMAGE_SUFFIXES else False if suffix in OTHER_SUFFIXES else None


def has_image_signature(path: str) -> bool:
    """Read a file's first bytes. OSError where they cannot be read."""
    descriptor = os.open(opened_as(path), os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        return looks_like_image(os.read(descriptor, SIGNATURE_BYTES))
    finally:
        os.close(descriptor)


def is_placeholder(info: os.stat_result) -> bool:
    """Whether a file's bytes are not on this machine, so that reading it would fetch them: iCloud, OneDrive and the like."""
    return bool(getattr(info, "st_flags", 0) & _DATALESS or getattr(info, "st_file_attributes", 0) & _RECALLED)


def _looks_like_image(path: str) -> bool:
    return not is_misread(path) and has_image_signature(path)


def list_images(root: str | os.PathLike[str], rules: WalkRules | None = None, under: str = "") -> Iterator[Listing]:
    """Every folder below `root`, or below its folder `under`, one listing each, in the order of their names.

    A folder that cannot be read is a listing with an error, and a file that cannot be looked at is `unsure`: neither is to be
    taken for deleted. A folder that is not there (any more) has no listing. But if `root` itself went during the walk, as a
    drive does that is unplugged, its folders have a listing with an error. With `follow_links`, a folder reached a second time
    (a loop, or a link beside its target) is passed over.
    """
    rules = rules or WalkRules()
    base = os.fspath(root)
    before = identity(base)
    seen: set[tuple[int, int]] = set()
    stack = [under]
    while stack:
        folder = stack.pop()
        path = os.path.join(base, *folder.split("/")) if folder else base
        try:
            here = os.stat(opened_as(path))
            if here.st_ino and (here.st_dev, here.st_ino) in seen:
                continue
            seen.add((here.st_dev, here.st_ino))
            with os.scandir(opened_as(path)) as entries:
                found = list(entries)
        except (FileNotFoundError, NotADirectoryError) as error:
            if before and identity(base) != before:
                yield Listing(folder, path, {}, error=error.strerror)
            continue
        except OSError as error:
            yield Listing(folder, path, {}, error=error.strerror or str(error))
            continue
        states: dict[str, tuple[int, int]] = {}
        folders: list[str] = []
        others = 0
        vanished = ""  # why, of something that was listed and is not there
        unsure: dict[str, str] = {}
        placeholders: list[str] = []
        inside = os.path.basename(path)
        while found:  # no call of ours for a common file: for each of 100,000, that is a tenth of a second
            entry = found.pop()  # let go of at once: each remembers all that the system said of its file
            name = entry.name
            dotted = name[0] == "."
            try:
                if entry.is_dir(follow_symlinks=rules.follow_links):
                    if windows.HERE and not rules.follow_links and is_junction(entry.path):
                        others += 1
                    elif not rules.skips_folder(name, inside):
                        folders.append(f"{folder}/{name}" if folder else name)
                elif not ((dotted or rules.exclude) and rules.skips_file(name)):
                    named = is_image_name(name) if dotted else _by_suffix(name[name.rfind(".") :])
                    info = None if named is False else entry.stat()
                    if _MAY_BE_AWAY and info and is_placeholder(info):
                        placeholders.append(name)
                    elif info and stat.S_ISREG(info.st_mode) and (named or _looks_like_image(entry.path)):
                        time_ns = info.st_mtime_ns
                        states[name] = info.st_size, time_ns if -FAR < time_ns < FAR else clamped(time_ns)
                    else:
                        others += 1
            except OSError as error:
                if error.errno in NOT_THERE or rules.skips_file(name):  # it vanished, or is a link to nothing
                    others += 1
                    vanished = error.strerror or str(error)
                else:
                    unsure[name] = error.strerror or str(error)
        if vanished and before and identity(base) != before:
            yield Listing(folder, path, {}, error=vanished)
            stack.extend(sorted(folders, reverse=True))
            continue
        yield Listing(folder, path, states, others, unsure=unsure, placeholders=tuple(sorted(placeholders)))
        stack.extend(sorted(folders, reverse=True))


def why_passed_over(root: str, folder: str, rules: WalkRules) -> str:
    """Why a walk of `root` by these rules does not come to a folder, relative to it; "" if it does."""
    path = root
    for name in folder.split("/") if folder else []:
        inside = os.path.basename(path)
        path = os.path.join(path, name)
        if rules.skips_folder(name, inside):
            return f"`clipsearch index` passes over the folder {name}"
        if not rules.follow_links and (os.path.islink(path) or is_junction(path)):
            return f"{path} is a link to a folder, which `clipsearch index` does not follow here"
    return ""


def find_images(root: str | os.PathLike[str], rules: WalkRules | None = None) -> Iterator[ImageFile]:
    """Every photo below `root`, in a fixed order."""
    for listing in list_images(Path(root).absolute(), rules):
        yield from listing.files
