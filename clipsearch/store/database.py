"""The SQLite file under the catalog: its schema, its format version, and its errors in our words. The only user of sqlite3."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from clipsearch.errors import CollectionBusy, CollectionDamaged, CollectionError
from clipsearch.store.filters import km_between

FORMAT_VERSION = 3
_APPLICATION_ID = 0x434C4950  # "CLIP"
_PATIENCE = 30  # seconds to wait for another process's transaction

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
_MIGRATIONS = {1: _COMPACT, 2: _FILTERS}
"""What brings a catalog of one format version to the next. Readers manage with any of them."""


class Database(sqlite3.Connection):
    """A connection that says what went wrong, and what that means for the index."""

    version = FORMAT_VERSION  # of the format on disk

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        """One statement."""
        try:
            return super().execute(sql, parameters)
        except sqlite3.DatabaseError as error:
            raise _in_our_words(error) from error

    def executemany(self, sql: str, parameters: Iterable[Any]) -> sqlite3.Cursor:
        """One statement, many times."""
        try:
            return super().executemany(sql, parameters)
        except sqlite3.DatabaseError as error:
            raise _in_our_words(error) from error


def open_database(path: Path, *, create: bool) -> Database:
    """Open a catalog's file, for reading only where it cannot be written to; with `create`, make or finish it first.

    CollectionDamaged where it is none, CollectionError where it is of a newer format.
    """
    database = _connect(path, create)
    try:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version > FORMAT_VERSION:
            raise CollectionError(
                f"the index at {path.parent} has format {version}, written by a newer clipsearch; this one reads up to "
                f"{FORMAT_VERSION}. Upgrade: pip install --upgrade clipsearch"
            )
        if version == 0 and not create:
            raise CollectionDamaged(f"{path} was never finished; run `clipsearch index` on the photos again")
        if version == 0:
            database.execute("PRAGMA journal_mode = WAL")
            script = f"PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {FORMAT_VERSION};"
            database.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} {_COMPACT} {_FILTERS} {script} COMMIT;")
        elif version < FORMAT_VERSION and create:
            steps = " ".join(_MIGRATIONS[step] for step in range(version, FORMAT_VERSION))
            database.executescript(f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {FORMAT_VERSION}; COMMIT;")
        else:
            database.version = version
        database.execute("PRAGMA synchronous = FULL")
        database.create_function("km_between", 4, km_between, deterministic=True)
    except BaseException:
        database.close()
        raise
    return database


def _connect(path: Path, create: bool) -> Database:
    attempts = ["mode=rwc"] if create else ["mode=rw", "mode=ro", "mode=ro&immutable=1"]  # the last: a read-only disk
    for attempt in attempts:
        database = None
        try:
            database = sqlite3.connect(
                f"{path.absolute().as_uri()}?{attempt}", uri=True, isolation_level=None, timeout=_PATIENCE,
                check_same_thread=False, factory=Database,
            )  # fmt: skip
            database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        except (CollectionError, sqlite3.OperationalError) as error:
            if database:
                database.close()
            if isinstance(error, CollectionDamaged) or attempt == attempts[-1]:
                raise CollectionDamaged(f"{path} is not a readable catalog: {error}") from error
        else:
            return database
    raise AssertionError("unreachable: the last attempt returns or raises")


def _in_our_words(error: sqlite3.DatabaseError) -> CollectionError:
    text = str(error)
    if "locked" in text:
        return CollectionBusy(f"another process is in the middle of writing to the index ({text}); try again")
    if isinstance(error, sqlite3.OperationalError):  # no space, no rights, no such device
        return CollectionError(f"the index's catalog cannot be used ({text}); what was committed before is safe")
    return CollectionDamaged(f"the index's catalog is damaged ({text})")
