"""Where an index is: named, in a folder or above it, in the user's data folder, or the last used one."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
from pathlib import Path

import click

from clipsearch._internal.atomic_files import replacing
from clipsearch._internal.commands import INDEX_FOLDER
from clipsearch._internal.paths import is_remote
from clipsearch._internal.untrusted_files import read_plain
from clipsearch.errors import ClipsearchError, CollectionNotFound
from clipsearch.store.catalog_file import has_catalog, has_vectors

logger = logging.getLogger(__name__)

_APP = "clipsearch"


def find_index(given: str | None = None, start: Path | None = None) -> Path:
    """The index folder to search: `given` (--index or CLIPSEARCH_INDEX), else the nearest one, else the last used one.

    The nearest one is in `start` (by default the current folder) or closest above it: its `.clipsearch`, or the one in the
    user's data folder for a folder that cannot be written to. Raises CollectionNotFound if there is no index.
    """
    if given:
        return as_index(Path(given))
    start = start or Path.cwd()
    if nearest := nearest_index(start):
        return nearest
    if last := last_used_index():
        return last
    remembered = _remembered_index()
    before = f"and the last used one, {remembered}, is not there now" if remembered else "and none was used before"
    raise CollectionNotFound(
        f"there is no index at or above {start}, {before}. Make one with: clipsearch index FOLDER, or name one with --index"
    )


def last_used_index() -> Path | None:
    """The last used index, if it still exists."""
    remembered = _remembered_index()
    return remembered if remembered and _is_index(remembered) else None


def _remembered_index() -> Path | None:
    """Where the last used index was."""
    try:
        remembered = Path(os.fsdecode(read_plain(_last_used_file(), 100_000).rstrip(b"\n")))
    except (OSError, ValueError):
        return None
    return remembered if remembered.is_absolute() else None


def index_for(folders: tuple[str, ...], given: str | None = None, *, try_it: bool = True) -> Path:
    """Where `index FOLDER...` keeps its index: `given`, else the nearest one, else the first folder's own `.clipsearch`.

    If that folder cannot be written to, the index is in the user's data folder; with `try_it` False, that is not tried.
    Without folders, it is the nearest one. Raises CollectionNotFound if there is no index.
    """
    if given:
        return as_index(Path(given))
    if not folders:
        if nearest := nearest_index(Path.cwd()):
            return nearest
        raise CollectionNotFound(f"there is no index at or above {Path.cwd()}; say which folder to index")
    if is_remote(folders[0]):
        raise click.UsageError(
            f"{folders[0]} cannot hold its own index; give a folder on this machine for it: --index DIR"
        )
    first = Path(os.path.abspath(os.path.expanduser(folders[0])))
    if first.is_file():  # an archive of photos
        first = first.parent
    if nearest := nearest_index(first):
        return nearest
    is_inside = not try_it or not first.is_dir() or takes_index(first)
    return first / INDEX_FOLDER if is_inside else _outside_index(first)


def nearest_index(start: Path) -> Path | None:
    """The index of a folder, or of the closest folder above it that has one."""
    start = start.absolute()
    for folder in (start, *start.parents):
        for candidate in (folder / INDEX_FOLDER, _outside_index(folder)):
            if _is_index(candidate):
                return candidate
    return None


def as_index(path: Path) -> Path:
    """An index folder from what a user names: the folder itself, or the photo folder that it is of."""
    path = Path(os.path.abspath(os.path.expanduser(path)))
    if _is_index(path):
        return path
    return next((index for index in (path / INDEX_FOLDER, _outside_index(path)) if _is_index(index)), path)


def takes_index(folder: Path) -> bool:
    """Whether an index can be made in a folder. This tries it, since permissions say little on Windows and read-only disks.

    Nothing stays behind. A full disk counts as one that takes an index.
    """
    import tempfile

    trial, made = folder / INDEX_FOLDER, False
    try:
        with contextlib.suppress(FileExistsError):
            trial.mkdir()
            made = True
        tempfile.TemporaryFile(dir=trial).close()
    except OSError as error:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    finally:
        if made:
            with contextlib.suppress(OSError):
                trial.rmdir()
    return True


def remember_index(index: Path) -> None:
    """Make this the last used index. An error here changes nothing for the command."""
    try:
        file = _last_used_file()
        if not file.is_file() or file.read_bytes() != os.fsencode(index):
            file.parent.mkdir(parents=True, exist_ok=True)
            with replacing([file], force=True) as (unfinished,):
                unfinished.write_bytes(os.fsencode(index))
    except (ClipsearchError, OSError) as error:
        logger.info("the last used index was not remembered: %s", error)


def _is_index(path: Path) -> bool:
    """Whether a folder is an index, or what is left of one: opening it says what is lost."""
    try:
        return has_catalog(path) or has_vectors(path)
    except OSError:
        return False


def _outside_index(folder: Path) -> Path:
    import platformdirs

    name = hashlib.sha256(os.fsencode(os.path.normcase(folder))).hexdigest()[:16]
    return Path(platformdirs.user_data_dir(_APP, appauthor=False)) / "indexes" / f"{folder.name or 'root'}-{name}"


def _last_used_file() -> Path:
    import platformdirs

    return Path(platformdirs.user_state_dir(_APP, appauthor=False)) / "last-index"
