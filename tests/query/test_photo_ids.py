"""A hit of another index stands for its photo, not for the photo that has its id in the index that is asked."""

import asyncio
import shutil
from pathlib import Path

import numpy as np
import pytest

from clipsearch import QueryError, SearchEngine
from tests.conftest import names, save_pages, save_photo


@pytest.fixture
def other(engine, tmp_path):
    """An engine over a copy of the photos with one more, so that each has another id."""
    folder = tmp_path / "other"
    shutil.copytree(engine.index_folder.parent, folder, ignore=shutil.ignore_patterns(".clipsearch"))
    save_photo(folder / "a-wine.jpg", (150, 20, 60))
    with SearchEngine.open(folder) as other:
        other.index()
        yield other


def record_of(engine, name):
    """The record of a photo by its file name."""
    return next(record for record in engine.browse()[0] if record.file.name == name)


@pytest.fixture
def photo(engine, other):
    """A record of the other index. Its id is another photo's in the first."""
    record = record_of(other, "blue.jpg")
    assert engine.records([record.image_id])[record.image_id].file.name != "blue.jpg"
    return record


@pytest.fixture
def stranger(engine, other):
    """A record that only the other index has. Its id is another photo's in the first."""
    record = record_of(other, "a-wine.jpg")
    assert record.image_id in engine.records([record.image_id])
    return record


def searched(engine, **marks):
    return [(hit.path, hit.score) for hit in engine.search("red", **marks)]


@pytest.mark.parametrize(
    "ask",
    [
        lambda engine, photo: engine.records(iter([photo])),
        lambda engine, photo: engine.placeholders(iter([photo])),
        lambda engine, photo: engine.vector(photo).tolist(),
        lambda engine, photo: (engine.like(photo)[0].content.tolist(), engine.like(photo)[1]),
        lambda engine, photo: engine.among(iter([photo])),
        lambda engine, photo: searched(engine, right=iter([photo])),
        lambda engine, photo: searched(engine, wrong=[photo]),
        lambda engine, photo: searched(engine, wrong=photo),
        lambda engine, photo: [list(hits) for hits in engine.search_many(["red", "green"], wrong=iter([photo]))],
        lambda engine, photo: list(asyncio.run(engine.asearch("red", wrong=[photo]))),
        lambda engine, photo: list(asyncio.run(engine.asearch_many(["red"], wrong=[photo]))[0]),
    ],
    ids=["records", "placeholders", "vector", "like", "among", "right", "wrong", "one", "many", "async", "async-many"],
)
def test_a_record_of_another_index_stands_for_the_same_photo_in_this_one(engine, photo, ask):
    assert ask(engine, photo) == ask(engine, record_of(engine, "blue.jpg"))


@pytest.mark.parametrize(
    "ask",
    [
        lambda engine, photo: engine.like(photo),
        lambda engine, photo: engine.among([photo]),
        lambda engine, photo: engine.search("red", right=[photo]),
        lambda engine, photo: engine.search("red", wrong=[photo]),
    ],
    ids=["like", "among", "right", "wrong"],
)
def test_a_photo_that_only_the_other_index_has_is_refused(engine, stranger, ask):
    with pytest.raises(QueryError, match=r"a-wine\.jpg is not in this index"):
        ask(engine, stranger)


@pytest.mark.parametrize("mark", ["right", "wrong"])
def test_a_photo_whose_id_no_photo_has_yet_is_refused_too(engine, other, mark):
    """Else a photo that is added later would be meant. The mark of a photo that was removed here only does not count."""
    save_photo(other.index_folder.parent / "z.jpg", (1, 2, 3))
    other.index()
    stranger = record_of(other, "z.jpg")
    assert not engine.records([stranger.image_id])
    with pytest.raises(QueryError, match=r"z\.jpg is not in this index"):
        engine.among([stranger])
    with pytest.raises(QueryError, match=r"z\.jpg is not in this index"):
        engine.search("red", **{mark: [stranger]})
    (gone,) = engine.search(name="blue.jpg")
    Path(gone.path).unlink()
    engine.index()
    hits = engine.search("red", **{mark: [gone]})
    assert [note.code for note in hits.explanation.notes] == ["marks"]


def test_a_photo_that_only_the_other_index_has_is_not_looked_up(engine, stranger):
    assert engine.records([stranger]) == engine.placeholders([stranger]) == {}
    with pytest.raises(KeyError):
        engine.vector(stranger)


def test_hits_of_several_indexes_are_hits_of_each_of_them(engine, other):
    folders = [engine.index_folder, other.index_folder]
    with SearchEngine.open_many(folders) as both, SearchEngine.open_many(folders[::-1]) as turned:
        for hit in both.search("red"):
            name = names([hit])[0]
            for asked in [both, turned, other] if name == "a-wine.jpg" else [both, turned, engine, other]:
                assert [record.file.name for record in asked.records([hit]).values()] == [name]
                assert np.array_equal(asked.vector(hit), both.vector(hit.record.image_id))
                marked = asked.search("red", wrong=[hit])
                assert name not in names(marked) and not marked.explanation.notes


def test_a_page_of_a_file_is_the_same_page_in_another_index(engine, other):
    pages = save_pages(engine.index_folder.parent / "pages.tif", "red", "blue", "green")
    shutil.copy(pages, other.index_folder.parent / "pages.tif")
    for each in (engine, other):
        each.index()
    hits = [hit for hit in other.search("red", all_moments=True) if hit.record.moment]
    assert len(hits) == 3
    for hit in hits:
        (record,) = engine.records([hit]).values()
        assert record.moment == hit.record.moment and record.image_id != hit.record.image_id
        assert np.array_equal(engine.vector(hit), other.vector(hit.record.image_id))


def test_each_of_several_queries_has_what_a_generator_gives(engine):
    once, twice = engine.search_many(["red", "red"], like=(colour for colour in ["blue"]))
    assert list(once) == list(twice)
