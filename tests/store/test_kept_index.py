"""An index from before the code was reorganised still opens, gives the same answers, and can be updated."""

import json
import shutil

import pytest
from PIL import Image

from clipsearch.engine import SearchEngine
from clipsearch.query.filters import parse_where
from clipsearch.query.language import parse_query
from clipsearch.store.verify import verify
from clipsearch.terms import Query
from tests.conftest import PHOTOS, ROOT

KEPT = ROOT / "tests" / "store" / "index-of-format-6"
NAMES = ("canyon.jpg", "cat.png", "citrus.jpg", "clock.jpg", "coffee.jpg", "cups.jpg", "dahlia.jpg", "dogs-window.jpg")


@pytest.fixture
def photos(tmp_path):
    """A photo folder that contains the kept index."""
    folder = tmp_path / "photos"
    (folder / "broken").mkdir(parents=True)
    for name in NAMES:
        shutil.copy2(PHOTOS / name, folder / name)
    (folder / "broken" / "half.png").write_bytes((PHOTOS / "cat.png").read_bytes()[:3000])
    shutil.copytree(KEPT / "clipsearch", folder / ".clipsearch")
    return folder


def answers(engine):
    """The engine's current answer to each kept query, in the format of the kept answers."""
    for kept in json.loads((KEPT / "answers.json").read_text("utf-8")):
        filters = (parse_where(kept["where"]),) if "where" in kept else ()
        query = Query(parse_query(kept["query"]).terms, filters=filters, prompts=("{}",))  # words as they are, as then
        hits = engine.search(query, top_k=8)
        yield kept["hits"], [[hit.record.file.name, hit.score, hit.match, hit.record.image_id] for hit in hits]


def test_an_index_made_before_answers_with_the_same_hits_and_scores(photos):
    assert verify(photos / ".clipsearch").damages == ()
    with SearchEngine.open(photos) as engine:
        assert [failure.file.name for failure in engine.failures()] == ["half.png"]
        for kept, now in answers(engine):
            assert [(name, number) for name, _, _, number in now] == [(name, number) for name, _, _, number in kept]
            for (_, score, match, _), (_, kept_score, kept_match, _) in zip(now, kept, strict=True):
                assert score == pytest.approx(kept_score, abs=1e-5)
                assert (match is None) == (kept_match is None)  # it is computed in another way since


def test_an_index_made_before_is_extended(photos):
    shutil.copy2(PHOTOS / "bridge-night.jpg", photos / "bridge-night.jpg")
    with SearchEngine.open(photos) as engine:
        report = engine.index()
        assert (report.added, report.removed, report.failed) == (1, 0, 1)  # half.png has another time
        assert report.unchanged + report.updated == len(NAMES)
        assert engine.search("a bridge at night", top_k=1)[0].record.file.name == "bridge-night.jpg"
        for kept, now in answers(engine):
            scores = {name: score for name, score, _, _ in now}
            assert all(scores.get(name, score) == pytest.approx(score, abs=1e-5) for name, score, _, _ in kept)
    assert verify(photos / ".clipsearch").damages == ()


def test_an_index_made_before_gains_films_and_pages_and_embeds_nothing_again(photos, monkeypatch):
    """Only the pictures of the new files are encoded; then each is found at its page."""
    pages = [
        Image.open(PHOTOS / name).convert("RGB").resize((320, 240)) for name in ("giraffe.jpg", "bridge-night.jpg")
    ]
    pages[0].save(photos / "album.tif", save_all=True, append_images=pages[1:])
    encoded = []
    with SearchEngine.open(photos) as engine:
        real = engine.encoder.encode_pixels
        monkeypatch.setattr(
            engine.encoder, "encode_pixels", lambda pixels: (encoded.append(len(pixels)), real(pixels))[1]
        )
        report = engine.index()
        assert (report.added, report.removed, sum(encoded)) == (1, 0, 2)
        (best, *_) = engine.search("a bridge at night", top_k=3)
        assert (best.record.file.name, str(best.record.moment)) == ("album.tif", "page 2")
        assert len(engine.search("a bridge at night", top_k=50)) == len(NAMES) + 1
    assert verify(photos / ".clipsearch").damages == ()
