"""From photos, given by id, as hits or as records, to the ids that they have in what is searched.

Ids are of one index: under the id of a hit, another index may have another photo.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from clipsearch._internal.arguments import is_whole, short
from clipsearch.errors import QueryError
from clipsearch.types import LARGEST_ID, Hit, ImageRecord

if TYPE_CHECKING:
    from clipsearch.query.vector_store import VectorStore

Photo: TypeAlias = "int | Hit | ImageRecord"
"""An indexed photo: its id, a hit, or its record."""


def photo_id(photo: Any, name: str = "a photo") -> int:
    """The id of a photo that is given by its id, a hit or its record. QueryError for something else."""
    if is_whole(photo):
        return int(photo)
    if record := record_of(photo):
        return record.image_id
    raise QueryError(f"{name} must be an id (int), a hit or a record, not {short(photo)}")


def record_of(photo: Any) -> ImageRecord | None:
    """The record of a photo that is a hit or a record; None for an id."""
    record = photo.record if isinstance(photo, Hit) else photo
    return record if isinstance(record, ImageRecord) else None


def is_same_file(record: ImageRecord, other: ImageRecord) -> bool:
    """Whether two records are of one file, by its path or its content."""
    return record.file.path == other.file.path or record.info.content_hash == other.info.content_hash


def ids_in(store: VectorStore[Any], photos: Sequence[Any], name: str = "a photo") -> list[int | None]:
    """The ids of photos in a store. If a hit or record has another id there, it is found by its content.

    None for a photo that the store does not have: another one has its id, or it has no photo in a folder above.
    Otherwise it was removed, and keeps its id, which no other photo gets. QueryError for something else than a photo.
    """
    ids = [photo_id(photo, name) for photo in photos]
    records = [record_of(photo) for photo in photos]
    given = [number for number, record in zip(ids, records, strict=True) if record and 0 <= number <= LARGEST_ID]
    if not given:
        return list(ids)
    known = store.records(given)
    return [
        _id_in(store, record, known.get(number)) if record else number
        for number, record in zip(ids, records, strict=True)
    ]


def _id_in(store: VectorStore[Any], record: ImageRecord, known: ImageRecord | None) -> int | None:
    """The id of a photo in a store, which has the record `known` under the photo's own id."""
    if known and is_same_file(record, known) and record.moment in (None, known.moment):
        return record.image_id
    copies = store.records(store.same_content(record.info.content_hash))
    if copies:
        found = min(copies.values(), key=lambda copy: (copy.file.path != record.file.path, copy.image_id))
        if record.moment is None:
            return found.image_id
        if record.moment in found.info.moments:  # the ids of a file's pictures follow its own
            return found.image_id + found.info.moments.index(record.moment)
    return None if known or not _has_folder_above(store, record.file.path) else record.image_id


def _has_folder_above(store: VectorStore[Any], path: str) -> bool:
    """Whether a file is in or below a folder with photos of a store, or the store lists none."""
    folders = store.values_of("folder")
    return not folders or any(Path(path).is_relative_to(folder) for folder in folders)


def require_ids_in(store: VectorStore[Any], photos: Sequence[Any], name: str = "a photo") -> list[int]:
    """`ids_in`, but QueryError for a photo of another index that the store does not have."""
    ids = []
    for photo, number in zip(photos, ids_in(store, photos, name), strict=True):
        if number is None:
            record = record_of(photo)
            assert record
            raise QueryError(f"{record.file.path} is not in this index; give a photo that a search of it has found")
        ids.append(number)
    return ids
