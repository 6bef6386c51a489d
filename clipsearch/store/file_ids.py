"""Which ids belong to one file: a file with several pictures has as many ids, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clipsearch.types import Ids, Scores


class FileIds:
    """The ids of the files with several pictures, of one state of an index. All other ids are files of their own.

    `first` (k,), ascending, has such a file's first id, which stands for the file, too; `counts` (k,) its number of pictures.
    """

    def __init__(self, first: Ids, counts: Ids) -> None:
        self._first = first
        self._counts = counts

    def __len__(self) -> int:
        return len(self._first)

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

    def best_of_each(self, scores: Scores, ids: Ids) -> tuple[Scores, Ids]:
        """Of ranked pictures, best first, the best of each file; of equal ones the earlier."""
        order = np.lexsort((ids, -scores))
        scores, ids = scores[order], ids[order]
        _, rows = np.unique(self.files_of(ids), return_index=True)
        rows.sort()
        return scores[rows], ids[rows]
