"""The file names of an index in memory. Globs over them take a tenth of the time that the catalog takes."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from clipsearch.conditions import All, Condition, Either, Test, literals
from clipsearch.store.image_table import ImageTable
from clipsearch.types import Ids

_SHORTEST = 2  # bytes of a name that are worth looking for
_FEW = 1 / 50  # of all names; if more match, the catalog is just as fast
_Pattern: TypeAlias = tuple[bytes, ...]


class NameIndex:
    """Narrows conditions about names down to few images.

    Reading all names takes as long as three globs in the catalog. So it waits for the second glob of one state, which comes
    from an engine that stays open, not from a lone query.
    """

    def __init__(self, images: ImageTable) -> None:
        self._images = images
        self._state: object = None
        self._names: _Names | None = None

    def among(self, condition: Condition) -> Ids | None:
        """The only images that can meet a condition, int64 (n,), ascending; None if that would take long.

        Call it, and use its result, within one transaction.
        """
        patterns = _patterns(condition)
        if not patterns:
            return None
        if self._state != self._images.state:
            self._state, self._names = self._images.state, None
            return None
        self._names = self._names or _Names(*self._images.names())
        known = [ids for pattern in patterns if (ids := self._names.holding(pattern)) is not None]
        return np.unique(np.concatenate(known)) if len(known) == len(patterns) else None


class _Names:
    """All names of one state."""

    def __init__(self, text: bytes, ids: Ids) -> None:
        self._text = text  # each in lower case with a "/" before it, and one at the end
        self._ids = ids
        self._starts = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("/"))

    def holding(self, pattern: _Pattern) -> Ids | None:
        """The images whose names have these texts in this order, int64 (n,); None if there are too many."""
        text, longest, most = self._text, max(pattern, key=len), int(len(self._ids) * _FEW)
        positions: list[int] = []
        position = text.find(longest)
        while position >= 0 and len(positions) <= most:
            positions.append(position)
            position = text.find(longest, position + 1)
        if len(positions) > most:
            return None
        rows = np.unique(np.searchsorted(self._starts, np.array(positions, np.int64), "right") - 1)
        bounds = zip(self._starts[rows].tolist(), self._starts[rows + 1].tolist(), strict=True)
        return self._ids[rows[[_has(text, pattern, start, end) for start, end in bounds]]]


def _has(text: bytes, pattern: _Pattern, start: int, end: int) -> bool:
    """Whether a part of a text has these texts in this order. Taking each at its first position is enough."""
    for piece in pattern:
        start = text.find(piece, start, end)
        if start < 0:
            return False
        start += len(piece)
    return True


def _patterns(condition: Condition) -> list[_Pattern]:
    """Patterns such that every name that meets a condition has the texts of one of them, in lower case and in order.

    Empty if the condition gives no pattern.
    """
    if isinstance(condition, Test):
        if condition.field != "name" or condition.operator not in ("~", "=") or not str(condition.value).isascii():
            return []
        text = str(condition.value).lower()
        pieces = literals(text) if condition.operator == "~" else [text]
        longest = max(pieces, key=len)
        return [tuple(piece.encode() for piece in pieces)] if len(longest) >= _SHORTEST and "/" not in text else []
    if isinstance(condition, All):
        return next(filter(None, map(_patterns, condition.conditions)), [])
    if isinstance(condition, Either):
        several = [_patterns(part) for part in condition.conditions]
        return [pattern for patterns in several for pattern in patterns] if all(several) else []
    return []
