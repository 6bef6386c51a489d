"""Which index a command acts on. If that may surprise, a note says so."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from clipsearch._internal.commands import PHOTOS, command, how_to_make, quoted
from clipsearch.cli.hints import use
from clipsearch.cli.output import note
from clipsearch.errors import ClipsearchError, CollectionNotFound

_LOOKED_AT = 1000  # entries of a folder, to tell whether it holds photos
CATALOG = "catalog.sqlite"


def existing_index(given: str | None) -> Path:
    """The index that a command reads or changes; a note says so if it is the one used last, elsewhere.

    CollectionNotFound if there is none.
    """
    from clipsearch.cli.index_folder import find_index, nearest_index

    index = find_index(given)
    _require_index(index, given)
    use(index)
    if not given and nearest_index(Path.cwd()) is None:
        note(f"note: using the index used last, {index}, because there is none at or above the current folder")
    return index


def index_to_write(folders: tuple[str, ...], given: str | None) -> Path:
    """The index that `index` or `import` makes or brings up to date, which need not be there yet.

    Without folders, it must be named or nearest: never the one used last, elsewhere.
    """
    from clipsearch.cli.index_folder import index_for

    _require_no_file(given)
    index = index_for(folders, given)
    if not folders and index.name != ".clipsearch":
        _require_index(index, given)
    use(index)
    return index


def folders_to_index(folders: tuple[str, ...], given: str | None) -> tuple[str, ...]:
    """The folders to index: those named, or the current one if no index is named or near and the user says yes.

    CollectionNotFound, with the choices, if there is no terminal to ask on.
    """
    from clipsearch.cli.index_folder import last_used_index, nearest_index

    for folder in folders:
        if not folder.strip():
            raise ClipsearchError("one of the folders to index has an empty name; for the current folder, give .")
        path = Path(folder).expanduser()
        if path.name == ".clipsearch" and (path / CATALOG).is_file():
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
        choices += f"; to bring the index used last up to date: `{command('index', index=last)}`"
    raise CollectionNotFound(f"there is no index at or above {here}; {choices}")


def _can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _require_no_file(given: str | None) -> None:
    if given is not None and (path := Path(given).expanduser()).is_file():
        what = (
            f"give its folder: --index {quoted(path.parent)}" if path.name == CATALOG else "give the folder of an index"
        )
        raise ClipsearchError(f"{_named(given)} is a file; {what}")


def _require_index(index: Path, given: str | None) -> None:
    """CollectionNotFound, and how to make what was asked for, unless there is an index there."""
    _require_no_file(given)
    try:
        (index / CATALOG).stat()
        return
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise ClipsearchError(f"cannot look into {index}: {error.strerror}") from error
    from clipsearch.cli.index_folder import nearest_index

    if index.parent.name == ".clipsearch" and (index.parent / CATALOG).exists():
        raise CollectionNotFound(f"{_named(given)} is inside an index; name its folder: --index {quoted(index.parent)}")
    if index.is_dir() and (around := nearest_index(index)):
        raise CollectionNotFound(
            f"there is no index in {_named(given)}, but the index {around} is of a folder above it. To search only "
            f"there: --index {quoted(around)} --in {quoted(index)}"
        )
    if index.name != ".clipsearch" and index != Path(index.anchor) and _holds_photos(index):
        raise CollectionNotFound(
            f"there is no index in {_named(given)}. To index the photos in that folder: {command('index', index)}"
        )
    what = f" ({PHOTOS} is your photo folder)" if index.name != ".clipsearch" or not index.parent.is_dir() else ""
    raise CollectionNotFound(f"there is no index at {_named(given)}. To make it: {how_to_make(index)}{what}")


def _named(given: str | None) -> str:
    return f"{given} (from $CLIPSEARCH_INDEX)" if given and os.environ.get("CLIPSEARCH_INDEX") == given else f"{given}"


def _holds_photos(folder: Path) -> bool:
    """Whether some of a folder's first entries, or of those one level down, are named as photos are."""
    from clipsearch.indexing.walk import is_image_name

    looked_at = 0
    inner = [str(folder)]
    try:
        with os.scandir(folder) as entries:
            inner += [entry.path for entry, _ in zip(entries, range(_LOOKED_AT), strict=False) if entry.is_dir()]
        for path in inner:
            with os.scandir(path) as entries:
                for entry in entries:
                    looked_at += 1
                    if is_image_name(entry.name):
                        return True
                    if looked_at > _LOOKED_AT:
                        return False
    except OSError:
        pass
    return False
