"""Camera raw files that an older clipsearch took for TIFF files, and indexed by their thumbnails. They are read again once.

Their ids are kept in the index from the first run of this version on, so that no file of a later version is read twice.
"""

from __future__ import annotations

from clipsearch.conditions import Test
from clipsearch.images.file_types import RAW_FORMATS
from clipsearch.store.catalog import READ_AS_TIFF
from clipsearch.store.collection import Collection
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import ImageRecord

_OLD_FORMAT = "TIFF"
_MOST_DIGITS = 18  # of an id
_SUFFIXES = tuple(f".{name.lower()}" for name in RAW_FORMATS)


def raw_thumbnails(collection: Collection) -> dict[int, ImageRecord]:
    """image_id → record of the raw files in an index that are still to be read again."""
    kept = collection.meta(READ_AS_TIFF)
    if kept is None:
        ids = collection.select(Test("format", "=", _OLD_FORMAT)).tolist()
    else:
        ids = [int(word) for word in kept.split(",") if word.isdecimal() and len(word) <= _MOST_DIGITS]
    return {
        image_id: record
        for image_id, record in collection.records(ids).items()
        if record.info.format == _OLD_FORMAT and record.file.path.lower().endswith(_SUFFIXES)
    }


def paths_to_read_again(collection: Collection) -> set[str]:
    """The paths of those files."""
    return {record.file.path for record in raw_thumbnails(collection).values()}


def keep_raw_thumbnails(collection: CollectionWriter, before: dict[int, ImageRecord]) -> None:
    """Stage which of the raw files that were to be read again before a run still are."""
    left = ",".join(map(str, sorted(collection.records(list(before)))))
    if collection.meta(READ_AS_TIFF) != left:
        collection.set_meta(READ_AS_TIFF, left)
