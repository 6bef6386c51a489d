"""`index` with another model builds an index beside the old one, which answers until the new one takes its place."""

import os
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest

from clipsearch import SearchEngine
from clipsearch._internal.cancel import CancelToken
from clipsearch.errors import (
    ClipsearchError,
    ClipsearchWarning,
    CollectionDamaged,
    CollectionError,
    ModelMismatch,
    SyncRefused,
)
from clipsearch.indexing.walk import WalkRules
from clipsearch.store.collection import Collection
from clipsearch.store.verify import verify
from clipsearch.store.writer import CollectionWriter
from tests.conftest import ColourEncoder, give_captions, names, refuse_to_list, save_photo


class LongerEncoder(ColourEncoder):
    """Another model, whose vectors are longer."""

    def __init__(self):
        super().__init__("turned")
        self.spec = replace(self.spec, fingerprint=replace(self.spec.fingerprint, dim=5))

    def embed_pixels(self, pixels):
        return np.pad(super().embed_pixels(pixels), ((0, 0), (1, 0)))

    def embed_texts(self, texts):
        return np.pad(super().embed_texts(texts), ((0, 0), (1, 0)))


@pytest.fixture
def models(indexed_photos, monkeypatch):
    """Three models by their names. The photos are indexed with "colours"."""
    encoders = {"colours": ColourEncoder(), "turned": LongerEncoder(), "third": ColourEncoder("third")}
    monkeypatch.setattr("clipsearch.query.index_model.load_encoder", lambda name, **options: encoders[name])
    return encoders


@pytest.fixture
def change(models, photos):
    """A function that changes the model of the photos' index and returns the report."""

    def run(model="turned", *folders, **options):
        with SearchEngine.open(photos, model=model) as engine:
            return engine.index(*folders, change_model=True, **{"jobs": 1, **options})

    return run


@pytest.fixture
def interrupted(change):
    """A function that changes the model, but is interrupted after two photos."""

    def run(model="turned"):
        cancel = CancelToken()

        def progress(report, done, total):
            if done == 2:
                cancel.cancel()

        report = change(model, batch_size=1, progress=progress, cancel=cancel)
        assert report.interrupted and report.next_model == model
        return report

    return run


def model_of(photos):
    with SearchEngine.open(photos) as engine:
        assert verify(engine.index_folder).damages == ()
        return engine.model_name


def test_the_new_index_takes_the_old_ones_place(change, models, photos):
    report = change()
    assert (report.added, report.former_model, report.kept_index) == (5, "colours", None)
    with SearchEngine.open(photos) as engine:
        assert engine.model_name == "turned" and names(engine.search("red", 1)) == ["red.jpg"]
        assert engine.index(jobs=1).unchanged == 5
        assert not (engine.index_folder / "next").exists() and not (engine.index_folder / "previous").exists()
    assert change().former_model is None  # it has that model now
    assert models["turned"].encoded == 5
    assert model_of(photos) == "turned"


def test_the_same_photos_moved_with_their_index_are_found(change, photos, tmp_path):
    change()
    moved = shutil.move(photos, tmp_path / "elsewhere")
    with SearchEngine.open(moved) as engine:
        assert engine.index(jobs=1).unchanged == 5


def test_without_being_told_to_another_model_is_refused(models, photos):
    with (
        SearchEngine.open(photos, model="turned") as engine,
        pytest.raises(ModelMismatch, match="index --model turned"),
    ):
        engine.index(jobs=1)
    assert not (photos / ".clipsearch" / "next").exists()


def test_an_interrupted_change_goes_on_where_it_was(change, interrupted, models, photos):
    interrupted()
    done = models["turned"].encoded
    with SearchEngine.open(photos) as engine:
        assert engine.model_name == "colours" and names(engine.search("red", 1)) == ["red.jpg"]
        status = engine.status()
        assert (status.next_model, status.next_images, status.images) == ("turned", 5 - interrupted_left(engine), 5)
        assert (
            engine.index(jobs=1).next_model == "turned"
        )  # the old one is brought up to date, and says what is pending
    report = change()
    assert (report.added, report.unchanged) == (5 - status.next_images, status.next_images)
    assert models["turned"].encoded <= 5 + done - status.next_images
    assert model_of(photos) == "turned"


def interrupted_left(engine):
    with engine._collection().successor() as successor:
        return 5 - len(successor)


def test_a_third_model_is_refused_while_a_change_is_under_way(change, interrupted, photos):
    interrupted()
    with pytest.raises(ModelMismatch, match="is being changed to 'turned', not to 'third'"):
        change("third")
    shutil.rmtree(photos / ".clipsearch" / "next")  # as the message says
    assert change("third").added == 5


def test_photos_that_changed_meanwhile_are_as_they_are_now(change, interrupted, photos):
    interrupted()
    (photos / "red.jpg").unlink()
    save_photo(photos / "blue.jpg", "grey", note="new")
    save_photo(photos / "new.jpg", "green", note="new")
    report = change()
    assert report.former_model == "colours"
    with SearchEngine.open(photos) as engine:
        records, _ = engine.browse()
        assert {record.file.name for record in records} == {
            "green.jpg",
            "yellow.jpg",
            "grey.png",
            "blue.jpg",
            "new.jpg",
        }
        assert engine.index(jobs=1).unchanged == 5


def test_the_old_index_can_be_kept_and_taken_up_again(change, models, photos):
    report = change(keep_old=True)
    assert report.kept_index == str(photos / ".clipsearch" / "previous")
    with SearchEngine.open(photos) as engine:
        assert engine.status().previous_model == "colours"
    with pytest.raises(CollectionError, match="'colours' that was kept before is still in"):
        change("third", keep_old=True)
    save_photo(photos / "new.jpg", "red", note="new")
    report = change("colours", keep_old=True)
    assert (report.added, report.unchanged, models["colours"].encoded) == (1, 5, 1)
    assert model_of(photos) == "colours"
    report = change("turned")
    assert (report.added, models["turned"].encoded) == (1, 6)
    assert model_of(photos) == "turned"
    assert not (photos / ".clipsearch" / "previous").exists()


def test_photos_that_cannot_be_read_now_keep_the_old_index(change, photos, monkeypatch):
    with monkeypatch.context() as patch:
        refuse_to_list(patch, "trip")
        with pytest.raises(SyncRefused, match=r"1 indexed photos cannot be read now .* such as .*grey\.png"):
            change()
    assert model_of(photos) == "colours"
    report = change()
    assert (report.added, report.unchanged) == (1, 4)
    assert model_of(photos) == "turned"


def test_they_leave_if_that_is_confirmed(change, photos, monkeypatch):
    refuse_to_list(monkeypatch, "trip")
    assert change(prune=True).former_model == "colours"
    with SearchEngine.open(photos) as engine:
        assert engine.browse()[1] == 4


def test_an_empty_folder_replaces_no_index(change, photos):
    for path in [*photos.glob("*.jpg"), photos / "trip" / "grey.png"]:
        path.unlink()
    with pytest.raises(SyncRefused, match="has no photos any more, and the index has 5 from there"):
        change()
    assert model_of(photos) == "colours"


def test_roots_rules_captions_and_times_of_failures_carry_over_but_not_the_text_model(change, models, photos, tmp_path):
    save_photo(tmp_path / "more" / "navy.jpg", (0, 0, 120))
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    with SearchEngine.open(photos) as engine:
        engine.index(tmp_path / "more", rules=WalkRules(hidden=True))
        engine.index(photos, rules=WalkRules(exclude=("*.gif",)))
        (since,) = [failure.since for failure in engine.failures()]
    give_captions(photos / ".clipsearch", {"red.jpg": "a red photo"})
    with CollectionWriter(photos / ".clipsearch") as collection:
        collection.set_text_model("texts")
        collection.commit()
        before = collection.roots(), collection.root_rules()
    report = change("turned", photos / "trip")
    assert (report.added, report.failed) == (6, 1)
    with SearchEngine.open(photos) as engine:
        (red,) = [record for record in engine.browse()[0] if record.file.name == "red.jpg"]
        assert red.info.caption == "a red photo"
        assert [failure.since for failure in engine.failures()] == [since]
        assert engine.status().text_model is None
        with Collection(engine.index_folder) as collection:
            assert (collection.roots(), collection.root_rules()) == before


def test_rules_that_are_given_hold_for_the_new_index(change, photos):
    with pytest.raises(SyncRefused, match="are left out"):
        change("turned", photos, rules=WalkRules(exclude=("red*",)))
    assert change("turned", photos, rules=WalkRules(exclude=("red*",)), prune=True).former_model
    with SearchEngine.open(photos) as engine:
        assert engine.browse()[1] == engine.index(jobs=1).unchanged == 4


def test_a_root_that_was_forgotten_meanwhile_is_not_in_the_new_index(change, interrupted, photos, tmp_path):
    save_photo(tmp_path / "a" / "navy.jpg", (0, 0, 120))
    with SearchEngine.open(photos) as engine:
        engine.index(tmp_path / "a")
    interrupted()
    with SearchEngine.open(photos) as engine:
        engine.forget(tmp_path / "a")
    change()
    with SearchEngine.open(photos) as engine:
        assert (engine.browse()[1], [root.path for root in engine.status().roots]) == (5, [str(photos)])


def test_folders_that_are_not_indexed_yet_are_refused(change, photos, tmp_path):
    with pytest.raises(ClipsearchError, match=r"is not in the index at .* Index it first"):
        change("turned", tmp_path)


def test_an_index_with_photos_elsewhere_keeps_its_model(change, photos):
    with CollectionWriter(photos / ".clipsearch") as collection:
        root_id = collection.add_root("s3://bucket/photos", {})
        (record, *_) = collection.all_records()
        place = replace(collection.place(record.file.path), root_id=root_id)
        collection.add(place, record.file, record.info, collection.file_vectors(record.image_id))
        collection.commit()
    with pytest.raises(ClipsearchError, match="photos in remote storage or in archives, such as in s3://bucket/photos"):
        change()


def test_a_damaged_unfinished_index_is_begun_again(change, interrupted, photos):
    interrupted()
    (photos / ".clipsearch" / "next" / "catalog.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(CollectionDamaged, match="Delete that folder, and run this again"):
        change()
    shutil.rmtree(photos / ".clipsearch" / "next")
    assert change().added == 5


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be replaced there")
def test_open_readers_notice(change, photos):
    with SearchEngine.open(photos) as engine:
        assert names(engine.search("red", 1)) == ["red.jpg"]
        change()
        with pytest.raises(ModelMismatch, match="has taken the place of"):
            engine.search("red", 1)
        engine.close()
        assert names(engine.search("red", 1)) == ["red.jpg"] and engine.model_name == "turned"


def test_an_approximate_index_of_the_old_model_is_removed(change, photos):
    (photos / ".clipsearch" / "approximate").mkdir()
    (photos / ".clipsearch" / "approximate" / "approximate.json").write_text("{}")
    change()
    assert not (photos / ".clipsearch" / "approximate" / "approximate.json").exists()


def test_links_are_not_followed(change, photos, tmp_path):
    os.symlink(tmp_path, photos / ".clipsearch" / "next")
    with pytest.raises(CollectionDamaged, match="is a symbolic link"):
        change()


def test_a_folder_that_is_gone_keeps_the_old_index_before_anything_is_embedded(change, models, photos, tmp_path):
    more = tmp_path / "more"
    save_photo(more / "navy.jpg", (0, 0, 120))
    with SearchEngine.open(photos) as engine:
        engine.index(more, jobs=1)
    shutil.rmtree(more)
    with pytest.raises(SyncRefused, match="more was indexed and is not there now"):
        change()
    assert model_of(photos) == "colours" and models["turned"].encoded == 0
    with SearchEngine.open(photos) as engine:
        engine.index(prune=True, jobs=1)
    with pytest.warns(ClipsearchWarning, match="more is not there"):
        assert change().added == 5
