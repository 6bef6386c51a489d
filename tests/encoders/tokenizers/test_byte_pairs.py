"""Pairs are merged in the order of their ranks, from the left."""

from itertools import pairwise
from random import Random

import numpy as np
import pytest

from clipsearch.encoders.tokenizers.byte_pairs import BytePairs, merge_tokens, merges_table
from clipsearch.encoders.tokenizers.table_file import TableFile, write_tables


def one_by_one(tokens, ranks):
    """The plain way: the pair of the lowest rank is merged again and again, the leftmost one first."""
    while True:
        found = [(ranks[pair], place) for place, pair in enumerate(pairwise(tokens)) if pair in ranks]
        if not found:
            return tokens
        (_, merged), place = min(found)
        tokens = [*tokens[:place], merged, *tokens[place + 2 :]]


def random_merges(chance, tokens, count):
    ranks = {}
    for rank in range(count):
        pair = chance.randrange(tokens + rank), chance.randrange(tokens + rank)
        ranks.setdefault(pair, (rank, tokens + rank))
    return ranks


def test_merging_gives_what_the_plain_way_gives():
    chance = Random(1)
    for _ in range(300):
        ranks = random_merges(chance, 3, 12)
        tokens = chance.choices(range(3), k=chance.randint(0, 40))
        merged, starts = merge_tokens(tokens, lambda left, right, ranks=ranks: ranks.get((left, right)))
        assert merged == one_by_one(tokens, ranks)
        assert starts == sorted(set(starts)) and starts[:1] == [0][: len(tokens)]


def test_a_table_file_gives_what_was_written(tmp_path):
    chance = Random(2)
    ranks = random_merges(chance, 500, 20_000)
    merges = np.array([(*pair, merged) for pair, (_, merged) in ranks.items()], np.uint64)
    symbols = {point: number for number, point in enumerate(chance.sample(range(0x110000), 500))}
    numbers = np.arange(3000, dtype="<u4")
    write_tables(tmp_path / "t", {"a": [1]}, {"tokens": merges_table(symbols, merges)}, {"n": numbers})
    file = TableFile(tmp_path / "t")
    pairs = BytePairs(file)
    assert file.header["a"] == [1]
    np.testing.assert_array_equal(file.array("n", "<u4"), numbers)
    assert all(pairs.token(point) == number for point, number in symbols.items())
    assert [pairs.merge(*pair) for pair in ranks] == [
        (place, merged) for place, (_, merged) in enumerate(ranks.values())
    ]
    absent = [(chance.randrange(99_999), chance.randrange(99_999)) for _ in range(2000)]
    assert all(pairs.merge(*pair) is None for pair in absent if pair not in ranks)
    assert pairs.token(0x110000) is None


def test_an_empty_table_has_no_values(tmp_path):
    write_tables(tmp_path / "t", {}, {"tokens": merges_table({}, np.empty((0, 3), np.uint64))}, {})
    pairs = BytePairs(TableFile(tmp_path / "t"))
    assert pairs.token(1) is None and pairs.merge(1, 2) is None


def test_keys_that_collide_on_purpose_or_are_equal_are_refused(tmp_path):
    inverse = pow(0x9E3779B97F4A7C15, -1, 2**64)
    colliding = np.array([number * inverse % 2**64 for number in range(200)], np.uint64)
    for keys in (colliding, np.array([7, 7], np.uint64)):
        with pytest.raises(ValueError, match="its keys"):
            write_tables(tmp_path / "t", {}, {"t": (keys, keys)}, {})
