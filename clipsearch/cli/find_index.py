"""Which index a command acts on: the one named, the nearest, or the one used last."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import sys
from pathlib import Path

import click

from clipsearch._internal.atomic_files import replacing
from clipsearch._internal.commands import INDEX_FOLDER, PHOTOS, command, how_to_make, quoted
from clipsearch._internal.paths import is_remote
from clipsearch._internal.untrusted_files import read_plain
from clipsearch.cli.hints import use
from clipsearch.cli.output import note
from clipsearch.errors import ClipsearchError, CollectionNotFound

logger = logging.getLogger(__name__)

CATALOG = "catalog.sqlite"
_APP = "clipsearch"
_MOST_ENTRIES = 1000  # of a folder, that are looked at to tell whether it holds photos


def index_without_flag() -> Path | None:
    """The index that a command without --index takes, apart from the one used last; None if there is none."""
    given = os.environ.get("CLIPSEARCH_INDEX")
    return as_index(Path(given)) if given else nearest_index(Path.cwd())


def existing_index(given: str | None) -> Path:
    """The index that a command reads or changes. A note says so if it is the one used last, somewhere else.

    CollectionNotFound if there is none.
    """
    index = find_index(given)
    _require_index(index, given)
    use(index, index_without_flag)
    logger.debug("the index is %s", index)
    if not given and nearest_index(Path.cwd()) is None:
        note(f"note: using the index used last, {index}, because there is none at or above the current folder")
    return index


def index_to_write(folders: tuple[str, ...], given: str | None) -> Path:
    """The index that `index` or `import` makes or updates. It need not exist yet.

    Without folders, it must be named or nearest: it is never the one used last.
    """
    _require_no_file(given)
    index = index_for(folders, given)
    if not folders and index.name != INDEX_FOLDER:
        _require_index(index, given)
    use(index, index_without_flag)
    return index


def folders_to_index(folders: tuple[str, ...], given: str | None) -> tuple[str, ...]:
    """The folders to index: those named, or the current one if there is no index and the user confirms it.

    CollectionNotFound, with the choices, if there is no terminal to ask on.
    """
    for folder in folders:
        if not folder.strip():
            raise ClipsearchError("one of the folders to index has an empty name; for the current folder, give .")
        path = Path(folder).expanduser()
        if path.name == INDEX_FOLDER and (path / CATALOG).is_file():
            raise ClipsearchError(f"{folder} is an index; to update it: {command('index', index=folder)}")
    if folders or given or nearest_index(Path.cwd()):
        return folders
    here = Path.cwd()
    if _can_ask():
        note(f"there is no index at or above {here}")
        if click.confirm("Index the photos in this folder?", default=False, err=True):
            return (str(here),)
        raise click.exceptions.Exit(1)
    choices = f"to index this folder: `{command('index', '.')}`"
    if last := last_used_index():
        choices += f"; to update the index used last: `{command('index', index=last)}`"
    raise CollectionNotFound(f"there is no index at or above {here}; {choices}")


def _can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _require_no_file(given: str | None) -> None:
    if given is not None and (path := Path(given).expanduser()).is_file():
        advice = f"its folder: --index {quoted(path.parent)}" if path.name == CATALOG else "the folder of an index"
        raise ClipsearchError(f"{_named(given)} is a file; give {advice}")


def _require_index(index: Path, given: str | None) -> None:
    """Raise CollectionNotFound, which says what to do, unless there is an index in a folder."""
    _require_no_file(given)
    try:
        (index / CATALOG).stat()
        return
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise ClipsearchError(f"cannot look into {index}: {error.strerror}") from error
    if index.parent.name == INDEX_FOLDER and (index.parent / CATALOG).exists():
        raise CollectionNotFound(f"{_named(given)} is inside an index; name its folder: --index {quoted(index.parent)}")
    if index.is_dir() and (around := nearest_index(index)):
        raise CollectionNotFound(
            f"there is no index in {_named(given)}, but the index {around} is of a folder above it. To search only "
            f"there: --index {quoted(around)} --in {quoted(index)}"
        )
    if index.name != INDEX_FOLDER and index != Path(index.anchor) and _holds_photos(index):
        raise CollectionNotFound(
            f"there is no index in {_named(given)}. To index the photos in that folder: {command('index', index)}"
        )
    legend = f" ({PHOTOS} is your photo folder)" if index.name != INDEX_FOLDER or not index.parent.is_dir() else ""
    raise CollectionNotFound(f"there is no index at {_named(given)}. To make it: {how_to_make(index)}{legend}")


def _named(given: str | None) -> str:
    return f"{given} (from $CLIPSEARCH_INDEX)" if given and os.environ.get("CLIPSEARCH_INDEX") == given else f"{given}"


def _holds_photos(folder: Path) -> bool:
    """Whether any of a folder's first entries, or of those one level down, is named like a photo."""
    from clipsearch.images.file_types import is_image_name

    seen = 0
    inner = [str(folder)]
    try:
        with os.scandir(folder) as entries:
            inner += [entry.path for entry, _ in zip(entries, range(_MOST_ENTRIES), strict=False) if entry.is_dir()]
        for path in inner:
            with os.scandir(path) as entries:
                for entry in entries:
                    seen += 1
                    if is_image_name(entry.name):
                        return True
                    if seen > _MOST_ENTRIES:
                        return False
    except OSError:
        pass
    return False


def find_index(given: str | None = None, start: Path | None = None) -> Path:
    """The index folder to search: `given` (--index or CLIPSEARCH_INDEX), else the nearest one, else the one used last.

    The nearest one is in `start` (by default the current folder) or closest above it: its `.clipsearch`, or the one in the
    user's data folder for a folder that cannot be written to. CollectionNotFound if there is none.
    """
    if given:
        return as_index(Path(given))
    start = start or Path.cwd()
    if nearest := nearest_index(start):
        return nearest
    if last := last_used_index():
        return last
    remembered = _remembered_index()
    before = f"and the one used last, {remembered}, is not there now" if remembered else "and none was used before"
    raise CollectionNotFound(
        f"there is no index at or above {start}, {before}. Make one with: clipsearch index FOLDER, or name one with --index"
    )


def last_used_index() -> Path | None:
    """The index used last, if it still exists."""
    remembered = _remembered_index()
    return remembered if remembered and _is_index(remembered) else None


def _remembered_index() -> Path | None:
    """Where the index used last was."""
    try:
        remembered = Path(os.fsdecode(read_plain(_last_used_file(), 100_000).rstrip(b"\n")))
    except (OSError, ValueError):
        return None
    return remembered if remembered.is_absolute() else None


def index_for(folders: tuple[str, ...], given: str | None = None) -> Path:
    """Where `index FOLDER...` keeps its index: `given`, else the nearest one, else the first folder's own `.clipsearch`.

    If that folder cannot be written to, the index is in the user's data folder. Without folders, it is the nearest one.
    CollectionNotFound if there is none.
    """
    if given:
        return as_index(Path(given))
    if not folders:
        if nearest := nearest_index(Path.cwd()):
            return nearest
        raise CollectionNotFound(f"there is no index at or above {Path.cwd()}; say which folder to index")
    if is_remote(folders[0]):
        raise ClipsearchError(
            f"{folders[0]} cannot hold its own index; give a folder on this machine for it: --index DIR"
        )
    first = Path(os.path.abspath(os.path.expanduser(folders[0])))
    if first.is_file():  # an archive of photos
        first = first.parent
    if nearest := nearest_index(first):
        return nearest
    return first / INDEX_FOLDER if not first.is_dir() or takes_index(first) else _outside_index(first)


def nearest_index(start: Path) -> Path | None:
    """The index of a folder, or of the closest folder above it that has one."""
    start = start.absolute()
    for folder in (start, *start.parents):
        for candidate in (folder / INDEX_FOLDER, _outside_index(folder)):
            if _is_index(candidate):
                return candidate
    return None


def as_index(path: Path) -> Path:
    """An index folder from what a user names: the folder itself, or the photo folder that holds it."""
    path = Path(os.path.abspath(os.path.expanduser(path)))
    return path / INDEX_FOLDER if not _is_index(path) and _is_index(path / INDEX_FOLDER) else path


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
    """Make this the index used last. An error here changes nothing for the command."""
    try:
        file = _last_used_file()
        if not file.is_file() or file.read_bytes() != os.fsencode(index):
            file.parent.mkdir(parents=True, exist_ok=True)
            with replacing([file], force=True) as (unfinished,):
                unfinished.write_bytes(os.fsencode(index))
    except (ClipsearchError, OSError) as error:
        logger.info("the index used last was not remembered: %s", error)


def _is_index(path: Path) -> bool:
    try:
        return (path / CATALOG).is_file()
    except OSError:
        return False


def _outside_index(folder: Path) -> Path:
    import platformdirs

    name = hashlib.sha256(os.fsencode(os.path.normcase(folder))).hexdigest()[:16]
    return Path(platformdirs.user_data_dir(_APP, appauthor=False)) / "indexes" / f"{folder.name or 'root'}-{name}"


def _last_used_file() -> Path:
    import platformdirs

    return Path(platformdirs.user_state_dir(_APP, appauthor=False)) / "last-index"
