"""The sidecar metadata, in SQLite. Its transactions are the only thing that publishes anything."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from clipsearch.conditions import Condition
from clipsearch.errors import CollectionDamaged
from clipsearch.schema import Failure, Fingerprint, Ids, ImageFile, ImageInfo, ImageRecord
from clipsearch.store.database import open_database
from clipsearch.store.filters import Places, below, to_sql
from clipsearch.store.segments import CompactInfo, SegmentInfo

_NAMES = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()  # os.fsdecode's, which takes three times as long
_MANY = 500  # values bound in one statement; SQLite's oldest limit is 999


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file is, in the catalog's terms: a root, a folder below it ("" for the root itself) and a name."""

    root_id: int
    folder: str
    name: str


State: TypeAlias = tuple[int, int]
"""(size in bytes, mtime_ns) of a file: what a directory walk compares."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the catalog knows of a place without decoding."""

    image_id: int | None  # None for a failure
    size: int
    mtime_ns: int


class Catalog:
    """An open catalog. Changes happen inside `transaction()`."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        self._db = open_database(path, create=create)

    def close(self) -> None:
        """Let go of the file."""
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
            self._db.execute("ROLLBACK")

    def begin(self) -> None:
        """Start changing, if not under way already."""
        if not self._db.in_transaction:
            self._db.execute("BEGIN IMMEDIATE")

    @property
    def is_changing(self) -> bool:
        """Whether something was changed since the last commit."""
        return self._db.in_transaction

    def commit(self) -> None:
        """Publish everything changed since `begin`, durably."""
        if self._db.in_transaction:
            self._db.execute("COMMIT")

    def rollback(self) -> None:
        """Forget everything changed since `begin`."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    @property
    def version(self) -> int:
        """A number that differs once another connection has committed."""
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    # -- what the index is

    def fingerprint(self) -> Fingerprint | None:
        """The model, once one has been chosen."""
        value = self.meta("fingerprint")
        try:
            return Fingerprint(**json.loads(value)) if value else None
        except (TypeError, ValueError) as error:
            raise CollectionDamaged(f"{self.path}: the model's fingerprint cannot be read") from error

    def set_fingerprint(self, fingerprint: Fingerprint) -> None:
        """Remember the model."""
        self.set_meta("fingerprint", json.dumps(asdict(fingerprint)))

    def meta(self, key: str) -> str | None:
        """A remembered value."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(row[0]) if row else None

    def set_meta(self, key: str, value: str) -> None:
        """Remember a value."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def roots(self) -> dict[int, tuple[str, dict[str, object]]]:
        """root_id → (path as stored: absolute, or relative to the index folder; the walk's rules)."""
        rows = self._db.execute("SELECT root_id, path, rules FROM roots ORDER BY root_id")
        return {root_id: (os.fsdecode(path), json.loads(rules)) for root_id, path, rules in rows}

    def set_root(self, path: str, rules: dict[str, object]) -> int:
        """Add a root or change its rules; its id."""
        self._db.execute(
            "INSERT INTO roots (path, rules) VALUES (?, ?) ON CONFLICT (path) DO UPDATE SET rules = excluded.rules",
            (os.fsencode(path), json.dumps(rules)),
        )
        return int(self._db.execute("SELECT root_id FROM roots WHERE path = ?", (os.fsencode(path),)).fetchone()[0])

    def drop_root(self, root_id: int) -> None:
        """Forget a root that has no images and no failures left."""
        self._db.execute("DELETE FROM roots WHERE root_id = ?", (root_id,))

    def adopt_root(self, child: int, parent: int, prefix: str) -> None:
        """Make everything below one root part of another, which holds it in its folder `prefix`."""
        head = os.fsencode(prefix)
        for table in ("images", "failures"):
            self._db.execute(
                f"UPDATE {table} SET root_id = ?, "  # noqa: S608 - a name from the line above
                "folder = CASE WHEN folder = x'' THEN ? ELSE CAST(? || '/' || folder AS BLOB) END WHERE root_id = ?",
                (parent, head, head, child),
            )
        self.drop_root(child)

    # -- comparing with a directory walk

    def folders(self, root_id: int, under: str = "") -> set[str]:
        """Every folder at or below `under` in which something is known."""
        where, values = below(root_id, under)
        sql = f"SELECT folder FROM images WHERE {where} UNION SELECT folder FROM failures WHERE {where}"  # noqa: S608
        return {os.fsdecode(folder) for (folder,) in self._db.execute(sql, values * 2)}

    def known_in(self, root_id: int, folder: str) -> tuple[dict[str, State], dict[str, State]]:
        """Name → what is known, for one folder (not those below it): of its images and of its failures."""
        values = (root_id, os.fsencode(folder))
        images, failures = (
            self._db.execute(f"SELECT name, size, mtime_ns FROM {table} WHERE root_id = ? AND folder = ?", values)  # noqa: S608
            for table in ("images", "failures")
        )
        return (
            {name.decode(*_NAMES): (size, mtime_ns) for name, size, mtime_ns in images},
            {name.decode(*_NAMES): (size, mtime_ns) for name, size, mtime_ns in failures},
        )

    def known_at(self, place: Place) -> Known | None:
        """What is known of one place."""
        for column, table in (("image_id", "images"), ("NULL", "failures")):
            sql = f"SELECT {column}, size, mtime_ns FROM {table} WHERE root_id = ? AND folder = ? AND name = ?"  # noqa: S608
            if row := self._db.execute(sql, _key(place)).fetchone():
                return Known(*row)
        return None

    def has_size(self, size: int) -> bool:
        """Whether any image has this many bytes; if not, no image has the same content."""
        return self._db.execute("SELECT 1 FROM images WHERE size = ? LIMIT 1", (size,)).fetchone() is not None

    def ids_by_hash(self, content_hash: str) -> list[int]:
        """The images with this content, oldest first."""
        rows = self._db.execute(
            "SELECT image_id FROM images WHERE content_hash = ? ORDER BY image_id", (bytes.fromhex(content_hash),)
        )
        return [image_id for (image_id,) in rows]

    # -- images and failures

    def add_image(self, place: Place, file: ImageFile, info: ImageInfo) -> int:
        """A new image at a place where there is none; its id."""
        latitude, longitude = info.gps or (None, None)
        cursor = self._db.execute(
            "INSERT INTO images (root_id, folder, name, size, mtime_ns, width, height, format, content_hash, taken_at, "
            "camera, latitude, longitude) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*_key(place), file.size, file.mtime_ns, info.width, info.height, info.format,
             bytes.fromhex(info.content_hash), info.taken_at.isoformat() if info.taken_at else None, info.camera,
             latitude, longitude),
        )  # fmt: skip
        assert cursor.lastrowid
        return cursor.lastrowid

    def move_image(self, image_id: int, place: Place, file: ImageFile) -> None:
        """The same content is now at another place, or there with another size or time."""
        self._db.execute(
            "UPDATE images SET root_id = ?, folder = ?, name = ?, size = ?, mtime_ns = ? WHERE image_id = ?",
            (*_key(place), file.size, file.mtime_ns, image_id),
        )

    def remove_images(self, ids: Iterable[int]) -> None:
        """Drop images and leave tombstones for their vectors."""
        rows = [(image_id,) for image_id in ids]
        self._db.executemany("INSERT OR IGNORE INTO tombstones VALUES (?)", rows)
        self._db.executemany("DELETE FROM images WHERE image_id = ?", rows)

    def add_failure(self, place: Place, file: ImageFile, reason: str) -> None:
        """Remember that a file could not be read, and why."""
        self._db.execute(
            "INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?, ?, ?)",
            (*_key(place), file.size, file.mtime_ns, reason),
        )

    def remove_failure(self, place: Place) -> None:
        """Forget one."""
        self._db.execute("DELETE FROM failures WHERE root_id = ? AND folder = ? AND name = ?", _key(place))

    def records(self, ids: Sequence[int], roots: dict[int, str]) -> dict[int, ImageRecord]:
        """image_id → record, for those that exist. `roots` gives each root's absolute path."""
        found: dict[int, ImageRecord] = {}
        for start in range(0, len(ids), _MANY):
            some = [int(image_id) for image_id in ids[start : start + _MANY]]
            marks = ",".join("?" * len(some))
            for row in self._db.execute(f"SELECT * FROM images WHERE image_id IN ({marks})", some):  # noqa: S608
                found[row[0]] = _record(row, roots)
        return found

    def all_records(self, roots: dict[int, str]) -> Iterator[ImageRecord]:
        """Every image, in the order of its path."""
        for row in self._db.execute("SELECT * FROM images ORDER BY root_id, folder, name"):
            yield _record(row, roots)

    def ids(self, condition: Condition | None, places: Places) -> Ids:
        """The images that meet a condition, or all, int64 (n,), ascending."""
        where, values = to_sql(condition, places) if condition else ("1", [])
        rows = self._db.execute(f"SELECT image_id FROM images WHERE {where}", values)  # noqa: S608
        return np.sort(np.fromiter((image_id for (image_id,) in rows), np.int64))

    def ids_below(self, root_id: int, under: str) -> list[int]:
        """The images at or below a folder."""
        where, values = below(root_id, under)
        return [image_id for (image_id,) in self._db.execute(f"SELECT image_id FROM images WHERE {where}", values)]  # noqa: S608

    def remove_failures_below(self, root_id: int, under: str) -> int:
        """Forget the failures at or below a folder; how many they were."""
        where, values = below(root_id, under)
        return self._db.execute(f"DELETE FROM failures WHERE {where}", values).rowcount  # noqa: S608

    def failures(self, roots: dict[int, str]) -> list[Failure]:
        """Every failure, in the order of its path."""
        rows = self._db.execute(
            "SELECT root_id, folder, name, size, mtime_ns, reason FROM failures ORDER BY root_id, folder, name"
        )
        return [
            Failure(ImageFile(_path(roots, root_id, folder, name), size, mtime_ns), reason)
            for root_id, folder, name, size, mtime_ns, reason in rows
        ]

    def count(self) -> int:
        """How many images there are."""
        return int(self._db.execute("SELECT COUNT(*) FROM images").fetchone()[0])

    def counts(self) -> tuple[int, int, int]:
        """(images, failures, bytes of all images' files)."""
        images, size = self._db.execute("SELECT COUNT(*), COALESCE(SUM(size), 0) FROM images").fetchone()
        return int(images), int(self._db.execute("SELECT COUNT(*) FROM failures").fetchone()[0]), int(size)

    # -- segments

    def segments(self) -> list[SegmentInfo]:
        """The published segments, oldest first."""
        compact: dict[str, CompactInfo] = {}
        if self._db.version >= 2:
            rows = self._db.execute("SELECT segment, size, sha256, scales, deltas, error FROM compact")
            compact = {row[0]: CompactInfo(*row[1:]) for row in rows}
        rows = self._db.execute("SELECT name, rows, size, sha256 FROM segments ORDER BY segment_id")
        segments = [SegmentInfo(name, count, size, sha256, compact.get(name)) for name, count, size, sha256 in rows]
        for segment in segments:
            if not re.fullmatch(r"[0-9]+\.faiss", segment.name):  # a catalog from elsewhere must not name other files
                raise CollectionDamaged(f"{self.path} names a segment {segment.name!r}, which clipsearch never does")
        return segments

    def next_segment_name(self) -> str:
        """A file name never used before, by the order in which segments were published."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'segments'").fetchone()
        return f"{(row[0] if row else 0) + 1:06d}.faiss"

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
        """Images that are gone while some segment still holds their vector, ascending."""
        return [image_id for (image_id,) in self._db.execute("SELECT image_id FROM tombstones ORDER BY image_id")]

    def remove_tombstones(self, ids: Iterable[int]) -> None:
        """Forget those whose vectors are gone as well."""
        self._db.executemany("DELETE FROM tombstones WHERE image_id = ?", [(int(image_id),) for image_id in ids])


def _key(place: Place) -> tuple[int, bytes, bytes]:
    return place.root_id, os.fsencode(place.folder), os.fsencode(place.name)


def _path(roots: dict[int, str], root_id: int, folder: bytes, name: bytes) -> str:
    parts = os.fsdecode(folder).split("/") if folder else []
    return os.path.join(roots[root_id], *parts, os.fsdecode(name))


def _record(row: tuple[Any, ...], roots: dict[int, str]) -> ImageRecord:
    (image_id, root_id, folder, name, size, mtime_ns, width, height, image_format, content_hash, taken_at, camera,
     latitude, longitude) = row  # fmt: skip
    return ImageRecord(
        image_id,
        ImageFile(_path(roots, root_id, folder, name), size, mtime_ns),
        ImageInfo(
            width=width,
            height=height,
            format=image_format,
            content_hash=content_hash.hex(),
            taken_at=datetime.fromisoformat(taken_at) if taken_at else None,
            camera=camera,
            gps=(latitude, longitude) if latitude is not None else None,
        ),
    )
