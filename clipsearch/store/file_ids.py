"""Which ids belong to one file: a file with several pictures has as many ids, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from clipsearch.types import Embeddings, Ids, Scores

_DEEPER = 4
"""If the pictures of a few files fill a ranking, so many times as many pictures are ranked."""

NearestPictures: TypeAlias = Callable[[Embeddings, int], list[tuple[Scores, Ids]]]
"""For each of some queries (n, dim) so many best pictures, and all that tie with the last: cosines, best first, and ids."""


class FileIds:
    """The ids of the files with several pictures, of one state of an index. All other ids are files of their own.

    `first` (k,), ascending, has such a file's first id, which stands for the file, too; `counts` (k,) its number of pictures.
    """

    def __init__(self, first: Ids, counts: Ids) -> None:
        self._first = first
        self._counts = counts

    def __len__(self) -> int:
        return len(self._first)

    @property
    def more(self) -> int:
        """How many pictures they have beyond their first."""
        return int(self._counts.sum()) - len(self)

    def files_of(self, ids: Ids) -> Ids:
        """The file of each id (n,), as the file's first id."""
        if not len(self._first):
            return ids
        rows = np.maximum(np.searchsorted(self._first, ids, side="right") - 1, 0)
        first = self._first[rows]
        return np.where((ids >= first) & (ids < first + self._counts[rows]), first, ids)

    def expanded(self, files: Ids | Sequence[int]) -> Ids:
        """All ids of some files, ascending."""
        files = np.asarray(files, np.int64)
        several = np.isin(self._first, files)
        first, more = self._first[several], self._counts[several] - 1
        if not len(first):
            return files
        ends = np.cumsum(more)
        steps = np.arange(ends[-1]) - np.repeat(ends - more, more) + 1
        return np.sort(np.concatenate([files, np.repeat(first, more) + steps]))

    def nearest_files(self, nearest: NearestPictures, queries: Embeddings, top_k: int) -> list[tuple[Scores, Ids]]:
        """For each of the queries (n, dim) the best `top_k` files by their best pictures, and all that tie with the last.

        `nearest` ranks pictures. If those of a few files fill a ranking, more are ranked. Returns cosines, best first, and ids.
        """
        pictures, depth = nearest(queries, top_k), top_k
        if not len(self):
            return pictures
        while True:
            files = [self.best_of_each(*ranked) for ranked in pictures]
            short = [row for row, (_, ids) in enumerate(files) if len(ids) < top_k and len(pictures[row][1]) >= depth]
            if not short:
                return files
            depth *= _DEEPER
            for row, ranked in zip(short, nearest(queries[short], depth), strict=True):
                pictures[row] = ranked

    def best_of_each(self, scores: Scores, ids: Ids) -> tuple[Scores, Ids]:
        """Of ranked pictures, best first, the best of each file; of equal ones the earlier."""
        order = np.lexsort((ids, -scores))
        scores, ids = scores[order], ids[order]
        _, rows = np.unique(self.files_of(ids), return_index=True)
        rows.sort()
        return scores[rows], ids[rows]
