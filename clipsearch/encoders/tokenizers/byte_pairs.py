"""Byte-pair encoding: neighbouring symbols are merged, the pair of the lowest rank first, until no pair can be merged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsearch.encoders.shape import BOUNDS
from clipsearch.encoders.tokenizers.table_file import TableFile

_IDS = 2**32
_MAX_MERGES = 16_000_000
_SYMBOL = 2**63  # marks the keys of symbols, apart from those of pairs of tokens
_MAX_KNOWN = 200_000
_ABSORBED = -1


class BytePairs:
    """The tokens of single symbols, and the merges of two tokens into one."""

    def __init__(self, file: TableFile) -> None:
        self._table = file.table("tokens")
        self._known: dict[int, int | None] = {}

    def token(self, symbol: int) -> int | None:
        """The id of a symbol's token."""
        return self._value(_SYMBOL | symbol)

    def merge(self, left: int, right: int) -> tuple[int, int] | None:
        """The rank of the merge of two tokens, and the id of the token that it makes."""
        value = self._value(left * _IDS + right)
        return None if value is None else divmod(value, _IDS)

    def _value(self, key: int) -> int | None:
        known = self._known
        try:
            return known[key]
        except KeyError:
            if len(known) >= _MAX_KNOWN:
                known.clear()
            return known.setdefault(key, self._table.get(key))


def merge_tokens(
    symbols: Iterable[int], merge: Callable[[int, int], tuple[int, int] | None]
) -> tuple[list[int], list[int]]:
    """The tokens that symbols are merged into, and the number of each one's first symbol.

    The order is that of the tokenizers library: lowest rank first, then leftmost. Takes n log n steps for n symbols.
    """
    tokens = list(symbols)
    count = len(tokens)
    following, preceding = list(range(1, count + 1)), list(range(-1, count - 1))
    queue: list[tuple[int, int, int]] = []

    def consider(position: int) -> None:
        result = merge(tokens[position], tokens[following[position]])
        if result is not None:
            heappush(queue, (result[0], position, result[1]))

    for position in range(count - 1):
        result = merge(tokens[position], tokens[position + 1])
        if result is not None:
            queue.append((result[0], position, result[1]))
    heapify(queue)
    while queue:
        _, position, merged = heappop(queue)
        absorbed = following[position]
        if tokens[position] == _ABSORBED or absorbed == count:
            continue
        result = merge(tokens[position], tokens[absorbed])
        if result is None or result[1] != merged:  # one of the two was merged with another token meanwhile
            continue
        tokens[position], tokens[absorbed] = merged, _ABSORBED
        following[position] = following[absorbed]
        if following[position] < count:
            preceding[following[position]] = position
            consider(position)
        if position > 0:
            consider(preceding[position])
    starts = [position for position, token in enumerate(tokens) if token != _ABSORBED]
    return [tokens[position] for position in starts], starts


def read_merges(model: Mapping[str, Any]) -> tuple[dict[str, int], NDArray[np.uint64]]:
    """Vocabulary and merges of a byte-pair model in tokenizer.json: token → id, and (n, 3): left, right and merged id.

    Raises ValueError, LookupError, TypeError or AttributeError if they are not as the tokenizers library writes them.
    """
    vocabulary: dict[str, int] = model["vocab"]
    most = BOUNDS["vocab_size"][1]
    if not all(type(number) is int and 0 <= number < most for number in vocabulary.values()):
        raise ValueError("ids that are not small whole numbers")
    pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
    if len(pairs) > _MAX_MERGES or not all(len(pair) == 2 for pair in pairs):
        raise ValueError("merges that are not pairs")
    ids = [(vocabulary[left], vocabulary[right], vocabulary[left + right]) for left, right in pairs]
    return vocabulary, np.array(ids, np.uint64).reshape(-1, 3)


def merges_table(
    symbols: Mapping[int, int], merges: NDArray[np.uint64]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Keys and values of the table that BytePairs reads, from symbol → id and merges (n, 3) in the order of their ranks."""
    ranks = np.arange(len(merges), dtype=np.uint64)
    keys = np.array([_SYMBOL | symbol for symbol in symbols], np.uint64)
    values = np.array(list(symbols.values()), np.uint64)
    return (
        np.concatenate([keys, merges[:, 0] * np.uint64(_IDS) + merges[:, 1]]),
        np.concatenate([values, ranks * np.uint64(_IDS) + merges[:, 2]]),
    )
