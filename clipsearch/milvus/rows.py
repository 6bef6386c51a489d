"""A photo as a row of a store, and back; and the checksums of rows."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clipsearch.errors import CollectionDamaged, CollectionError
from clipsearch.milvus.filters import UNKNOWN_DEGREES, hexadecimal, text_key
from clipsearch.store.rows import IMAGE_COLUMNS, image_check, record_of
from clipsearch.store.vectors import vector_check
from clipsearch.types import ImageRecord

Checks: TypeAlias = dict[int, tuple[int, int]]
"""image_id → the checksums of its row and of its vector."""

CHECK_FIELDS = ("row", "born", "image_id", "row_check", "vector_check")
"""What identifies a row and its content."""

CATALOG_NAMES = {"root": "root_id", "content": "content_hash", "taken": "taken_at"}
"""The catalog's names of fields that have another name there."""

_STORE_NAMES = {catalog: field for field, catalog in CATALOG_NAMES.items()}
_COLUMNS = tuple(_STORE_NAMES.get(column, column) for column in IMAGE_COLUMNS.split(", ")[1:])
_BYTES, _TEXTS, _DEGREES = (
    {"folder", "name", "content"},
    {"format", "taken", "camera", "caption"},
    {"latitude", "longitude"},
)
_CATALOG_ORDER = ("image_id", *_COLUMNS, "row_check", "vector_check", "caption")

FIELDS = (*CHECK_FIELDS, *_COLUMNS, "caption")
"""What a record is made of."""

VECTOR, NOTE = "vector", "note"


def row_of(values: tuple[Any, ...], vector: NDArray[np.float32], born: int) -> dict[str, Any]:
    """A row of the store, from an image's unit vector (dim,) and its row in the catalog, checks and caption last."""
    if values[-1] is not None:
        raise CollectionError("a store cannot keep files with several pictures, such as films")
    image = dict(zip(_CATALOG_ORDER, values[:-2], strict=True))
    image_id, width, height = image["image_id"], image["width"], image["height"]
    if not (0 < image_id < 2**31 and 0 < born < 2**31):
        raise CollectionDamaged(f"image {image_id} of version {born} cannot have a number in a store")
    return {
        "row": (image_id << 31) + born,  # no number is used twice
        "born": born,
        **{field: _store_value(field, value) for field, value in image.items()},
        "folder_folded": hexadecimal(os.fsdecode(image["folder"]).lower()),
        "name_folded": hexadecimal(os.fsdecode(image["name"]).lower()),
        "caption_folded": text_key(image["caption"] and image["caption"].lower()),
        "pixels": width * height,
        "shape": (width > height) - (width < height),
        NOTE: "",
        VECTOR: vector,
    }


def _store_value(field: str, value: Any) -> Any:
    if field in _BYTES:
        return value.hex()
    if field in _TEXTS:
        return text_key(value)
    if field in _DEGREES:
        return UNKNOWN_DEGREES if value is None else float(value)
    return value


def catalog_value(field: str, value: Any) -> Any:
    """The catalog's value for a value of the store. ValueError or TypeError if it makes no sense."""
    if field in _BYTES:
        return bytes.fromhex(value)
    if field == "caption":  # always Unicode, unlike other texts
        return bytes.fromhex(value[1:]).decode() if value else None
    if field in _TEXTS:
        return os.fsdecode(bytes.fromhex(value[1:])) if value else None
    if field in _DEGREES:
        return None if value == UNKNOWN_DEGREES else float(value)
    return int(value)


def catalog_row(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """The catalog's row of an image, its two checks and its caption last. CollectionDamaged if it is not what was sent."""
    try:
        values = tuple(catalog_value(field, row[field]) for field in ("image_id", *_COLUMNS, "caption"))
        checks = int(row["row_check"]), int(row["vector_check"])
    except (KeyError, TypeError, ValueError, UnicodeError) as error:
        raise CollectionDamaged(f"the store has a row {row.get('row')} that clipsearch never writes") from error
    if image_check(*values, None, None) != checks[0]:
        raise CollectionDamaged(f"the store's row of image {values[0]} is damaged; push again to replace it")
    return (*values[:-1], *checks, values[-1], None, None)


def record(row: Mapping[str, Any], roots: dict[int, str]) -> ImageRecord:
    """A row as a record. CollectionDamaged if it is not what was sent."""
    return record_of(catalog_row(row), roots)


def checked_vector(row: Mapping[str, Any], dim: int) -> NDArray[np.float32]:
    """A row's vector (dim,). CollectionDamaged if it is not what was sent."""
    vector: NDArray[np.float32] = np.asarray(row[VECTOR], np.float32)
    if vector.shape != (dim,) or vector_check(vector) != row["vector_check"]:
        raise CollectionDamaged(f"the store's vector of image {row['image_id']} is damaged; push again to replace it")
    return vector


def checks_in(blocks: Iterable[list[dict[str, Any]]]) -> Checks:
    """The checksums that a store's rows claim to have."""
    return {row["image_id"]: (row["row_check"], row["vector_check"]) for rows in blocks for row in rows}


def digest_of(checks: Checks) -> str:
    """The sha256, in hexadecimal, of image_id, row_check and vector_check of all images, little-endian, by image id."""
    total = hashlib.sha256()
    for image_id in sorted(checks):
        total.update(struct.pack("<qII", image_id, *checks[image_id]))
    return total.hexdigest()
