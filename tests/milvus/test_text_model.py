"""A store answers with another text model if the engine names one; it remembers none."""

from clipsearch import SearchEngine
from tests.conftest import COLOURS, save_photo
from tests.encoders.support import save_checkpoint
from tests.encoders.text_models import make_known, save_text_model
from tests.lazy import require_library

require_library("pymilvus", reason="needs pymilvus: pip install 'clipsearch[milvus]'")


def found(hits):
    return [(hit.path, round(hit.score, 5)) for hit in hits]


def test_a_store_answers_with_a_text_model_as_the_index_does(milvus_lite, tmp_path, monkeypatch):
    clip, texts = save_checkpoint(tmp_path / "clip"), save_text_model(tmp_path / "texts")
    make_known(monkeypatch, texts, [clip])
    for name in COLOURS:
        save_photo(tmp_path / "photos" / f"{name}.jpg", name, size=(80, 80))
    store = f"milvus+lite:{milvus_lite}/texts"
    with SearchEngine.open(tmp_path / "photos", model=str(clip), text_model=str(texts)) as engine:
        engine.index()
        engine.remember_text_model()
        engine.push(store)
        expected = found(engine.search("Hund am Strand", 20))
    with SearchEngine(store=store, model=str(clip), text_model=str(texts)) as engine:
        assert found(engine.search("Hund am Strand", 20)) == expected
    with SearchEngine(store=store, model=str(clip)) as engine:
        assert found(engine.search("Hund am Strand", 20)) != expected and engine.encoder.spec.text_model == ""
