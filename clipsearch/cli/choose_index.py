"""Which index a command acts on. Messages say so if that may surprise, and what to do if there is no index."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clipsearch._internal.commands import INDEX_FOLDER, command, is_in_use, no_index, quoted
from clipsearch.cli.find_index import find_index, index_for, last_used_index, nearest_index
from clipsearch.cli.hints import use
from clipsearch.cli.output import note, remark
from clipsearch.errors import ClipsearchError, CollectionNotFound
from clipsearch.images.file_types import is_image_name
from clipsearch.store.catalog_file import CATALOG, has_catalog, is_index

if TYPE_CHECKING:
    from clipsearch.engine import SearchEngine

logger = logging.getLogger(__name__)

_MOST_ENTRIES = 1000  # of a folder, that are looked at to tell whether it holds photos


def existing_index(given: str | None) -> Path:
    """The index that a command reads or changes. A note says so if it is the last used one, somewhere else.

    Raises CollectionNotFound if there is no index.
    """
    index = find_index(given)
    _require_index(index, given)
    use(index)
    logger.debug("the index is %s", index)
    _tell_of_two(index)
    if not given and nearest_index(Path.cwd()) is None:
        remark(f"note: no index at or above the current folder; using {index}, as last time")
    return index


def index_to_serve(given: str | None) -> tuple[Path, Path | None]:
    """The index to serve and None, or the place of a new index and the folder of its photos, which the page offers to index.

    That folder is the given one, or the current one. CollectionNotFound if it has no photos.
    """
    try:
        return existing_index(given), None
    except CollectionNotFound:
        folder = Path(os.path.realpath(Path(given).expanduser() if given else Path.cwd()))
        if folder.name == INDEX_FOLDER or not folder.is_dir() or nearest_index(folder) or not _holds_photos(folder):
            raise
    index = index_for((str(folder),))
    use(index)
    return index, folder


def photos_without_index(given: str | None) -> Path | None:
    """The current folder, if it has photos but no index, and none is named: then the last used index is somewhere else."""
    here = Path.cwd()
    return None if given or nearest_index(here) or not _holds_photos(here) else here


def open_engine(*given: str | None, **options: Any) -> SearchEngine:
    """A SearchEngine with the index that a command reads or changes, or with several, and the engine's options."""
    from clipsearch.engine import SearchEngine

    indexes = [existing_index(index) for index in given]
    if len(indexes) == 1:
        return SearchEngine(indexes[0], **options)
    use(None)  # commands that messages propose name their index themselves
    return SearchEngine(indexes, **options)


def index_to_write(folders: tuple[str, ...], given: str | None, *, dry_run: bool = False) -> Path:
    """The index that `index` or `import` makes or updates. It need not exist yet. In a dry run, nothing is written to find it.

    Without folders, it must be there, named or nearest: the last used index never counts. An empty text stands for photos
    that are in no folder of this machine.
    """
    _require_no_file(given)
    index = index_for(folders, given, try_it=not dry_run)
    if not folders and index.name != INDEX_FOLDER:
        _require_index(index, given)
    use(index)
    _tell_of_two(index)
    return index


def _tell_of_two(index: Path) -> None:
    """Say so if a folder is an index and has another one in its `.clipsearch`: early versions could make both."""
    if is_index(inner := index / INDEX_FOLDER):
        remark(f"note: {index} is an index itself, and has another one inside; to use that: --index {quoted(inner)}")


def folders_to_index(folders: tuple[str, ...], given: str | None) -> tuple[str, ...]:
    """The folders to index: those named, or the current one if there is no index and the user confirms it.

    CollectionNotFound, with the choices, if there is no terminal to ask on.
    """
    for folder in folders:
        if not folder.strip():
            raise click.UsageError("one of the folders to index has an empty name; for the current folder, give .")
        path = Path(folder).expanduser()
        if has_catalog(path) and not _holds_photos(path):
            raise click.UsageError(f"{folder} is an index; to update it: {command('index', index=folder)}")
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
        choices += f"; to update the last used index: `{command('index', index=last)}`"
    raise CollectionNotFound(f"there is no index at or above {here}; {choices}")


def _can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _require_no_file(given: str | None) -> None:
    if given is not None and (path := Path(given).expanduser()).is_file():
        advice = f"its folder: --index {quoted(path.parent)}" if path.name == CATALOG else "the folder of an index"
        raise click.UsageError(f"{_named(given)} is a file; give {advice}")


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
    from clipsearch.store.database import require_no_lost_catalog  # not for an index that is there

    for folder in (index, index / INDEX_FOLDER):
        require_no_lost_catalog(folder)
    if index.parent.name == INDEX_FOLDER and (index.parent / CATALOG).exists():
        raise CollectionNotFound(f"{_named(given)} is inside an index; name its folder: --index {quoted(index.parent)}")
    if index.is_dir() and (around := nearest_index(index)):
        raise CollectionNotFound(
            f"there is no index in {_named(given)}, but the index {around} is of a folder above it. To search only "
            f"there: --index {quoted(around)} --in {quoted(index)}"
        )
    if index.name != INDEX_FOLDER and index != Path(index.anchor) and is_in_use(index):
        raise CollectionNotFound(
            f"there is no index in {_named(given)}. To index the photos in that folder: {command('index', index)}"
        )
    raise CollectionNotFound(no_index(index, given and _named(given)))


def _named(given: str | None) -> str:
    return f"{given} (from $CLIPSEARCH_INDEX)" if given and os.environ.get("CLIPSEARCH_INDEX") == given else f"{given}"


def _holds_photos(folder: Path) -> bool:
    """Whether any of a folder's first entries, or of those one level down, is named like a photo."""
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
