"""A table of files, and that of the failures: files that could not be read. `image_table.py` has the images."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
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

_NAMES = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()  # os.fsdecode's, which takes three times as long


class FileTable:
    """A table whose rows have a file's root_id, folder, name, size and mtime_ns, and a checksum of the row."""

    def __init__(
        self, database: Database, name: str, columns: str, todays_columns: str, checksum: Callable[..., int]
    ) -> None:
        self.todays_columns = todays_columns  # all that a row has today, as SQL over the format of this catalog
        self._db = database
        self._name = name
        self._columns = columns  # that the checksum is made of, in the format of this catalog
        self._checksum = checksum  # SQL knows it by the same name

    def folders(self, root_id: int, under: str) -> set[str]:
        """Every folder at or below `under` that has a file in this table."""
        where, values = below(root_id, under)
        with as_written():
            rows = self._db.execute(f"SELECT DISTINCT folder FROM {self._name} WHERE {where}", values)
            return {os.fsdecode(folder) for (folder,) in rows}

    def holds(self, root_id: int, path: str) -> bool:
        """Whether there is a file at or below a path of a root."""
        where, values = below(root_id, path)
        if self._db.execute(f"SELECT 1 FROM {self._name} WHERE {where} LIMIT 1", values).fetchone():
            return True
        folder, _, name = path.rpartition("/")
        return self._row("1", Place(root_id, folder, name)) is not None

    def states_in(self, root_id: int, folder: str) -> dict[str, State]:
        """Name → (size, mtime_ns) of the files in a folder. Folders below it do not count."""
        sql = f"SELECT name, size, mtime_ns FROM {self._name} WHERE root_id = ? AND folder = ?"
        rows = self._db.execute(sql, (root_id, os.fsencode(folder)))
        with as_written():
            return {name.decode(*_NAMES): (size, mtime_ns) for name, size, mtime_ns in rows}

    def adopt(self, child: int, parent: int, prefix: str) -> None:
        """Give the files of one root to another, which holds that root in its folder `prefix`."""
        head = os.fsencode(prefix)
        self._db.execute(
            f"UPDATE {self._name} SET root_id = ?, "
            "folder = CASE WHEN folder = x'' THEN ? ELSE CAST(? || '/' || folder AS BLOB) END WHERE root_id = ?",
            (parent, head, head, child),
        )
        where, values = below(parent, prefix)
        self.renew_checks(where, *values)

    def count(self) -> int:
        """How many files there are."""
        return int(self._db.execute(f"SELECT COUNT(*) FROM {self._name}").fetchone()[0])

    def renew_checks(self, where: str, *values: Any) -> None:
        """Compute the checksums of rows anew, from the values as SQLite has stored them."""
        check = f"{self._checksum.__name__}({self._columns})"
        self._db.execute(f"UPDATE {self._name} SET row_check = {check} WHERE {where}", values)

    def unsound(self) -> Iterator[tuple[int, tuple[Any, ...]]]:
        """Rows that are not as they were written: number, values. Formats before 4 have no checksums."""
        if self._db.version >= 4:
            sql = f"SELECT {self._columns}, row_check FROM {self._name} ORDER BY 1"
            for number, row in enumerate(self._db.execute(sql), 1):
                if self._checksum(*row[:-1]) != row[-1]:
                    yield number, row[:-1]

    def _row(self, columns: str, place: Place) -> Any:
        sql = f"SELECT {columns} FROM {self._name} WHERE root_id = ? AND folder = ? AND name = ?"
        return self._db.execute(sql, place_key(place)).fetchone()


class FailureTable(FileTable):
    """A row for every file that could not be read. The image that was read there before may still be in its own table."""

    def __init__(self, database: Database) -> None:
        later = LATER_FAILURE_COLUMNS if database.version >= 6 else "'', 0, ''"
        check = "row_check" if database.version >= 4 else "NULL"
        columns, todays_columns = f"{FAILURE_COLUMNS}, {later}", f"{FAILURE_COLUMNS}, {check}, {later}"
        super().__init__(database, "failures", columns, todays_columns, failure_check)

    def state_at(self, place: Place) -> State | None:
        """(size, mtime_ns) of the file that failed at a place."""
        state: State | None = self._row("size, mtime_ns", place)
        return state

    def in_folder(self, root_id: int, folder: str) -> dict[str, KnownFailure]:
        """Name → what is known of the failures in a folder. Folders below it do not count."""
        sql = f"SELECT {self._columns} FROM failures WHERE root_id = ? AND folder = ?"
        with as_written():
            return {
                os.fsdecode(row[2]): known_failure_of(row)
                for row in self._db.execute(sql, (root_id, os.fsencode(folder)))
            }

    def at(self, place: Place) -> KnownFailure | None:
        """What is known of a failure at a place. The image that was read there before may still be known, too."""
        row = self._row(self._columns, place)
        with as_written():
            return known_failure_of(row) if row else None

    def add(self, place: Place, failure: Failure, tried_with: str) -> None:
        """Remember that a file could not be read, and why; what is known of an image there stays."""
        file, reason = failure.file, failure.reason.encode("utf-8", "replace").decode()
        self._db.execute(
            f"INSERT OR REPLACE INTO failures ({self._columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
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

    def all(self, roots: dict[int, str]) -> list[Failure]:
        """Every failure, in the order of its path."""
        rows = self._db.execute(
            f"SELECT {self._columns}, EXISTS (SELECT 1 FROM images WHERE images.root_id = failures.root_id "
            "AND images.folder = failures.folder AND images.name = failures.name) FROM failures "
            "ORDER BY root_id, folder, name"
        )
        return [failure_of(row, roots) for row in rows]

    def implausible(self, roots: dict[int, str]) -> Iterator[str]:
        """What is wrong with rows that clipsearch never writes, though their checksums are right."""
        try:
            self.all(roots)
        except CollectionDamaged as error:
            yield str(error)
