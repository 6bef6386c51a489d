"""The checksums of an index."""

from __future__ import annotations

from clipsearch.errors import CollectionDamaged
from clipsearch.milvus.rows import Checks
from clipsearch.store.collection import Collection
from clipsearch.store.validation import WHAT_TO_DO, as_written, whole

_CRC = 2**32 - 1


def checks_of(collection: Collection) -> Checks:
    """The checksums of everything that is published in an index. CollectionDamaged where a vector has none."""
    rows = collection.catalog.select("SELECT image_id, row_check, vector_check FROM images", ())
    for image_id, _, vector_check in rows:
        if vector_check is None:  # of an index from before there were any, and its file is not what it was
            raise CollectionDamaged(f"the vector of image {image_id} is damaged; {WHAT_TO_DO}")
    with as_written("the catalog's table of images (its checksums)"):
        return {image_id: (whole(row_check, 0, _CRC), whole(check, 0, _CRC)) for image_id, row_check, check in rows}
