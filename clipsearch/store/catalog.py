"""The sidecar metadata, in SQLite. Its transactions are the only thing that publishes anything."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from clipsearch._internal.atomic_files import sync_file
from clipsearch.errors import CollectionDamaged, CollectionError
from clipsearch.store.database import open_database
from clipsearch.store.fact_table import FOLDED, how_texts_are_made
from clipsearch.store.file_tables import FailureTable
from clipsearch.store.image_table import ImageTable
from clipsearch.store.rows import KnownFile, Place, check_of_all
from clipsearch.store.segments import CompactInfo, SegmentInfo
from clipsearch.store.validation import MOST_IDS, WHAT_TO_DO, as_written, number, octets, text, whole
from clipsearch.types import Fingerprint

DATE_FROM_FILES = "date from files"
"""The key in `meta` that is there if photos without a date get that of their file."""

READ_TEXT = "read text"
"""The key in `meta` that is there if the text in the photos is read."""

READ_AS_TIFF = "raw files read as TIFF"
"""The key in `meta` for the ids of raw files that are still to be read again, separated by commas: indexing.raw_thumbnails."""

SETTINGS = (DATE_FROM_FILES, READ_TEXT)
"""What the user has chosen for an index: another model and a repair keep it."""

_CHECK = "check"
_TEXT_MODEL = "text_model"
_MOST_VALUES = 1 << 16  # of an embedding


class Catalog:
    """An open catalog: transactions, its tables `images` and `failures`, and what the smaller tables say.

    Changes need an open transaction (`begin`), and `commit` publishes them.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        self._db = open_database(path, create=create)
        self.images = ImageTable(self._db)
        self.failures = FailureTable(self._db)
        self._changing = False
        self._closed = False

    def close(self) -> None:
        """Let go of the file."""
        self._closed = True
        self._db.close()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One consistent state for everything read inside."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            if not self._closed:  # a reader that was never read to its end may end later than the catalog
                self._db.execute("ROLLBACK")

    def begin(self) -> None:
        """Start changing, if not under way already."""
        if not self._db.in_transaction:
            self._db.execute("BEGIN IMMEDIATE")
            self._changing = True

    @property
    def is_outgrown(self) -> bool:
        """Whether another connection has brought it to a newer format since it was opened."""
        return self._db.is_outgrown

    @property
    def in_transaction(self) -> bool:
        """Whether it is in the middle of reading or changing."""
        return self._db.in_transaction

    @property
    def is_changing(self) -> bool:
        """Whether something was changed since the last commit. SQLite ends a transaction by itself after some errors."""
        return self._changing and self._db.in_transaction

    def commit(self) -> None:
        """Publish everything changed since `begin`, durably."""
        if self._db.in_transaction:
            self.set_meta(_CHECK, json.dumps(self._small_checks()))
            self._db.execute("COMMIT")
        self._changing = False

    def gather(self) -> None:
        """Put all that was committed into the file itself. CollectionError if a part of it stays outside."""
        busy, pages, done = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy or pages != done:
            raise CollectionError(f"{self.path} could not be written to its end; what was committed before is safe")

    def copy_to(self, path: Path) -> None:
        """Write what is committed to a new file, and sync it."""
        self._db.copy_to(path)
        with path.open("rb+") as stream:
            sync_file(stream.fileno())

    def rollback(self) -> None:
        """Forget everything changed since `begin`."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        self._changing = False

    @property
    def version(self) -> int:
        """A number that differs once another connection has committed."""
        return self._db.state[0]

    @property
    def format_version(self) -> int:
        """The version of the format that it is in."""
        return self._db.version

    def integrity(self) -> list[str]:
        """What SQLite itself finds wrong with its file."""
        lines = [str(row[0]) for row in self._db.execute("PRAGMA integrity_check")]
        return [] if lines == ["ok"] else lines

    def require_sound(self) -> None:
        """Raise CollectionDamaged if the tables of folders, files and the model are not as they were committed."""
        if tables := self.unsound_tables():
            raise CollectionDamaged(f"the catalog {self.path} is damaged ({', '.join(tables)}); {WHAT_TO_DO}")

    def unsound_tables(self) -> list[str]:
        """The small tables that are not as they were committed. Formats before 4 have no checksums."""
        committed = self.meta(_CHECK) if self._db.version >= 4 else None
        if committed is None:
            return []
        try:
            checks = dict(json.loads(committed))
        except (TypeError, ValueError, RecursionError):
            return ["meta"]
        return [table for table, check in self._small_checks().items() if checks.get(table) != check]

    def _small_checks(self) -> dict[str, int]:
        """A checksum of each small table. Each row of images and failures has its own."""
        tables = {
            "meta": f"meta WHERE key <> '{_CHECK}'",
            "roots": "roots",
            "segments": "segments",
            "compact": "compact",
        }
        return {
            name: check_of_all(self._db.execute(f"SELECT * FROM {rows} ORDER BY 1")) for name, rows in tables.items()
        }

    # -- files, which are images or failures or both

    def folders(self, root_id: int, under: str = "") -> set[str]:
        """Every folder at or below `under` in which a file is known."""
        return self.images.folders(root_id, under) | self.failures.folders(root_id, under)

    def holds(self, root_id: int, path: str) -> bool:
        """Whether a file is known at or below a path of a root."""
        return self.images.holds(root_id, path) or self.failures.holds(root_id, path)

    def names_in(self, root_id: int, folder: str) -> set[str]:
        """The names of all files that are known in a folder."""
        return {*self.images.states_in(root_id, folder), *self.failures.states_in(root_id, folder)}

    def file_at(self, place: Place) -> KnownFile | None:
        """What is known of the file at a place. An image comes first, if an image and a failure are known."""
        if image := self.images.at(place):
            return image
        state = self.failures.state_at(place)
        return KnownFile(None, *state) if state else None

    def counts(self) -> tuple[int, int, int]:
        """(images, failures, bytes of all images' files)."""
        images, size = self._db.execute("SELECT COUNT(*), COALESCE(SUM(size), 0) FROM images").fetchone()
        with as_written("the catalog's column of sizes"):
            return int(images), self.failures.count(), whole(size, 0)

    # -- what the index is

    def fingerprint(self) -> Fingerprint | None:
        """The model, once one has been chosen."""
        value = self.meta("fingerprint")
        with as_written(f"{self.path}, the model's fingerprint,"):
            return _fingerprint(json.loads(value)) if value else None

    def set_fingerprint(self, fingerprint: Fingerprint) -> None:
        """Remember the model."""
        self.set_meta("fingerprint", json.dumps(asdict(fingerprint)))

    def text_model(self) -> str | None:
        """The other model that texts are encoded with, if one was set for today's model of the pictures."""
        value, fingerprint = self.meta(_TEXT_MODEL), self.fingerprint()
        if not value or fingerprint is None:
            return None
        with as_written(f"{self.path}, the name of the text model,"):
            known = json.loads(value)
            return text(known["model"]) if known["pictures"] == fingerprint.digest else None

    def set_text_model(self, model: str | None) -> None:
        """Remember the other model for texts; None forgets it. The model of the pictures must be known."""
        fingerprint = self.fingerprint()
        if model is None or fingerprint is None:
            self.remove_meta(_TEXT_MODEL)
        else:
            self.set_meta(_TEXT_MODEL, json.dumps({"model": model, "pictures": fingerprint.digest}))

    def derive_facts(self) -> None:
        """Make what makes facts quick to find from the table of facts."""
        self.images.facts.derive()
        self.set_meta(FOLDED, how_texts_are_made())

    def salvage(self, table: str) -> Iterator[tuple[Any, ...]]:
        """The rows of a table, with the columns that it has today: of a damaged one, as many as can be read."""
        files = {"images": self.images, "failures": self.failures}
        columns = files[table].todays_columns if table in files else "*"
        last, step = -(1 << 62), 1
        by_number = table in (
            "images",
            "facts",
            "placeholders",
            "roots",
            "segments",
        )  # only these have row numbers to continue from
        while step < 1 << 48:
            try:
                where = f"rowid > {last} ORDER BY rowid" if by_number else "1"
                for row in self._db.execute(f"SELECT {columns} FROM {table} WHERE {where}"):
                    last, step = int(row[0]) if by_number else 0, 1
                    yield row
                return
            except (CollectionError, ValueError, TypeError):
                if not by_number:
                    return
            last, step = max(last, 0) + step, 2 * step

    def restore(self, table: str, rows: Iterable[Sequence[Any]]) -> None:
        """Put rows into a table as they are."""
        for row in rows:
            self._db.execute(f"INSERT OR REPLACE INTO {table} VALUES ({','.join('?' * len(row))})", row)

    def never_reuse(self, table: str, last: int) -> None:
        """Give new rows of a table only numbers above `last`."""
        self._db.execute("DELETE FROM sqlite_sequence WHERE name = ? AND seq < ?", (table, last))
        if not self._db.execute("SELECT 1 FROM sqlite_sequence WHERE name = ?", (table,)).fetchone():
            self._db.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (table, last))

    def last_id(self) -> int:
        """The highest image id that was ever given. CollectionDamaged if that is not a possible id."""
        last = "image_id + COALESCE(pictures, 1) - 1" if self._db.version >= 7 else "image_id"
        return self._last_number("images", last)

    def _last_number(self, table: str, column: str) -> int:
        """The highest number that SQLite has given to a row of a table; the next one is above it."""
        highest = f"SELECT * FROM (SELECT {column} FROM {table} ORDER BY rowid DESC LIMIT 1)"
        sql = f"SELECT seq FROM sqlite_sequence WHERE name = '{table}' UNION ALL {highest}"
        with as_written(f"{self.path}, the last number in its table of {table},"):
            return max([0, *(whole(last, most=MOST_IDS) for (last,) in self._db.execute(sql) if last is not None)])

    def meta(self, key: str) -> str | None:
        """A value that `set_meta` has stored, or None."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        with as_written(f"{self.path}, what it says of itself,"):
            return text(row[0]) if row else None

    def set_meta(self, key: str, value: str) -> None:
        """Remember a value."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def remove_meta(self, key: str) -> None:
        """Forget a value."""
        self._db.execute("DELETE FROM meta WHERE key = ?", (key,))

    def roots(self) -> dict[int, tuple[str, dict[str, object]]]:
        """root_id → (path as stored: absolute, or relative to the index folder; the walk's rules)."""
        rows = self._db.execute("SELECT root_id, path, rules FROM roots ORDER BY root_id")
        with as_written(f"{self.path}, its table of folders,"):
            return dict(root_of(row) for row in rows)

    def set_root(self, path: str, rules: dict[str, object]) -> int:
        """Add a root or change its rules; its id."""
        self._db.execute(
            "INSERT INTO roots (path, rules) VALUES (?, ?) ON CONFLICT (path) DO UPDATE SET rules = excluded.rules",
            (os.fsencode(path), json.dumps(rules)),
        )
        return int(self._db.execute("SELECT root_id FROM roots WHERE path = ?", (os.fsencode(path),)).fetchone()[0])

    def set_root_path(self, root_id: int, path: str) -> None:
        """Store a root's path in another way."""
        self._db.execute("UPDATE roots SET path = ? WHERE root_id = ?", (os.fsencode(path), root_id))

    def drop_root(self, root_id: int) -> None:
        """Forget a root that has no images and no failures left."""
        self._db.execute("DELETE FROM roots WHERE root_id = ?", (root_id,))

    def adopt_root(self, child: int, parent: int, prefix: str) -> None:
        """Make everything below one root part of another, which holds it in its folder `prefix`."""
        for table in (self.images, self.failures):
            table.adopt(child, parent, prefix)
        self.drop_root(child)

    # -- segments

    def segments(self) -> list[SegmentInfo]:
        """The published segments, oldest first."""
        compact: dict[str, CompactInfo] = {}
        with as_written(f"{self.path}, its table of segments,"):
            if self._db.version >= 2:
                rows = self._db.execute("SELECT segment, size, sha256, scales, deltas, error FROM compact")
                compact = {row[0]: _compact_info(*row[1:]) for row in rows}
            rows = self._db.execute("SELECT name, rows, size, sha256 FROM segments ORDER BY segment_id")
            segments = [_segment_info(row, compact.get(row[0])) for row in rows]
            if len({segment.name for segment in segments}) < len(segments):
                raise ValueError("a segment is there twice")
        return segments

    def next_segment_name(self) -> str:
        """A file name never used before, by the order in which segments were published."""
        return f"{self.last_segment() + 1:06d}.faiss"

    def last_segment(self) -> int:
        """The highest number that was ever given to a segment."""
        return self._last_number("segments", "segment_id")

    def add_segment(self, info: SegmentInfo) -> None:
        """Publish a segment, with the transaction."""
        self._db.execute(
            "INSERT INTO segments (name, rows, size, sha256) VALUES (?, ?, ?, ?)",
            (info.name, info.rows, info.size, info.sha256),
        )

    def add_compact(self, segment: str, info: CompactInfo) -> None:
        """Publish a segment's compact copy, with the transaction."""
        values = (segment, info.size, info.sha256, info.scales, info.deltas, info.error)
        self._db.execute("INSERT OR REPLACE INTO compact VALUES (?, ?, ?, ?, ?, ?)", values)

    def remove_segments(self, names: Iterable[str]) -> None:
        """Withdraw segments and their compact copies, with the transaction."""
        rows = [(name,) for name in names]
        self._db.executemany("DELETE FROM compact WHERE segment = ?", rows)
        self._db.executemany("DELETE FROM segments WHERE name = ?", rows)

    def tombstones(self) -> list[int]:
        """Removed images that a segment still has a vector of, ascending."""
        return [image_id for (image_id,) in self._db.execute("SELECT image_id FROM tombstones ORDER BY image_id")]

    def remove_tombstones(self, ids: Iterable[int]) -> None:
        """Forget tombstones of images whose vectors are gone too."""
        self._db.executemany("DELETE FROM tombstones WHERE image_id = ?", [(int(image_id),) for image_id in ids])


def root_of(row: tuple[Any, ...]) -> tuple[int, tuple[str, dict[str, object]]]:
    """A row of the table of roots: its id, and the path and rules as stored. ValueError or the like if it is not such a row."""
    root_id, path, rules = row
    return whole(root_id, 1, MOST_IDS), (os.fsdecode(octets(path)), dict(json.loads(text(rules))))


def _segment_info(row: tuple[Any, ...], compact: CompactInfo | None) -> SegmentInfo:
    name, rows, size, sha256 = row
    if not re.fullmatch(r"[0-9]{1,20}\.faiss", text(name)):  # a catalog from elsewhere must not name other files
        raise ValueError("no segment's name")
    return SegmentInfo(name, whole(rows, 0), whole(size, 0), text(sha256), compact)


def _compact_info(size: Any, sha256: Any, scales: Any, deltas: Any, error: Any) -> CompactInfo:
    return CompactInfo(whole(size, 0), text(sha256), octets(scales), octets(deltas), number(error, 0, math.inf))


def _fingerprint(data: dict[str, Any]) -> Fingerprint:
    fingerprint = Fingerprint(**data)
    for name in (fingerprint.model, fingerprint.revision, fingerprint.digest, fingerprint.precision or ""):
        text(name)
    whole(fingerprint.dim, 1, _MOST_VALUES)
    return fingerprint
