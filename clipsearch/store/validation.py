"""Checks of an index that may come from a stranger: its files, the paths it names, and the values in its catalog.

Its author can make the checksums fit, too. SQLite's advice on databases from untrusted sources is followed here and in
`database`: https://sqlite.org/security.html
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from clipsearch._internal.commands import command
from clipsearch._internal.paths import IN_UTF8, is_remote_folder
from clipsearch._internal.windows import is_junction
from clipsearch.errors import CollectionDamaged
from clipsearch.store.catalog_file import CATALOG, DAMAGED, JOURNALS, KEEPING, NEXT, PREVIOUS, REPAIRED, SUCCESSOR

BEGIN_ANEW = (
    "Move that folder away, index the photos again, and copy albums.json back if it was there; the photos themselves are not "
    "touched"
)
"""What to do with an index of which nothing can be kept."""


def what_to_do(index: str | None = None) -> str:
    """What helps against damage: of the index that a command finds, or of a named one."""
    verify, repair = (command(word, index=index) for word in ("verify", "repair"))
    return f"`{verify}` says what else is, and `{repair}` keeps what can be kept"


WHAT_TO_DO = what_to_do()


def without_advice(message: str) -> str:
    """The message of a damage without WHAT_TO_DO, for those who say themselves what helps."""
    return message.removesuffix(f"; {WHAT_TO_DO}")


def belong_to_no_image(count: int, what: str) -> str:
    """That some rows or vectors are of no image in the catalog."""
    return f"1 {what} belongs to no image" if count == 1 else f"{count:,} {what}s belong to no image"


MOST_IDS = 1 << 48
"""The highest id of an image or a segment. SQLite cannot number new rows after its own highest, which damage could store."""

_INT64 = 1 << 63
_LONGEST = 100_000  # characters of a text that has no limit of its own

_FILES = (CATALOG, *JOURNALS, REPAIRED, DAMAGED, SUCCESSOR, "writer.lock")
_FOLDERS = ("segments", NEXT, PREVIOUS, KEEPING)
_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")


@contextmanager
def as_written(where: str = "the catalog") -> Iterator[None]:
    """Raise CollectionDamaged if a value inside is not one that clipsearch writes."""
    try:
        yield
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RecursionError) as error:
        raise CollectionDamaged(
            f"{where} holds what clipsearch never writes, so it is damaged; {WHAT_TO_DO}"
        ) from error


def whole(value: Any, least: int = -_INT64, most: int = _INT64 - 1) -> int:
    """A whole number. ValueError if it is not one, or out of range."""
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"no whole number from {least} to {most}")
    return value


def number(value: Any, least: float, most: float) -> float:
    """A finite number. ValueError if it is not one, or out of range."""
    if type(value) not in (int, float) or not math.isfinite(value) or not least <= value <= most:
        raise ValueError(f"no number from {least} to {most}")
    return float(value)


def text(value: Any, longest: int = _LONGEST) -> str:
    """A text that can be stored and printed. ValueError if not: JSON can hold half a surrogate pair, SQLite cannot."""
    if type(value) is not str or len(value) > longest:
        raise ValueError(f"no text of {longest} characters at most")
    value.encode(*IN_UTF8)  # names of folders may have bytes that are no characters
    return value


def octets(value: Any) -> bytes:
    """Bytes. ValueError for anything else."""
    if type(value) is not bytes:
        raise ValueError("no bytes")
    return value


def moment(value: Any) -> datetime:
    """A time in the one form that clipsearch writes, so that times compare as texts. ValueError for any other."""
    time = datetime.fromisoformat(text(value, 40))
    if time.isoformat() != value:
        raise ValueError("no time as clipsearch writes it")
    return time


def require_own_files(folder: Path) -> None:
    """Raise CollectionDamaged if a file of an index is a link, a pipe or the like: using it would touch another file.

    A journal that names a "super-journal" is refused too: SQLite would delete the file of that name, wherever it is.
    """
    kinds = {**dict.fromkeys(_FOLDERS, stat.S_ISDIR), **dict.fromkeys(_FILES, stat.S_ISREG)}
    for name, is_kind in kinds.items():
        try:
            mode = os.lstat(folder / name).st_mode
        except OSError:
            continue
        is_link = stat.S_ISLNK(mode) or is_junction(str(folder / name))
        if is_link or not is_kind(mode):
            kind = "a symbolic link" if is_link else "not a folder" if name in _FOLDERS else "not a file"
            raise CollectionDamaged(
                f"{folder / name} is {kind}, so it is not followed; to have an index on another disk, move the whole folder"
            )
    journal = folder / f"{CATALOG}-journal"
    if journal.exists() and _tail(journal) == _JOURNAL_MAGIC:
        raise CollectionDamaged(
            f"{journal} names another file to be deleted, which clipsearch never does; delete the journal"
        )


def require_own_path(folder: bytes, name: bytes) -> None:
    """Raise CollectionDamaged unless a file's folder and name, as the catalog has them, stay below their root."""
    if (
        not (isinstance(folder, bytes) and isinstance(name, bytes))
        or name in (b"", b".", b"..")
        or b"/" in name
        or b"\0" in name
        or b"\0" in folder
        or folder.startswith(b"/")
        or (b".." in folder and b".." in folder.split(b"/"))
    ):
        raise CollectionDamaged(
            f"the catalog names a file {name!r:.100} in {folder!r:.100}, which clipsearch never does; {WHAT_TO_DO}"
        )


@lru_cache(1000)  # each record needs its root's
def absolute_root(index_folder: Path, stored: str) -> str:
    """A root's path from what the catalog says: absolute, relative to the index folder and then inside its parent, or a URL."""
    if is_remote_folder(stored):
        return stored
    if not Path(stored).is_absolute() and (
        PureWindowsPath(stored).is_absolute() or PurePosixPath(stored).is_absolute()
    ):
        return stored  # of another system: its photos are not here
    if stored.startswith("..\\"):  # as Windows once wrote what lies beside the index
        stored = stored.replace("\\", "/")
    path = os.path.normpath(os.path.join(index_folder, stored))
    if "\0" in stored or not (
        Path(stored).is_absolute() or Path(path).is_relative_to(os.path.normpath(index_folder.parent))
    ):
        raise CollectionDamaged(
            f"the catalog names a folder {stored!r:.100}, which clipsearch never does; {WHAT_TO_DO}"
        )
    return path


def _tail(path: Path) -> bytes:
    with path.open("rb") as stream:
        stream.seek(max(0, os.fstat(stream.fileno()).st_size - len(_JOURNAL_MAGIC)))
        return stream.read(len(_JOURNAL_MAGIC))
