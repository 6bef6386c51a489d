"""The photos in data/photos have sources and captions, and the embedded model finds them by plain descriptions."""

import json

import pytest
from PIL import Image

from clipsearch import Query, SearchEngine, Term
from tests.conftest import PHOTOS


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_there_are_enough_photos_and_each_has_a_source_and_captions():
    captions = lines(PHOTOS / "captions.jsonl")
    files = {path.name for path in PHOTOS.iterdir() if path.suffix in (".jpg", ".png", ".webp")}
    assert len(captions) >= 30 and {item["image"] for item in captions} == files
    for item in captions:
        assert (PHOTOS / item["image"]).stat().st_size <= 300_000
        assert len(item["captions"]) == 2
        assert all(item[key] for key in ("author", "source", "licence"))
        with Image.open(PHOTOS / item["image"]) as image:
            image.verify()


@pytest.fixture(scope="module")
def engine(index_of_data):
    """The photos, indexed by mini."""
    with SearchEngine(index_of_data) as engine:
        yield engine


def test_plain_descriptions_find_their_photo_first(engine):
    """Each photo has one description, written before this model saw it and never tuned on. Only the first thirty count."""
    descriptions = lines(PHOTOS / "plain_queries.jsonl")
    assert [item["image"] for item in descriptions] == [item["image"] for item in lines(PHOTOS / "captions.jsonl")]
    descriptions = descriptions[:30]
    wrong = []
    for item in descriptions:
        (hit,) = engine.search(item["query"], top_k=1)
        if not hit.path.endswith(f"/{item['image']}"):
            wrong.append((item["query"], hit.path.rsplit("/", 1)[1]))
    assert len(wrong) <= 5, wrong


def test_a_photo_finds_itself(engine):
    for path in sorted(PHOTOS.glob("*.jpg"))[:10]:
        (hit,) = engine.search(Query((Term(path),), keep_own=True), top_k=1)
        assert hit.path == str(path) and hit.score > 0.999
