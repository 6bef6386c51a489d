"""The catalog's table of failures: files that could not be read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from clipsearch.errors import CollectionDamaged
from clipsearch.store.database import Database
from clipsearch.store.filters import below
from clipsearch.store.rows import (
    FAILURE_COLUMNS,
    LATER_FAILURE_COLUMNS,
    KnownFailure,
    Place,
    State,
    failure_check,
    failure_of,
    known_failure_of,
    place_key,
)
from clipsearch.store.validation import as_written
from clipsearch.types import Failure


class FailureTable:
    """A row for every file that could not be read. The image that was read there before may still be in its own table."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def folders(self, root_id: int, under: str) -> set[str]:
        """Every folder at or below `under` that has a failure."""
        where, values = below(root_id, under)
        with as_written():
            rows = self._db.execute(f"SELECT DISTINCT folder FROM failures WHERE {where}", values)
            return {os.fsdecode(folder) for (folder,) in rows}

    def holds(self, root_id: int, path: str) -> bool:
        """Whether there is a failure at or below a path of a root."""
        where, values = below(root_id, path)
        if self._db.execute(f"SELECT 1 FROM failures WHERE {where} LIMIT 1", values).fetchone():
            return True
        folder, _, name = path.rpartition("/")
        return self.state_at(Place(root_id, folder, name)) is not None

    def states_in(self, root_id: int, folder: str) -> dict[str, State]:
        """Name → (size, mtime_ns) of the failures in one folder, not those below it."""
        sql = "SELECT name, size, mtime_ns FROM failures WHERE root_id = ? AND folder = ?"
        rows = self._db.execute(sql, (root_id, os.fsencode(folder)))
        with as_written():
            return {os.fsdecode(name): (size, mtime_ns) for name, size, mtime_ns in rows}

    def state_at(self, place: Place) -> State | None:
        """(size, mtime_ns) of the file that failed at a place."""
        sql = "SELECT size, mtime_ns FROM failures WHERE root_id = ? AND folder = ? AND name = ?"
        row: State | None = self._db.execute(sql, place_key(place)).fetchone()
        return row

    def in_folder(self, root_id: int, folder: str) -> dict[str, KnownFailure]:
        """Name → what is known of the failures of one folder (not those below it)."""
        sql = f"SELECT {self._columns} FROM failures WHERE root_id = ? AND folder = ?"
        with as_written():
            return {
                os.fsdecode(row[2]): known_failure_of(row)
                for row in self._db.execute(sql, (root_id, os.fsencode(folder)))
            }

    def at(self, place: Place) -> KnownFailure | None:
        """What is known of a failure at one place; of an image there that could not be read again, too."""
        sql = f"SELECT {self._columns} FROM failures WHERE root_id = ? AND folder = ? AND name = ?"
        row = self._db.execute(sql, place_key(place)).fetchone()
        with as_written():
            return known_failure_of(row) if row else None

    def add(self, place: Place, failure: Failure, tried_with: str) -> None:
        """Remember that a file could not be read, and why; what is known of an image there stays."""
        file, reason = failure.file, failure.reason.encode("utf-8", "replace").decode()
        self._db.execute(
            f"INSERT OR REPLACE INTO failures ({FAILURE_COLUMNS}, {LATER_FAILURE_COLUMNS}) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*place_key(place), file.size, file.mtime_ns, reason, failure.cause, failure.attempts, tried_with),
        )
        self.renew_checks("root_id = ? AND folder = ? AND name = ?", *place_key(place))

    def remove(self, place: Place) -> None:
        """Forget one."""
        self._db.execute("DELETE FROM failures WHERE root_id = ? AND folder = ? AND name = ?", place_key(place))

    def remove_below(self, root_id: int, under: str) -> int:
        """Forget the failures at or below a folder; how many they were."""
        where, values = below(root_id, under)
        return self._db.execute(f"DELETE FROM failures WHERE {where}", values).rowcount

    def renew_checks(self, where: str, *values: Any) -> None:
        """Compute the checksums of rows anew, from the values as SQLite has stored them."""
        check = f"failure_check({FAILURE_COLUMNS}, {LATER_FAILURE_COLUMNS})"
        self._db.execute(f"UPDATE failures SET row_check = {check} WHERE {where}", values)

    def count(self) -> int:
        """How many failures there are."""
        return int(self._db.execute("SELECT COUNT(*) FROM failures").fetchone()[0])

    def all(self, roots: dict[int, str]) -> list[Failure]:
        """Every failure, in the order of its path."""
        rows = self._db.execute(
            f"SELECT {self._columns}, EXISTS (SELECT 1 FROM images WHERE images.root_id = failures.root_id "
            "AND images.folder = failures.folder AND images.name = failures.name) FROM failures "
            "ORDER BY root_id, folder, name"
        )
        return [failure_of(row, roots) for row in rows]

    def unsound(self) -> Iterator[tuple[int, tuple[Any, ...]]]:
        """Rows that are not as they were written: number, values. Formats before 4 have no checksums."""
        if self._db.version < 4:
            return
        for number, row in enumerate(
            self._db.execute(f"SELECT {self._columns}, row_check FROM failures ORDER BY 1"), 1
        ):
            if failure_check(*row[:-1]) != row[-1]:
                yield number, row[:-1]

    def implausible(self, roots: dict[int, str]) -> Iterator[str]:
        """What is wrong with rows that clipsearch never writes, though their checksums are right."""
        try:
            self.all(roots)
        except CollectionDamaged as error:
            yield str(error)

    @property
    def _columns(self) -> str:
        later = LATER_FAILURE_COLUMNS if self._db.version >= 6 else "'', 0, ''"
        return f"{FAILURE_COLUMNS}, {later}"
