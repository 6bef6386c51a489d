"""The catalog's table of images: lists, orders and counts of them."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Literal, TypeAlias, cast

import numpy as np

from clipsearch._internal.partial_dates import to_iso
from clipsearch.conditions import Condition
from clipsearch.errors import CollectionDamaged
from clipsearch.store.database import FORMAT_VERSION, Database
from clipsearch.store.fact_table import CountableFact, FactTable, is_fact
from clipsearch.store.file_ids import FileIds
from clipsearch.store.file_tables import FileTable
from clipsearch.store.filters import FolderLookup, Sql, below, require_shallow, to_sql, without_later
from clipsearch.store.full_text import former_words, phrase_of
from clipsearch.store.placeholder_table import PlaceholderTable
from clipsearch.store.rows import (
    IMAGE_COLUMNS,
    LARGEST_EDGE,
    LATER_IMAGE_COLUMNS,
    MOST_MOMENTS,
    KnownFile,
    Place,
    image_check,
    is_plausible,
    is_sound,
    moments_to_json,
    path_of,
    picture_of,
    place_key,
    record_of,
    vector_checks_of,
)
from clipsearch.store.validation import MOST_IDS, WHAT_TO_DO, as_written, moment, number, octets, text, whole
from clipsearch.types import LONGEST_CAPTION, Ids, ImageFile, ImageInfo, ImageRecord, ListedFile, Order

_NAMES_AT_ONCE = 20_000
_ORDERS: dict[Order, str] = {
    "date": "taken_at IS NULL, taken_at DESC, root_id, folder, name",
    "oldest": "taken_at IS NULL, taken_at, root_id, folder, name",
    "name": "name, root_id, folder",
}
_CRC = 2**32 - 1
_MANY = 500  # values bound in one statement; SQLite's oldest limit is 999


CountableColumn: TypeAlias = Literal["year", "month", "camera", "format", "shape", "folder"]
Countable: TypeAlias = CountableColumn | CountableFact
Listed: TypeAlias = Literal["camera", "format", "folder", "keyword", "person", "place"]
TextColumn: TypeAlias = Literal["camera", "format"]


@dataclass(frozen=True, slots=True)
class Totals:
    """Totals over some images. `first` and `last` are ISO 8601, by the cameras' clocks; None if no image has a date."""

    images: int
    bytes: int
    with_date: int
    with_place: int
    first: str | None
    last: str | None


def _year_or_month(value: Any) -> str:
    """A year or a month as a date begins with it."""
    if not re.fullmatch(r"[0-9]{4}(-[0-9]{2})?", text(value), re.ASCII):
        raise ValueError("no date")
    return text(value)


def _edge(value: Any) -> int:
    return whole(value, 1, LARGEST_EDGE)


# Columns that one index covers, the one that is NULL if the value is unknown, and a check of each column's values.
_COUNTABLE: dict[CountableColumn, tuple[str, str, tuple[Callable[[Any], Any], ...]]] = {
    "year": ("substr(taken_at, 1, 4)", "taken_at", (_year_or_month,)),
    "month": ("substr(taken_at, 1, 7)", "taken_at", (_year_or_month,)),
    "camera": ("camera", "camera", (text,)),
    "format": ("format", "format", (text,)),
    "shape": ("width, height", "width", (_edge, _edge)),
    "folder": ("root_id, folder", "folder", (whole, octets)),
}


class ImageTable(FileTable):
    """A row for every file: what decoding taught about it, and the checksums of the row and of its vectors.

    The ids of a file's other pictures follow its own. What takes or gives ids of files says so; the rest is about pictures.
    """

    def __init__(self, database: Database) -> None:
        checks = (
            "row_check, vector_check"
            if database.version >= 4
            else f"image_check({IMAGE_COLUMNS}, NULL, NULL, NULL), NULL"
        )
        later = LATER_IMAGE_COLUMNS if database.version >= 7 else "caption, NULL, NULL"
        later = later if database.version >= 5 else "NULL, NULL, NULL"
        columns, todays_columns = f"{IMAGE_COLUMNS}, {later}", f"{IMAGE_COLUMNS}, {checks}, {later}"
        self._has_moments = database.version >= 7
        super().__init__(database, "images", columns, todays_columns, image_check)
        self.facts = FactTable(database)
        self.placeholders = PlaceholderTable(database)

    def set_caption(self, image_id: int, caption: str | None) -> None:
        """Give an image another caption. `set_facts` with `new_caption` lets its words be found."""
        _check_caption(caption)
        self._db.execute("UPDATE images SET caption = ? WHERE image_id = ?", (caption, image_id))
        self.renew_checks("image_id = ?", image_id)

    def set_facts(self, image_id: int, info: ImageInfo, read_from: str | None, *, new_caption: bool = False) -> None:
        """Replace the facts of an image: those of `FactTable`, and when, where and by which camera it was taken."""
        latitude, longitude = info.gps or (None, None)
        taken_at = info.taken_at.isoformat() if info.taken_at else None
        sql = "UPDATE images SET taken_at = ?, camera = ?, latitude = ?, longitude = ? WHERE image_id = ?"
        self._db.execute(sql, (taken_at, info.camera, latitude, longitude, image_id))
        self.renew_checks("image_id = ?", image_id)
        self.facts.put(image_id, info, read_from, new_caption=new_caption)

    def ranking_by_text(
        self, text: str, condition: Condition | None, folders: FolderLookup, limit: int, least: int
    ) -> list[int]:
        """The images whose texts have at least so many of a text's words, best first, among those that meet a condition."""
        wanted = list(dict.fromkeys(phrase for word in former_words(text) if (phrase := phrase_of(word))))
        return self.facts.ranking(wanted, self._where(condition, folders), limit, least) if wanted else []

    # -- files

    def at(self, place: Place) -> KnownFile | None:
        """The image at a place."""
        row = self._row("image_id, size, mtime_ns", place)
        return KnownFile(*row) if row else None

    def ids_below(self, root_id: int, under: str) -> list[int]:
        """The images at or below a folder."""
        where, values = below(root_id, under)
        return [image_id for (image_id,) in self._db.execute(f"SELECT image_id FROM images WHERE {where}", values)]

    def has_size(self, size: int) -> bool:
        """Whether any image has this many bytes; if not, no image has the same content."""
        return self._db.execute("SELECT 1 FROM images WHERE size = ? LIMIT 1", (size,)).fetchone() is not None

    def same_content(self, content_hash: str, most: int = -1) -> list[int]:
        """The images with this content, oldest first; at most `most` of them, or all."""
        rows = self._db.execute(
            "SELECT image_id FROM images WHERE content_hash = ? ORDER BY image_id LIMIT ?",
            (bytes.fromhex(content_hash), most),
        )
        return [image_id for (image_id,) in rows]

    def same_content_groups(self) -> Iterator[list[int]]:
        """The images that share their content with others: a list for each content, oldest first."""
        rows = self._db.execute(
            "SELECT content_hash, image_id FROM images WHERE content_hash IN "
            "(SELECT content_hash FROM images GROUP BY content_hash HAVING COUNT(*) > 1) ORDER BY content_hash, image_id"
        )
        for _, same in itertools.groupby(rows, key=lambda row: row[0]):
            yield [image_id for _, image_id in same]

    def contents(self) -> list[tuple[int, bytes]]:
        """Every image's id, and the sha256 of its file."""
        return self._db.execute("SELECT image_id, content_hash FROM images").fetchall()

    def paths(self, roots: dict[int, str]) -> list[tuple[int, str]]:
        """Every image's id and absolute path."""
        rows = self._db.execute("SELECT image_id, root_id, folder, name FROM images")
        with as_written("the catalog's table of images"):
            return [(image_id, path_of(roots, *place)) for image_id, *place in rows]

    # -- rows

    def add(self, place: Place, file: ImageFile, info: ImageInfo, vector_checks: Sequence[int]) -> int:
        """Add a file at an unused place; its id. `vector_checks` are the checksums of its pictures' vectors."""
        _check_caption(info.caption)
        latitude, longitude = info.gps or (None, None)
        cursor = self._db.execute(
            "INSERT INTO images (root_id, folder, name, size, mtime_ns, width, height, format, content_hash, taken_at, "
            "camera, latitude, longitude, vector_check, caption) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*place_key(place), file.size, file.mtime_ns, info.width, info.height, info.format,
             bytes.fromhex(info.content_hash), info.taken_at.isoformat() if info.taken_at else None, info.camera,
             latitude, longitude, vector_checks[0], info.caption),
        )  # fmt: skip
        image_id = cursor.lastrowid
        assert image_id
        if info.moments:
            values = len(info.moments), moments_to_json(info.moments, vector_checks[1:]), image_id
            self._db.execute("UPDATE images SET pictures = ?, moments = ? WHERE image_id = ?", values)
            last = image_id + len(info.moments) - 1
            self._db.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'images'", (last,))
        self.renew_checks("image_id = ?", image_id)
        return image_id

    def name_place(self, image_id: int) -> None:
        """Give an image whose facts are not known the place of its coordinates."""
        sql = (
            "SELECT width, height, latitude, longitude, caption FROM images WHERE image_id = ? AND latitude IS NOT NULL"
        )
        for width, height, latitude, longitude, caption in self._db.execute(sql, (image_id,)).fetchall():
            if not self.facts.of([image_id]):
                info = ImageInfo(width, height, "", "", gps=(latitude, longitude), caption=caption)
                self.facts.put(image_id, info, "")

    def move(self, image_id: int, place: Place, file: ImageFile) -> None:
        """Give an image another place, or another size and time."""
        self._db.execute(
            "UPDATE images SET root_id = ?, folder = ?, name = ?, size = ?, mtime_ns = ? WHERE image_id = ?",
            (*place_key(place), file.size, file.mtime_ns, image_id),
        )
        self.renew_checks("image_id = ?", image_id)
        self.facts.read_again(image_id)  # its name and what is beside it may be others

    def remove(self, files: Sequence[int]) -> None:
        """Drop files and leave tombstones for their vectors."""
        ids = [(image_id,) for image_id in self.all_ids(files)]
        self._db.executemany("INSERT OR IGNORE INTO tombstones VALUES (?)", ids)
        self.facts.remove(files)
        self.placeholders.remove([image_id for (image_id,) in ids])
        self._db.executemany("DELETE FROM images WHERE image_id = ?", [(file_id,) for file_id in files])

    def all_ids(self, files: Sequence[int]) -> list[int]:
        """The ids of all pictures of some files, whether the files exist or not."""
        if not self._has_moments:
            return list(files)
        counts = dict(self._rows("image_id, pictures", files))
        with as_written("the catalog's table of images (pictures)"):
            return [
                image_id
                for file_id in files
                for image_id in range(file_id, file_id + whole(counts.get(file_id) or 1, 1, MOST_MOMENTS))
            ]

    def file_ids(self) -> FileIds:
        """The ids of the files with several pictures."""
        first: list[Any] = []
        counts: list[Any] = []
        if self._has_moments:
            sql = "SELECT image_id, pictures FROM images WHERE pictures IS NOT NULL ORDER BY image_id"
            with as_written("the catalog's table of images (pictures)"):
                for image_id, count in self._db.execute(sql):
                    first.append(whole(image_id, 1, MOST_IDS))
                    counts.append(whole(count, 1, MOST_MOMENTS))
        return FileIds(np.array(first, np.int64), np.array(counts, np.int64))

    def records(self, ids: Sequence[int], roots: dict[int, str]) -> dict[int, ImageRecord]:
        """image_id → record, for those that exist. `roots` gives each root's absolute path."""
        records = {image_id: picture_of(file, 0) for image_id, file in self._files(ids, roots).items()}
        if later := self._later_pictures([image_id for image_id in ids if image_id not in records]):
            by_id = self._files(sorted(set(later.values())), roots)
            for image_id, file_id in later.items():
                if (number := image_id - file_id) < len(by_id[file_id].info.moments):
                    records[image_id] = picture_of(by_id[file_id], number)
        return records

    def _files(self, ids: Sequence[int], roots: dict[int, str]) -> dict[int, ImageRecord]:
        """image_id → the file, for ids that are a file's."""
        return self._with_facts(list(self._rows(self.todays_columns, ids)), roots)

    def _with_facts(self, rows: Sequence[tuple[Any, ...]], roots: dict[int, str]) -> dict[int, ImageRecord]:
        """image_id → the file, with its facts, of rows that have today's columns."""
        facts = self.facts.of([row[0] for row in rows])
        return {row[0]: record_of(row, roots, facts.get(row[0])) for row in rows}

    def _later_pictures(self, ids: Sequence[int]) -> dict[int, int]:
        """image_id → the id of its file, for pictures after a file's first. Ids that do not exist may be among them."""
        if not (self._has_moments and ids):
            return {}
        sql = "SELECT MAX(image_id) FROM images WHERE pictures IS NOT NULL AND image_id <= ?"
        files = ((image_id, self._db.execute(sql, (int(image_id),)).fetchone()[0]) for image_id in ids)
        return {image_id: file_id for image_id, file_id in files if file_id is not None}

    def all_records(self, roots: dict[int, str]) -> Iterator[ImageRecord]:
        """Every file, in the order of its path."""
        rows = iter(self._db.execute(f"SELECT {self.todays_columns} FROM images ORDER BY root_id, folder, name"))
        while part := list(itertools.islice(rows, _MANY)):
            yield from self._with_facts(part, roots).values()

    def rows(self, ids: Sequence[int], roots: dict[int, str]) -> list[tuple[Any, ...]]:
        """The rows of files, by id: IMAGE_COLUMNS, row_check, vector_check, LATER_IMAGE_COLUMNS.

        CollectionDamaged as `record_of`.
        """
        rows = sorted(self._rows(self.todays_columns, ids), key=itemgetter(0))
        for row in rows:
            record_of(row, roots)
        return rows

    def checksums(self) -> dict[int, tuple[int, int]]:
        """image_id → the checksums of its row and of its vector. CollectionDamaged if a vector has none."""
        rows = self._db.execute("SELECT image_id, row_check, vector_check FROM images").fetchall()
        for image_id, _, check in rows:
            if check is None:  # an old index whose segment was damaged when it was migrated
                raise CollectionDamaged(f"the vector of image {image_id} is damaged; {WHAT_TO_DO}")
        with as_written("the catalog's table of images (its checksums)"):
            return {image_id: (whole(row_check, 0, _CRC), whole(check, 0, _CRC)) for image_id, row_check, check in rows}

    def later_vector_checks(self) -> dict[int, list[int]]:
        """Of files with several pictures: file → the checksums of the vectors after the first."""
        if not self._has_moments:
            return {}
        rows = self._db.execute(f"SELECT {self.todays_columns} FROM images WHERE pictures IS NOT NULL")
        return {row[0]: [int(check or 0) for check in list(vector_checks_of(row).values())[1:]] for row in rows}

    def vector_checks(self, ids: Sequence[int]) -> dict[int, int | None]:
        """image_id → the checksum of its vector; None if it is not known yet, as before format 4."""
        if self._db.version < 4:
            return dict.fromkeys(ids)
        checks: dict[int, int | None] = dict(self._rows("image_id, vector_check", ids))
        if later := self._later_pictures([image_id for image_id in ids if image_id not in checks]):
            of_files: dict[int, int | None] = {}
            for row in self._rows(self.todays_columns, sorted(set(later.values()))):
                of_files |= vector_checks_of(row)
            checks |= {image_id: of_files[image_id] for image_id in later if image_id in of_files}
        return checks

    def set_vector_checks(self, checks: Iterable[tuple[int, int]]) -> None:
        """Remember checksums of vectors: (checksum, image_id)."""
        self._db.executemany("UPDATE images SET vector_check = ? WHERE image_id = ?", checks)

    # -- choosing

    @property
    def state(self) -> object:
        """A value that differs once any process has changed the catalog."""
        return self._db.state

    def _select(self, columns: str, condition: Condition | None, folders: FolderLookup, rest: str = "") -> list[Any]:
        """Columns of the images that meet a condition, or of all. `rest` is SQL that follows the WHERE clause."""
        where, values = self._where(condition, folders)
        return self._db.execute(f"SELECT {columns} FROM images WHERE ({where}) {rest}", values).fetchall()

    def _where(self, condition: Condition | None, folders: FolderLookup) -> Sql:
        """A condition, or None, as SQL over this catalog's images. QueryError if it is nested too deeply."""
        if condition:
            require_shallow(condition)
        if condition and self._db.version < FORMAT_VERSION:
            condition = without_later(condition, self._db.version)
        return to_sql(condition, folders) if condition else ("1", [])

    def count_of(self, condition: Condition | None, folders: FolderLookup) -> int:
        """How many images meet a condition, or are there."""
        return int(self._select("COUNT(*)", condition, folders)[0][0])

    def ids(self, condition: Condition | None, folders: FolderLookup, among: Ids | None = None) -> Ids:
        """The images that meet a condition, or all, int64 (n,), ascending; only `among` (m,) is searched, if given."""
        where, values = self._where(condition, folders)
        if among is not None:
            where = f"image_id IN ({','.join(map(str, among.tolist()))}) AND ({where})"
        rows = self._db.execute(f"SELECT image_id FROM images WHERE {where}", values)
        return np.sort(np.fromiter((image_id for (image_id,) in rows), np.int64))

    def page(
        self, condition: Condition | None, folders: FolderLookup, order: Order, offset: int, count: int
    ) -> list[int]:
        """A page of the images that meet a condition, or of all, in some order."""
        page = f"LIMIT {int(count)} OFFSET {int(offset)}"
        rows = self._select("image_id", condition, folders, f"ORDER BY {_ORDERS[order]} {page}")
        return [image_id for (image_id,) in rows]

    def positions(
        self, condition: Condition | None, folders: FolderLookup, most: int
    ) -> list[tuple[int, float, float]]:
        """(image_id, latitude, longitude) of those that have a position, newest first; `most` of them, or all if it is -1."""
        rest = f"AND latitude IS NOT NULL AND longitude IS NOT NULL ORDER BY image_id DESC LIMIT {int(most)}"
        rows = self._select("image_id, latitude, longitude", condition, folders, rest)
        with as_written("the catalog's table of images (latitude, longitude)"):
            return [
                (whole(image_id, 1, MOST_IDS), number(north, -90, 90), number(east, -180, 180))
                for image_id, north, east in rows
            ]

    def listed(self, condition: Condition | None, folders: FolderLookup, order: Order, count: int) -> list[ListedFile]:
        """The first of the images that meet a condition, or of all, in some order: what their layout needs."""
        columns = "image_id, root_id, folder, name, width, height, taken_at, camera"
        rows = self._select(columns, condition, folders, f"ORDER BY {_ORDERS[order]} LIMIT {int(count)}")
        with as_written("the catalog's table of images"):
            return [
                ListedFile(
                    whole(image_id, 1, MOST_IDS),
                    f"{root_id}/{os.fsdecode(octets(folder))}",
                    os.fsdecode(octets(name)),
                    _edge(width),
                    _edge(height),
                    None if taken_at is None else moment(taken_at),
                    None if camera is None else text(camera),
                )
                for image_id, root_id, folder, name, width, height, taken_at, camera in rows
            ]

    def names(self) -> tuple[bytes, Ids]:
        """Every image's file name, as "/a/b/c/" in lower case as SQLite has it, and their ids, int64 (n,)."""
        sql = (
            "SELECT CAST(group_concat(CAST(name AS TEXT), '/') || '/' AS BLOB), group_concat(image_id), MAX(image_id) "
            "FROM (SELECT name, image_id FROM images WHERE image_id > ? ORDER BY image_id LIMIT ?)"
        )
        texts, numbers, last = [b"/"], [np.empty(0, np.int64)], -1
        # In parts, since SQLite gives no value larger than database.MOST_BYTES.
        while (row := self._db.execute(sql, (last, _NAMES_AT_ONCE)).fetchone())[2] is not None:
            joined, ids, last = row
            texts.append(joined.lower())
            numbers.append(np.fromstring(ids, np.int64, sep=","))
        names, known = b"".join(texts), np.concatenate(numbers)
        if names.count(b"/") != len(known) + 1:
            raise CollectionDamaged(f"the catalog has a file name with a slash in it; {WHAT_TO_DO}")
        return names, known

    # -- counts, each from an index of SQLite's alone: ten take 1.3 s for a million images

    def count_by(self, value: Countable, condition: Condition | None, folders: FolderLookup) -> list[tuple[Any, ...]]:
        """How many images share each value: (value, count), in the value's order. Images without it do not count."""
        if is_fact(value):
            return [*self.facts.count_by(value, self._where(condition, folders) if condition else None)]
        columns, needed, checks = _COUNTABLE[cast("CountableColumn", value)]
        rest = f"AND {needed} IS NOT NULL GROUP BY {columns} ORDER BY {columns}"
        rows = self._select(f"{columns}, COUNT(*)", condition, folders, rest)
        with as_written(f"the catalog's table of images ({value})"):
            return [(*(check(cell) for check, cell in zip(checks, row, strict=False)), row[-1]) for row in rows]

    def totals(self, condition: Condition | None, folders: FolderLookup) -> Totals:
        """Totals over all images that meet a condition, or over all. Each is a query of its own, which one index answers."""

        def total(value: str, needed: str) -> Any:
            return self._select(value, condition, folders, f"AND {needed} IS NOT NULL")[0][0]

        with as_written("the catalog's table of images"):
            first, last = total("MIN(taken_at)", "taken_at"), total("MAX(taken_at)", "taken_at")
            return Totals(
                images=whole(total("COUNT(*)", "size"), 0),
                bytes=whole(total("SUM(size)", "size") or 0, 0),
                with_date=whole(total("COUNT(*)", "taken_at"), 0),
                with_place=whole(total("COUNT(*)", "latitude"), 0),
                first=None if first is None else to_iso(moment(first)),
                last=None if last is None else to_iso(moment(last)),
            )

    def distinct(self, column: TextColumn) -> tuple[str, ...]:
        """Every value that a column has, in order."""
        rows = self._select(f"DISTINCT {column}", None, lambda folder: (), f"AND {column} IS NOT NULL ORDER BY 1")
        with as_written(f"the catalog's table of images ({column})"):
            return tuple(text(value) for (value,) in rows)

    # -- damage

    def implausible(self, roots: dict[int, str]) -> Iterator[str]:
        """What is wrong with rows that clipsearch never writes, though their checksums are right."""
        for row in self._db.execute(f"SELECT {self.todays_columns} FROM images"):
            if is_sound(row) and not is_plausible(row, roots):
                yield f"the row of image {row[0]} holds what clipsearch never writes"

    def _rows(self, columns: str, ids: Sequence[int]) -> Iterator[Any]:
        """Columns of images, in no order."""
        for start in range(0, len(ids), _MANY):
            part = [int(image_id) for image_id in ids[start : start + _MANY]]
            marks = ",".join("?" * len(part))
            yield from self._db.execute(f"SELECT {columns} FROM images WHERE image_id IN ({marks})", part)


def _check_caption(caption: str | None) -> None:
    if len(caption or "") > LONGEST_CAPTION:
        raise ValueError(f"a caption has at most {LONGEST_CAPTION:,} characters")
