"""Vectors that wait for the next commit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipsearch.store.catalog import Catalog
from clipsearch.store.segments import Segment, write_segment

MOST_STAGED = 128 * 1024**2
"""Bytes of vectors that are kept in memory; a commit of more has several segments."""


class StagedVectors:
    """Vectors by image id, in memory; beyond MOST_STAGED in files that no commit names yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._vectors: dict[int, NDArray[np.float32]] = {}  # ids ascend
        self._segments: list[Segment] = []

    def __len__(self) -> int:
        return len(self._vectors) + sum(segment.info.rows for segment in self._segments)

    def add(self, image_id: int, vector: NDArray[np.float32], catalog: Catalog) -> None:
        """Stage an image's vector (dim,). Ids have to come in ascending order."""
        self._vectors[image_id] = vector
        if len(self._vectors) * vector.nbytes >= MOST_STAGED:
            self.write(catalog)

    def get(self, image_id: int) -> NDArray[np.float32] | None:
        """A staged vector (dim,); None if the image has none here."""
        if image_id in self._vectors:
            return self._vectors[image_id]
        for segment in self._segments:
            (row,) = segment.rows_of(np.array([image_id], np.int64))
            if row >= 0:
                vector: NDArray[np.float32] = segment.vectors[row]
                return vector
        return None

    def write(self, catalog: Catalog) -> None:
        """Write what is in memory into a segment, and add it to the catalog's open transaction."""
        if not self._vectors:
            return
        ids, vectors = np.array(list(self._vectors), np.int64), np.stack(list(self._vectors.values()))
        info = write_segment(self._folder, catalog.next_segment_name(), ids, vectors)
        catalog.add_segment(info)
        self._segments.append(Segment(self._folder, info, vectors.shape[1]))
        self._vectors = {}

    def clear(self) -> None:
        """Forget them."""
        self._vectors = {}
        self._segments = []
