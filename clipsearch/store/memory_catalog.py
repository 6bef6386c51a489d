"""A catalog in memory, for images that are not in a file: the catalog's own SQL answers the same about them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from clipsearch.conditions import Test
from clipsearch.gazetteer import nearest_many
from clipsearch.store.database import open_memory
from clipsearch.store.image_table import ImageTable
from clipsearch.store.rows import IMAGE_COLUMNS

_DEFAULTS: dict[str, Any] = {
    "root_id": 0, "size": 0, "mtime_ns": 0, "width": 1, "height": 1, "format": "", "content_hash": b"",
    "taken_at": None, "camera": None, "latitude": None, "longitude": None,
}  # fmt: skip
_COLUMNS = IMAGE_COLUMNS.split(", ")


class MemoryCatalog(ImageTable):
    """A table of images in memory, to be chosen by conditions. Use as a context manager."""

    def __init__(self) -> None:
        super().__init__(open_memory())

    def __enter__(self) -> MemoryCatalog:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def insert(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Add rows of some columns, the first being "image_id". Conditions must not ask for other columns."""
        own = [name for name in ("folder", "name") if name not in columns]  # the two tell images apart, known or not
        others = [name for name in _COLUMNS if name not in (*columns, *own, "image_id")]
        names = [*columns, *own, *others]
        defaults = [_DEFAULTS[name] for name in others]
        marks = ",".join("?" * len(names))
        values = ((*row, *[b"%d" % row[0]] * len(own), *defaults) for row in rows)
        self._db.execute("BEGIN")
        self._db.executemany(f"INSERT INTO images ({', '.join(names)}) VALUES ({marks})", values)
        self._db.execute("COMMIT")

    def add_places(self) -> None:
        """Name the places of the images that have coordinates, and had no place before."""
        sql = "SELECT image_id, latitude, longitude FROM images WHERE latitude IS NOT NULL AND longitude IS NOT NULL"
        rows = self._db.execute(f"{sql} AND image_id NOT IN (SELECT image_id FROM facts)").fetchall()
        codes = nearest_many([row[1] for row in rows], [row[2] for row in rows])
        facts = ((row[0], code) for row, code in zip(rows, codes, strict=True))
        self._db.execute("BEGIN")
        self._db.executemany(
            "INSERT INTO facts (image_id, read_from, place, text_version, row_check) VALUES (?, '', ?, 0, 0)", facts
        )
        self._db.execute("COMMIT")


def matching_values(test: Test, values: Sequence[Any]) -> list[Any]:
    """Those of some values of a test's field that pass it. Values of "orientation" are (width, height)."""
    columns = {"format": ["format"], "camera": ["camera"], "orientation": ["width", "height"]}[test.field]
    with MemoryCatalog() as catalog:
        rows = (value if isinstance(value, tuple) else (value,) for value in values)
        catalog.insert(["image_id", *columns], ((number, *row) for number, row in enumerate(rows)))
        return [values[number] for number in catalog.ids(test, lambda folder: ()).tolist()]
