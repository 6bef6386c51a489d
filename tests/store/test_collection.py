"""One commit point, relative paths, one writer, many readers, and clear messages about damage."""

import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import faiss
import numpy as np
import pytest

from clipsearch.errors import CollectionBusy, CollectionDamaged, CollectionError, CollectionNotFound, ModelMismatch
from clipsearch.store import merge
from clipsearch.store.catalog import Catalog
from clipsearch.store.collection import Collection
from clipsearch.store.database import is_unfinished
from clipsearch.store.lock import _GLANCE, WriterLock, is_written
from clipsearch.store.rows import Place
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import Failure, Fingerprint, ImageFile
from tests.store.support import add, random_units, writer


@pytest.fixture
def index(tmp_path):
    """A collection of 20 vectors, closed; its folder."""
    with writer(tmp_path / "photos" / "index", 8) as collection:
        add(collection, [f"{i:02}.jpg" for i in range(20)], random_units(20, 8))
        collection.commit()
    return tmp_path / "photos" / "index"


def contents(folder):
    with Collection(folder) as collection:
        records = list(collection.all_records())
        return {record.file.name: collection.vectors([record.image_id])[0].tobytes() for record in records}


def test_what_is_staged_is_invisible_until_the_commit(index):
    with CollectionWriter(index) as collection, Collection(index) as reader:
        add(collection, ["new.jpg"], random_units(1, 8))
        assert len(reader) == 20
        collection.commit()
        assert len(reader) == 21 and len(reader.search(random_units(1, 8), 50)[0]) == 21


@pytest.mark.parametrize(
    "broken",
    [
        "clipsearch.store.staging.write_segment",
        "os.fsync",
        "os.replace",
        "clipsearch.store.catalog.Catalog.commit",
        "clipsearch._internal.atomic_files.sync_folder",
    ],
)
def test_a_commit_that_fails_at_any_step_leaves_the_last_one_whole(index, monkeypatch, broken):
    before = contents(index)
    with CollectionWriter(index) as collection:
        add(collection, ["new.jpg", "00.jpg"], random_units(2, 8, seed=5))
        with monkeypatch.context() as patch:
            patch.setattr(broken, lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left on device")))
            with pytest.raises((OSError, CollectionError), match="No space"):
                collection.commit()
    assert contents(index) == before
    with CollectionWriter(index) as collection:
        assert len(list((index / "segments").iterdir())) == 1  # the leftover files are gone
        add(collection, ["new.jpg"], random_units(1, 8))
        collection.commit()
    assert len(contents(index)) == 21


def test_a_full_disk_is_said_in_words(index, monkeypatch):
    def full(*_):
        raise RuntimeError("Error in write: No space left on device\nand a stack of C++")

    monkeypatch.setattr(faiss, "write_index", full)
    with CollectionWriter(index) as collection:
        add(collection, ["new.jpg"], random_units(1, 8))
        with pytest.raises(CollectionError, match=r"No space left on device\); what was committed before is safe"):
            collection.commit()


def test_a_catalog_that_turns_bad_while_open_is_damage(index):
    data = (index / "catalog.sqlite").read_bytes()
    (index / "catalog.sqlite").write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    with pytest.raises(CollectionDamaged), Collection(index) as collection:
        list(collection.all_records())


def test_a_merge_that_fails_loses_nothing(index, monkeypatch):
    monkeypatch.setattr(merge, "FAN_IN", 2)
    before = contents(index)
    with CollectionWriter(index) as collection:
        add(collection, ["new.jpg"], random_units(1, 8))
        with monkeypatch.context() as patch:
            patch.setattr(merge, "together", lambda *_: (_ for _ in ()).throw(OSError("disk gone")))
            with pytest.raises(OSError, match="disk gone"):
                collection.commit()
    after = contents(index)
    assert {name: after[name] for name in before} == before and len(after) == 21


def test_ids_are_never_used_twice(index):
    with CollectionWriter(index) as collection:
        first = add(collection, ["x.jpg"], random_units(1, 8))
        collection.commit()
        collection.remove(first)
        collection.commit()
        assert add(collection, ["x.jpg"], random_units(1, 8))[0] > first[0]


def test_a_vector_that_is_not_of_norm_one_is_not_taken(index):
    with CollectionWriter(index) as collection:
        for bad in (np.ones((1, 8), np.float32), np.full((1, 8), np.nan, np.float32), np.zeros((1, 8), np.float32)):
            with pytest.raises(ValueError, match="norm 1"):
                add(collection, ["x.jpg"], bad)


def test_the_folder_can_be_moved(index, tmp_path):
    moved = shutil.move(index.parent, tmp_path / "elsewhere")
    with Collection(tmp_path / "elsewhere" / "index") as collection:
        ((_, record), *_) = collection.search(random_units(1, 8), 1)[0]
        assert record.file.path.startswith(str(moved))


def test_names_that_are_not_utf8_come_back_as_they_were(index):
    name = os.fsdecode(b"caf\xe9 \x80\xff.jpg")
    with CollectionWriter(index) as collection:
        (image_id,) = add(collection, [name], random_units(1, 8))
        collection.commit()
        assert collection.records([image_id])[image_id].file.name == name


def test_a_root_inside_a_new_one_becomes_part_of_it(tmp_path):
    with writer(tmp_path / "a" / "b" / "index", 8) as collection:
        (image_id,) = add(collection, ["x.jpg"], random_units(1, 8))
        collection.fail(Place(1, "sub", "y.jpg"), Failure(ImageFile("y", 1, 1), "broken"))
        path = collection.records([image_id])[image_id].file.path
        collection.add_root(str(tmp_path / "a"), {})
        collection.commit()
        assert list(collection.roots().values()) == [str(tmp_path / "a")]
        assert collection.records([image_id])[image_id].file.path == path
        assert collection.failures()[0].file.path == str(tmp_path / "a" / "b" / "sub" / "y.jpg")


def test_a_second_writer_is_told_who_is_first_and_readers_go_on(index):
    with CollectionWriter(index):
        with pytest.raises(CollectionBusy, match=f"pid {os.getpid()} since 20"):
            CollectionWriter(index)
        with Collection(index) as reader:
            assert len(reader) == 20
    CollectionWriter(index).close()


def test_the_lock_of_a_killed_writer_is_free(index):
    code = "import sys, time; from clipsearch.store.writer import CollectionWriter\n"
    code += "CollectionWriter(sys.argv[1]); print('held', flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code, str(index)], stdout=subprocess.PIPE)
    process.stdout.readline()
    with pytest.raises(CollectionBusy, match=f"pid {process.pid}"):
        CollectionWriter(index)
    process.kill()
    process.communicate()
    CollectionWriter(index).close()


def test_reading_needs_no_right_to_write(index):
    for path in [*index.rglob("*"), index]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert len(contents(index)) == 20
    finally:
        for path in [index, *index.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)


# -- damage


def test_no_index_is_not_an_empty_one(tmp_path):
    with pytest.raises(CollectionNotFound, match="clipsearch index"):
        Collection(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not a database" * 100])
def test_a_catalog_that_is_none_is_damage(index, content):
    (index / "catalog.sqlite").write_bytes(content)
    with pytest.raises(CollectionError):
        Collection(index)


def test_a_newer_format_is_refused_politely(index):
    database = sqlite3.connect(index / "catalog.sqlite")
    database.execute("PRAGMA user_version = 99")
    database.close()
    for opened in (Collection, CollectionWriter):
        with pytest.raises(CollectionError, match=r"newer clipsearch.*Upgrade"):
            opened(index)


@pytest.mark.parametrize("damage", ["missing", "short", "long", "other bytes", "other shape"])
def test_a_damaged_segment_is_named_and_answers_nothing(index, damage):
    (segment,) = (index / "segments").iterdir()
    data = segment.read_bytes()
    if damage == "missing":
        segment.unlink()
    elif damage == "other shape":
        faiss.write_index(faiss.IndexFlatIP(3), str(segment))
        data = segment.read_bytes()
        with sqlite3.connect(index / "catalog.sqlite") as database:
            database.execute("UPDATE segments SET size = ?", (len(data),))
            database.execute("DELETE FROM meta WHERE key = 'check'")  # as an attacker would
        database.close()
    else:
        segment.write_bytes({"short": data[:-9], "long": data + b"x", "other bytes": bytes(len(data))}[damage])
    with Collection(index) as collection, pytest.raises(CollectionDamaged, match=segment.name):
        collection.search(random_units(1, 8), 1)


def test_a_catalog_cannot_name_files_elsewhere(index, tmp_path):
    with sqlite3.connect(index / "catalog.sqlite") as database:
        database.execute("UPDATE segments SET name = '../../secret.faiss'")
        database.execute("DELETE FROM meta WHERE key = 'check'")  # as an attacker would
    database.close()
    with Collection(index) as collection, pytest.raises(CollectionDamaged, match="never writes"):
        collection.search(random_units(1, 8), 1)


# -- merging


def test_merging_keeps_segments_few_and_rewriting_cheap(tmp_path, monkeypatch):
    written = []
    real = merge.together
    monkeypatch.setattr(
        merge, "together", lambda group, dead: written.append(sum(len(s.ids) for s in group)) or real(group, dead)
    )
    monkeypatch.setattr(merge, "SMALLEST_TIER", 4)
    vectors = random_units(1024, 4)
    with writer(tmp_path / "index", 4) as collection:
        for start in range(0, 1024, 4):
            add(collection, [f"{i}.jpg" for i in range(start, start + 4)], vectors[start : start + 4])
            collection.commit()
        assert len(collection.segment_infos()) <= 3 * merge.FAN_IN
        assert sum(written) <= 1024 * 3  # a row is rewritten once a tier: log8(256 commits) < 3
        assert len(collection) == 1024
        assert len({path.name for path in (tmp_path / "index" / "segments").iterdir()}) == len(
            collection.segment_infos()
        )


def test_dead_rows_are_dropped_by_and_by(index):
    with CollectionWriter(index) as collection:
        collection.remove(list(range(1, 16)))
        collection.commit()
        assert collection.tombstones() == []
        assert [info.rows for info in collection.segment_infos()] == [5]
        collection.remove(list(range(16, 21)))
        collection.commit()
        assert collection.segment_infos() == []
        assert collection.search(random_units(1, 8), 3) == [[]]


def test_full_segments_are_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(merge, "FULL_BYTES", 4 * 8 * 100)
    monkeypatch.setattr(merge, "FAN_IN", 3)
    monkeypatch.setattr(merge, "SMALLEST_TIER", 10)
    with writer(tmp_path / "index", 8) as collection:
        for start in range(0, 600, 20):
            add(collection, [f"{i}.jpg" for i in range(start, start + 20)], random_units(20, 8, seed=start))
            collection.commit()
        assert max(info.rows for info in collection.segment_infos()) <= 100
        assert sum(info.rows for info in collection.segment_infos()) == 600


# -- readers beside a writer


def search_until(folder, stop, counts, errors):
    try:
        with Collection(folder) as reader:
            while not stop.is_set():
                answer = reader.search(random_units(1, 8), 10_000)[0]
                counts.append(len(answer))
                assert len({record.image_id for _, record in answer}) == len(answer)
    except Exception as error:
        errors.append(error)


def test_every_answer_beside_a_writer_is_that_of_one_commit(index, monkeypatch):
    monkeypatch.setattr(merge, "FAN_IN", 3)
    stop, counts, errors = threading.Event(), [], []
    readers = [threading.Thread(target=search_until, args=(index, stop, counts, errors)) for _ in range(3)]
    for reader in readers:
        reader.start()
    with CollectionWriter(index) as collection:
        for number in range(40):  # each commit adds seven and removes two
            ids = add(collection, [f"n{number}-{i}.jpg" for i in range(7)], random_units(7, 8, seed=number))
            collection.remove(ids[:2])
            collection.commit()
    stop.set()
    for reader in readers:
        reader.join()
    assert not errors
    assert set(counts) <= {20 + 5 * number for number in range(41)}
    assert counts


def write_forever(folder):
    with CollectionWriter(folder) as collection:
        number = len(collection)
        while True:
            add(collection, [f"w{number}-{i}.jpg" for i in range(5)], random_units(5, 8, seed=number))
            collection.commit()
            number += 1


def test_a_killed_writer_leaves_whole_commits(index):
    context = multiprocessing.get_context("spawn")
    for kill in range(3):
        process = context.Process(target=write_forever, args=(index,))
        with Collection(index) as collection:
            before, patience = len(collection), time.monotonic() + 60
            process.start()
            while len(collection) == before and time.monotonic() < patience:  # starting is slow on a busy machine
                time.sleep(0.01)
        time.sleep(kill * 0.3)
        process.kill()
        process.join()
        with CollectionWriter(index) as collection:
            records = list(collection.all_records())
            held = [i for segment in collection.snapshot().segments for i in segment.ids.tolist()]
            dead = set(collection.tombstones())
            assert sorted(set(held) - dead) == sorted(record.image_id for record in records)
            assert len(held) == len(set(held)) and (len(records) - 20) % 5 == 0
            assert len(records) > before


def test_a_catalog_that_was_never_finished_is_finished_by_the_next_writer(tmp_path):
    sqlite3.connect(tmp_path / "catalog.sqlite").close()
    (tmp_path / "catalog.sqlite").touch()
    with pytest.raises(CollectionError, match=r"never finished\); run `clipsearch index`"):
        Catalog(tmp_path / "catalog.sqlite")
    lock = WriterLock(tmp_path / "writer.lock", None)
    with pytest.raises(CollectionNotFound, match="just being made"):
        Catalog(tmp_path / "catalog.sqlite")
    lock.release()
    with writer(tmp_path, 8) as collection:
        add(collection, ["a.jpg"], random_units(1, 8))
        collection.commit()
        assert len(collection) == 1


def test_an_emptied_catalog_with_vectors_beside_it_is_not_called_new(tmp_path):
    with writer(tmp_path, 8) as collection:
        add(collection, ["a.jpg"], random_units(1, 8))
        collection.commit()
    assert not is_unfinished(tmp_path)
    (tmp_path / "catalog.sqlite").write_bytes(b"")
    assert not is_unfinished(tmp_path)
    with pytest.raises(CollectionError, match=r"\(it is empty\), so nothing in .* can be kept. Move that folder away"):
        Catalog(tmp_path / "catalog.sqlite")
    vectors = list((tmp_path / "segments").iterdir())
    for catalog in (tmp_path / "catalog.sqlite", None):
        if catalog is None:
            (tmp_path / "catalog.sqlite").unlink()
        with pytest.raises(CollectionError, match="Move that folder away"):
            CollectionWriter(tmp_path)  # a new catalog would name none of the vectors, and they would be deleted
    assert list((tmp_path / "segments").iterdir()) == vectors != []
    assert not (tmp_path / "catalog.sqlite").exists()  # an empty one would be blamed the next time
    with pytest.raises(
        CollectionDamaged, match=r"\(it is missing\), so nothing in .* can be kept. Move that folder away"
    ):
        Collection(tmp_path)


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_writer_refuses_an_index_without_its_vectors(tmp_path, harm):
    """Otherwise a run that finds no change would call an index sound that no search can read."""
    with writer(tmp_path, 8) as collection:
        add(collection, ["a.jpg"], random_units(1, 8))
        collection.commit()
    (segment,) = (tmp_path / "segments").glob("*.faiss")
    harm(segment)
    with pytest.raises(CollectionDamaged, match=r"is missing; .*repair|is 0 bytes long and should be .*repair"):
        CollectionWriter(tmp_path)


@pytest.mark.parametrize(
    ("fingerprint", "message"),
    [
        (
            Fingerprint("another", "", "d", 8),
            r"made with the model 'random' and cannot be used with 'another'.*`clipsearch index --model another`",
        ),
        (
            Fingerprint("random", "3", "d", 8),
            r"made with other weights of the model 'random' \(2, and not 3\): .* Make another index",
        ),
        (Fingerprint("random", "2", "d", 8), r"made with other weights of the model 'random': .* Make another index"),
    ],
)
def test_a_model_of_the_same_name_with_other_weights_is_told_from_another_model(tmp_path, fingerprint, message):
    with CollectionWriter(tmp_path / "index") as collection:
        collection.require(Fingerprint("random", "2", "digest", 8))
        with pytest.raises(ModelMismatch, match=message):
            collection.require(fingerprint)


def test_others_see_that_an_index_is_written_and_do_not_hold_it_up(index, monkeypatch):
    assert not is_written(index) and not is_written(index / "none")
    with CollectionWriter(index):
        assert is_written(index)
    assert not is_written(index)
    glance = WriterLock(index / "writer.lock")  # in place of one that takes long
    monkeypatch.setattr(time, "sleep", lambda seconds: seconds == _GLANCE and glance.release())
    CollectionWriter(index).close()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_in_place_of_the_lock_holds_up_no_look_at_it(tmp_path):
    os.mkfifo(tmp_path / "writer.lock")
    assert not is_written(tmp_path)
