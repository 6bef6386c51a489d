"""Full, failing and read-only disks must lose no data. Each of these cases once did."""

import errno
import os
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from clipsearch.errors import CollectionBusy, CollectionDamaged, CollectionError
from clipsearch.store import database, lock
from clipsearch.store.catalog import Catalog
from clipsearch.store.collection import Collection
from clipsearch.store.repair import repair
from clipsearch.store.segments import write_segment
from clipsearch.store.verify import verify
from clipsearch.store.writer import CollectionWriter
from tests.store.support import add, random_units, writer

resource = pytest.importorskip("resource") if sys.platform != "win32" else None


@pytest.fixture
def index(tmp_path):
    folder = tmp_path / "photos" / ".clipsearch"
    with writer(folder, 16) as collection:
        add(collection, [f"{number}.jpg" for number in range(20)], random_units(20, 16))
        collection.commit()
    return folder


@pytest.fixture
def largest_file():
    """A function that limits the size of every file, in bytes, until the test ends."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
def test_a_segment_whose_end_does_not_fit_is_no_segment(tmp_path, largest_file):
    """If FAISS gets a file name, it only prints that it could not write the last block."""
    largest_file(4096)
    with pytest.raises(CollectionError, match="what was committed before is safe"):
        write_segment(tmp_path, "000001.faiss", np.arange(64), random_units(64, 16))
    assert not (tmp_path / "000001.faiss").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
def test_no_room_for_a_new_catalog_is_said_in_words(tmp_path, largest_file):
    largest_file(1000)
    with pytest.raises(CollectionError, match="catalog"):
        CollectionWriter(tmp_path / "new")


@pytest.mark.parametrize("rolled_back", [True, False])
def test_a_commit_that_failed_forgets_all_of_itself(index, monkeypatch, rolled_back):
    """SQLite drops its transaction only after some errors. A second attempt must not publish half of the first."""
    real = Catalog.commit

    def fail(catalog):
        if rolled_back:
            catalog.rollback()
        monkeypatch.setattr(Catalog, "commit", real)
        raise CollectionError("no space")

    with CollectionWriter(index) as collection:
        add(collection, ["new.jpg"], random_units(1, 16))
        monkeypatch.setattr(Catalog, "commit", fail)
        with pytest.raises(CollectionError, match="no space"):
            collection.commit()
        collection.commit()
        assert len(collection) == 20
        add(collection, ["newer.jpg"], random_units(1, 16, seed=3))
        collection.commit()
    report = verify(index)
    assert report.damages == () and report.images == 21


def test_an_open_that_fails_lets_go_of_the_lock(index, monkeypatch):
    def fail(collection):
        raise CollectionDamaged("as it happens")

    monkeypatch.setattr(CollectionWriter, "_remove_leftovers", fail)
    for _ in range(2):  # the second time, our own lock would make it busy
        with pytest.raises(CollectionDamaged, match="as it happens"):
            CollectionWriter(index)
    monkeypatch.undo()
    CollectionWriter(index).close()


def test_a_full_disk_does_not_keep_a_writer_out(index, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(lock.os, "write", full)
    taken = lock.WriterLock(index / "writer.lock")
    taken.release()
    lock.WriterLock(index / "writer.lock").release()


def test_a_file_system_without_locks_is_not_busy(index, monkeypatch):
    def none(descriptor):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock, "_try_lock", none)
    with pytest.raises(CollectionError, match="No locks available") as caught:
        CollectionWriter(index)
    assert not isinstance(caught.value, CollectionBusy)


def test_a_killed_writers_commits_are_read_where_nobody_may_write(index, tmp_path, monkeypatch):
    """The commits are in the log beside the catalog. SQLite ignores that log if it takes the file for immutable."""
    killed = tmp_path / "elsewhere" / ".clipsearch"
    with CollectionWriter(index) as collection:
        add(collection, ["new.jpg"], random_units(1, 16, seed=9))
        collection.commit()
        shutil.copytree(index, killed)
    (killed / "catalog.sqlite-shm").unlink()
    real = database.sqlite3.connect

    def connect(address, **options):
        if "elsewhere" in address and "immutable" not in address:
            raise database.sqlite3.OperationalError("unable to open database file")
        return real(address, **options)

    monkeypatch.setattr(database.sqlite3, "connect", connect)
    before = {path: path.read_bytes() for path in killed.rglob("*") if path.is_file()}
    with Collection(killed) as collection:
        assert len(collection) == 21 and len(collection.search(random_units(1, 16), 50)[0]) == 21
        copy = collection._catalog._db.copy.name
    assert not os.path.exists(copy)
    assert {path: path.read_bytes() for path in killed.rglob("*") if path.is_file()} == before


def test_a_catalog_that_cannot_be_gathered_says_so(index):
    catalog, reader = Catalog(index / "catalog.sqlite", create=True), Catalog(index / "catalog.sqlite")
    catalog._db.execute("PRAGMA busy_timeout = 0")
    with reader.reading():
        reader.meta("fingerprint")
        catalog.begin()
        catalog.set_meta("more", "of it")
        catalog.commit()
        with pytest.raises(CollectionError):
            catalog.gather()
    catalog.gather()
    reader.close()
    catalog.close()


def test_a_repair_of_an_index_that_cannot_be_written_to_says_what_to_do(tmp_path, monkeypatch):
    def refuse(path, *_):
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr("clipsearch.store.repair.WriterLock", refuse)
    with pytest.raises(
        CollectionError, match=r"cannot write an index at .*Read-only file system\. Make the folder writable$"
    ):
        repair(tmp_path)


def test_a_full_disk_is_called_full(index, monkeypatch):
    with CollectionWriter(index) as collection:
        collection._catalog._db.execute("PRAGMA max_page_count = 1")  # as many pages as there are
        with pytest.raises(CollectionError, match=r"no space left on the disk of the index .* is safe\. Free some"):
            for number in range(5):
                add(collection, [f"{number}-{name}.jpg" for name in range(500)], random_units(500, 16, seed=number))
                collection.commit()

    def connect(*_, **options):
        raise database.sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(database.sqlite3, "connect", connect)
    monkeypatch.setattr(database.shutil, "disk_usage", lambda folder: SimpleNamespace(free=4096))
    with pytest.raises(CollectionError, match=r"no space left on the disk of the index; what was") as caught:
        Catalog(index / "catalog.sqlite")
    assert "readable" not in str(caught.value)
