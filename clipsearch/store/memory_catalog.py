"""A catalog in memory, for images that are not in a file: the catalog's own SQL answers the same about them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from clipsearch.store.database import open_memory
from clipsearch.store.file_tables import ImageTable
from clipsearch.store.filters import FolderLookup
from clipsearch.store.rows import IMAGE_COLUMNS
from clipsearch.types import Condition, Ids, Order, Test

_DEFAULTS: dict[str, Any] = {
    "root_id": 0, "size": 0, "mtime_ns": 0, "width": 1, "height": 1, "format": "", "content_hash": b"",
    "taken_at": None, "camera": None, "latitude": None, "longitude": None,
}  # fmt: skip
_COLUMNS = IMAGE_COLUMNS.split(", ")


class MemoryCatalog:
    """Images in memory, to be chosen by conditions. Use as a context manager."""

    def __init__(self) -> None:
        self._db = open_memory()
        self._images = ImageTable(self._db)

    def close(self) -> None:
        """Forget everything."""
        self._db.close()

    def __enter__(self) -> MemoryCatalog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Add rows of some columns, of which "image_id" is the first. Conditions must not ask for other columns."""
        own = [name for name in ("folder", "name") if name not in columns]  # the two tell images apart, known or not
        others = [name for name in _COLUMNS if name not in (*columns, *own, "image_id")]
        names = [*columns, *own, *others]
        defaults = [_DEFAULTS[name] for name in others]
        marks = ",".join("?" * len(names))
        values = ((*row, *[b"%d" % row[0]] * len(own), *defaults) for row in rows)
        self._db.execute("BEGIN")
        self._db.executemany(f"INSERT INTO images ({', '.join(names)}) VALUES ({marks})", values)
        self._db.execute("COMMIT")

    def ids(self, condition: Condition | None, folders: FolderLookup) -> Ids:
        """The images that meet a condition, or all, int64 (n,), ascending."""
        return self._images.ids(condition, folders)

    def page(
        self, condition: Condition | None, folders: FolderLookup, order: Order, offset: int, count: int
    ) -> list[int]:
        """`count` of the images that meet a condition, or of all, after the first `offset`, in an order; -1 for all."""
        return self._images.page(condition, folders, order, offset, count)


def matching_values(test: Test, values: Sequence[Any]) -> list[Any]:
    """Those of some values of a test's field that pass it. Values of "orientation" are (width, height)."""
    columns = {"format": ["format"], "camera": ["camera"], "orientation": ["width", "height"]}[test.field]
    with MemoryCatalog() as catalog:
        rows = (value if isinstance(value, tuple) else (value,) for value in values)
        catalog.add(["image_id", *columns], ((number, *row) for number, row in enumerate(rows)))
        return [values[number] for number in catalog.ids(test, lambda folder: ()).tolist()]
