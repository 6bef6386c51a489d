"""One committed state of an index: its open segments, and which of their vectors are dead."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clipsearch.store.file_ids import FileIds
from clipsearch.store.ranking import nearest, nearest_to_each
from clipsearch.store.segments import Segment
from clipsearch.types import Embeddings, Ids, Scores

_TOGETHER = 4  # queries; from this many on, one pass over the vectors is faster than a compact copy for each query


class Snapshot:
    """The segments and tombstones of one committed state. Its files stay open while the snapshot is kept.

    `tombstones` are the ids (n,), ascending, of removed images that some segment still holds. `dim` is the vectors' length.
    """

    def __init__(self, version: int, segments: list[Segment], tombstones: Ids, dim: int, file_ids: FileIds) -> None:
        self.version = version
        self.segments = segments
        self.tombstones = tombstones
        self.dim = dim
        self.file_ids = file_ids

    def keep(
        self, segment: Segment, allowed: Ids | None = None, without: Sequence[int] = ()
    ) -> NDArray[np.bool_] | None:
        """Which rows (rows,) of a segment a search may return; None for all."""
        keep = None
        if allowed is not None:
            rows = segment.rows_of(allowed)
            keep = np.zeros(len(segment.ids), bool)
            keep[rows[rows >= 0]] = True
        if len(self.tombstones) or len(without):
            rows = segment.rows_of(np.concatenate([self.tombstones, np.array(without, np.int64)]))
            rows = rows[rows >= 0]
            if len(rows):
                keep = np.ones(len(segment.ids), bool) if keep is None else keep
                keep[rows] = False
        return keep

    def lookup(self, ids: Ids) -> tuple[Embeddings, NDArray[np.bool_]]:
        """The vectors (n, dim) of image ids (n,), and for which of them (n,) there is one; the other rows are undefined."""
        vectors = np.empty((len(ids), self.dim), np.float32)
        known = np.zeros(len(ids), bool)
        for segment in self.segments:
            rows = segment.rows_of(ids)
            here = rows >= 0
            vectors[here] = segment.vectors[rows[here]]
            known |= here
        return vectors, known

    def vectors(self, ids: Ids) -> Embeddings:
        """The vectors (n, dim) of image ids (n,). KeyError if one has none."""
        vectors, known = self.lookup(ids)
        if not known.all():
            raise KeyError(int(ids[~known][0]))
        return vectors

    def nearest(
        self, queries: Embeddings, top_k: int, allowed: Ids | None = None, without: Sequence[int] = ()
    ) -> list[tuple[Scores, Ids]]:
        """For each of the queries (n, dim) the best `top_k`, and all that tie with the last: cosines, best first, and ids.

        `allowed` (m,), ascending, limits the search to those ids, and `without` leaves some out.
        """
        keeps = [self.keep(segment, allowed, without) for segment in self.segments]
        if len(queries) >= _TOGETHER:
            return nearest_to_each(self.segments, keeps, queries, top_k)
        return [nearest(self.segments, keeps, query[None], top_k) for query in queries]
