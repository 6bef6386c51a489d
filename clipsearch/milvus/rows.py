"""A photo as rows of a store, and back; and the checksums of rows.

A file with several pictures has a row for each. All of them have the file's id and fields, so that filters hold for all or
none. The first one's note has the moments. The others have the first's `row_check` inverted (`~`), which is below 0.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.paths import IN_UTF8
from clipsearch.errors import CollectionDamaged
from clipsearch.gazetteer import place_of
from clipsearch.milvus.filters import UNKNOWN_DEGREES, hexadecimal, text_key
from clipsearch.store.rows import IMAGE_COLUMNS, image_check, picture_of, record_of, vector_checks_of
from clipsearch.store.vectors import vector_check
from clipsearch.types import ImageRecord

Checks: TypeAlias = dict[int, tuple[int, int]]
"""image_id → the checksums of its row and of its vector. Of pictures after a file's first, that of the row is inverted."""

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

_ID_BITS = 31  # the lower bits of a row's number, which its version takes


def rows_of(values: tuple[Any, ...], vectors: Mapping[int, NDArray[np.float32]], born: int) -> list[dict[str, Any]]:
    """Rows of the store, by image id: from a file's row in the catalog, and those of its unit vectors (dim,) to be sent."""
    image = dict(zip(_CATALOG_ORDER, values[:-2], strict=True))
    file_id, width, height = image["image_id"], image["width"], image["height"]
    if not (file_id > 0 and max(vectors) < 2**_ID_BITS and 0 < born < 2**_ID_BITS):
        raise CollectionDamaged(f"image {file_id} of version {born} cannot have a number in a store")
    pictures, moments = values[-2:]
    fields = {
        "born": born,
        **{field: _store_value(field, value) for field, value in image.items()},
        "folder_folded": hexadecimal(image["folder"].decode(*IN_UTF8).lower()),
        "name_folded": hexadecimal(image["name"].decode(*IN_UTF8).lower()),
        "caption_folded": text_key(image["caption"] and image["caption"].lower()),
        "pixels": width * height,
        "shape": (width > height) - (width < height),
    }
    vector_checks, row_check = vector_checks_of(values), image["row_check"]
    return [
        {
            **fields,
            "row": numbers_from(image_id) + born,  # no number is used twice
            "row_check": row_check if image_id == file_id else ~row_check,
            "vector_check": vector_checks[image_id],
            NOTE: f"{pictures} {moments}" if moments is not None and image_id == file_id else "",
            VECTOR: vectors[image_id],
        }
        for image_id in sorted(vectors)
    ]


def numbers_from(image_id: int) -> int:
    """The numbers of all rows of a picture, whatever their version, are above this, and below that of the next picture."""
    return image_id << _ID_BITS


def picture_id(number: int) -> int:
    """The id of the picture in the row of a number. The row's field `image_id` is that of its file."""
    return int(number) >> _ID_BITS


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
        return bytes.fromhex(value[1:]).decode(*IN_UTF8) if value else None
    if field in _DEGREES:
        return None if value == UNKNOWN_DEGREES else float(value)
    return int(value)


def catalog_row(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """The catalog's row of a file, as `Collection.rows` has it, from the row of its first picture.

    CollectionDamaged if it is not what was sent. A row that was read without NOTE is taken for that of a file with one picture.
    """
    values, checks, moments = _contents(row)
    if image_check(*values, *moments) != checks[0] or picture_id(row["row"]) != values[0]:
        raise CollectionDamaged(f"the store's row of image {values[0]} is damaged; push again to replace it")
    return (*values[:-1], *checks, values[-1], *moments)


def is_of_one_picture(row: Mapping[str, Any]) -> bool:
    """Whether a row is that of a file with one picture, and as it was sent."""
    try:
        return catalog_row(row)[-1] is None
    except CollectionDamaged:
        return False


def picture_in(row: Mapping[str, Any], file: tuple[Any, ...], roots: dict[int, str]) -> ImageRecord:
    """The picture in a row of a file, whose catalog row is `file`. CollectionDamaged if the row is not what was sent."""
    require_of_file(row, file)
    return picture_of(_with_place(record_of(file, roots)), picture_id(row["row"]) - file[0])


def require_of_file(row: Mapping[str, Any], file: tuple[Any, ...]) -> None:
    """Raise CollectionDamaged unless a row is that of a picture of a file, whose catalog row is `file`, and as it was sent."""
    values, checks, _ = _contents(row)
    image_id, row_check = picture_id(row["row"]), file[-5]
    expected = row_check if image_id == file[0] else ~row_check, vector_checks_of(file).get(image_id)
    if values != (*file[:-5], file[-3]) or checks != expected:
        raise CollectionDamaged(f"the store's row of image {image_id} is damaged; push again to replace it")


def _contents(row: Mapping[str, Any]) -> tuple[tuple[Any, ...], tuple[int, int], tuple[int | None, str | None]]:
    """The catalog's values of a row, ending with the caption; its two checks; its columns `pictures` and `moments`."""
    try:
        values = tuple(catalog_value(field, row[field]) for field in ("image_id", *_COLUMNS, "caption"))
        pictures, _, moments = row.get(NOTE, "").partition(" ")
        checks = int(row["row_check"]), int(row["vector_check"])
        return values, checks, (int(pictures), moments) if pictures else (None, None)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CollectionDamaged(f"the store has a row {row.get('row')} that clipsearch never writes") from error


def record(row: Mapping[str, Any], roots: dict[int, str]) -> ImageRecord:
    """The file in the row of its first picture. CollectionDamaged if it is not what was sent."""
    return _with_place(record_of(catalog_row(row), roots))


def _with_place(file: ImageRecord) -> ImageRecord:
    """The file with the code of its place, which a store does not keep."""
    return replace(file, info=replace(file.info, place=place_of(file.info.gps))) if file.info.gps else file


def checked_vector(row: Mapping[str, Any], dim: int) -> NDArray[np.float32]:
    """A row's vector (dim,). CollectionDamaged if it is not what was sent."""
    vector: NDArray[np.float32] = np.asarray(row[VECTOR], np.float32)
    if vector.shape != (dim,) or vector_check(vector) != row["vector_check"]:
        raise CollectionDamaged(
            f"the store's vector of image {picture_id(row['row'])} is damaged; push again to replace it"
        )
    return vector


def checks_in(blocks: Iterable[list[dict[str, Any]]]) -> Checks:
    """The checksums that a store's rows claim to have."""
    return {picture_id(row["row"]): (row["row_check"], row["vector_check"]) for rows in blocks for row in rows}


def checks_of_pictures(files: Checks, later: Mapping[int, Sequence[int]]) -> Checks:
    """The checksums of all pictures. `later` has, by file, the checksums of the vectors after the first."""
    pictures = dict(files)
    for file_id, vector_checks in later.items():
        row_check = ~files[file_id][0]
        pictures |= {image_id: (row_check, check) for image_id, check in enumerate(vector_checks, file_id + 1)}
    return pictures


def checks_of_files(pictures: Checks) -> Checks:
    """The checksums of the first pictures, which stand for their files, among those of all pictures."""
    return {image_id: checks for image_id, checks in pictures.items() if checks[0] >= 0}


def digest_of(checks: Checks) -> str:
    """The sha256, in hexadecimal, of image_id, row_check and vector_check of all files, little-endian, by image id.

    The row's checksum covers those of the vectors after the first.
    """
    total = hashlib.sha256()
    for image_id in sorted(checks):
        total.update(struct.pack("<qII", image_id, *checks[image_id]))
    return total.hexdigest()
