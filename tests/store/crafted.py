"""Malicious catalogs: values that clipsearch never writes, with correct checksums."""

import sqlite3
from contextlib import closing, suppress

from clipsearch.store.rows import (
    FAILURE_COLUMNS,
    LATER_FAILURE_COLUMNS,
    LATER_IMAGE_COLUMNS,
    failure_check,
    image_check,
)

NASTY = (
    None, -1, 0, 77, 2**31, 2**63 - 1, -(2**63), 1.5, float("inf"), float("-inf"), 1e300, 91.0, "", "x", "5", "\0", "\x1b[31m",
    "y" * 100_000, "\U0001f600", "not text", b"", b"\0", b"..", b"a/../..", b"\xff\xfe", b"/etc", b"z" * 100_000, "[" * 100_000,
    "{}", "[]", "null", '{"unit": "page", "at": [1, 1], "checks": [5]}', '{"unit": "day", "at": [1], "checks": []}',
    "5e999", '{"exclude": [5]}', '{"hidden": "yes", "more": 1}', "2024-01-01", "0000-00-00", "2024-02-30",
    "9999-12-31T23:59:59+23:59", "0001-01-01T00:00:00+14:00", "20240101T000000", "2024-W01-1", "000001.faiss", "../../x.faiss",
    "9" * 30 + ".faiss",
)  # fmt: skip
"""What a column is set to. "not text" stands for a text that is not UTF-8, which Python cannot bind."""

_COLUMNS = {
    "meta": "key value",
    "roots": "root_id path rules",
    "images": "image_id root_id folder name size mtime_ns width height format content_hash taken_at camera latitude longitude "
    "vector_check caption pictures moments",
    "failures": f"{FAILURE_COLUMNS}, {LATER_FAILURE_COLUMNS}".replace(",", ""),
    "segments": "segment_id name rows size sha256",
    "compact": "segment size sha256 scales deltas error",
    "tombstones": "image_id",
    "sqlite_sequence": "seq",
}
COLUMNS = tuple((table, column) for table, columns in _COLUMNS.items() for column in columns.split())
"""Every column of every table, but the checksums of rows: those are made anew."""


def craft(path, *changes):
    """Set columns of a catalog to a value each, in one row of its table or in all of them: (table, column, value, in all).

    It removes SQLite's NOT NULL rules first and corrects the checksums afterwards. Returns False if no change is possible.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        columns = {name: " ".join(_names(database, name)) for name in ("images", "failures")}
        database.create_function("image_check", -1, image_check)
        database.create_function("failure_check", -1, failure_check)
        database.execute("PRAGMA journal_mode = DELETE")
        database.execute("PRAGMA writable_schema = ON")
        database.execute("UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '') WHERE type = 'table'")
        database.execute("PRAGMA writable_schema = RESET")
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.create_function("image_check", -1, image_check)
        database.create_function("failure_check", -1, failure_check)
        done = [_change(database, *change) for change in changes]
        later = LATER_IMAGE_COLUMNS.split(", ")
        unchecked = ("row_check", "vector_check", *later)
        checked = ", ".join(name for name in columns["images"].split() if name not in unchecked)
        with suppress(sqlite3.OperationalError):  # a text that is not UTF-8 has no checksum
            database.execute(f"UPDATE images SET row_check = image_check({checked}, {LATER_IMAGE_COLUMNS})")
        checked = ", ".join(name for name in columns["failures"].split() if name != "row_check")
        with suppress(sqlite3.OperationalError):
            database.execute(f"UPDATE failures SET row_check = failure_check({checked})")
        # Without it, the small tables are not compared with anything.
        database.execute("DELETE FROM meta WHERE key = 'check'")
    return any(done)


def _names(database, table):
    return [row[1] for row in database.execute(f"PRAGMA table_info({table})")]


def _change(database, table, column, value, in_all):
    bound, values = ("CAST(x'ff41' AS TEXT)", []) if value == "not text" else ("?", [value])
    key = _names(database, table)[0]
    where = "1" if in_all else f"{key} = (SELECT MAX({key}) FROM {table})"
    try:
        database.execute(f"UPDATE OR IGNORE {table} SET {column} = {bound} WHERE {where}", values)
    except sqlite3.Error:  # a row number cannot have this value
        return False
    return True
