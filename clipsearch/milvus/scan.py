"""Through all rows of a store, some at a time: it neither sorts nor gives as many as there may be at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from clipsearch.milvus.filters import both
from clipsearch.milvus.rows import VECTOR
from clipsearch.milvus.table import Table
from clipsearch.types import All, Below, Condition, Either, Field, Near, Not

_ROWS, _LONG_ROWS = 8192, 2048  # at once: some megabytes, and of the longest captions 33 MB
_LAST = 2**31  # no image has this id, or a higher one


def windows(table: Table, text: str, fields: Sequence[str], *, after: int = 0) -> Iterator[list[dict[str, Any]]]:
    """The rows that an expression holds of, by image id; each block is of a range of ids, which grows where they are rare."""
    usual = _LONG_ROWS if VECTOR in fields or "caption" in fields else _ROWS
    low, width = 1, usual
    while low < _LAST:
        here = both(text, f"image_id >= {low} and image_id < {low + width}")
        if width > usual and table.count(here, after=after) > usual:
            width //= 2
            continue
        rows = table.query(here, fields, after=after)
        if rows:
            yield sorted(rows, key=lambda row: (row["image_id"], row.get("row", 0)))
        low += width
        if len(rows) < width // 2:
            if not table.count(both(text, f"image_id >= {low}"), after=after):
                return
            width *= 2


def fields_of(condition: Condition) -> set[Field]:
    """Every field that a condition asks of."""
    if isinstance(condition, Not):
        return fields_of(condition.condition)
    if isinstance(condition, (All, Either)):
        return {field for part in condition.conditions for field in fields_of(part)}
    if isinstance(condition, Near):
        return {"latitude", "longitude"}
    return {"folder"} if isinstance(condition, Below) else {condition.field}
