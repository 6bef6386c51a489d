"""What a file of embeddings says about each photo and its model; all formats use the same names."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from numpy.typing import NDArray

from clipsearch._internal.partial_dates import from_iso
from clipsearch._internal.paths import as_utf8, from_utf8
from clipsearch.encoders import PRECISIONS
from clipsearch.errors import ClipsearchError
from clipsearch.images.facts import unique
from clipsearch.query.format_filter import known_format
from clipsearch.render.json_output import photo_to_json
from clipsearch.store.rows import LARGEST_EDGE, checked_moments
from clipsearch.store.validation import number, text, whole
from clipsearch.types import DateSource, Fingerprint, ImageInfo, ImageRecord, Moment, clean_caption, clean_text

Format: TypeAlias = Literal["npy", "parquet", "csv", "jsonl"]
FORMATS: tuple[Format, ...] = get_args(Format)

_INFO_FIELDS = ("width", "height", "format", "content_hash", "taken_at", "camera", "latitude", "longitude")

MOMENT_FIELDS = ("moment_unit", "moment_at")
"""Of a file with several pictures, each is a row: "page" and its number, or "second" and its time. Of other files, None."""

FACT_FIELDS = ("taken_from", "title", "description", "keywords", "people", "rating", "label", "text")
"""What an ImageInfo has under these names; None if it is not known. Keywords and people are texts of one a line."""

PHOTO_FIELDS = ("path", "size", "mtime_ns", *_INFO_FIELDS, "caption", *MOMENT_FIELDS, *FACT_FIELDS)
"""The size is in bytes, width and height are in pixels of the upright picture. `content_hash` is the sha256 of the file's bytes
in hexadecimal, `taken_at` is ISO 8601 by the camera's clock, latitude and longitude are in degrees (WGS 84)."""

_LISTS = ("keywords", "people")

MODEL_FIELDS = ("model", "model_revision", "model_digest", "model_dim", "precision")
EMBEDDING = "embedding"

_BLOCK_BYTES = 16 * 1024**2
_LONGEST_TEXT = 4096


@dataclass(frozen=True, slots=True)
class Row:
    """What a file says about one photo, or one of a file's pictures. `number` counts from 1."""

    number: int
    path: str
    content_hash: str | None
    info: ImageInfo | None  # without the caption; None unless the file has all of it, including the hash
    caption: str | None = None
    moment: Moment | None = None  # of a file with several pictures


class EmbeddingReader(ABC):
    """A file of embeddings whose beginning was read and makes sense. If it has no rows, nothing else is known of it."""

    path: Path
    stated: Fingerprint | None  # the model that the file names
    dim: int
    rows: int | None  # None if only reading the whole file can tell

    @abstractmethod
    def blocks(self) -> Iterator[tuple[list[Row], NDArray[Any]]]:
        """All rows in blocks, with their vectors, floating-point (n, dim). ClipsearchError if a row makes no sense."""

    @property
    def block_rows(self) -> int:
        """How many rows make a block."""
        return max(1, min(1024, _BLOCK_BYTES // (8 * self.dim)))


def photo_fields(record: ImageRecord, relative_to: str | None = None) -> dict[str, Any]:
    """PHOTO_FIELDS of an image. The path is absolute, or relative to a folder above it, then with "/" between parts."""
    photo = photo_to_json(record)
    latitude, longitude = photo["gps"] or (None, None)
    photo |= {"mtime_ns": record.file.mtime_ns, "latitude": latitude, "longitude": longitude}
    if record.moment is not None:
        photo |= zip(MOMENT_FIELDS, (record.moment.unit, record.moment.at), strict=True)
    photo |= {name: "\n".join(photo[name]) for name in _LISTS if name in photo}
    if relative_to is not None:
        photo["path"] = Path(record.file.path).relative_to(relative_to).as_posix()
    photo["path"] = as_utf8(photo["path"])
    return {name: photo.get(name) for name in PHOTO_FIELDS}


def model_fields(fingerprint: Fingerprint) -> dict[str, Any]:
    """MODEL_FIELDS of a fingerprint."""
    f = fingerprint
    return dict(zip(MODEL_FIELDS, (f.model, f.revision, f.digest, f.dim, f.precision), strict=True))


def stated_model(values: Mapping[str, Any], where: str) -> Fingerprint | None:
    """The fingerprint in MODEL_FIELDS; None if they have no digest. ClipsearchError if they make no sense."""
    model, revision, digest, dim, precision = (values.get(name) for name in MODEL_FIELDS)
    if digest is None:
        return None
    texts = all(isinstance(text, str) and len(text) <= _LONGEST_TEXT for text in (model, revision, digest))
    if not texts or type(dim) is not int or dim < 1 or precision not in (None, *PRECISIONS):
        raise ClipsearchError(f"{where}: the model that it names makes no sense ({', '.join(MODEL_FIELDS)})")
    return Fingerprint(str(model), str(revision), str(digest), dim, precision)


def row_of(number: int, values: Mapping[str, Any], where: str) -> Row:
    """A row of a file. ClipsearchError if it has no path; photo fields that make no sense count as missing.

    A hash or a moment that makes no sense is an error, too.
    """
    path = values.get("path")
    if not isinstance(path, str) or not path or len(path) > _LONGEST_TEXT or "\0" in path:
        raise ClipsearchError(f'{where}: row {number:,} has no "path"')
    digest = values.get("content_hash")
    if digest is not None and not (isinstance(digest, str) and re.fullmatch(r"[0-9a-f]{64}", digest)):
        raise ClipsearchError(f'{where}: row {number:,} has a "content_hash" that is not a sha256 in hexadecimal')
    unit, at = (values.get(name) for name in MOMENT_FIELDS)
    moment = None
    if unit is not None or at is not None:
        try:
            (moment,) = checked_moments(unit, [at])
        except (ValueError, TypeError) as error:
            raise ClipsearchError(
                f"{where}: row {number:,} has a moment that is neither a page nor a time ({', '.join(MOMENT_FIELDS)})"
            ) from error
    return Row(
        number, from_utf8(path), digest, _info(values) if digest else None, clean_caption(values.get("caption")), moment
    )


def _format(value: Any) -> str:
    """A file format that can be filtered by. ValueError for another one."""
    if (name := known_format(_text(value))) is None:
        raise ValueError(f"no format {value!r}")
    return name


def _info(values: Mapping[str, Any]) -> ImageInfo | None:
    """The facts about a photo, without its caption. None if one is missing or makes no sense."""
    try:
        width, height, image_format, content_hash, taken_at, camera, latitude, longitude = (
            values[name] for name in _INFO_FIELDS
        )
        no_place = latitude is None and longitude is None
        return ImageInfo(
            whole(width, 1, LARGEST_EDGE),
            whole(height, 1, LARGEST_EDGE),
            _format(image_format),
            content_hash,
            None if taken_at is None else from_iso(_text(taken_at)),
            None if camera is None else _text(camera),
            None if no_place else (number(latitude, -90, 90), number(longitude, -180, 180)),
            **_facts(values),
        )
    except (KeyError, ValueError, OverflowError):
        return None


def _facts(values: Mapping[str, Any]) -> dict[str, Any]:
    """FACT_FIELDS as fields of an ImageInfo. Those that make no sense, or that an older file lacks, count as unknown."""
    source, words, rating = (values.get(name) for name in ("taken_from", "text", "rating"))
    facts: dict[str, Any] = {name: clean_caption(values.get(name)) for name in ("title", "description", "label")}
    facts |= {name: unique(str(values.get(name) or "").split("\n")) for name in _LISTS}
    return facts | {
        "taken_from": source if source in get_args(DateSource) else None,
        "text": clean_text(words) if isinstance(words, str) else None,
        "rating": rating or None if type(rating) is int and -1 <= rating <= 5 else None,
    }


def _text(value: object) -> str:
    """A text that is neither empty nor longer than the catalog takes, in Unicode. ValueError for anything else."""
    if not value:
        raise ValueError("no text")
    text(value, _LONGEST_TEXT).encode()  # UnicodeEncodeError for lone surrogates
    return str(value)
