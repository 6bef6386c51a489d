"""Every ranking equals a float64 brute force over the stored vectors, ties in the order of their paths."""

import numpy as np
import pytest

from tests.conftest import shared
from tests.store.support import add, brute_force, random_units, unit, writer


@pytest.fixture(autouse=True, params=["whole", "compact"])
def with_and_without_compact_copies(request, monkeypatch):
    rows = 1 if request.param == "compact" else 10**9
    monkeypatch.setattr("clipsearch.store.segments.COMPACT_ROWS", rows)


def check(tmp_path, vectors, queries, top_k, commits=1, removed=(), allowed=None):
    """Store vectors in `commits` commits, remove some, and compare every answer with brute force."""
    names = [
        f"{(number * 7919) % len(vectors):07}.jpg" for number in range(len(vectors))
    ]  # the order differs from the order of the ids
    with writer(tmp_path / "index", vectors.shape[1]) as collection:
        ids = []
        for part in np.array_split(np.arange(len(vectors)), commits):
            ids += add(collection, [names[i] for i in part], vectors[part])
            collection.commit()
        collection.remove([ids[i] for i in removed])
        collection.commit()
        gone, wanted = set(removed), set(range(len(vectors)) if allowed is None else allowed)
        living = [i for i in range(len(vectors)) if i not in gone and i in wanted]
        allowed_ids = None if allowed is None else np.array([ids[i] for i in allowed], np.int64)
        answers = collection.search(queries, top_k, allowed_ids)
        assert [
            collection.search(query[None], top_k, allowed_ids)[0] for query in queries
        ] == answers  # one after another
    left, left_names = vectors[living].astype(np.float64), [names[i] for i in living]
    for query, answer in zip(queries, answers, strict=True):
        expected, scores = brute_force(left, left_names, query, top_k)
        assert [record.file.name for _, record in answer] == expected
        np.testing.assert_allclose([score for score, _ in answer], scores, atol=1e-15)


@pytest.mark.parametrize("dim", [1, 2, 3, 17, 512, 1024])
def test_random_vectors(tmp_path, dim):
    check(tmp_path, random_units(700, dim), random_units(5, dim, seed=1), top_k=10)


@pytest.mark.parametrize("top_k", [1, 16, 499, 500, 501, 5000])
def test_any_number_of_results(tmp_path, top_k):
    check(tmp_path, random_units(500, 8), random_units(3, 8, seed=1), top_k)


def test_several_segments_and_tombstones(tmp_path):
    vectors = random_units(900, 32)
    check(tmp_path, vectors, vectors[::90], top_k=20, commits=5, removed=range(0, 900, 3))


def test_a_limited_search(tmp_path):
    vectors = random_units(600, 16)
    check(tmp_path, vectors, vectors[:5], top_k=10, commits=3, removed=[7, 8], allowed=[3, 5, 7, 250, 599])
    check(tmp_path / "none", vectors, vectors[:2], top_k=10, allowed=[])


def test_identical_vectors_are_ordered_by_path_also_where_the_cut_goes_through_them(tmp_path):
    few = random_units(4, 24)
    vectors = np.repeat(few, 200, axis=0)
    for top_k in (1, 7, 199, 200, 201):
        check(tmp_path / str(top_k), vectors, few, top_k, commits=3)


def test_differences_too_small_for_float32_sums(tmp_path):
    """Vectors that differ by a bit or two, so that float32 scores rank them wrongly."""
    rng = np.random.default_rng(3)
    base = unit(rng.standard_normal((1, 512)))
    vectors = np.repeat(base, 400, axis=0)
    flips = rng.integers(0, 512, (400, 6))
    for row, columns in enumerate(flips):
        vectors[row, columns] = np.nextafter(vectors[row, columns], rng.choice([-1, 1], 6).astype(np.float32))
    queries = np.concatenate([base, unit(base + 0.01 * rng.standard_normal((4, 512)))])
    check(tmp_path, vectors, queries, top_k=5, commits=2)


def test_many_near_duplicates_around_a_few_centres(tmp_path):
    rng = np.random.default_rng(4)
    centres = rng.standard_normal((5, 128))
    vectors = unit(centres[rng.integers(0, 5, 3000)] + 1e-4 * rng.standard_normal((3000, 128)))
    check(tmp_path, vectors, unit(centres), top_k=10, commits=4)


@pytest.mark.shared
def test_real_clip_vectors_and_real_captions(tmp_path):
    data = np.load(shared("data/embeddings/clip_b32_real.npz"), allow_pickle=False)
    images, texts = unit(data["image"]), unit(data["text"])
    check(tmp_path, images, texts[:: len(texts) // 100], top_k=10, commits=6)


@pytest.mark.shared
@pytest.mark.parametrize("count", [9000, pytest.param(36000, marks=pytest.mark.long)])
def test_real_vectors_of_another_model(tmp_path, count):
    stored = np.load(shared("data/embeddings/muge_cnclip_b16_36k_fp16.npy"), allow_pickle=False, mmap_mode="r")
    vectors = unit(stored[:count])
    check(tmp_path, vectors, vectors[:: count // 12], top_k=20, commits=9, removed=range(5, count, 50))
