"""The catalog's table of placeholders: a blurred picture of a few bytes for each picture that was decoded for this index.

Nothing depends on it. A picture may have none: it came from an older index, from a file of embeddings or from a cluster.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from clipsearch.store.database import Database
from clipsearch.store.rows import check_of
from clipsearch.store.validation import belong_to_no_image

PLACEHOLDERS_FORMAT = 9
"""The first format of an index that has this table."""

LONGEST_PLACEHOLDER = 256
"""Bytes; clipsearch writes 36."""

_MANY = 500  # values bound in one statement


class PlaceholderTable:
    """A row for each picture with a placeholder."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._exists = database.version >= PLACEHOLDERS_FORMAT

    def put(self, image_id: int, pixels: bytes) -> None:
        """Give a picture a placeholder in place of the one that it has. ValueError if it is too long."""
        if not 0 < len(pixels) <= LONGEST_PLACEHOLDER:
            raise ValueError(f"a placeholder has 1 to {LONGEST_PLACEHOLDER} bytes")
        row = (int(image_id), pixels, check_of(int(image_id), pixels))
        self._db.execute("INSERT OR REPLACE INTO placeholders VALUES (?, ?, ?)", row)

    def copy(self, file_id: int, pictures: int) -> None:
        """Give a file's pictures the placeholders of another file with the same content, if there are any."""
        sql = (
            "SELECT other.image_id FROM images JOIN images AS other USING (content_hash) JOIN placeholders "
            "ON placeholders.image_id = other.image_id WHERE images.image_id = ? AND other.image_id <> images.image_id LIMIT 1"
        )
        if row := self._db.execute(sql, (int(file_id),)).fetchone():
            known = self.of([*range(row[0], row[0] + pictures)])
            for image_id, pixels in known.items():
                self.put(file_id + image_id - row[0], pixels)

    def remove(self, ids: Sequence[int]) -> None:
        """Forget those of some pictures."""
        self._db.executemany("DELETE FROM placeholders WHERE image_id = ?", [(int(image_id),) for image_id in ids])

    def of(self, ids: Sequence[int]) -> dict[int, bytes]:
        """image_id → placeholder, for those that have one. Rows that are not as they were written are left out."""
        found: dict[int, bytes] = {}
        for start in range(0, len(ids) if self._exists else 0, _MANY):
            part = [int(image_id) for image_id in ids[start : start + _MANY]]
            marks = ",".join("?" * len(part))
            rows = self._db.execute(f"SELECT * FROM placeholders WHERE image_id IN ({marks})", part)
            found |= {row[0]: row[1] for row in rows if is_sound_placeholder(row)}
        return found

    def problems(self, pictures: set[int]) -> Iterator[tuple[str, str]]:
        """What is not as it was written: (a table and a place in it, what). `pictures` are the ids of all pictures."""
        if not self._exists:
            return
        stray = 0
        for row in self._db.execute("SELECT * FROM placeholders ORDER BY image_id"):
            if not is_sound_placeholder(row):
                yield f"placeholders, image {row[0]}", "not as it was written"
            stray += row[0] not in pictures
        if stray:
            yield "placeholders", belong_to_no_image(stray, "row")


def is_sound_placeholder(row: Sequence[Any]) -> bool:
    """Whether a row is one that clipsearch wrote."""
    image_id, pixels, check = row
    is_one = isinstance(pixels, bytes) and 0 < len(pixels) <= LONGEST_PLACEHOLDER
    return is_one and check_of(image_id, pixels) == check
