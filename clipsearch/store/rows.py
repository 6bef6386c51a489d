"""The catalog's rows in our terms, and back."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from clipsearch.errors import CollectionDamaged
from clipsearch.schema import LONGEST_CAPTION, ImageFile, ImageInfo, ImageRecord
from clipsearch.store.guard import require_own_path

WHAT_TO_DO = "`clipsearch verify` says what else is, and `clipsearch repair` keeps all that is good"


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


@dataclass(frozen=True, slots=True)
class KnownFailure:
    """What the catalog knows of a file that could not be read. The image that was indexed from it before may still be there."""

    state: State  # of the file that failed
    cause: str  # one of errors.Cause; "" for a failure of before format 6
    attempts: int  # runs that tried this state of the file
    tried_with: str  # what images.attempts.circumstances gave


IMAGE_COLUMNS = (
    "image_id, root_id, folder, name, size, mtime_ns, width, height, format, content_hash, "
    "taken_at, camera, latitude, longitude"
)
"""Of the table of images; behind them come `row_check` and `vector_check` from format 4 on, and `caption` from 5 on."""

FAILURE_COLUMNS = "root_id, folder, name, size, mtime_ns, reason"
"""Of the table of failures; behind them come `row_check` from format 4 on, and LATER_FAILURE_COLUMNS from 6 on."""

LATER_FAILURE_COLUMNS = "cause, attempts, tried_with"


def check_of(*values: Any) -> int:
    """A checksum (CRC-32) of a row's values, as SQLite gives them: whatever else changes a byte of it is noticed."""
    return zlib.crc32(ascii(values).encode())


def image_check(*values: Any) -> int:
    """A checksum of a row of images: of its IMAGE_COLUMNS and its caption.

    Without a caption it is what it was before format 5, so that no row had to be written again for that.
    """
    return check_of(*(values[:-1] if values[-1] is None else values))


def failure_check(*values: Any) -> int:
    """A checksum of a row of failures: of its FAILURE_COLUMNS and LATER_FAILURE_COLUMNS.

    Where these say nothing, it is what it was before format 6, so that no row had to be written again for that.
    """
    return check_of(*(values[:-3] if values[-3:] == NOTHING_LATER else values))


NOTHING_LATER = ("", 0, "")
"""LATER_FAILURE_COLUMNS of a failure of before format 6."""


def failure_in_todays_format(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row of failures of any format from 4 on, with the columns that it has today."""
    return (*row, *NOTHING_LATER) if len(row) == FAILURE_COLUMNS.count(",") + 2 else row


def check_of_all(rows: Iterable[tuple[Any, ...]]) -> int:
    """A checksum of several rows, in their order."""
    total = 0
    for row in rows:
        total = zlib.crc32(ascii(row).encode(), total)
    return total


def is_sound(row: tuple[Any, ...]) -> bool:
    """Whether a row of images, as it is on disk, is as it was written. Before format 4 there was no check."""
    return len(row) == _COLUMNS or image_check(*row[:_COLUMNS], _caption_of(row)) == row[_COLUMNS]


def _caption_of(row: tuple[Any, ...]) -> Any:
    return row[_COLUMNS + 2] if len(row) > _COLUMNS + 2 else None


def in_todays_format(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row of images of any format, with the columns that it has today."""
    if len(row) == _COLUMNS:
        row = (*row, image_check(*row, None))
    return (*row, *[None] * (_COLUMNS + 3 - len(row)))


_COLUMNS = IMAGE_COLUMNS.count(",") + 1


def place_key(place: Place) -> tuple[int, bytes, bytes]:
    """A place as its three columns."""
    return place.root_id, os.fsencode(place.folder), os.fsencode(place.name)


def path_of(roots: dict[int, str], root_id: int, folder: bytes, name: bytes) -> str:
    """An absolute path; bytes that are not UTF-8 are kept as lone surrogates."""
    require_own_path(folder, name)
    parts = os.fsdecode(folder).split("/") if folder else []
    return os.path.join(roots[root_id], *parts, os.fsdecode(name))


def record_of(row: tuple[Any, ...], roots: dict[int, str]) -> ImageRecord:
    """A row of the table of images. CollectionDamaged where it is not as it was written."""
    if not is_sound(row):
        raise CollectionDamaged(f"the catalog's row of image {row[0]} is damaged; {WHAT_TO_DO}")
    try:
        return _record(row, roots)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise CollectionDamaged(f"the catalog's row of image {row[0]} holds what clipsearch never writes") from error


def is_plausible(row: tuple[Any, ...], roots: dict[int, str]) -> bool:
    """Whether a row of images is one that clipsearch could have written."""
    try:
        record_of(row, roots)
    except CollectionDamaged:
        return False
    return True


def _record(row: tuple[Any, ...], roots: dict[int, str]) -> ImageRecord:
    (image_id, root_id, folder, name, size, mtime_ns, width, height, image_format, content_hash, taken_at, camera,
     latitude, longitude) = row[:_COLUMNS]  # fmt: skip
    caption = _caption_of(row)
    if not all(isinstance(value, int) for value in (size, mtime_ns, width, height)) or not (
        isinstance(image_format, str) and isinstance(camera or "", str) and isinstance(latitude or 0.0, (int, float))
        and isinstance(longitude or 0.0, (int, float)) and (latitude is None) == (longitude is None)
        and isinstance(caption or "", str) and len(caption or "") <= LONGEST_CAPTION
    ):  # fmt: skip
        raise TypeError
    return ImageRecord(
        image_id,
        ImageFile(path_of(roots, root_id, folder, name), size, mtime_ns),
        ImageInfo(
            width=width,
            height=height,
            format=image_format,
            content_hash=content_hash.hex(),
            taken_at=datetime.fromisoformat(taken_at) if taken_at else None,
            camera=camera,
            gps=(latitude, longitude) if latitude is not None else None,
            caption=caption,
        ),
    )
