"""Indexing in chunks, parts and one commit; the cluster is this process."""

import os
import shutil

import pytest
from PIL import Image

from clipsearch import SearchEngine
from clipsearch.distributed import chunks, storage
from clipsearch.errors import ClipsearchError, ClipsearchWarning, CollectionError, ModelMismatch, SyncRefused
from clipsearch.images.own_pictures import mark
from clipsearch.indexing.walk import WalkRules
from clipsearch.store import staging
from clipsearch.store.collection import Collection
from tests.conftest import ColourEncoder, names, save_photo
from tests.distributed.conftest import content, jpeg, run
from tests.images import raw_files
from tests.indexing.old_index import index_as_before

pytest.importorskip("pyarrow")


def save_own_picture(path):
    Image.new("RGB", (64, 64), "red").save(path, "JPEG", **mark("JPEG"))


@pytest.fixture
def many(tmp_path):
    """A folder with 130 photos, two of them equal, one in a folder of its own, and a file that is no photo."""
    folder = tmp_path / "many"
    for number in range(128):
        save_photo(folder / f"{number:03}.jpg", (number, 255 - number, 40), note=str(number))
    shutil.copy(folder / "007.jpg", folder / "copy.jpg")
    save_photo(folder / "trip" / "grey.png", "grey")
    (folder / "bad.jpg").write_bytes(b"no picture")
    return folder


def test_the_index_is_the_one_that_one_machine_makes(many, tmp_path, in_place):
    with SearchEngine(tmp_path / "plain") as engine:
        plain = engine.index(many)
    report = run(tmp_path / "index", many)
    assert content(tmp_path / "index") == content(tmp_path / "plain")
    assert (report.added, report.copied, report.failed) == (plain.added, plain.copied, plain.failed) == (130, 1, 1)
    assert report.parts == len(in_place.done) > 1 and report.reused == 0
    assert not list((tmp_path / "index" / "parts").iterdir())
    with Collection(tmp_path / "index") as collection:
        assert len(collection.segment_infos()) == 1  # all in one commit


def test_nothing_is_done_again(many, tmp_path, in_place):
    run(tmp_path / "index", many)
    in_place.done.clear()
    report = run(tmp_path / "index")
    assert (report.unchanged, report.known_failures, report.parts, in_place.done) == (130, 1, 0, [])


def test_moved_and_removed_photos_are_not_embedded(many, tmp_path, in_place, encoder):
    run(tmp_path / "index", many)
    before, encoded = content(tmp_path / "index")[0], encoder.encoded
    (many / "trip").rename(many / "elsewhere")
    (many / "000.jpg").unlink()
    os.utime(many / "001.jpg", ns=(1, 1))
    report = run(tmp_path / "index", many)
    assert (report.moved, report.removed, report.updated, encoder.encoded) == (1, 1, 1, encoded)
    after = content(tmp_path / "index")[0]
    assert after[str(many / "elsewhere" / "grey.png")] == before[str(many / "trip" / "grey.png")]
    assert str(many / "000.jpg") not in after


def test_a_cancelled_run_keeps_finished_parts_and_commits_nothing(many, tmp_path, in_place, monkeypatch):
    monkeypatch.setattr(in_place, "die_after", 2)
    report = run(tmp_path / "index", many)
    assert report.interrupted and content(tmp_path / "index") == ({}, {})
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "index" / "parts").iterdir()}
    assert len(kept) == 2
    monkeypatch.setattr(in_place, "die_after", None)
    finished = list(in_place.done)
    left_by_a_killed_worker = tmp_path / "index" / "parts" / f".{'0' * 32}-{'1' * 8}.partial"
    left_by_a_killed_worker.touch()
    report = run(tmp_path / "index", many)
    assert report.reused == 2 and report.added == 130 and not any(left_by_a_killed_worker.parent.iterdir())
    assert len(in_place.done) == report.parts and not set(in_place.done[2:]) & set(finished)


def test_a_part_that_was_damaged_is_made_again(many, tmp_path, in_place, monkeypatch):
    monkeypatch.setattr(in_place, "die_after", 2)
    run(tmp_path / "index", many)
    damaged = next((tmp_path / "index" / "parts").iterdir())
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    monkeypatch.setattr(in_place, "die_after", None)
    with pytest.warns(ClipsearchWarning, match="damaged and is made again"):
        report = run(tmp_path / "index", many)
    assert report.reused == 1 and report.added == 130


def test_a_commit_that_fails_leaves_all_as_it_was(many, tmp_path, in_place, monkeypatch):
    run(tmp_path / "index", many / "trip")
    before = content(tmp_path / "index")

    def fail(self):
        raise CollectionError("no space")

    monkeypatch.setattr("clipsearch.store.catalog.Catalog.commit", fail)
    with pytest.raises(CollectionError):
        run(tmp_path / "index", many / "trip", many)
    monkeypatch.undo()
    assert content(tmp_path / "index") == before


def test_large_commits_are_written_as_they_grow(many, tmp_path, in_place, monkeypatch):
    monkeypatch.setattr(staging, "MOST_STAGED", 50 * 16)
    run(tmp_path / "index", many)
    with SearchEngine(tmp_path / "plain") as engine:
        engine.index(many)
    assert content(tmp_path / "index") == content(tmp_path / "plain")
    with Collection(tmp_path / "index") as collection:
        assert len(collection.segment_infos()) == 3


def test_a_worker_with_another_model_is_refused(many, tmp_path, in_place, monkeypatch):
    monkeypatch.setattr(
        "clipsearch.distributed.chunk_worker.load_encoder", lambda name, **options: ColourEncoder("other")
    )
    with pytest.raises(ModelMismatch, match="Put the same checkpoint on all"):
        run(tmp_path / "index", many)


def test_a_part_of_another_chunk_is_refused(many, tmp_path, in_place, monkeypatch):
    monkeypatch.setattr(in_place, "die_after", 2)
    run(tmp_path / "index", many)
    first, second = sorted((tmp_path / "index" / "parts").iterdir())
    swapped = first.with_name(first.name[:33] + second.name[33:])
    first.unlink()
    shutil.copy(second, swapped)
    monkeypatch.setattr(in_place, "die_after", None)
    with pytest.raises(ClipsearchError, match="holds other photos"):
        run(tmp_path / "index", many)
    assert content(tmp_path / "index") == ({}, {})


def test_a_folder_that_lost_its_photos_is_refused(many, tmp_path, in_place):
    run(tmp_path / "index", many)
    shutil.rmtree(many)
    many.mkdir()
    with pytest.raises(SyncRefused):
        run(tmp_path / "index", many)
    assert run(tmp_path / "index", many, prune=True).removed == 130


@pytest.mark.parametrize("looks", ["driver", "worker"])
def test_pictures_that_clipsearch_has_made_are_not_indexed(photos, tmp_path, in_place, monkeypatch, looks):
    if looks == "worker":
        monkeypatch.setattr("clipsearch.distributed.planning.FEW_FILES", 0)
    save_own_picture(photos / "sheet.jpg")
    report = run(tmp_path / "index", photos)
    images, failures = content(tmp_path / "index")
    assert (report.own, report.added, report.failed) == (1, 5, 0)
    assert str(photos / "sheet.jpg") not in images and not failures
    in_place.done.clear()
    assert run(tmp_path / "index").own == 1 and len(in_place.done) == (looks == "worker")

    save_own_picture(photos / "red.jpg")
    report = run(tmp_path / "index")
    assert (report.own, report.removed, report.updated) == (2, 1, 0)
    assert str(photos / "red.jpg") not in content(tmp_path / "index")[0]

    report = run(tmp_path / "index", photos, rules=WalkRules(defaults=False))
    assert (report.own, report.added) == (0, 2)


def test_raw_files_that_an_older_version_read_as_thumbnails_are_read_again(photos, tmp_path, in_place):
    (photos / "raw.nef").write_bytes(raw_files.nef())
    shutil.copy(photos / "raw.nef", photos / "trip" / "copy.nef")
    with SearchEngine.open(photos) as engine:
        index_as_before(engine, "raw.nef", "copy.nef")
        report = engine.index_on_cluster()
        assert (report.updated, report.failed, report.parts) == (2, 0, 1)
        records = [record for record in engine.browse()[0] if record.file.name.endswith(".nef")]
        assert [record.info.format for record in records] == ["NEF", "NEF"]
        in_place.done.clear()
        assert engine.index_on_cluster().unchanged == 7 and not in_place.done


# -- storage elsewhere


def test_pictures_elsewhere_that_clipsearch_has_made_are_not_indexed(memory, tmp_path, in_place):
    save_own_picture(tmp_path / "sheet.jpg")
    memory.pipe("/bucket/photos/sheet.jpg", (tmp_path / "sheet.jpg").read_bytes())
    memory.pipe("/bucket/photos/photo.jpg", jpeg())
    report = run(tmp_path / "index", "memory://bucket/photos")
    assert (report.own, report.added, report.failed) == (1, 1, 0)
    assert list(content(tmp_path / "index")[0]) == ["memory://bucket/photos/photo.jpg"]
    report = run(tmp_path / "index", "memory://bucket/photos", rules=WalkRules(defaults=False))
    assert (report.own, report.added) == (0, 1)


def test_a_url_is_a_folder_like_any_other(memory, tmp_path, in_place):
    for number in range(5):
        memory.pipe(f"/bucket/photos/{number}.jpg", jpeg((number * 50, 9, 9), str(number)))
    memory.pipe("/bucket/photos/trip/copy.jpg", memory.cat("/bucket/photos/1.jpg"))
    memory.pipe("/bucket/photos/notes.txt", b"no picture")
    memory.pipe("/bucket/photos/bad.jpg", b"no picture")
    report = run(tmp_path / "index", "memory://bucket/photos/")
    images, failures = content(tmp_path / "index")
    assert (report.added, report.moved, report.failed, report.others) == (6, 0, 1, 1)
    assert sorted(images)[-1] == "memory://bucket/photos/trip/copy.jpg"
    assert list(failures) == ["memory://bucket/photos/bad.jpg"]
    in_place.done.clear()
    assert run(tmp_path / "index").unchanged == 6 and not in_place.done

    memory.rm("/bucket/photos/0.jpg")
    memory.pipe("/bucket/photos/2.jpg", jpeg("grey", "longer than it was before"))
    report = run(tmp_path / "index", "memory://bucket/photos")
    assert (report.removed, report.updated, report.unchanged) == (1, 1, 4)
    with SearchEngine(tmp_path / "index") as engine:
        assert names(engine.search("grey", 1)) == ["2.jpg"]
        assert engine.status().roots[0].path == "memory://bucket/photos"
        with pytest.raises(ClipsearchError, match="--ray"):
            engine.index("memory://bucket/photos")
        assert engine.index().removed == 0  # files in remote storage are left alone
        assert engine.forget("memory://bucket/photos/trip") == 1
        assert engine.forget("memory://bucket/photos") == 4


def test_a_url_with_nothing_there_is_refused(memory, tmp_path, in_place):
    memory.pipe("/bucket/photos/1.jpg", jpeg())
    run(tmp_path / "index", "memory://bucket/photos")
    memory.rm("/bucket/photos", recursive=True)
    with pytest.raises(SyncRefused):
        run(tmp_path / "index", "memory://bucket/photos")
    assert len(content(tmp_path / "index")[0]) == 1


def test_storage_that_cannot_be_reached_costs_no_photo(memory, tmp_path, in_place, monkeypatch):
    memory.pipe("/bucket/photos/1.jpg", jpeg())
    monkeypatch.setattr(storage, "_PAUSE", 0)
    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.cat_file", lambda *_, **__: 1 / 0)
    with pytest.raises(ClipsearchError, match="cannot be reached"):
        run(tmp_path / "index", "memory://bucket/photos")
    assert content(tmp_path / "index") == ({}, {})


def test_parts_can_lie_elsewhere(memory, many, tmp_path, in_place, monkeypatch):
    monkeypatch.setattr(in_place, "die_after", 1)
    run(tmp_path / "index", many, parts="memory://bucket/parts")
    assert len(memory.ls("/bucket/parts")) == 1
    monkeypatch.setattr(in_place, "die_after", None)
    assert run(tmp_path / "index", many, parts="memory://bucket/parts").reused == 1
    assert memory.ls("/bucket/parts") == []


@pytest.mark.parametrize(
    "url",
    ["http://host/photos", "s3://bucket/../other", "s3://", "file:///etc", "simplecache::s3://bucket", "s3://a//b"],
)
def test_other_urls_are_refused(tmp_path, in_place, url):
    with pytest.raises(ClipsearchError):
        run(tmp_path / "index", url)


# -- chunks


def test_one_file_more_changes_one_chunk():
    from clipsearch.types import ImageFile

    files = [ImageFile(f"/photos/{n:05}.jpg", 1, 1) for n in range(20_000)]
    before = set(chunks.chunks_of_files(files))
    assert sum(len(chunk.files) for chunk in before) == 20_000
    assert max(len(chunk.files) for chunk in before) <= 2 * chunks.MOST
    files.insert(777, ImageFile("/photos/00776b.jpg", 1, 1))
    assert len(set(chunks.chunks_of_files(files)) - before) <= 2


def test_without_ray_the_extra_is_named(many, tmp_path, encoder, monkeypatch):
    monkeypatch.setattr("clipsearch.distributed.cluster.find_spec", lambda name: None)
    with pytest.raises(ClipsearchError, match=r"pip install 'clipsearch\[ray\]'"):
        run(tmp_path / "index", many)
