"""What everyday texts score in an index is measured, kept with the index, and measured again if it is missing."""

import json

import numpy as np
import pytest

from clipsearch import SearchEngine
from clipsearch.encoders.prompts import everyday_texts
from clipsearch.query import null_scores as module
from clipsearch.query.null_scores import NullScores, keep_null_scores, measure, null_scores
from clipsearch.store.collection import Collection
from clipsearch.store.writer import CollectionWriter
from tests.conftest import ColourEncoder, save_photo


@pytest.fixture
def engine(tmp_path, monkeypatch):
    monkeypatch.setattr("clipsearch.query.index_model.load_encoder", lambda *_, **__: ColourEncoder())
    for name in ("red", "green", "blue", "white"):
        save_photo(tmp_path / "photos" / f"{name}.jpg", name)
    with SearchEngine(tmp_path / "photos" / ".clipsearch", model="colours") as engine:
        engine.index(tmp_path / "photos")
        yield engine


def test_the_everyday_texts_differ():
    assert len(set(everyday_texts())) == len(everyday_texts()) > 40 and "a dog" in everyday_texts()


def test_it_is_the_distribution_of_all_scores():
    scores = np.random.default_rng(0).normal(0.2, 0.05, (100, 500))
    null = measure(scores)
    assert abs(null.mean - 0.2) < 1e-3 and abs(null.spread - 0.05) < 1e-3
    np.testing.assert_allclose(null.units(np.array([0.2, 0.3])), [0, 2], atol=0.05)
    shares = np.exp(null.log_share(np.array([-9.0, 0.0, 1.0, 2.0, 3.0, 9.0])))
    np.testing.assert_allclose(shares[:5], [1, 0.5, 0.159, 0.0228, 0.00135], rtol=0.15)
    assert 0 < shares[5] < 1e-4


@pytest.mark.parametrize("scores", [np.full((3, 1), 0.2), np.zeros((47, 1)), np.linspace(0, 1, 20)[:, None]])
def test_a_single_photo_has_one_too(scores):
    null = measure(scores)
    shares = null.log_share(null.units(np.array([-1.0, 0.2, 1.0, 2.0])))
    assert null.spread > 0 and (shares <= 0).all() and (np.diff(shares) <= 0).all()


def test_indexing_keeps_it_with_the_index_and_a_query_reads_it(engine, monkeypatch):
    with Collection(engine.index_folder) as collection:
        stored = json.loads(collection.null_scores)
        assert stored["images"] == 4 == len(collection)
        monkeypatch.setattr(module, "measure", None)
        assert null_scores(collection, ColourEncoder()).mean == stored["mean"]


def test_without_a_stored_one_it_is_measured_and_is_the_same(engine):
    with CollectionWriter(engine.index_folder) as collection:
        kept = null_scores(collection, ColourEncoder())
        for text in ("", "{", "[1]", '{"texts": 1}', json.dumps({**json.loads(collection.null_scores), "spread": 0})):
            collection.set_meta("null scores", text)
            collection.commit()
            assert null_scores(collection, ColourEncoder()) == kept
        keep_null_scores(collection, ColourEncoder)
        assert json.loads(collection.null_scores)["images"] == 4


def test_it_is_measured_again_once_the_index_has_changed_much(engine, tmp_path):
    before = engine.search("red")[0].match
    for number in range(6):
        save_photo(tmp_path / "photos" / f"{number}.jpg", (0, 40 * number, 0))
    engine.index()
    with Collection(engine.index_folder) as collection:
        assert json.loads(collection.null_scores)["images"] == 10
    assert engine.search("red")[0].match != before


def test_another_model_does_not_use_it(engine):
    with Collection(engine.index_folder) as collection:
        other = ColourEncoder("other")
        other.embed_texts = lambda texts: np.eye(len(texts), 4, dtype=np.float32) + 0.1
        assert null_scores(collection, other) != null_scores(collection, ColourEncoder())


def test_the_texts_of_a_model_are_encoded_once(engine):
    class Counting(ColourEncoder):
        def embed_texts(self, texts):
            raise AssertionError("they are in the cache")

    with Collection(engine.index_folder) as collection:
        assert isinstance(module._embedded_texts(Counting()), np.ndarray)
        for damage in (b"", b"\x93NUMPY"):
            module._cache_file(ColourEncoder().spec).write_bytes(damage)
            assert isinstance(null_scores(collection, ColourEncoder()), NullScores)
            assert module._embedded_texts(ColourEncoder()).shape == (len(everyday_texts()), 4)


def test_a_sample_of_an_index_leaves_out_removed_photos_and_is_about_as_large_as_asked(engine, tmp_path):
    (tmp_path / "photos" / "red.jpg").unlink()
    engine.index()
    with Collection(engine.index_folder) as collection:
        assert collection.sample_vectors(100).shape == (3, 4)
        assert len(collection.sample_vectors(2)) <= 2


def test_an_index_without_one_gets_it_from_the_next_run_although_no_photo_changed(engine):
    with CollectionWriter(engine.index_folder) as collection:
        before = collection.null_scores
        collection._catalog.begin()
        collection._catalog.remove_meta("null scores")
        collection.commit()
        assert collection.null_scores is None
    assert engine.index().unchanged == 4
    with Collection(engine.index_folder) as collection:
        assert collection.null_scores == before
