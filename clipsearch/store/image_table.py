"""The catalog's table of images."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from clipsearch.errors import CollectionDamaged
from clipsearch.store.database import Database
from clipsearch.store.filters import FolderLookup, Sql, below, require_shallow, to_sql, without_captions
from clipsearch.store.rows import (
    IMAGE_COLUMNS,
    KnownFile,
    Place,
    State,
    image_check,
    is_plausible,
    is_sound,
    place_key,
    record_of,
)
from clipsearch.store.validation import WHAT_TO_DO, as_written, whole
from clipsearch.types import LONGEST_CAPTION, Condition, Ids, ImageFile, ImageInfo, ImageRecord, Order

_NAMES = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()  # os.fsdecode's, which takes three times as long
_NAMES_AT_ONCE = 20_000
_CRC = 2**32 - 1
_MANY = 500  # values bound in one statement; SQLite's oldest limit is 999


class ImageTable:
    """A row for every image: its file, what decoding taught about it, and the checksums of the row and of its vector."""

    def __init__(self, database: Database) -> None:
        self._db = database

    # -- files

    def folders(self, root_id: int, under: str) -> set[str]:
        """Every folder at or below `under` that has an image."""
        where, values = below(root_id, under)
        with as_written():
            rows = self._db.execute(f"SELECT DISTINCT folder FROM images WHERE {where}", values)
            return {os.fsdecode(folder) for (folder,) in rows}

    def holds(self, root_id: int, path: str) -> bool:
        """Whether there is an image at or below a path of a root."""
        where, values = below(root_id, path)
        if self._db.execute(f"SELECT 1 FROM images WHERE {where} LIMIT 1", values).fetchone():
            return True
        folder, _, name = path.rpartition("/")
        return self.at(Place(root_id, folder, name)) is not None

    def states_in(self, root_id: int, folder: str) -> dict[str, State]:
        """Name → (size, mtime_ns) of the images in one folder, not those below it."""
        sql = "SELECT name, size, mtime_ns FROM images WHERE root_id = ? AND folder = ?"
        rows = self._db.execute(sql, (root_id, os.fsencode(folder)))
        with as_written():
            return {name.decode(*_NAMES): (size, mtime_ns) for name, size, mtime_ns in rows}

    def at(self, place: Place) -> KnownFile | None:
        """The image at a place."""
        sql = "SELECT image_id, size, mtime_ns FROM images WHERE root_id = ? AND folder = ? AND name = ?"
        row = self._db.execute(sql, place_key(place)).fetchone()
        return KnownFile(*row) if row else None

    def ids_below(self, root_id: int, under: str) -> list[int]:
        """The images at or below a folder."""
        where, values = below(root_id, under)
        return [image_id for (image_id,) in self._db.execute(f"SELECT image_id FROM images WHERE {where}", values)]

    def has_size(self, size: int) -> bool:
        """Whether any image has this many bytes; if not, no image has the same content."""
        return self._db.execute("SELECT 1 FROM images WHERE size = ? LIMIT 1", (size,)).fetchone() is not None

    def same_content(self, content_hash: str, most: int = -1) -> list[int]:
        """The images with this content, oldest first; at most so many of them, or all."""
        rows = self._db.execute(
            "SELECT image_id FROM images WHERE content_hash = ? ORDER BY image_id LIMIT ?",
            (bytes.fromhex(content_hash), most),
        )
        return [image_id for (image_id,) in rows]

    def same_content_groups(self) -> Iterator[list[int]]:
        """The images that share their content with others, by content, each oldest first."""
        rows = self._db.execute(
            "SELECT content_hash, image_id FROM images WHERE content_hash IN "
            "(SELECT content_hash FROM images GROUP BY content_hash HAVING COUNT(*) > 1) ORDER BY content_hash, image_id"
        )
        for _, same in itertools.groupby(rows, key=lambda row: row[0]):
            yield [image_id for _, image_id in same]

    # -- rows

    def add(self, place: Place, file: ImageFile, info: ImageInfo, vector_check: int) -> int:
        """A new image at a place where there is none; its id. `vector_check` is the checksum of its vector."""
        if len(info.caption or "") > LONGEST_CAPTION:
            raise ValueError(f"a caption has at most {LONGEST_CAPTION:,} characters")
        latitude, longitude = info.gps or (None, None)
        cursor = self._db.execute(
            "INSERT INTO images (root_id, folder, name, size, mtime_ns, width, height, format, content_hash, taken_at, "
            "camera, latitude, longitude, vector_check, caption) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*place_key(place), file.size, file.mtime_ns, info.width, info.height, info.format,
             bytes.fromhex(info.content_hash), info.taken_at.isoformat() if info.taken_at else None, info.camera,
             latitude, longitude, vector_check, info.caption),
        )  # fmt: skip
        assert cursor.lastrowid
        self.renew_checks("image_id = ?", cursor.lastrowid)
        return cursor.lastrowid

    def move(self, image_id: int, place: Place, file: ImageFile) -> None:
        """The same content is now at another place, or there with another size or time."""
        self._db.execute(
            "UPDATE images SET root_id = ?, folder = ?, name = ?, size = ?, mtime_ns = ? WHERE image_id = ?",
            (*place_key(place), file.size, file.mtime_ns, image_id),
        )
        self.renew_checks("image_id = ?", image_id)

    def remove(self, ids: Iterable[int]) -> None:
        """Drop images and leave tombstones for their vectors."""
        rows = [(image_id,) for image_id in ids]
        self._db.executemany("INSERT OR IGNORE INTO tombstones VALUES (?)", rows)
        self._db.executemany("DELETE FROM images WHERE image_id = ?", rows)

    def renew_checks(self, where: str, *values: Any) -> None:
        """Compute the checksums of rows anew, from the values as SQLite has stored them."""
        check = f"image_check({IMAGE_COLUMNS}, caption)"
        self._db.execute(f"UPDATE images SET row_check = {check} WHERE {where}", values)

    def records(self, ids: Sequence[int], roots: dict[int, str]) -> dict[int, ImageRecord]:
        """image_id → record, for those that exist. `roots` gives each root's absolute path."""
        found: dict[int, ImageRecord] = {}
        for some in _in_parts(ids):
            marks = ",".join("?" * len(some))
            for row in self._db.execute(f"SELECT * FROM images WHERE image_id IN ({marks})", some):
                found[row[0]] = record_of(row, roots)
        return found

    def all_records(self, roots: dict[int, str]) -> Iterator[ImageRecord]:
        """Every image, in the order of its path."""
        for row in self._db.execute("SELECT * FROM images ORDER BY root_id, folder, name"):
            yield record_of(row, roots)

    def rows(self, ids: Sequence[int], roots: dict[int, str]) -> list[tuple[Any, ...]]:
        """The rows of images, by id: IMAGE_COLUMNS, row_check, vector_check, caption. CollectionDamaged as `record_of`."""
        rows: list[tuple[Any, ...]] = []
        for part in _in_parts(sorted(ids)):
            where = f"image_id IN ({','.join('?' * len(part))}) ORDER BY image_id"
            sql = f"SELECT {IMAGE_COLUMNS}, row_check, vector_check, caption FROM images WHERE {where}"
            rows += self._db.execute(sql, part)
        for row in rows:
            record_of(row, roots)
        return rows

    def checksums(self) -> dict[int, tuple[int, int]]:
        """image_id → the checksums of its row and of its vector. CollectionDamaged if a vector has none."""
        rows = self._db.execute("SELECT image_id, row_check, vector_check FROM images").fetchall()
        for image_id, _, check in rows:
            if check is None:  # of an index from before there were any, whose file is not what it was
                raise CollectionDamaged(f"the vector of image {image_id} is damaged; {WHAT_TO_DO}")
        with as_written("the catalog's table of images (its checksums)"):
            return {image_id: (whole(row_check, 0, _CRC), whole(check, 0, _CRC)) for image_id, row_check, check in rows}

    def vector_checks(self, ids: Sequence[int]) -> dict[int, int | None]:
        """image_id → the checksum of its vector; None where it is not known yet, as in an index of before format 4."""
        if self._db.version < 4:
            return dict.fromkeys(ids)
        found: dict[int, int | None] = {}
        for some in _in_parts(ids):
            marks = ",".join("?" * len(some))
            sql = f"SELECT image_id, vector_check FROM images WHERE image_id IN ({marks})"
            found.update(self._db.execute(sql, some))
        return found

    def set_vector_checks(self, checks: Iterable[tuple[int, int]]) -> None:
        """Remember checksums of vectors: (checksum, image_id)."""
        self._db.executemany("UPDATE images SET vector_check = ? WHERE image_id = ?", checks)

    # -- choosing

    @property
    def state(self) -> object:
        """A value that differs once anybody has changed anything in the catalog."""
        return self._db.state

    def select(self, columns: str, condition: Condition | None, folders: FolderLookup, rest: str = "") -> list[Any]:
        """Columns of the images that meet a condition, or of all. `rest` is SQL that follows the WHERE clause."""
        where, values = self._where(condition, folders)
        return self._db.execute(f"SELECT {columns} FROM images WHERE ({where}) {rest}", values).fetchall()

    def _where(self, condition: Condition | None, folders: FolderLookup) -> Sql:
        """A condition, or none, as an SQL expression over this catalog's images. QueryError where it goes too deep."""
        if condition:
            require_shallow(condition)
        if condition and self._db.version < 5:
            condition = without_captions(condition)
        return to_sql(condition, folders) if condition else ("1", [])

    def count(self, condition: Condition | None = None, folders: FolderLookup = lambda folder: ()) -> int:
        """How many images there are, or meet a condition."""
        where, values = self._where(condition, folders)
        return int(self._db.execute(f"SELECT COUNT(*) FROM images WHERE {where}", values).fetchone()[0])

    def ids(self, condition: Condition | None, folders: FolderLookup, among: Ids | None = None) -> Ids:
        """The images that meet a condition, or all, int64 (n,), ascending; only `among` (m,), if given, is looked."""
        where, values = self._where(condition, folders)
        if among is not None:
            where = f"image_id IN ({','.join(map(str, among.tolist()))}) AND ({where})"
        rows = self._db.execute(f"SELECT image_id FROM images WHERE {where}", values)
        return np.sort(np.fromiter((image_id for (image_id,) in rows), np.int64))

    def page(
        self, condition: Condition | None, folders: FolderLookup, order: Order, offset: int, count: int
    ) -> list[int]:
        """Some of the images that meet a condition, or of all: the newest first and those without a date last, or by name."""
        where, values = self._where(condition, folders)
        by = "taken_at IS NULL, taken_at DESC, root_id, folder, name" if order == "date" else "name, root_id, folder"
        sql = f"SELECT image_id FROM images WHERE {where} ORDER BY {by} LIMIT ? OFFSET ?"
        return [image_id for (image_id,) in self._db.execute(sql, [*values, count, offset])]

    def all_ids(self) -> Ids:
        """Every image's id, int64 (n,), ascending."""
        return np.fromiter(
            (row[0] for row in self._db.execute("SELECT image_id FROM images ORDER BY image_id")), np.int64
        )

    def names(self) -> tuple[bytes, Ids]:
        """Every image's file name, as "/a/b/c/" in lower case as SQLite has it, and their ids, int64 (n,)."""
        sql = (
            "SELECT CAST(group_concat(CAST(name AS TEXT), '/') || '/' AS BLOB), group_concat(image_id), MAX(image_id) "
            "FROM (SELECT name, image_id FROM images WHERE image_id > ? ORDER BY image_id LIMIT ?)"
        )
        texts, numbers, last = [b"/"], [np.empty(0, np.int64)], -1
        # In parts: of a value larger than database.MOST_BYTES, SQLite would say that there is no such thing.
        while (row := self._db.execute(sql, (last, _NAMES_AT_ONCE)).fetchone())[2] is not None:
            text, ids, last = row
            texts.append(text.lower())
            numbers.append(np.fromstring(ids, np.int64, sep=","))
        names, known = b"".join(texts), np.concatenate(numbers)
        if names.count(b"/") != len(known) + 1:
            raise CollectionDamaged(f"the catalog has a file name with a slash in it; {WHAT_TO_DO}")
        return names, known

    # -- damage

    def unsound(self) -> Iterator[tuple[int, tuple[Any, ...]]]:
        """Rows that are not as they were written: number, values. Formats before 4 have no checksums."""
        if self._db.version < 4:
            return
        caption = "caption" if self._db.version >= 5 else "NULL"
        sql = f"SELECT {IMAGE_COLUMNS}, {caption}, row_check FROM images ORDER BY 1"
        for number, row in enumerate(self._db.execute(sql), 1):
            if image_check(*row[:-1]) != row[-1]:
                yield number, row[:-1]

    def implausible(self, roots: dict[int, str]) -> Iterator[str]:
        """What is wrong with rows that clipsearch never writes, though their checksums are right."""
        for row in self._db.execute("SELECT * FROM images"):
            if is_sound(row) and not is_plausible(row, roots):
                yield f"the row of image {row[0]} holds what clipsearch never writes"


def _in_parts(ids: Sequence[int]) -> Iterator[list[int]]:
    for start in range(0, len(ids), _MANY):
        yield [int(image_id) for image_id in ids[start : start + _MANY]]
