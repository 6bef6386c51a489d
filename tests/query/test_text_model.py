"""An index whose texts another model encodes: it is searched with it, remembers it, and refuses one for other pictures."""

import json
import shutil
import sqlite3
from contextlib import closing

import numpy as np
import pytest

from clipsearch import SearchEngine
from clipsearch.encoders.base import normalise
from clipsearch.errors import ClipsearchError, ModelError, ModelMismatch
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import Fingerprint
from tests.cli.running import run_here
from tests.conftest import COLOURS, save_photo
from tests.encoders.support import save_checkpoint
from tests.encoders.text_models import make_known, reference_vectors, save_text_model

GERMAN = "Hund am Strand"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with photos that a small CLIP has indexed, and a text model for them."""
    folder = tmp_path_factory.mktemp("made")
    clip, texts = save_checkpoint(folder / "clip"), save_text_model(folder / "texts")
    for name in COLOURS:
        save_photo(folder / "photos" / f"{name}.jpg", name, size=(80, 80))
    with SearchEngine.open(folder / "photos", model=str(clip)) as engine:
        engine.index()
    return clip, texts, folder / "photos"


@pytest.fixture
def photos(made, tmp_path):
    return shutil.copytree(made[2], tmp_path / "photos")


@pytest.fixture
def texts(made, monkeypatch):
    make_known(monkeypatch, made[1], [made[0]])
    return str(made[1])


def scores(hits):
    return [round(hit.score, 5) for hit in hits]


def remembered(photos):
    with SearchEngine.open(photos) as engine:
        return engine.status(scan=False).text_model


def test_a_german_query_ranks_as_the_reference_does(photos, made, texts):
    (expected,) = normalise(reference_vectors(made[1], [GERMAN]))
    with SearchEngine.open(photos, text_model=texts) as engine:
        hits = engine.search(GERMAN, 20)
        cosines = [float(engine.vector(hit.record.image_id) @ expected) for hit in hits]
        assert hits.explanation.notes == ()
    np.testing.assert_allclose([hit.score for hit in hits], cosines, atol=1e-5)
    assert len(hits) == len(COLOURS) and cosines == sorted(cosines, reverse=True)


def test_a_query_has_the_index_remember_it_until_none_goes_back(photos, texts):
    with SearchEngine.open(photos) as engine:
        own = scores(engine.search(GERMAN, 20))
    status, output, errors = run_here("query", "--text-model", texts, "--json", GERMAN, cwd=photos)
    assert status == 0, errors
    found = [round(hit["score"], 5) for hit in json.loads(output)["hits"]]
    with SearchEngine.open(photos) as engine:
        assert scores(engine.search(GERMAN, len(found))) == found != own[: len(found)]
        assert engine.encoder.spec.text_model == texts
    _, output, _ = run_here("status", cwd=photos)
    assert f"texts    by {texts}; `--text-model none` goes back to its own" in output.decode()
    _, _, errors = run_here("query", "--explain", GERMAN, cwd=photos)
    assert f"texts    by {texts}\n" in errors
    assert run_here("query", "--text-model", "none", GERMAN, cwd=photos)[0] == 0
    assert remembered(photos) is None
    with SearchEngine.open(photos) as engine:
        assert scores(engine.search(GERMAN, 20)) == own


def test_an_engine_may_use_one_that_is_not_remembered(photos, texts):
    with SearchEngine.open(photos, text_model=texts) as engine:
        other = scores(engine.search(GERMAN, 20))
        assert remembered(photos) is None
        engine.remember_text_model()
    with SearchEngine.open(photos) as engine:
        assert scores(engine.search(GERMAN, 20)) == other
    with SearchEngine.open(photos, text_model="none") as engine:
        assert scores(engine.search(GERMAN, 20)) != other and remembered(photos) == texts


def test_an_open_engine_follows_what_another_has_the_index_remember(photos, texts):
    with SearchEngine.open(photos) as engine:
        own = scores(engine.search(GERMAN, 20))
        with SearchEngine.open(photos, text_model=texts) as other:
            other.remember_text_model()
        assert scores(engine.search(GERMAN, 20)) != own
        with SearchEngine.open(photos, text_model="none") as other:
            other.remember_text_model()
        assert scores(engine.search(GERMAN, 20)) == own


def test_an_index_that_is_being_written_is_searched_and_a_note_says_that_it_remembers_nothing(photos, texts):
    with CollectionWriter(photos / ".clipsearch"):
        status, output, errors = run_here("query", "--text-model", texts, "--paths", GERMAN, cwd=photos)
    assert status == 0 and len(output.splitlines()) == len(COLOURS)
    assert "the index does not remember the text model: " in errors and remembered(photos) is None


def test_a_text_model_for_other_pictures_is_refused_and_not_remembered(photos, made, monkeypatch):
    make_known(monkeypatch, made[1], ["openai/clip-vit-base-patch32"])
    status, output, errors = run_here("query", "--text-model", made[1], GERMAN, cwd=photos)
    assert status == 1 and not output
    assert "is for pictures of openai/clip-vit-base-patch32" in errors and remembered(photos) is None
    with SearchEngine.open(photos, text_model=str(made[1])) as engine, pytest.raises(ModelMismatch):
        engine.search(GERMAN)


def test_a_server_has_its_own_text_model(photos):
    status, _, errors = run_here("query", "--server", "http://127.0.0.1:1", "--text-model", "none", "a dog", cwd=photos)
    assert status == 2 and "--text-model cannot be chosen for a server" in errors


def test_an_index_without_photos_remembers_none(tmp_path, made, texts):
    (tmp_path / "photos").mkdir()
    with SearchEngine.open(tmp_path / "photos", model=str(made[0]), text_model=texts) as engine:
        with CollectionWriter(engine.index_folder):
            pass
        with pytest.raises(ClipsearchError, match="has no photos yet"):
            engine.remember_text_model()


def test_words_of_other_languages_are_read(photos, texts):
    with SearchEngine.open(photos) as engine:
        assert [note.code for note in engine.search("собака").explanation.notes] == ["unread"]
    with SearchEngine.open(photos, text_model=texts) as engine:
        assert engine.search("собака").explanation.notes == ()
        (note,) = engine.search("犬").explanation.notes
    assert note.message.startswith(
        f'the model {texts} cannot read "犬", so these photos are no better than random ones'
    )


def test_an_unread_word_names_the_text_model_for_the_index(photos, made, monkeypatch):
    with SearchEngine.open(photos) as engine:
        make_known(monkeypatch, made[1], [engine.model_name])
        (note,) = engine.search("собака").explanation.notes
    assert "team/texts reads 50 languages for the same photos: `text_model='team/texts'`" in note.message
    _, output, errors = run_here("query", "--json", "--explain", "собака", cwd=photos)
    (explained,) = json.loads(output)["explanation"]["notes"]
    for text in (explained["message"], errors):
        assert "for the same photos: --text-model team/texts" in text


def test_labels_are_encoded_by_the_text_model(photos, made, texts):
    with SearchEngine.open(photos) as engine:
        own = [image.shares.tolist() for image in engine.label(["Hund", "Strand"])]
    with SearchEngine.open(photos, text_model=texts) as engine:
        assert [image.shares.tolist() for image in engine.label(["Hund", "Strand"])] != own


def test_indexing_goes_on_with_the_pictures_model(photos, texts):
    with SearchEngine.open(photos, text_model=texts) as engine:
        engine.remember_text_model()
    save_photo(photos / "new.jpg", "red", size=(70, 70))
    with SearchEngine.open(photos) as engine:
        assert engine.index().added == 1
        assert len(engine.search(GERMAN, 20)) == len(COLOURS) + 1 and engine.encoder.spec.text_model == texts


def test_a_remembered_one_that_is_gone_says_how_to_go_back(photos, texts, tmp_path):
    moved = shutil.copytree(texts, tmp_path / "moved")
    assert run_here("query", "--text-model", moved, GERMAN, cwd=photos)[0] == 0
    shutil.rmtree(moved)
    status, _, errors = run_here("query", GERMAN, cwd=photos)
    assert status == 1 and "there is no text model" in errors and "--text-model none" in errors
    assert run_here("query", "--text-model", "none", GERMAN, cwd=photos)[0] == 0
    assert run_here("query", GERMAN, cwd=photos)[0] == 0


# -- what the index says


def test_an_index_of_another_model_has_forgotten_it(photos, texts):
    with CollectionWriter(photos / ".clipsearch") as collection:
        collection.set_text_model(texts)
        collection.commit()
        assert collection.text_model == texts
        collection._catalog.begin()
        collection._catalog.set_fingerprint(Fingerprint("another", "", "digest", 24))
        assert collection.text_model is None


def test_a_repair_keeps_it(photos, texts):
    with SearchEngine.open(photos, text_model=texts) as engine:
        engine.remember_text_model()
    next((photos / ".clipsearch" / "segments").glob("*.faiss")).write_bytes(b"damaged")
    assert run_here("repair", cwd=photos)[0] in (0, 3)
    assert remembered(photos) == texts


@pytest.mark.parametrize(
    ("name", "message"),
    [("brought", "name it: `text_model`"), ("team/other", "name it: `text_model`"), ("mini", "there is no text model")],
)
def test_a_received_index_names_no_text_model_that_is_not_known(name, message, photos, made, texts):
    folder = shutil.copytree(texts, photos / "brought")
    with closing(sqlite3.connect(photos / ".clipsearch" / "catalog.sqlite")) as catalog:
        (fingerprint,) = catalog.execute("SELECT value FROM meta WHERE key = 'fingerprint'").fetchone()
    digest = json.loads(fingerprint)["digest"]
    with CollectionWriter(photos / ".clipsearch") as collection:
        collection.set_meta(
            "text_model", json.dumps({"model": str(folder) if name == "brought" else name, "pictures": digest})
        )
        collection.commit()
    with SearchEngine.open(photos) as engine, pytest.raises(ModelError, match=message):
        engine.search(GERMAN)


@pytest.mark.parametrize("value", ["", "5", "{}", '{"model": 5, "pictures": "DIGEST"}', "[" * 100_000])
def test_what_clipsearch_never_writes_is_no_crash(value, photos):
    with CollectionWriter(photos / ".clipsearch") as collection:
        digest = collection.fingerprint.digest
        collection.set_meta("text_model", value.replace("DIGEST", digest))
        collection.commit()
    status, _, errors = run_here("query", GERMAN, cwd=photos)
    assert status == (0 if value == "" else 4) and ("is damaged" in errors or value == "")
