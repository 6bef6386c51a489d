"""Photos with a near neighbour, compared with brute force."""

import numpy as np
import pytest

from clipsearch.analysis import duplicates
from clipsearch.analysis.duplicates import ids_with_neighbours, vectors_of
from clipsearch.errors import CollectionDamaged
from clipsearch.store.collection import Collection
from tests.store.support import add, random_units, unit, writer

DIM = 16


@pytest.fixture
def index(tmp_path, monkeypatch):
    """41 vectors in three segments, some near others, with one removed."""
    monkeypatch.setattr(duplicates, "_COMPARED", 7)
    vectors = random_units(30, DIM)
    noise = random_units(11, DIM, seed=1)
    vectors = np.concatenate([vectors, unit(vectors[:11] + 0.2 * noise)])
    folder = tmp_path / "index"
    with writer(folder, DIM) as collection:
        ids = []
        for start in (0, 15, 30):
            names = [f"{n:02}.jpg" for n in range(start, min(start + 15, 41))]
            ids += add(collection, names, vectors[start : start + 15])
            collection.commit()
        collection.remove([ids[30]])
        collection.commit()
    return folder, np.delete(np.array(ids), 30), np.delete(vectors, 30, axis=0)


@pytest.mark.parametrize("least", [0.5, 0.9, 0.97, 1.1, -1.0])
def test_they_are_those_of_a_brute_force(index, least):
    folder, ids, vectors = index
    cosines = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    np.fill_diagonal(cosines, -2)
    steps = []
    with Collection(folder) as collection:
        neighbours = ids_with_neighbours(
            collection.snapshot(), ids, least, lambda done, total: steps.append((done, total))
        )
    assert neighbours.tolist() == ids[(cosines >= least).any(axis=1)].tolist()
    pairs = len(ids) * (len(ids) - 1) // 2
    assert steps == sorted(steps) and steps[-1] == (pairs, pairs)


def test_nothing_and_one_have_no_neighbours(index):
    folder, ids, _ = index
    with Collection(folder) as collection:
        for few in (ids[:0], ids[:1]):
            near = ids_with_neighbours(collection.snapshot(), few, -1.0, lambda done, total: None)
            assert near.tolist() == []


def test_vectors_come_in_the_order_asked_for_and_a_missing_one_is_told(index):
    folder, ids, vectors = index
    order = np.random.default_rng(2).permutation(len(ids))
    with Collection(folder) as collection:
        assert np.array_equal(vectors_of(collection.snapshot(), ids[order]), vectors[order])
        with pytest.raises(CollectionDamaged, match="have no embedding"):
            vectors_of(collection.snapshot(), np.array([10_000]))
