"""What an index folder from elsewhere must not do: lead to other files, or hold what clipsearch never writes.

SQLite's own advice on databases from untrusted sources is followed in `database`: https://sqlite.org/security.html
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, TypeAlias

from clipsearch._internal.paths import is_remote_folder
from clipsearch._internal.windows import is_junction
from clipsearch.errors import CollectionDamaged
from clipsearch.store.validation import WHAT_TO_DO

if TYPE_CHECKING:
    from clipsearch.store.database import Database

_FILES = (
    "catalog.sqlite",
    "catalog.sqlite-wal",
    "catalog.sqlite-shm",
    "catalog.sqlite-journal",
    "catalog.sqlite.repaired",
    "catalog.sqlite.damaged",
    "writer.lock",
)
_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
_TABLES = frozenset({"meta", "roots", "images", "failures", "segments", "tombstones"})
_LATER_TABLES = frozenset({"compact"})

Columns: TypeAlias = dict[str, list[tuple[Any, ...]]]
"""Table → its columns."""

MOST_BYTES = 64 * 1024**2
"""Of one value or row in the catalog; those that clipsearch writes have some thousand."""


def require_own_files(folder: Path) -> None:
    """Raise CollectionDamaged where a file of an index is a link or none, so that using it would read or write another.

    So would a journal that names a "super-journal", for SQLite deletes the file of that name, wherever it is.
    """
    for name, is_kind in (("segments", stat.S_ISDIR), *((name, stat.S_ISREG) for name in _FILES)):
        try:
            mode = os.lstat(folder / name).st_mode
        except OSError:
            continue
        is_link = stat.S_ISLNK(mode) or is_junction(str(folder / name))
        if is_link or not is_kind(mode):
            what = "a symbolic link" if is_link else "not a file" if name != "segments" else "not a folder"
            raise CollectionDamaged(
                f"{folder / name} is {what}, so it is not followed; to have an index on another disk, move the whole folder"
            )
    journal = folder / "catalog.sqlite-journal"
    if journal.exists() and _tail(journal) == _JOURNAL_MAGIC:
        raise CollectionDamaged(
            f"{journal} names another file to be deleted, which clipsearch never does; delete the journal"
        )


def columns_in(database: Database) -> Columns:
    """Each table's columns, in their order: name, type, and the place in the primary key."""
    sql = "SELECT m.name, c.name, c.type, c.pk FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'"
    found: Columns = {}
    for table, *column in database.execute(f"{sql} ORDER BY m.name, c.cid"):
        found.setdefault(table, []).append(tuple(column))
    return {table: columns for table, columns in found.items() if not table.startswith("sqlite_")}


def require_own_schema(database: Database, expected: Columns) -> None:
    """Raise CollectionDamaged unless a catalog's tables are the plain ones it should have: no views, no triggers, no others.

    Those of its format, `expected`, have to be there with the columns that they have in it.
    """
    found = set()
    for kind, name, sql in database.execute("SELECT type, name, sql FROM sqlite_master"):
        if kind == "table" and not str(name).startswith("sqlite_"):
            found.add(name)
            # AS would begin a generated column, which is computed when it is read
            plain = (
                isinstance(sql, str) and re.match(r"CREATE TABLE\b", sql, re.I) and not re.search(r"\bAS\b", sql, re.I)
            )
            if plain and name in _TABLES | _LATER_TABLES:
                continue
        elif kind in ("index", "table"):
            continue
        raise CollectionDamaged(f"the catalog has a {kind} {name!r}, which clipsearch never makes")
    if missing := _TABLES - found:
        raise CollectionDamaged(f"the catalog has no table {', '.join(sorted(missing))}")
    for table, columns in columns_in(database).items():
        if table in expected and columns != expected[table]:
            raise CollectionDamaged(f"the catalog's table {table} has other columns than clipsearch gives it")


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
        said = f"the catalog names a file {name!r:.100} in {folder!r:.100}"
        raise CollectionDamaged(f"{said}, which clipsearch never does; {WHAT_TO_DO}")


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
