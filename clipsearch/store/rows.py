"""Rows of the catalog as dataclasses, and back."""

from __future__ import annotations

import itertools
import json
import os
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, TypeAlias, cast, get_args

from clipsearch._internal.paths import IN_UTF8, as_utf8
from clipsearch.errors import Cause, CollectionDamaged
from clipsearch.store.validation import (
    MOST_IDS,
    WHAT_TO_DO,
    as_written,
    moment,
    number,
    octets,
    require_own_path,
    text,
    whole,
)
from clipsearch.types import LONGEST_CAPTION, Failure, ImageFile, ImageInfo, ImageRecord, Moment

LARGEST_EDGE = 2**31 - 1  # pixels

MOST_MOMENTS = 1000
"""Of one file. Its reader takes fewer."""

_LONGEST_MOMENTS = 64 * MOST_MOMENTS  # characters of the column `moments`
_UNITS = ("page", "second")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file is, in the catalog's terms: a root, a folder below it ("" for the root itself) and a name."""

    root_id: int
    folder: str
    name: str

    @property
    def path(self) -> str:
        """Relative to the root, with "/" between its parts."""
        return f"{self.folder}/{self.name}" if self.folder else self.name


State: TypeAlias = tuple[int, int]
"""(size in bytes, mtime_ns) of a file: what a directory walk compares."""


@dataclass(frozen=True, slots=True)
class KnownFile:
    """What the catalog knows of a file: the image, or that it could not be read."""

    image_id: int | None  # None for a failure
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class KnownFailure:
    """What the catalog knows of a file that could not be read. The image that was indexed from it before may still be there."""

    state: State  # of the file that failed
    cause: str  # one of errors.Cause; "" for a failure from before format 6
    attempts: int  # runs that tried this state of the file
    tried_with: str  # what indexing.retries.circumstances gave
    since: int | None = None  # when this state of the file first failed, seconds since 1970; None before it was kept


IMAGE_COLUMNS = (
    "image_id, root_id, folder, name, size, mtime_ns, width, height, format, content_hash, "
    "taken_at, camera, latitude, longitude"
)
"""Of the table of images in all formats. Today `row_check`, `vector_check` and LATER_IMAGE_COLUMNS follow."""

LATER_IMAGE_COLUMNS = "caption, pictures, moments"
"""`pictures` and `moments` are NULL for a file with one picture. Others have the ids after theirs, too, one a picture."""

FACT_COLUMNS = (
    "image_id, read_from, taken_from, title, description, keywords, people, rating, label, place, words, text_version"
)
"""Of the table of facts. A checksum, `row_check`, follows."""

FAILURE_COLUMNS = "root_id, folder, name, size, mtime_ns, reason"
"""Of the table of failures in all formats. Today `row_check` and LATER_FAILURE_COLUMNS follow."""

_SINCE = "since"  # key in the JSON of `tried_with`
_LATEST = 253_402_300_799  # the last second of the year 9999, which is as far as datetime goes

LATER_FAILURE_COLUMNS = "cause, attempts, tried_with"


def check_of(*values: Any) -> int:
    """A checksum (CRC-32) of a row's values, as SQLite gives them."""
    return zlib.crc32(ascii(values).encode())


def image_check(*values: Any) -> int:
    """A checksum of a row of images: of its IMAGE_COLUMNS and LATER_IMAGE_COLUMNS.

    Rows without moments have the checksum of formats before 7, and those without a caption, too, that of formats before 5. So a
    migration does not rewrite them.
    """
    if values[-1] is not None:
        return check_of(*values)
    return check_of(*values[: -3 if values[-3] is None else -2])


def failure_check(*values: Any) -> int:
    """A checksum of a row of failures: of its FAILURE_COLUMNS and LATER_FAILURE_COLUMNS.

    Rows with NOTHING_LATER have the checksum of formats before 6, so that a migration does not rewrite them.
    """
    return check_of(*(values[:-3] if values[-3:] == NOTHING_LATER else values))


NOTHING_LATER = ("", 0, "")
"""LATER_FAILURE_COLUMNS of a failure from before format 6."""


def check_of_all(rows: Iterable[tuple[Any, ...]]) -> int:
    """A checksum of several rows, in their order."""
    total = 0
    for row in rows:
        total = zlib.crc32(ascii(row).encode(), total)
    return total


def is_sound(row: tuple[Any, ...]) -> bool:
    """Whether a row of images, with today's columns, is as it was written."""
    return bool(image_check(*row[:_COLUMNS], *row[_COLUMNS + 2 :]) == row[_COLUMNS])


_COLUMNS = IMAGE_COLUMNS.count(",") + 1


def picture_of(file: ImageRecord, number: int) -> ImageRecord:
    """One of the pictures of a file, by its number from 0."""
    moments = file.info.moments
    return replace(file, image_id=file.image_id + number, moment=moments[number]) if moments else file


def moments_to_json(moments: Sequence[Moment], checks: Sequence[int]) -> str | None:
    """The column `moments`: the unit, each picture's place, and the checksums of the vectors after the first."""
    if not moments:
        return None
    return json.dumps({"unit": moments[0].unit, "at": [moment.at for moment in moments], "checks": list(checks)})


def vector_checks_of(row: tuple[Any, ...]) -> dict[int, int | None]:
    """The ids that a row of images, with today's columns, gives to vectors, with the vectors' checksums.

    CollectionDamaged if clipsearch never writes such a row. A checksum is None if it is not known yet, as before format 4.
    """
    with as_written(f"the catalog's row of image {row[0]}"):
        _, checks = _moments(*row[-2:])
        return dict(enumerate([row[_COLUMNS + 1], *checks], whole(row[0], 1, MOST_IDS)))


def _moments(pictures: Any, stored: Any) -> tuple[tuple[Moment, ...], list[int]]:
    """The moments in the columns `pictures` and `moments`, and the checksums of the vectors after the first."""
    if pictures is None and stored is None:
        return (), []
    values = json.loads(text(stored, _LONGEST_MOMENTS))
    places, checks = values["at"], values["checks"]
    if not len(places) == len(checks) + 1 == whole(pictures, 1, MOST_MOMENTS):
        raise ValueError("no moments")
    return checked_moments(values["unit"], places), [whole(check, 0, 2**32 - 1) for check in checks]


def checked_moments(unit: Any, places: Sequence[Any]) -> tuple[Moment, ...]:
    """The moments of a file's pictures, of one unit, at their places. ValueError if an index cannot have such moments."""
    if unit not in _UNITS or not 1 <= len(places) <= MOST_MOMENTS:
        raise ValueError("no moments")
    moments = tuple(Moment(unit, number(at, 0, LARGEST_EDGE)) for at in places)
    if any(later.at <= earlier.at for earlier, later in itertools.pairwise(moments)):
        raise ValueError("moments out of order")
    return moments


def place_key(place: Place) -> tuple[int, bytes, bytes]:
    """A place as its three columns."""
    return place.root_id, as_utf8(place.folder).encode(*IN_UTF8), as_utf8(place.name).encode(*IN_UTF8)


def path_of(roots: dict[int, str], root_id: int, folder: bytes, name: bytes) -> str:
    """An absolute path; bytes that are not UTF-8 are kept as lone surrogates."""
    require_own_path(folder, name)
    parts = os.fsdecode(folder).split("/") if folder else []
    return os.path.join(roots[root_id], *parts, os.fsdecode(name))


def record_of(row: tuple[Any, ...], roots: dict[int, str], facts: dict[str, Any] | None = None) -> ImageRecord:
    """The file in a row of the table of images. CollectionDamaged if the row is not as it was written.

    `facts` are further fields of its ImageInfo, from other tables.
    """
    if not is_sound(row):
        raise CollectionDamaged(f"the catalog's row of image {row[0]} is damaged; {WHAT_TO_DO}")
    with as_written(f"the catalog's row of image {row[0]}"):
        return _record(row, roots, facts or {})


def known_failure_of(row: tuple[Any, ...]) -> KnownFailure:
    """What a row (FAILURE_COLUMNS, LATER_FAILURE_COLUMNS) says. ValueError if clipsearch never writes such a row."""
    size, mtime_ns, _, cause, attempts, tried_with = row[3:9]
    if cause not in _CAUSES:
        raise ValueError("no cause")
    return KnownFailure((whole(size, 0), whole(mtime_ns)), cause, whole(attempts, 0), *_without_since(text(tried_with)))


def with_since(tried_with: str, since: int) -> str:
    """The column `tried_with` of a failure: its circumstances, a JSON object or "", and when the file first failed."""
    return json.dumps({**json.loads(tried_with or "{}"), _SINCE: since}, sort_keys=True)


def _without_since(stored: str) -> tuple[str, int | None]:
    """What `with_since` was given. Of failures from before it, the circumstances alone."""
    try:
        values = json.loads(stored)
        since = values.pop(_SINCE)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return stored, None
    return (json.dumps(values, sort_keys=True) if values else ""), whole(since, 0, _LATEST)


def failure_of(row: tuple[Any, ...], roots: dict[int, str]) -> Failure:
    """The failure in such a row, followed by whether its image is kept. CollectionDamaged if clipsearch never writes it."""
    with as_written("the catalog's table of failures"):
        known, reason = known_failure_of(row), text(row[5])
        file = ImageFile(path_of(roots, *row[:3]), *known.state)
        since = None if known.since is None else datetime.fromtimestamp(known.since, timezone.utc)
        return Failure(file, reason, cast(Cause, known.cause or "content"), known.attempts, bool(row[9]), since)


_CAUSES = ("", *get_args(Cause))


def is_plausible(row: tuple[Any, ...], roots: dict[int, str]) -> bool:
    """Whether a row of images is one that clipsearch could have written."""
    try:
        record_of(row, roots)
    except CollectionDamaged:
        return False
    return True


def _record(row: tuple[Any, ...], roots: dict[int, str], facts: dict[str, Any]) -> ImageRecord:
    (image_id, root_id, folder, name, size, mtime_ns, width, height, image_format, content_hash, taken_at, camera,
     latitude, longitude, _, _, caption, pictures, stored_moments) = row  # fmt: skip
    if (latitude is None) != (longitude is None):
        raise ValueError("half of a place")
    return ImageRecord(
        whole(image_id, 1, MOST_IDS),
        ImageFile(path_of(roots, root_id, folder, name), whole(size, 0), whole(mtime_ns)),
        ImageInfo(
            width=whole(width, 1, LARGEST_EDGE),
            height=whole(height, 1, LARGEST_EDGE),
            format=text(image_format),
            content_hash=octets(content_hash).hex(),
            taken_at=None if taken_at is None else moment(taken_at),
            camera=None if camera is None else text(camera),
            gps=None if latitude is None else (number(latitude, -90, 90), number(longitude, -180, 180)),
            caption=None if caption is None else text(caption, LONGEST_CAPTION),
            moments=_moments(pictures, stored_moments)[0],
            **facts,
        ),
    )
