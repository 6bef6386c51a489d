"""The SQLite file under the catalog: its schema, its format version, and its errors. The only user of sqlite3."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

from clipsearch._internal.atomic_files import put_in_place, sync_folder
from clipsearch._internal.windows import is_in_use
from clipsearch.errors import (
    CatalogUnreadable,
    CollectionBusy,
    CollectionDamaged,
    CollectionError,
    CollectionNotFound,
)
from clipsearch.store.catalog_file import CATALOG, DAMAGED, JOURNALS, REPAIRED, has_catalog, has_vectors
from clipsearch.store.filters import fits, km_between
from clipsearch.store.lock import is_written
from clipsearch.store.rows import FAILURE_COLUMNS, IMAGE_COLUMNS, check_of, failure_check, image_check
from clipsearch.store.validation import BEGIN_ANEW, WHAT_TO_DO, require_own_files

if TYPE_CHECKING:
    from tempfile import TemporaryDirectory

FORMAT_VERSION = 9
_APPLICATION_ID = 0x434C4950  # "CLIP"
_ROWS = 1000  # fetched at once
_LIMIT_LENGTH = 0  # SQLITE_LIMIT_LENGTH, a constant of sqlite3 from Python 3.11 on
_Columns: TypeAlias = dict[str, list[tuple[Any, ...]]]  # table → name, type and place in the primary key of each column
_OWN_TABLES = frozenset(
    {
        "meta",
        "roots",
        "images",
        "failures",
        "segments",
        "tombstones",
        "compact",
        "facts",
        "tags",
        "image_tags",
        "placeholders",
    }
    | {f"full_text_{name}" for name in ("data", "idx", "docsize", "config")}  # where SQLite keeps the full-text table
)
_FIRST_PAGE = 4096  # bytes; a catalog with tables has many pages
_PATIENCE = 30  # seconds to wait for another process's transaction

MOST_BYTES = 64 * 1024**2
"""Of one value or row in the catalog; clipsearch writes rows of a few thousand bytes."""

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE roots (root_id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE, rules TEXT NOT NULL);
CREATE TABLE images (
    image_id INTEGER PRIMARY KEY AUTOINCREMENT,
    root_id INTEGER NOT NULL REFERENCES roots,
    folder BLOB NOT NULL, name BLOB NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, format TEXT NOT NULL,
    content_hash BLOB NOT NULL,
    taken_at TEXT, camera TEXT, latitude REAL, longitude REAL,
    UNIQUE (root_id, folder, name)
);
CREATE INDEX images_by_hash ON images (content_hash);
CREATE INDEX images_by_size ON images (size);
CREATE TABLE failures (
    root_id INTEGER NOT NULL REFERENCES roots,
    folder BLOB NOT NULL, name BLOB NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (root_id, folder, name)
) WITHOUT ROWID;
CREATE TABLE segments (
    segment_id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE, rows INTEGER NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL
);
CREATE TABLE tombstones (image_id INTEGER PRIMARY KEY);
"""
_COMPACT = """
CREATE TABLE compact (
    segment TEXT PRIMARY KEY REFERENCES segments (name),
    size INTEGER NOT NULL, sha256 TEXT NOT NULL, scales BLOB NOT NULL, deltas BLOB NOT NULL, error REAL NOT NULL
) WITHOUT ROWID;
"""
_FILTERS = """
CREATE INDEX images_by_date ON images (taken_at) WHERE taken_at IS NOT NULL;
CREATE INDEX images_by_camera ON images (camera) WHERE camera IS NOT NULL;
CREATE INDEX images_by_place ON images (latitude, longitude) WHERE latitude IS NOT NULL;
CREATE INDEX images_by_shape ON images (width, height);
CREATE INDEX images_by_format ON images (format);
"""
_CHECKS = f"""
ALTER TABLE images ADD COLUMN row_check INTEGER NOT NULL DEFAULT 0;
ALTER TABLE images ADD COLUMN vector_check INTEGER;
ALTER TABLE failures ADD COLUMN row_check INTEGER NOT NULL DEFAULT 0;
UPDATE images SET row_check = check_of({IMAGE_COLUMNS});
UPDATE failures SET row_check = check_of({FAILURE_COLUMNS});
"""
CHECKED = "vectors checked"
"""The key in `meta` that is there once every image has its vector's checksum. A migration cannot compute those."""

_ALL_CHECKED = f"INSERT INTO meta VALUES ('{CHECKED}', 'all');"
_CAPTIONS = "ALTER TABLE images ADD COLUMN caption TEXT;"  # SQLite leaves the rows as they are: it takes no time
_CAUSES = """
ALTER TABLE failures ADD COLUMN cause TEXT NOT NULL DEFAULT '';
ALTER TABLE failures ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE failures ADD COLUMN tried_with TEXT NOT NULL DEFAULT '';
"""
_MOMENTS = """
ALTER TABLE images ADD COLUMN pictures INTEGER;
ALTER TABLE images ADD COLUMN moments TEXT;
CREATE INDEX images_by_pictures ON images (image_id, pictures) WHERE pictures IS NOT NULL;
"""
_FULL_TEXT = "CREATE VIRTUAL TABLE full_text USING fts5(names, texts, words, content='', tokenize='ascii')"
"""The texts are folded in `store.full_text`. To SQLite's tokenizer `ascii`, all signs beyond ASCII are letters."""

_FACTS = f"""
CREATE TABLE facts (
    image_id INTEGER PRIMARY KEY,
    read_from TEXT NOT NULL,
    taken_from TEXT, title TEXT, description TEXT, keywords TEXT, people TEXT, rating INTEGER, label TEXT,
    place TEXT, words TEXT, text_version INTEGER NOT NULL, row_check INTEGER NOT NULL
);
CREATE INDEX facts_by_rating ON facts (rating) WHERE rating IS NOT NULL;
CREATE INDEX facts_by_label ON facts (label) WHERE label IS NOT NULL;
CREATE INDEX facts_by_place ON facts (place) WHERE place IS NOT NULL;
CREATE TABLE tags (
    tag_id INTEGER PRIMARY KEY, field TEXT NOT NULL, folded TEXT NOT NULL, value TEXT NOT NULL, UNIQUE (field, folded)
);
CREATE TABLE image_tags (tag_id INTEGER NOT NULL, image_id INTEGER NOT NULL, PRIMARY KEY (tag_id, image_id)) WITHOUT ROWID;
{_FULL_TEXT};
"""
_PLACEHOLDERS = (
    "CREATE TABLE placeholders (image_id INTEGER PRIMARY KEY, pixels BLOB NOT NULL, row_check INTEGER NOT NULL);"
)
_MIGRATIONS = {
    1: _COMPACT, 2: _FILTERS, 3: _CHECKS, 4: _CAPTIONS, 5: _CAUSES, 6: _MOMENTS, 7: _FACTS, 8: _PLACEHOLDERS
}  # fmt: skip
"""What brings a catalog of one format version to the next. Readers manage with any of them."""


class _Cursor(sqlite3.Cursor):
    """A cursor whose errors are CollectionErrors, also while rows are fetched."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        while rows := self.fetchmany(_ROWS):
            yield from rows

    def fetchmany(self, size: int | None = None) -> list[Any]:
        with _our_words():
            return super().fetchmany(size or _ROWS)

    def fetchone(self) -> Any:
        with _our_words():
            return super().fetchone()

    def fetchall(self) -> list[Any]:
        with _our_words():
            return super().fetchall()


class Database:
    """A connection to a catalog. Its errors are CollectionErrors that say what to do.

    `version` is the format of the file. `copy` is a folder with the copy that is open instead of the file, if there is one.
    """

    def __init__(self, connection: sqlite3.Connection, copy: TemporaryDirectory[str] | None = None) -> None:
        self.version = FORMAT_VERSION
        self.copy = copy
        self.connection = connection
        connection.create_function("km_between", 4, km_between, deterministic=True)
        connection.create_function("fits", 3, fits, deterministic=True)
        connection.create_function("check_of", -1, check_of, deterministic=True)
        connection.create_function("image_check", -1, image_check, deterministic=True)
        connection.create_function("failure_check", -1, failure_check, deterministic=True)

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        """One statement."""
        with _our_words():
            return self.connection.cursor(_Cursor).execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any]) -> sqlite3.Cursor:
        """One statement, many times."""
        with _our_words():
            return self.connection.executemany(sql, parameters)

    def executescript(self, sql: str) -> None:
        """Several statements."""
        with _our_words():
            self.connection.executescript(sql)

    @property
    def is_outgrown(self) -> bool:
        """Whether another connection has brought the file to a newer format since it was opened."""
        if self.version == FORMAT_VERSION:  # nothing here makes a newer one
            return False
        (version,) = self.execute("PRAGMA user_version").fetchone()
        return bool(version != self.version)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, for reading or for writing."""
        return self.connection.in_transaction

    @property
    def state(self) -> tuple[int, int]:
        """A value that differs once this or any other connection has changed anything."""
        return self.execute("PRAGMA data_version").fetchone()[0], self.connection.total_changes

    def copy_to(self, path: Path) -> None:
        """Write what is committed to a new file."""
        with _our_words(), closing(sqlite3.connect(path)) as target:
            self.connection.backup(target)

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()
        if self.copy:
            self.copy.cleanup()


@contextmanager
def _our_words() -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise _in_our_words(error) from error
    except UnicodeDecodeError as error:  # in SQLite's message about a damaged schema
        raise CollectionDamaged(f"the index's catalog is damaged ({error}); {WHAT_TO_DO}") from error


def open_database(path: Path, *, create: bool) -> Database:
    """Open a catalog's file, for reading only if it cannot be written to. With `create`, make or migrate it first.

    CollectionDamaged if it is not a catalog; CollectionError if its format is newer.
    """
    require_own_files(path.parent)
    if path.name == CATALOG:
        require_no_lost_catalog(path.parent)
    database = _connect(path, create)
    try:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version > FORMAT_VERSION:
            raise CollectionError(
                f"the index at {path.parent} has format {version}, written by a newer clipsearch; this one reads up to "
                f"{FORMAT_VERSION}. Upgrade: pip install --upgrade clipsearch"
            )
        if version == 0 and path.name == CATALOG and has_vectors(path.parent):
            raise _unreadable(path, "it is empty")  # a new one would name none of the vectors, and they would go
        if version == 0 and not create:
            if is_unfinished(path.parent) and is_written(path.parent):
                raise CollectionNotFound(f"there is no index at {path.parent} yet; it is just being made")
            if is_unfinished(path.parent):
                raise _unreadable(path, "it was never finished", "run `clipsearch index` on the photos again")
            raise _unreadable(path, "it is empty")
        if version == 0:
            database.execute("PRAGMA journal_mode = WAL")
            steps = [_SCHEMA, *_MIGRATIONS.values(), _ALL_CHECKED, f"PRAGMA application_id = {_APPLICATION_ID};"]
        else:
            _require_own_schema(database, path, _columns_of(version))
            steps = [_MIGRATIONS[step] for step in range(version, FORMAT_VERSION)] if create else []
            database.version = FORMAT_VERSION if create else version
        if steps:
            version_step = f"PRAGMA user_version = {FORMAT_VERSION};"
            database.executescript(" ".join(["BEGIN IMMEDIATE;", *steps, version_step, "COMMIT;"]))
        # fullfsync does what atomic_files.sync_file does; only macOS knows it.
        for setting in ("synchronous = FULL", "fullfsync = ON", "checkpoint_fullfsync = ON"):
            database.execute(f"PRAGMA {setting}")
    except BaseException:
        database.close()
        raise
    return database


def open_memory(version: int = FORMAT_VERSION) -> Database:
    """An empty catalog of a format, without a file."""
    database = Database(sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False))
    database.executescript(" ".join([_SCHEMA, *(_MIGRATIONS[step] for step in range(1, version))]))
    return database


@lru_cache
def _columns_of(version: int) -> _Columns:
    """Each table's columns in a format."""
    database = open_memory(version)
    try:
        return _columns_in(database)
    finally:
        database.close()


def _columns_in(database: Database) -> _Columns:
    """Each table's columns, in their order."""
    sql = "SELECT m.name, c.name, c.type, c.pk FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'"
    tables: _Columns = {}
    for table, *column in database.execute(f"{sql} ORDER BY m.name, c.cid"):
        tables.setdefault(table, []).append(tuple(column))
    return {table: columns for table, columns in tables.items() if not table.startswith("sqlite_")}


def _require_own_schema(database: Database, path: Path, expected: _Columns) -> None:
    """Raise CatalogUnreadable unless a catalog has the plain tables of its format, and no views, triggers or other tables.

    `expected` gives the columns that the tables have in that format.
    """
    tables = set()
    for kind, name, sql in database.execute("SELECT type, name, sql FROM sqlite_master"):
        if kind == "table" and not str(name).startswith("sqlite_"):
            tables.add(name)
            if (name, sql) == ("full_text", _FULL_TEXT):
                continue
            # AS would begin a generated column, which is computed when it is read
            plain = (
                isinstance(sql, str) and re.match(r"CREATE TABLE\b", sql, re.I) and not re.search(r"\bAS\b", sql, re.I)
            )
            if plain and name in _OWN_TABLES:
                continue
        elif kind in ("index", "table"):
            continue
        raise _unreadable(path, f"it has a {kind} {name!r}, which clipsearch never makes")
    if missing := expected.keys() - tables:
        raise _unreadable(path, f"it has no table {', '.join(sorted(missing))}")
    for table, columns in _columns_in(database).items():
        if table in expected and columns != expected[table]:
            raise _unreadable(path, f"its table {table} has other columns than clipsearch gives it")


def _is_full(folder: Path) -> bool:
    """Whether a disk has no room for the file that SQLite's readers share."""
    try:
        return shutil.disk_usage(folder).free < 1 << 16
    except OSError:
        return False


def _connect(path: Path, create: bool) -> Database:
    attempts = ["mode=rwc"] if create else ["mode=rw", "mode=ro", "mode=ro&immutable=1"]  # the last: a read-only disk
    for attempt in attempts:
        connection, copy = None, None
        try:
            copy = _copied(path) if "immutable" in attempt else None
            opened = Path(copy.name, path.name) if copy else path.absolute()
            connection = sqlite3.connect(
                f"{_uri(opened)}?{'mode=rw' if copy else attempt}",
                uri=True,
                isolation_level=None,
                timeout=_PATIENCE,
                check_same_thread=False,
            )
            if hasattr(connection, "setlimit"):  # from Python 3.11
                connection.setlimit(_LIMIT_LENGTH, MOST_BYTES)
            database = Database(connection, copy)
            database.execute("PRAGMA trusted_schema = OFF")
            database.execute("PRAGMA cell_size_check = ON")
            database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        except (CollectionError, OSError, sqlite3.OperationalError) as error:
            if connection:
                connection.close()
            if copy:
                copy.cleanup()
            if isinstance(error, CollectionDamaged) or attempt == attempts[-1]:
                if not isinstance(error, CollectionDamaged) and _is_full(path.parent):  # SQLite says: disk I/O error
                    raise CollectionError(f"{path}: no space left on the disk of the index; {_FREE_SOME}") from error
                if isinstance(error, CollectionError) and not isinstance(error, CollectionDamaged):
                    raise type(error)(f"{path}: {error}") from error
                if isinstance(error, CollectionDamaged):
                    raise _unreadable(path, str(error.__cause__ or error)[:200]) from error
                known = type(error) if isinstance(error, CollectionError) else CollectionDamaged  # or a disk's trouble
                raise known(f"{path} is not a readable catalog: {error}") from error
        else:
            return database
    raise AssertionError("unreachable: the last attempt returns or raises")


def _uri(path: Path) -> str:
    """A file's URI for SQLite. Separators are encoded, since Windows' network paths would begin with a host."""
    return f"file:{quote(os.fsencode(path), safe='')}"


def _copied(path: Path) -> TemporaryDirectory[str] | None:
    """A copy, if a writer was killed on a disk that is read-only now: its last commits are beside the file, not in it."""
    log = path.with_name(f"{path.name}-wal")
    if not (log.exists() and log.stat().st_size):
        return None
    from tempfile import TemporaryDirectory  # few indexes need it

    copy = TemporaryDirectory(prefix="clipsearch-")
    try:
        for file in (path, log):
            shutil.copyfile(file, Path(copy.name, file.name))
    except BaseException:
        copy.cleanup()
        raise
    return copy


_OF_DAMAGE = (
    "decode to UTF-8",
    "no such column",
    "no such table",
    "integer overflow",
    "user-defined function",
)
"""Parts of an OperationalError's text if values are not what clipsearch writes."""


_FREE_SOME = "what was committed before is safe. Free some space, and run this again"


def _unreadable(path: Path, reason: str, advice: str = BEGIN_ANEW) -> CatalogUnreadable:
    """The error of a catalog of which nothing can be read. `reason` is SQLite's, or ours."""
    start = f"{path} cannot be read ({reason})"
    nothing = f"nothing in {path.parent} can be kept. {advice}"
    message = f"{start}, so {nothing}" if advice == BEGIN_ANEW else f"{start}; {advice}"
    return CatalogUnreadable(message, reason, advice)


def _in_our_words(error: sqlite3.DatabaseError) -> CollectionError:
    text = str(error)
    if "locked" in text:
        return CollectionBusy(f"another process is in the middle of writing to the index ({text}); try again")
    if any(words in text for words in _OF_DAMAGE):
        return CollectionDamaged(f"the index's catalog is damaged ({text:.200}); {WHAT_TO_DO}")
    if "is full" in text:
        return CollectionError(f"no space left on the disk of the index ({text}); {_FREE_SOME}")
    if isinstance(error, sqlite3.OperationalError):  # no rights, no such device
        return CollectionError(
            f"the index's catalog cannot be used ({text}); what was committed before is safe. Check that its disk is there, "
            "has room and may be written to, and run this again"
        )
    return CollectionDamaged(f"the index's catalog is damaged ({text:.200}); {WHAT_TO_DO}")


def require_no_lost_catalog(folder: Path) -> None:
    """Raise CatalogUnreadable if a folder has the vectors of an index, and no catalog that says whose they are."""
    if not has_catalog(folder) and has_vectors(folder):
        raise _unreadable(folder / CATALOG, "it is missing")


def is_unfinished(folder: Path) -> bool:
    """Whether an index has a catalog without tables, and no vectors: its first run was killed as it began."""
    path = folder / CATALOG
    try:
        if path.stat().st_size > _FIRST_PAGE or has_vectors(folder):
            return False
        with closing(_connect(path, False)) as database:
            (tables,) = database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
            return int(tables) == 0
    except (OSError, CollectionError):
        return False


def finish_repair(folder: Path) -> None:
    """Let a repaired catalog, if there is one, take the old one's place. The caller has to be the only writer.

    CollectionBusy if Windows does not let go of the old one's files; the repaired one is kept for the next time.
    """
    new, old = folder / REPAIRED, folder / CATALOG
    if not new.exists():
        return
    if old.exists():
        shutil.copyfile(old, folder / DAMAGED)
    replace_catalog(folder, new, f"the index at {folder} is repaired, but another program has the damaged catalog open")


def replace_catalog(folder: Path, new: Path, unless: str) -> None:
    """Let a whole catalog without journals take the place of the one in an index folder. The caller is the only writer.

    CollectionBusy, which begins with `unless`, if Windows does not let go of the old one's files.
    """
    try:
        for name in JOURNALS:  # SQLite would take them for journals of the new one
            (folder / name).unlink(missing_ok=True)
        sync_folder(folder)  # or a power cut could leave both the new one and these
        put_in_place(new, folder / CATALOG)
    except PermissionError as error:
        if not is_in_use(error):
            raise
        raise CollectionBusy(
            f"{unless}, and Windows does not let it be replaced meanwhile. End the program that searches it, and run this again"
        ) from error
    sync_folder(folder)
