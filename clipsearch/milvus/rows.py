"""Photos as rows of a store, and back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsearch.errors import CollectionDamaged
from clipsearch.milvus.filters import NOWHERE, folded_key, folded_text_key, text_key
from clipsearch.store.rows import image_check, record_of
from clipsearch.store.vectors import vector_check
from clipsearch.types import ImageRecord

CHECKS = ("row", "born", "image_id", "row_check", "vector_check")
"""What tells rows apart."""

FIELDS = (
    *CHECKS, "root", "folder", "name", "size", "mtime_ns", "width", "height", "format", "content", "taken", "camera",
    "latitude", "longitude", "caption",
)  # fmt: skip
"""What makes a record."""

VECTOR, NOTE = "vector", "note"

COLUMNS_OF = {
    "name": ("name",), "folder": ("folder",), "path": ("folder", "name"), "format": ("format",), "camera": ("camera",),
    "width": ("width",), "height": ("height",), "megapixels": ("width", "height"), "orientation": ("width", "height"),
    "size": ("size",), "taken": ("taken",), "latitude": ("latitude",), "longitude": ("longitude",),
    "caption": ("caption",),
}  # fmt: skip
"""The columns that say what a field of a condition is."""

CATALOG_NAMES = {"root": "root_id", "taken": "taken_at"}
"""What the catalog calls a column, where that differs."""


def row_number(image_id: int, born: int) -> int:
    """The number of an image's row: none is given twice."""
    if not (0 < image_id < 2**31 and 0 < born < 2**31):
        raise CollectionDamaged(f"image {image_id} of version {born} has no number in a store")
    return (image_id << 31) + born


def row_of(values: tuple[Any, ...], vector: NDArray[np.float32], born: int) -> dict[str, Any]:
    """A row from a row of the catalog's images, checks and caption behind its columns, and the image's unit vector (dim,)."""
    (image_id, root, folder, name, size, mtime_ns, width, height, image_format, content, taken, camera, latitude, longitude,
     row_check, check, caption) = values  # fmt: skip
    return {
        "row": row_number(image_id, born), "born": born, "image_id": image_id, "row_check": row_check, "vector_check": check,
        "root": root, "folder": folder.hex(), "name": name.hex(), "size": size, "mtime_ns": mtime_ns, "width": width,
        "height": height, "format": text_key(image_format), "content": content.hex(), "taken": text_key(taken),
        "camera": text_key(camera), "latitude": NOWHERE if latitude is None else float(latitude),
        "longitude": NOWHERE if longitude is None else float(longitude), "pixels": width * height,
        "shape": (width > height) - (width < height), "folder_folded": folded_key(os.fsdecode(folder)),
        "name_folded": folded_key(os.fsdecode(name)), "caption": text_key(caption),
        "caption_folded": folded_text_key(caption), NOTE: "", VECTOR: vector,
    }  # fmt: skip


def catalog_value(column: str, value: Any) -> Any:
    """What the catalog has in a column, from what a store says. ValueError or TypeError where that makes no sense."""
    if column in ("folder", "name", "content"):
        return bytes.fromhex(value)
    if column in ("format", "taken", "camera"):
        return os.fsdecode(bytes.fromhex(value[1:])) if value else None
    if column == "caption":  # which, unlike a name, is always of Unicode's
        return bytes.fromhex(value[1:]).decode() if value else None
    if column in ("latitude", "longitude"):
        return None if value == NOWHERE else float(value)
    return int(value)


def catalog_row(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """A row of the catalog's images, its two checks and its caption last. CollectionDamaged where it is not as it was sent."""
    try:
        values = tuple(catalog_value(column, row[column]) for column in ("image_id", *FIELDS[5:]))
        checks = int(row["row_check"]), int(row["vector_check"])
    except (KeyError, TypeError, ValueError, UnicodeError) as error:
        raise CollectionDamaged(f"the store has a row {row.get('row')} that clipsearch never writes") from error
    if image_check(*values) != checks[0]:
        raise CollectionDamaged(f"the store's row of image {values[0]} is damaged; push again to replace it")
    return (*values[:-1], *checks, values[-1])


def record(row: Mapping[str, Any], roots: dict[int, str]) -> ImageRecord:
    """A row as a record. CollectionDamaged where it is not as it was sent."""
    return record_of(catalog_row(row), roots)


def checked_vector(row: Mapping[str, Any], dim: int) -> NDArray[np.float32]:
    """A row's vector (dim,). CollectionDamaged where it is not as it was sent."""
    vector: NDArray[np.float32] = np.asarray(row[VECTOR], np.float32)
    if vector.shape != (dim,) or vector_check(vector) != row["vector_check"]:
        raise CollectionDamaged(f"the store's vector of image {row['image_id']} is damaged; push again to replace it")
    return vector
