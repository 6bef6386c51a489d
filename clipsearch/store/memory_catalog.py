"""Rows of images that are not in a catalog's file, and the catalog's own SQL over them: what it says there, it says here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from clipsearch.store.database import open_memory
from clipsearch.store.image_rows import ImageRows
from clipsearch.store.rows import IMAGE_COLUMNS
from clipsearch.types import Test

_UNKNOWN: dict[str, Any] = {
    "root_id": 0, "size": 0, "mtime_ns": 0, "width": 1, "height": 1, "format": "", "content_hash": b"",
    "taken_at": None, "camera": None, "latitude": None, "longitude": None,
}  # fmt: skip
_COLUMNS = IMAGE_COLUMNS.split(", ")


class Sieve(ImageRows):
    """Images in memory, to be asked by conditions. Use as a context manager."""

    def __init__(self) -> None:
        self._db = open_memory()

    def close(self) -> None:
        """Forget everything."""
        self._db.close()

    def __enter__(self) -> Sieve:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Take rows of some columns, "image_id" the first of them. What is not among them must not be asked for."""
        own = [name for name in ("folder", "name") if name not in columns]  # the two tell images apart, known or not
        others = [name for name in _COLUMNS if name not in (*columns, *own, "image_id")]
        names = [*columns, *own, *others]
        defaults = [_UNKNOWN[name] for name in others]
        marks = ",".join("?" * len(names))
        made = ((*row, *[b"%d" % row[0]] * len(own), *defaults) for row in rows)
        self._db.execute("BEGIN")
        self._db.executemany(f"INSERT INTO images ({', '.join(names)}) VALUES ({marks})", made)
        self._db.execute("COMMIT")


def passing(test: Test, values: Sequence[Any]) -> list[Any]:
    """Those of some values of a test's field that pass it; of "orientation", values are (width, height)."""
    columns = {"format": ["format"], "camera": ["camera"], "orientation": ["width", "height"]}[test.field]
    with Sieve() as sieve:
        rows = (value if isinstance(value, tuple) else (value,) for value in values)
        sieve.add(["image_id", *columns], ((number, *row) for number, row in enumerate(rows)))
        return [values[number] for number in sieve.ids(test, lambda folder: ()).tolist()]
