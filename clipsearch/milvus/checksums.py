"""What is in an index or a store, in checksums."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from typing import Any, TypeAlias

from clipsearch.errors import CollectionDamaged
from clipsearch.store.collection import Collection
from clipsearch.store.validation import WHAT_TO_DO, as_written, whole

_CRC = 2**32 - 1

Checks: TypeAlias = dict[int, tuple[int, int]]
"""image_id → the checksums of its row and of its vector."""


def checks_of(collection: Collection) -> Checks:
    """The checksums of everything that is published in an index. CollectionDamaged where a vector has none."""
    rows = collection.catalog.select("SELECT image_id, row_check, vector_check FROM images", ())
    for image_id, _, vector_check in rows:
        if vector_check is None:  # of an index from before there were any, and its file is not what it was
            raise CollectionDamaged(f"the vector of image {image_id} is damaged; {WHAT_TO_DO}")
    with as_written("the catalog's table of images (its checksums)"):
        return {image_id: (whole(row_check, 0, _CRC), whole(check, 0, _CRC)) for image_id, row_check, check in rows}


def checks_in(blocks: Iterable[list[dict[str, Any]]]) -> Checks:
    """The checksums that rows of a store say they have."""
    return {row["image_id"]: (row["row_check"], row["vector_check"]) for rows in blocks for row in rows}


def digest_of(checks: Checks) -> str:
    """A sha256 of checksums, hexadecimal: of image_id, row_check and vector_check, little-endian, by image id."""
    total = hashlib.sha256()
    for image_id in sorted(checks):
        total.update(struct.pack("<qII", image_id, *checks[image_id]))
    return total.hexdigest()
