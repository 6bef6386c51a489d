"""The judged plain queries in data/plain, and the program that measures a model by them."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from measure_plain import OLD, PLAIN, judge, probe_table, probed, read_judgements, read_photos, read_queries, table

SHARED = Path(__file__).parents[3] / "shared" / "data"


def test_every_query_is_judged_once():
    queries, judged = read_queries(), read_judgements()
    assert list(judged) == list(queries)
    assert sum(group != OLD for group in queries.values()) == 60
    assert len((PLAIN / "judgements.jsonl").read_text("utf-8").splitlines()) == len(queries)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the photos of shared/data are not here")
def test_every_right_photo_is_one_of_the_photos():
    names = [photo.name for photo in read_photos(SHARED)]
    assert len(names) == len(set(names)) == 647
    assert all(right <= set(names) for right in read_judgements().values())


def test_precision_counts_the_right_among_the_first_five():
    names = list("abcdefg")
    scores = np.array([[7, 6, 5, 4, 3, 2, 1], [1, 2, 3, 4, 5, 6, 7]], float)
    judged = judge(names, scores, {"first": "thing", "second": OLD}, {"first": frozenset("acz"), "second": frozenset()})
    assert [(row.right, row.wrong) for row in judged] == [(2, ("b", "d", "e")), (0, tuple("gfedc"))]
    lines = [line.split() for line in table(judged)]
    assert lines[2] == ["all", "1", "0.400", "0.600", "0.67"]


def test_a_classifier_finds_what_the_vectors_of_photos_show():
    random = np.random.default_rng(0)
    right = np.arange(60) < 12
    vectors = random.normal(size=(60, 8)) + 3 * np.outer(right, np.eye(8)[0])
    scores = probed(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), right)
    assert right[np.argsort(-scores)[:5]].all()
    assert not right[np.argsort(-probed(np.tile(np.eye(8)[0], (60, 1)), right))[:5]].all()


def test_texts_and_classifiers_are_compared_where_five_photos_are_right():
    names, known = list("abcdefg"), {"first": frozenset("abcde"), "second": frozenset("a")}
    queries = {"first": "thing", "second": "thing"}
    text, probe = (
        judge(names, np.array([row, row], float), queries, known)
        for row in ([1, 2, 3, 4, 5, 6, 7], [7, 6, 5, 4, 3, 2, 1])
    )
    lines = [line.split() for line in probe_table(text, probe)]
    assert lines[1:] == [["thing", "1", "0.600", "1.000", "1.000"], ["all", "1", "0.600", "1.000", "1.000"]]
