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
from clipsearch._internal.commands import INDEX_FOLDER, is_in_use
from clipsearch._internal.paths import is_remote
from clipsearch._internal.untrusted_files import read_plain
from clipsearch.errors import ClipsearchError, CollectionNotFound
from clipsearch.store.catalog_file import KEEPING, NEXT, PREVIOUS, is_index

logger = logging.getLogger(__name__)

_APP = "clipsearch"


def find_index(given: str | None = None, start: Path | None = None) -> Path:
    """The index folder to search: `given` (--index or CLIPSEARCH_INDEX), else the nearest one, else the last used one.

    The nearest one is of `start` (by default the current folder) or of the closest folder above it: the folder itself if it
    is an index, its `.clipsearch`, or the one in the user's data folder for a folder that cannot be written to.
    Raises CollectionNotFound if there is no index.
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
    return remembered if remembered and is_index(remembered) else None


def _remembered_index() -> Path | None:
    """Where the last used index was."""
    try:
        remembered = Path(os.fsdecode(read_plain(_last_used_file(), 100_000).rstrip(b"\n")))
    except (OSError, ValueError):
        return None
    return remembered if remembered.is_absolute() else None


def index_for(folders: tuple[str, ...], given: str | None = None, *, try_it: bool = True) -> Path:
    """Where `index FOLDER...` keeps its index: `given`, else the nearest one, else the first folder's own `.clipsearch`.

    A `given` folder that holds other files, or is to hold the photos, gets a new index in its `.clipsearch`, too. If such a
    folder cannot be written to, the index is in the user's data folder; with `try_it` False, that is not tried. Without
    folders, it is an index that is there. Raises CollectionNotFound if there is no index.
    """
    if given:
        named = as_index(Path(given))
        if not folders or is_index(named):
            return named
        holds_photos = is_in_use(named) or any(folder and named == _absolute(folder) for folder in folders)
        return _new_index(named, try_it=try_it) if holds_photos else named
    if not folders:
        if nearest := nearest_index(Path.cwd()):
            return nearest
        raise CollectionNotFound(f"there is no index at or above {Path.cwd()}; say which folder to index")
    if is_remote(folders[0]):
        raise click.UsageError(
            f"{folders[0]} cannot hold its own index; give a folder on this machine for it: --index DIR"
        )
    first = _absolute(folders[0])
    if first.is_file():  # an archive of photos
        first = first.parent
    if nearest := nearest_index(first):
        return nearest
    return _new_index(first, try_it=try_it)


def _new_index(folder: Path, *, try_it: bool) -> Path:
    """Where a photo folder's own index is made: inside it, or in the user's data folder if it cannot be written to."""
    is_inside = not try_it or not folder.is_dir() or takes_index(folder)
    return folder / INDEX_FOLDER if is_inside else _outside_index(folder)


def nearest_index(start: Path) -> Path | None:
    """The index that a folder has or is itself, or the closest folder above it."""
    start = start.absolute()
    for folder in (start, *start.parents):
        if index := _existing_index(folder):
            # An index that replaces another, or is kept after that, is inside it and only a part of it.
            is_part = index == folder and folder.name in (NEXT, PREVIOUS, KEEPING) and is_index(folder.parent)
            return folder.parent if is_part else index
    return None


def as_index(path: Path) -> Path:
    """An index folder from what a user names: the folder itself, or the photo folder that it is of."""
    path = _absolute(path)
    return _existing_index(path) or path


def _existing_index(folder: Path) -> Path | None:
    """The folder itself if it is an index, or the index that it has."""
    for index in (folder, folder / INDEX_FOLDER):
        if is_index(index):
            return index
    return outside if is_index(outside := _outside_index(folder)) else None


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


def _absolute(path: str | os.PathLike[str]) -> Path:
    return Path(os.path.abspath(os.path.expanduser(path)))


def _outside_index(folder: Path) -> Path:
    import platformdirs

    name = hashlib.sha256(os.fsencode(os.path.normcase(folder))).hexdigest()[:16]
    return Path(platformdirs.user_data_dir(_APP, appauthor=False)) / "indexes" / f"{folder.name or 'root'}-{name}"


def _last_used_file() -> Path:
    import platformdirs

    return Path(platformdirs.user_state_dir(_APP, appauthor=False)) / "last-index"
