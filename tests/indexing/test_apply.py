"""An index follows its folder: after any change there, one run makes them agree."""

import contextlib
import itertools
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

from clipsearch._internal.cancel import CancelToken
from clipsearch.errors import ModelMismatch, SyncRefused
from clipsearch.indexing import walk as discover
from clipsearch.indexing.apply import apply_sync, index_folders
from clipsearch.indexing.plan import SyncOptions, check_loss, plan_sync
from clipsearch.indexing.walk import WalkRules
from clipsearch.store.collection import Collection
from clipsearch.store.writer import CollectionWriter
from tests.conftest import COLOURS, ColourEncoder, give_captions, refuse_to_list, save_photo


@pytest.fixture
def index(photos, tmp_path):
    """A function that brings the index of `photos` up to date and returns (report, encoder)."""

    def run(prune=False, batch_size=None, newest_first=False, **rest):
        encoder = ColourEncoder()
        with CollectionWriter(tmp_path / "index") as collection:
            collection.require(encoder.spec.fingerprint)
            root_id = collection.add_root(str(photos), {})
            options = SyncOptions(jobs=1, batch_size=batch_size, newest_first=newest_first)
            plan = plan_sync(collection, str(photos), root_id, WalkRules(), options)
            check_loss([plan], len(collection), prune=prune)
            return apply_sync(collection, [plan], lambda: encoder, options, **rest), encoder

    return run


@pytest.fixture
def indexed(tmp_path):
    """A function that returns the photos in the index: name → image id."""

    def read():
        with Collection(tmp_path / "index") as collection:
            return {r.file.name: r.image_id for r in collection.all_records()}

    return read


@pytest.fixture
def captions(tmp_path):
    """A function that returns the captions in the index: path below `photos` → caption."""

    def read():
        with Collection(tmp_path / "index") as collection:
            records = collection.all_records()
            return {
                os.path.relpath(r.file.path, tmp_path / "photos"): r.info.caption for r in records if r.info.caption
            }

    return read


def test_a_first_run_adds_everything(index, indexed):
    report, encoder = index()
    assert (report.added, report.failed, encoder.encoded) == (5, 0, 5)
    assert set(indexed()) == {"red.jpg", "green.jpg", "blue.jpg", "yellow.jpg", "grey.png"}


def test_unchanged_files_are_neither_read_nor_encoded(index, monkeypatch):
    index()
    monkeypatch.setattr("clipsearch.images.pool._Worker.read", lambda *_: pytest.fail("a file was read"))
    report, encoder = index()
    assert (report.unchanged, report.added, encoder.encoded) == (5, 0, 0)


def test_a_changed_file_is_encoded_again_under_a_new_id(index, indexed, photos):
    index()
    before = indexed()["red.jpg"]
    save_photo(photos / "red.jpg", "blue", size=(40, 40))
    report, encoder = index()
    assert (report.updated, report.unchanged, encoder.encoded) == (1, 4, 1)
    assert indexed()["red.jpg"] > before


def test_a_touched_file_keeps_its_embedding(index, indexed, photos):
    index()
    before = indexed()
    os.utime(photos / "red.jpg", (1, 1))
    report, encoder = index()
    assert (report.updated, encoder.encoded) == (1, 0)
    assert indexed() == before
    assert index()[0].unchanged == 5


def test_a_renamed_file_and_a_renamed_folder_keep_their_embeddings(index, indexed, photos):
    index()
    before = indexed()
    (photos / "red.jpg").rename(photos / "rouge.jpg")
    (photos / "trip").rename(photos / "journey")
    report, encoder = index()
    assert (report.moved, report.added, report.removed, encoder.encoded) == (2, 0, 0, 0)
    assert indexed()["rouge.jpg"] == before["red.jpg"]
    assert indexed()["grey.png"] == before["grey.png"]


@pytest.mark.parametrize("ring", [("red", "blue"), ("red", "green", "blue", "yellow")])
def test_files_that_swap_names_swap_their_embeddings_and_captions(index, captions, photos, tmp_path, ring):
    index()
    give_captions(tmp_path / "index", {f"{colour}.jpg": colour for colour in ring})
    (photos / f"{ring[-1]}.jpg").rename(photos / "x.jpg")
    for colour, after in reversed(list(itertools.pairwise(ring))):
        (photos / f"{colour}.jpg").rename(photos / f"{after}.jpg")
    (photos / "x.jpg").rename(photos / f"{ring[0]}.jpg")
    report, encoder = index()
    assert (report.updated, report.failed, encoder.encoded) == (len(ring), 0, 0)
    assert captions() == {f"{colour}.jpg": ring[number - 1] for number, colour in enumerate(ring)}
    with Collection(tmp_path / "index") as collection:
        for record in collection.all_records():
            if record.info.caption:
                rgb = collection.vectors([record.image_id])[0][:3]
                colour = np.array(COLOURS[record.info.caption])
                assert rgb @ colour / np.linalg.norm(rgb) / np.linalg.norm(colour) > 0.99


def test_files_that_all_move_up_by_one_name_keep_their_embeddings_and_captions(index, captions, photos, tmp_path):
    for number in range(6):
        save_photo(photos / f"{number}.jpg", "red", note=f"note {number}")
    index()
    give_captions(tmp_path / "index", {f"{number}.jpg": str(number) for number in range(6)})
    for number in reversed(range(6)):
        (photos / f"{number}.jpg").rename(photos / f"{number + 1}.jpg")
    report, encoder = index()
    assert (report.failed, encoder.encoded) == (0, 0)
    assert captions() == {f"{number + 1}.jpg": str(number) for number in range(6)}


def test_an_index_with_absolute_folders_beside_its_photos_moves_with_them_after_the_next_run(photos, tmp_path):
    def run():
        with CollectionWriter(photos / ".clipsearch") as collection:
            collection.require(ColourEncoder().spec.fingerprint)
            report = index_folders(collection, [photos], ColourEncoder, SyncOptions(jobs=1))
            collection.commit()
            return report

    run()
    with CollectionWriter(photos / ".clipsearch") as collection:  # as an earlier `pull` left it
        collection._catalog.begin()
        collection._catalog.set_root_path(1, str(photos))
        collection.commit()
    report = run()
    assert (report.unchanged, report.added) == (5, 0)
    moved = photos.rename(tmp_path / "elsewhere")
    with Collection(moved / ".clipsearch") as collection:
        assert list(collection.roots().values()) == [str(moved)]
        assert all(os.path.exists(record.file.path) for record in collection.all_records())


def test_everything_moved_into_a_subfolder_is_no_loss(index, photos):
    index()
    (photos / "all").mkdir()
    for file in list(photos.glob("*.jpg")):
        file.rename(photos / "all" / file.name)
    report, encoder = index()
    assert (report.moved, report.removed, encoder.encoded) == (4, 0, 0)


def test_identical_files_are_encoded_once(index, indexed, photos):
    for number in range(4):
        shutil.copy(photos / "red.jpg", photos / f"copy{number}.jpg")
    report, encoder = index()
    assert (report.added, report.copied, encoder.encoded) == (9, 4, 5)
    shutil.copy(photos / "red.jpg", photos / "later.jpg")
    report, encoder = index()
    assert (report.added, report.copied, encoder.encoded) == (1, 1, 0)
    assert len(indexed()) == 10


def test_a_copy_outlives_its_original(index, indexed, photos, tmp_path):
    shutil.copy(photos / "red.jpg", photos / "copy.jpg")
    index()
    (photos / "red.jpg").unlink()
    report, _ = index()
    assert report.removed == 1
    with Collection(tmp_path / "index") as collection:
        assert collection.vectors([indexed()["copy.jpg"]])[0].argmax() == 0


def test_a_touched_file_stays_itself_however_many_copies_it_has(index, indexed, captions, photos, tmp_path):
    for number in range(12):
        shutil.copy(photos / "red.jpg", photos / f"copy{number:02}.jpg")
    index()
    give_captions(tmp_path / "index", {f"copy{number:02}.jpg": f"caption {number}" for number in range(12)})
    before, earlier_captions = indexed(), captions()
    os.utime(photos / "copy11.jpg", (1, 1))
    report, _ = index()
    assert (report.updated, report.copied) == (1, 1)  # known content, not embedded again
    assert (indexed(), captions()) == (before, earlier_captions)


def test_copies_keep_their_captions_when_their_folder_is_renamed(index, captions, photos, tmp_path):
    for name in ("a/1", "a/x/2", "a/y/2"):
        save_photo(photos / f"{name}.jpg", "red", note="the same")
    index()
    with CollectionWriter(tmp_path / "index") as collection:
        records = list(collection.all_records())
        for record in reversed(records):  # so that the last has the first id
            if "/a/" in record.file.path:
                info, vector = (
                    replace(record.info, caption=record.file.path[-7:]),
                    collection.vectors([record.image_id])[0],
                )
                collection.add(collection.place(record.file.path), record.file, info, vector)
        collection.commit()
    before = captions()
    (photos / "a").rename(photos / "b")
    assert index()[0].moved == 3
    assert captions() == {path.replace("a/", "b/", 1): caption for path, caption in before.items()}


def test_a_removed_file_leaves_the_index(index, indexed, photos):
    index()
    (photos / "red.jpg").unlink()
    assert index()[0].removed == 1
    assert "red.jpg" not in indexed()


def test_a_photo_that_is_damaged_now_is_counted_as_removed(index, indexed, photos):
    index()
    (photos / "red.jpg").write_text("no picture any more")
    report = index()[0]
    assert (report.removed, report.failed, report.kept, report.unchanged) == (1, 1, 0, 4)
    assert "red.jpg" not in indexed()


def test_a_broken_file_is_recorded_once_and_tried_again_only_when_it_changes(index, indexed, photos, tmp_path):
    broken = photos / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff no picture")
    assert index()[0].failed == 1
    report, _ = index()
    assert (report.failed, report.known_failures) == (0, 1)
    with Collection(tmp_path / "index") as collection:
        (failure,) = collection.failures()
    assert failure.file.path == str(broken) and "picture" in failure.reason
    save_photo(broken, "red", note="mended")
    assert index()[0].added == 1
    assert "broken.jpg" in indexed()


def test_a_photo_that_breaks_leaves_the_results(index, indexed, photos, tmp_path):
    index()
    (photos / "red.jpg").write_bytes(b"\xff\xd8\xff")
    assert index()[0].failed == 1
    assert "red.jpg" not in indexed()


def test_a_failure_that_vanishes_is_forgotten(index, photos, tmp_path):
    (photos / "broken.jpg").write_bytes(b"")
    index()
    (photos / "broken.jpg").unlink()
    index()
    with Collection(tmp_path / "index") as collection:
        assert collection.failures() == []


def test_losing_more_than_half_is_refused_until_confirmed(index, indexed, photos):
    index()
    for name in ("red.jpg", "green.jpg", "blue.jpg"):
        (photos / name).unlink()
    with pytest.raises(SyncRefused, match=r"3 of the 5 .* `prune=True`"):
        index()
    assert len(indexed()) == 5
    assert index(prune=True)[0].removed == 3
    assert len(indexed()) == 2


def test_a_folder_that_lost_every_photo_is_refused(index, indexed, photos):
    index()
    shutil.rmtree(photos)
    photos.mkdir()  # an unmounted drive leaves an empty folder
    with pytest.raises(SyncRefused, match="has no photos any more"):
        index()
    assert len(indexed()) == 5


def indexed_again(photos, tmp_path, rules, prune=False):
    """Run again with other rules and return the report."""
    encoder = ColourEncoder()
    with CollectionWriter(tmp_path / "index") as collection:
        collection.require(encoder.spec.fingerprint)
        options = SyncOptions(rules=rules, jobs=1, prune=prune)
        return index_folders(collection, [str(photos)], lambda: encoder, options)


def test_photos_that_are_excluded_later_leave_the_index_and_the_report_says_so(index, indexed, photos, tmp_path):
    index()
    report = indexed_again(photos, tmp_path, WalkRules(exclude=("red.*",)))
    assert (report.removed, report.left_out) == (1, {"excluded": 1})
    report = indexed_again(photos, tmp_path, WalkRules(exclude=("red.*", "trip")))
    assert (report.removed, report.left_out) == (1, {"excluded": 1})
    assert sorted(indexed()) == ["blue.jpg", "green.jpg", "yellow.jpg"]
    (photos / "blue.jpg").unlink()
    report = indexed_again(photos, tmp_path, WalkRules(exclude=("red.*", "trip")))
    assert (report.removed, report.left_out) == (1, {})


def test_excluding_most_of_an_index_is_refused_and_blames_no_drive(index, indexed, photos, tmp_path):
    index()
    with pytest.raises(
        SyncRefused, match=r"^4 of the 5 indexed photos would leave the index, because of `exclude`\."
    ) as error:
        indexed_again(photos, tmp_path, WalkRules(exclude=("*.jpg",)))
    assert "drive" not in str(error.value) and "prune=True" in str(error.value)
    with pytest.raises(SyncRefused, match=r"^all 5 indexed photos would leave the index, because of `exclude`\."):
        indexed_again(photos, tmp_path, WalkRules(exclude=("*.jpg", "trip")))
    assert len(indexed()) == 5
    report = indexed_again(photos, tmp_path, WalkRules(exclude=("*.jpg",)), prune=True)
    assert (report.removed, report.left_out) == (4, {"excluded": 4})


def test_photos_that_are_gone_and_photos_that_are_excluded_are_told_apart(index, photos, tmp_path):
    index()
    (photos / "red.jpg").unlink()
    with pytest.raises(SyncRefused, match=r"2 of the 5 .* because of `exclude`; 1 more is no longer there\."):
        indexed_again(photos, tmp_path, WalkRules(exclude=("trip", "blue.*")))


def test_an_old_index_with_thumbnails_is_told_why_they_leave(photos, tmp_path):
    for number in range(3):
        save_photo(photos / "Thumbs" / f"{number}.jpg", note=str(number))
    indexed_again(photos, tmp_path, WalkRules(defaults=False))
    report = indexed_again(photos, tmp_path, WalkRules(hidden=True))
    assert (report.removed, report.left_out, report.left_alone) == (3, {"default": 3}, 1)


def test_what_is_skipped_is_counted_by_suffix(index, photos, without_av):
    for name in ("a.json", "b.JSON", "c.aae", "d.mov", "e.avi", "no_suffix", "x.2024-01 backup"):
        (photos / name).write_text("words")
    (photos / "Thumbs").mkdir()
    (photos / "link").symlink_to(photos / "trip")
    report, _ = index()
    assert report.others == 7
    assert report.skipped == {".json": 2, "": 2, ".aae": 1, ".mov": 1, ".avi": 1}
    assert (report.links, report.left_alone) == (1, 1)


def test_photos_in_a_folder_that_cannot_be_listed_are_kept(index, indexed, photos, monkeypatch):
    index()
    refuse_to_list(monkeypatch, "trip")
    report, _ = index()
    assert [failure.reason for failure in report.unreadable] == ["cannot list this folder: Permission denied"]
    assert report.removed == 0 and "grey.png" in indexed()


@pytest.fixture
def refuse_to_look(monkeypatch):
    """Refuse to look at the files in a folder. A folder of mode r-- or a failing drive does so, but never to root."""

    class Entry:
        def __init__(self, entry):
            self.name, self.path, self.is_dir = entry.name, entry.path, entry.is_dir

        def stat(self):
            raise PermissionError(13, "Permission denied")

    def refuse(folder):
        def refusing(real):
            def call(path, **options):
                if str(path).startswith(f"{folder}{os.sep}"):
                    raise PermissionError(13, "Permission denied")
                return real(path, **options)

            return call

        scandir = os.scandir
        monkeypatch.setattr("os.stat", refusing(os.stat))
        monkeypatch.setattr("os.lstat", refusing(os.lstat))
        monkeypatch.setattr(
            "os.scandir",
            lambda path: (
                contextlib.nullcontext([Entry(entry) for entry in scandir(path)]) if path == folder else scandir(path)
            ),
        )

    return refuse


def test_photos_that_cannot_be_looked_at_are_kept(index, indexed, photos, tmp_path, refuse_to_look):
    save_photo(photos / "trip" / "deep" / "red.jpg", "red", note="deep")
    save_photo(photos / "trip" / "second.jpg")
    (photos / "trip" / "broken.jpg").write_bytes(b"")
    (photos / "trip" / "a.zip").write_bytes(b"PK")
    index()
    with CollectionWriter(tmp_path / "index") as collection:
        inside = collection.place(str(photos / "trip" / "a.zip" / "1.jpg"))
        red = next(record for record in collection.all_records() if record.file.name == "red.jpg")
        file = replace(red.file, mtime_ns=(photos / "trip" / "a.zip").stat().st_mtime_ns)
        collection.add(inside, file, red.info, collection.vectors([red.image_id])[0])
        collection.commit()
    before = indexed()
    shutil.copy(photos / "trip" / "grey.png", photos / "copy.png")
    refuse_to_look(str(photos / "trip"))
    report, _ = index()
    assert {name: image_id for name, image_id in indexed().items() if name != "copy.png"} == before
    assert (report.removed, report.moved, report.copied) == (0, 0, 1)
    assert [failure.reason for failure in report.unreadable] == [
        "cannot look at this file (nor at 2 more in its folder): Permission denied",
        "cannot list this folder: Permission denied",
    ]
    with Collection(tmp_path / "index") as collection:
        assert len(collection.failures()) == 1


def test_a_photo_without_a_suffix_that_cannot_be_opened_is_kept(index, indexed, photos, monkeypatch):
    (photos / "red.jpg").rename(photos / "red")
    index()

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("clipsearch.indexing.walk.has_image_signature", refuse)
    report, _ = index()
    assert report.removed == 0 and "red" in indexed()
    assert [failure.reason for failure in report.unreadable] == ["cannot look at this file: Permission denied"]


def test_a_cancelled_run_keeps_what_is_done_and_the_next_run_goes_on(index, indexed, photos):
    for number in range(20):
        save_photo(photos / f"more{number:02}.jpg", (number * 10, 0, 0), note=str(number))

    cancel = CancelToken()

    def press(report, done, total):
        if done == 7:
            cancel.cancel()

    report, _ = index(progress=press, batch_size=4, cancel=cancel)
    assert report.interrupted and report.left > 0
    kept = len(indexed())
    assert kept == 25 - report.left
    report, encoder = index()
    assert report.added == 25 - kept == encoder.encoded
    assert len(indexed()) == 25


def test_an_index_keeps_to_its_model(index, tmp_path):
    index()
    with (
        CollectionWriter(tmp_path / "index") as collection,
        pytest.raises(ModelMismatch, match="change the model of the index"),
    ):
        collection.require(ColourEncoder("other colours").spec.fingerprint)


def test_a_file_that_changes_between_walk_and_reading_is_indexed_as_read(index, photos, monkeypatch, tmp_path):
    real = plan_sync

    def late(*arguments):
        plan = real(*arguments)
        save_photo(photos / "red.jpg", "blue", size=(50, 50))
        return plan

    monkeypatch.setattr(f"{__name__}.plan_sync", late)
    index()
    monkeypatch.setattr(f"{__name__}.plan_sync", real)
    assert index()[0].unchanged == 5


def test_a_file_that_vanishes_after_the_walk_is_a_failure_for_one_run(index, indexed, photos, monkeypatch):
    real = plan_sync

    def late(*arguments):
        plan = real(*arguments)
        (photos / "red.jpg").unlink(missing_ok=True)
        return plan

    monkeypatch.setattr(f"{__name__}.plan_sync", late)
    report, _ = index()
    assert report.failed == 1 and report.added == 4
    report, _ = index()
    assert report.failed == report.known_failures == 0


def test_a_photo_whose_bytes_went_to_a_cloud_keeps_its_row_and_a_new_one_waits(index, indexed, photos, monkeypatch):
    index()
    before = indexed()
    away = {path.stat().st_ino for path in (photos / "red.jpg", save_photo(photos / "new.jpg", "pink"))}
    monkeypatch.setattr(discover, "_HAS_PLACEHOLDERS", True)
    monkeypatch.setattr(discover, "is_placeholder", lambda info: info.st_ino in away)
    os.utime(photos / "red.jpg")  # some clouds set the time when they take the bytes away
    report, _ = index()
    assert (report.placeholders, report.removed, report.added, report.updated) == (2, 0, 0, 0)
    assert indexed() == before and report.unchanged == len(before) and not report.unreadable
    away.clear()
    assert index()[0].added == 1


def test_the_newest_photos_are_taken_first_if_asked_to(index, indexed, photos):
    for age, name in enumerate(("green.jpg", "trip/grey.png", "blue.jpg", "yellow.jpg", "red.jpg")):
        os.utime(photos / name, (1_000_000 - age, 1_000_000 - age))
    index(newest_first=True)
    in_order = ["green.jpg", "grey.png", "blue.jpg", "yellow.jpg", "red.jpg"]
    assert sorted(indexed(), key=indexed().get) == in_order


def test_the_first_batch_is_committed_at_once_and_is_small(index, indexed, photos, monkeypatch):
    for number in range(60):
        save_photo(photos / f"{number:02}.jpg", (number, 99, 30), note=str(number))
    monkeypatch.setattr(
        "clipsearch.indexing.reconciler.time.monotonic", lambda: 0.0
    )  # so it is never time for another commit
    found = []

    def progress(report, done, total):
        found.append(len(indexed()) if done else 0)

    index(progress=progress)
    assert found[:9] == [0] * 9 and set(found[9:]) == {8} and len(indexed()) == 65
