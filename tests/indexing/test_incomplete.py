"""A photo whose end is missing is indexed. `failures` lists it until the photo changes."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from clipsearch.images.files import INCOMPLETE
from clipsearch.indexing.apply import apply_sync
from clipsearch.indexing.plan import SyncOptions, plan_sync
from clipsearch.indexing.walk import WalkRules
from clipsearch.render.tables import failures_table
from clipsearch.store.collection import Collection
from clipsearch.store.verify import verify
from clipsearch.store.writer import CollectionWriter
from tests.conftest import ColourEncoder, save_photo


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, name in enumerate("abc"):
        values = np.random.default_rng(number).integers(0, 255, (64, 64, 3), np.uint8)
        Image.fromarray(values).save(folder / f"{name}.jpg", quality=90)
    return folder


def cut(path, share=0.95):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


@pytest.fixture
def run(folder, tmp_path):
    """A function that updates the index and returns (report, count of encoded pictures, {name: cause} of failures)."""

    def run(**options):
        encoder = ColourEncoder()
        with CollectionWriter(tmp_path / "photos" / ".clipsearch") as collection:
            collection.require(encoder.spec.fingerprint)
            root_id = collection.add_root(str(folder), {})
            chosen = SyncOptions(jobs=1, **options)
            plan = plan_sync(collection, str(folder), root_id, WalkRules(), chosen)
            report = apply_sync(collection, [plan], lambda: encoder, chosen)
            assert {failure.reason for failure in collection.failures()} <= {INCOMPLETE}
            return report, encoder.encoded, {f.file.name: f.cause for f in collection.failures()}

    return run


NOTED = {"b.jpg": "incomplete"}


def test_a_photo_that_is_cut_at_its_end_is_indexed_and_noted(folder, run):
    cut(folder / "b.jpg")
    report, encoded, failures = run()
    assert (report.added, report.failed, encoded) == (3, 0, 3) and failures == NOTED


@pytest.mark.parametrize("options", [{}, {"retry": True}, {"paranoid": True}])
def test_the_note_stays_and_the_photo_is_not_read_again(folder, run, options, monkeypatch):
    cut(folder / "b.jpg")
    run()
    if not options.get("paranoid"):
        monkeypatch.setattr("clipsearch.images.files.read_bytes", lambda *_: pytest.fail("a file was read"))
    report, encoded, failures = run(**options)
    assert (report.unchanged, report.failed, report.known_failures, encoded) == (3, 0, 0, 0) and failures == NOTED


def test_other_decoders_are_no_reason_to_read_it_again(folder, run, monkeypatch):
    cut(folder / "b.jpg")
    run()
    monkeypatch.setattr("clipsearch.indexing.retries._decoders", lambda: "others")
    assert run()[1:] == (0, NOTED)


def test_a_whole_copy_in_its_place_clears_the_note(folder, run):
    whole = (folder / "b.jpg").read_bytes()
    cut(folder / "b.jpg")
    run()
    (folder / "b.jpg").write_bytes(whole)
    report, encoded, failures = run()
    assert (report.updated, encoded) == (1, 1) and failures == {}


def test_the_note_follows_a_photo_that_is_touched_moved_or_copied(folder, run):
    cut(folder / "b.jpg")
    run()
    os.utime(folder / "b.jpg", (1, 1))
    report, encoded, failures = run()
    assert (report.updated, encoded) == (1, 0) and failures == NOTED
    os.rename(folder / "b.jpg", folder / "d.jpg")
    report, encoded, failures = run()
    assert (report.moved, encoded) == (1, 0) and failures == {"d.jpg": "incomplete"}
    shutil.copy(folder / "d.jpg", folder / "e.jpg")
    report, encoded, failures = run()
    assert (report.copied, encoded) == (1, 0) and failures == {"d.jpg": "incomplete", "e.jpg": "incomplete"}


def test_two_photos_that_swap_their_names_swap_the_note(folder, run):
    cut(folder / "b.jpg")
    run()
    os.rename(folder / "b.jpg", folder / "x")
    os.rename(folder / "a.jpg", folder / "b.jpg")
    os.rename(folder / "x", folder / "a.jpg")
    _, encoded, failures = run()
    assert encoded == 0 and failures == {"a.jpg": "incomplete"}


def test_a_photo_that_is_deleted_takes_its_note_along(folder, run):
    cut(folder / "b.jpg")
    run()
    os.unlink(folder / "b.jpg")
    report, _, failures = run()
    assert report.removed == 1 and failures == {}


def test_a_photo_that_becomes_unreadable_is_a_failure_again(folder, run, tmp_path):
    cut(folder / "b.jpg")
    run()
    save_photo(folder / "b.jpg")
    (folder / "b.jpg").write_bytes(b"no picture")
    encoder = ColourEncoder()
    with CollectionWriter(folder / ".clipsearch") as collection:
        root_id = collection.add_root(str(folder), {})
        options = SyncOptions(jobs=1)
        plan = plan_sync(collection, str(folder), root_id, WalkRules(), options)
        apply_sync(collection, [plan], lambda: encoder, options)
        assert [failure.cause for failure in collection.failures()] == ["content"]


def test_the_index_is_sound_and_the_table_says_nothing_of_another_photo(folder, run):
    cut(folder / "b.jpg")
    run()
    assert not verify(folder / ".clipsearch").damages
    with Collection(folder / ".clipsearch") as collection:
        (failure,) = collection.failures()
        assert failure.kept  # the photo still answers queries
        table = failures_table([failure], str(folder))
        assert table.startswith(f"b.jpg\t{INCOMPLETE} (incomplete, today): ") and "kept" not in table
        assert len(collection) == 3
