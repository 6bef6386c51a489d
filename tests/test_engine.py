"""SearchEngine, as library users call it."""

import re
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipsearch import Query, SearchEngine, Term
from clipsearch.conditions import Located, Test
from clipsearch.errors import (
    ClipsearchError,
    CollectionDamaged,
    CollectionNotFound,
    ImageError,
    ModelMismatch,
    QueryError,
    SyncRefused,
)
from clipsearch.indexing.walk import WalkRules
from clipsearch.store.collection import Collection
from clipsearch.store.repair import repair
from tests.conftest import COLOURS, ColourEncoder, give_facts, names, save_photo


def test_words_find_the_photo_they_describe(engine):
    for colour in COLOURS:
        assert names(engine.search(f"something {colour}", 1))[0].startswith(colour)


def test_hits_are_ranked_cosines(engine):
    hits = engine.search("red", 10)
    assert [hit.rank for hit in hits] == [1, 2, 3, 4, 5]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert all(-1 <= hit.score <= 1 for hit in hits)
    assert hits[0].score == pytest.approx(1, abs=1e-3)


def test_a_vector_that_no_answer_has_any_more_is_noticed_by_the_next_run(indexed_photos, encoder):
    index = indexed_photos / ".clipsearch"
    (segment,) = (index / "segments").glob("*.faiss")
    with SearchEngine.open(indexed_photos) as engine, Collection(index) as collection:
        best = engine.search("red", 1)[0]
        vector = collection.vectors([best.record.image_id]).tobytes()
    data = segment.read_bytes()
    assert data.count(vector) == 1
    segment.write_bytes(data.replace(vector, bytes(len(vector))))
    save_photo(indexed_photos / "new.jpg", "red")
    with SearchEngine.open(indexed_photos) as engine:
        assert engine.search("red", 1)[0].path != best.path  # its score is 0 now, so no answer has it
        with pytest.raises(CollectionDamaged, match=rf"{segment.name} is damaged: its bytes .*clipsearch repair"):
            engine.index()
    assert repair(index).lost == (best.path,)
    with SearchEngine.open(indexed_photos) as engine:
        assert engine.index().added == 2 and engine.search("red", 1)[0].score > 0.9


def test_a_picture_finds_itself(engine, photos):
    assert names(engine.search(Query((Term(photos / "blue.jpg"),), keep_own=True), 1)) == ["blue.jpg"]
    with Image.open(photos / "blue.jpg") as image:
        assert names(engine.search(image, 1)) == ["blue.jpg"]


def test_an_embedding_finds_its_photo_whatever_its_length(engine, encoder):
    vector = encoder.encode_texts(["yellow"])[0]
    assert engine.search(vector, 1)[0].score == pytest.approx(engine.search(vector * 7, 1)[0].score)
    assert names(engine.search(vector, 1)) == ["yellow.jpg"]


def test_terms_add_up_and_negative_ones_steer_away(engine):
    assert names(engine.search(Query((Term("red"), Term("green"))), 1)) == ["yellow.jpg"]
    assert names(engine.search(Query((Term("yellow"), Term("red", -1.0))), 1)) == ["green.jpg"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "empty"),
        ("  ", "empty"),
        (Query(()), "empty"),
        (Query((Term("red"), Term("red", -1.0))), "cancel each other"),
        (np.zeros(4, np.float32), "points nowhere"),
        (np.full(4, np.nan, np.float32), "points nowhere"),
        (np.ones(5, np.float32), "5 values .* makes 4"),
    ],
)
def test_queries_that_ask_for_nothing_are_errors(engine, query, message):
    with pytest.raises(QueryError, match=message):
        engine.search(query)


def test_top_k_is_at_least_one(engine):
    with pytest.raises(QueryError, match="top_k is 0"):
        engine.search("red", 0)


def test_a_query_picture_that_cannot_be_read_is_an_error_with_its_path(engine, tmp_path):
    (tmp_path / "x.jpg").write_bytes(b"nothing")
    with pytest.raises(ImageError, match=r"x\.jpg: not a picture"):
        engine.search(tmp_path / "x.jpg")


def test_searching_sees_what_was_indexed_since(engine, photos):
    engine.search("red")
    save_photo(photos / "crimson.jpg", (230, 5, 5))
    engine.index()
    assert "crimson.jpg" in names(engine.search("red", 2))


def test_the_index_moves_with_the_photos(engine, photos, tmp_path, encoder):
    engine.close()
    moved = shutil.move(photos, tmp_path / "elsewhere")
    with SearchEngine.open(moved) as engine:
        hit = engine.search("red", 1)[0]
        assert Path(hit.path).is_file() and Path(hit.path).is_relative_to(tmp_path / "elsewhere")
        assert engine.index().unchanged == 5


def test_an_index_of_several_folders_outside_of_them(photos, tmp_path, encoder):
    save_photo(tmp_path / "more" / "navy.jpg", (0, 0, 120))
    with SearchEngine(tmp_path / "index") as engine:
        assert engine.index(photos, tmp_path / "more").added == 6
        assert engine.index().unchanged == 6  # no argument means all indexed folders
        assert names(engine.search("blue", 2)) == ["blue.jpg", "navy.jpg"]
        assert not (photos / ".clipsearch").exists()
        assert engine.forget(tmp_path / "more") == 1
        assert [Path(root.path).name for root in engine.status().roots] == ["photos"]


def test_a_subfolder_is_brought_up_to_date_alone(engine, photos):
    save_photo(photos / "trip" / "new.jpg", "red", note="new")
    save_photo(photos / "other.jpg", "red", note="other")
    report = engine.index(photos / "trip")
    assert (report.added, report.unchanged) == (1, 1)
    assert engine.status().roots[0].new == 1


def test_indexing_a_parent_folder_takes_its_children_in(photos, tmp_path, encoder):
    with SearchEngine(tmp_path / "index") as engine:
        engine.index(photos / "trip")
        report = engine.index(photos)
        assert (report.added, report.unchanged) == (4, 1)
        assert len(engine.status().roots) == 1


def test_a_folder_that_the_walk_of_its_parent_skips_stays_separate(photos, tmp_path, encoder):
    save_photo(photos / ".secret" / "red.jpg", "red", note="secret")
    (photos / "link").symlink_to(photos / ".secret")
    with SearchEngine(tmp_path / "index") as engine:
        count = engine.index(photos).added
        with pytest.raises(
            SyncRefused, match=r"passes over the folder \.secret: .* Index .* itself by .*`hidden=True`"
        ):
            engine.index(photos / ".secret")
        with pytest.raises(SyncRefused, match="link is a link to a folder"):
            engine.index(photos / "link")
        with pytest.raises(SyncRefused, match="walked by other rules"):
            engine.index(photos / "trip", rules=WalkRules(defaults=False))
        assert engine.index(photos / "trip", rules=WalkRules()).unchanged == 1
        assert engine.status().images == count
        assert engine.index(photos, rules=WalkRules(hidden=True)).added == 1
        assert engine.index(photos / ".secret").unchanged == 1


def test_a_parent_folder_drops_no_photos_of_its_children_unless_confirmed(photos, tmp_path, encoder):
    secret, thumbs = photos / ".secret", photos / "trip" / "@eaDir"
    save_photo(secret / "red.jpg", "red", note="secret")
    save_photo(thumbs / "red.jpg", "red", note="thumb")
    with SearchEngine(tmp_path / "index") as engine:
        engine.index(photos / "trip", rules=WalkRules(defaults=False))
        with pytest.raises(SyncRefused, match=r"trip is indexed already, .* skip 1 of its photos"):
            engine.index(photos, rules=WalkRules())
        engine.index(secret)
        with pytest.raises(SyncRefused, match=r"secret is indexed already, .* skip 1 of its photos"):
            engine.index(photos, rules=WalkRules(defaults=False))
        with pytest.raises(SyncRefused, match="skip 2 of its photos"):
            engine.index(photos, rules=WalkRules(hidden=True, defaults=False, exclude=("*.jpg", "*.png")))
        assert len(engine.status().roots) == 2 and engine.status().images == 3
        report = engine.index(photos, rules=WalkRules(hidden=True, defaults=False))
        assert (report.added, report.removed, report.unchanged) == (4, 0, 3)
    with SearchEngine(tmp_path / "other") as engine:
        engine.index(secret)
        assert engine.index(photos, prune=True).removed == 1


@pytest.mark.parametrize("mount_point_left", [True, False])
def test_photos_of_an_unmounted_drive_stay_even_if_copies_of_them_are_indexed(
    photos, tmp_path, encoder, mount_point_left
):
    drive = tmp_path / "drive"
    for colour in ("red", "blue"):
        save_photo(drive / f"{colour}.jpg", colour, note="on the drive")
    with SearchEngine(tmp_path / "index", model="colours") as engine:
        engine.index(photos, drive)
        drive.rename(tmp_path / "elsewhere")
        if mount_point_left:
            drive.mkdir()
        shutil.copy(tmp_path / "elsewhere" / "red.jpg", photos / "copy.jpg")
        report = engine.index(photos)
        assert (report.moved, report.copied) == (0, 1)
        if mount_point_left:
            drive.rmdir()
        (tmp_path / "elsewhere").rename(drive)
        assert engine.index().unchanged == 8
        (drive / "red.jpg").rename(photos / "moved.jpg")
        assert engine.index(photos).moved == 1


def test_rules_are_remembered(photos, encoder):
    with SearchEngine.open(photos) as engine:
        engine.index(photos, rules=WalkRules(exclude=("trip",)))
        assert engine.index().unchanged == 4
        assert engine.status().stale == 0


def test_status_says_what_is_there_and_how_stale_it_is(engine, photos):
    save_photo(photos / "new.jpg", "red", note="new")
    save_photo(photos / "red.jpg", "red", size=(9, 9))
    (photos / "blue.jpg").unlink()
    state = engine.status()
    assert (state.images, state.failures, state.stale) == (5, 0, 3)
    root = state.roots[0]
    assert (root.new, root.changed, root.missing) == (1, 1, 1)
    assert state.model.model == "colours"
    assert engine.status(scan=False).stale is None


def test_forgetting_a_folder_a_file_and_everything(engine, photos):
    assert engine.forget(photos / "trip") == 1
    assert engine.forget(photos / "red.jpg") == 1
    with pytest.raises(ClipsearchError, match="nothing below"):
        engine.forget(photos / "trip")
    with pytest.raises(ClipsearchError, match="is not in the index"):
        engine.forget("/somewhere/else")
    for above in (photos.parent, "/"):
        with pytest.raises(
            ClipsearchError, match=f"one folder is indexed below it.* that: `clipsearch forget {photos}`"
        ):
            engine.forget(photos / "blue.jpg", above)
    assert engine.status(scan=False).images == 3
    assert engine.forget(photos) == 3
    assert engine.search("red") == []
    assert all((photos / name).exists() for name in ("red.jpg", "trip/grey.png"))
    engine.index(photos)
    assert engine.status().images == 5


def test_a_folder_that_is_gone_is_refused_until_confirmed(photos, tmp_path, encoder):
    save_photo(tmp_path / "more" / "navy.jpg", (0, 0, 120))
    with SearchEngine(tmp_path / "index") as engine:
        engine.index(photos, tmp_path / "more")
        shutil.rmtree(tmp_path / "more")
        with pytest.raises(SyncRefused, match=r"more .*not there now.* `prune=True`"):
            engine.index()
        assert engine.status().images == 6
        assert [root.path for root in engine.status().roots if not root.present] == [str(tmp_path / "more")]
        assert engine.index(prune=True).removed == 1


def test_an_unchanged_folder_and_moved_photos_need_no_model(engine, photos, monkeypatch):
    def refuse(*_, **__):
        pytest.fail("a model was loaded")

    monkeypatch.setattr("clipsearch.query.index_model.load_encoder", refuse)
    (photos / "red.jpg").rename(photos / "rouge.jpg")
    (photos / "trip" / "grey.png").unlink()
    with SearchEngine.open(photos) as fresh:
        report = fresh.index()
        assert (report.unchanged, report.moved, report.removed) == (3, 1, 1)


def test_searching_before_indexing_says_what_to_do(tmp_path):
    with SearchEngine.open(tmp_path) as engine, pytest.raises(CollectionNotFound, match="clipsearch index"):
        engine.search("red")
    assert not (tmp_path / ".clipsearch").exists()


@pytest.mark.parametrize("name", ["missing", "red.jpg"])
def test_indexing_something_that_is_not_a_folder_is_an_error(photos, encoder, name):
    with SearchEngine(photos / "index") as engine, pytest.raises(ClipsearchError, match="folder"):
        engine.index(photos / name)


def test_another_model_is_refused_for_searching_and_for_indexing(engine, photos, monkeypatch):
    other = ColourEncoder("other")
    monkeypatch.setattr("clipsearch.query.index_model.load_encoder", lambda name, **options: other)
    with SearchEngine.open(photos, model="other") as second:
        with pytest.raises(ModelMismatch, match="was made with the model 'colours'"):
            second.search("red")
        with pytest.raises(ModelMismatch):
            second.index()
    assert len(engine.search("red")) == 5


def test_scores_and_ids_survive_reopening(engine, photos):
    before = [(hit.record.image_id, hit.score) for hit in engine.search("red")]
    with SearchEngine.open(photos / ".clipsearch") as again:
        assert [(hit.record.image_id, hit.score) for hit in again.search("red")] == before


def test_smart_queries_know_the_people_and_places_of_the_index(engine):
    give_facts(engine.index_folder, "red.jpg", people=("Anna Müller",), place="FR/11/2988507")
    query, understood = engine.understand("Anna in Paris or in London", date(2026, 11, 29))
    assert query.filters == (Located(("FR/11/2988507",)), Test("person", "=", "Anna Müller"))
    assert understood.text == "in London"
    hits = engine.search(Query((Term("red in France"),), smart=True))
    assert [hit.record.file.name for hit in hits] == ["red.jpg"]
    assert str(hits.explanation.understood) == "place: France, looking for: red"


def test_a_mistyped_folder_is_not_made_and_a_photo_folder_gets_its_own_index(photos, encoder, tmp_path):
    typo = tmp_path / "Pohtos"
    with SearchEngine.open(typo) as engine, pytest.raises(ClipsearchError, match=r"there is no folder .*Pohtos"):
        engine.index()
    assert not typo.exists()
    for folder, words in (
        (typo / ".clipsearch", "does not exist. Check its name"),
        (photos, f"to make it: clipsearch index {re.escape(str(photos))}$"),
        (photos / "red.jpg", r"red\.jpg is a file; name the folder"),
    ):
        with pytest.raises(CollectionNotFound, match=words):
            SearchEngine(folder).search("red")
    with SearchEngine.open(photos) as engine:
        engine.index()
    with SearchEngine(photos) as engine:
        assert engine.index_folder == photos / ".clipsearch" and len(engine.search("red")) > 1


def test_an_index_is_never_made_among_photos_and_one_that_is_there_is_found(photos, encoder, tmp_path):
    before = sorted(photos.iterdir())
    with SearchEngine(photos) as engine:
        engine.index(photos)
    assert sorted(photos.iterdir()) == sorted([*before, photos / ".clipsearch"])
    for place in (photos, photos / ".clipsearch"):
        assert f"of {photos / '.clipsearch'} and {tmp_path / 'new'}>" in repr(SearchEngine([place, tmp_path / "new"]))
    for file in (photos / ".clipsearch").iterdir():  # as early versions made it
        file.rename(photos / file.name)
    for opened in (SearchEngine(photos), SearchEngine.open(photos)):
        assert opened.index_folder == photos
    (photos / "catalog.sqlite").unlink()  # what is left of it is not passed by, or a second one would be made
    for opened in (SearchEngine(photos), SearchEngine.open(photos)):
        assert opened.index_folder == photos
