"""An index on Windows. Test doubles imitate Windows, so these tests run on every system."""

import contextlib
import os
import sqlite3
from pathlib import Path

import faiss
import numpy as np
import pytest

from clipsearch._internal import windows
from clipsearch._internal.atomic_files import put_in_place
from clipsearch._internal.untrusted_files import open_plain
from clipsearch.analysis.optimization import optimize
from clipsearch.errors import CollectionBusy, CollectionDamaged
from clipsearch.store.collection import Collection
from clipsearch.store.repair import repair
from clipsearch.store.verify import verify
from clipsearch.store.writer import CollectionWriter
from tests.store.approximating import Texts
from tests.store.support import add, random_units, writer

DIM, PHOTOS = 16, 400
NAMES = [f"{number:03}.jpg" for number in range(PHOTOS)]
VECTORS = random_units(PHOTOS, DIM)


@pytest.fixture
def index(tmp_path):
    folder = tmp_path / "photos" / ".clipsearch"
    with writer(folder, DIM) as collection:
        add(collection, NAMES, VECTORS)
        collection.commit()
    return folder


def refused(winerror=32):
    error = PermissionError(13, "The process cannot access the file because it is being used by another process")
    error.winerror = winerror
    return error


def mapped_files():
    """The files that this process has mapped."""
    return {
        line.split(maxsplit=5)[5].strip() for line in Path("/proc/self/maps").read_text().splitlines() if "/" in line
    }


@pytest.fixture
def on_windows(monkeypatch):
    monkeypatch.setattr(windows, "HERE", True)


def test_faiss_is_never_given_a_path_for_it_would_open_it_by_its_ansi_name(tmp_path, monkeypatch):
    real, opened = faiss.read_index, []
    monkeypatch.setattr(faiss, "read_index", lambda source, *flags: opened.append(source) or real(source, *flags))
    monkeypatch.delattr(faiss, "OnDiskInvertedLists", raising=False)  # faiss on Windows lacks it
    folder = tmp_path / "Фото 写真 ü" / ".clipsearch"
    monkeypatch.setattr("clipsearch.store.segments.COMPACT_ROWS", 1)
    with writer(folder, DIM) as collection:
        add(collection, NAMES, VECTORS)
        collection.commit()
        optimize(collection, lambda: Texts(DIM), recall=0.5, force=True)
        (ranking,) = collection.search(VECTORS[7:8], 1)
        assert ranking[0][1].file.name == NAMES[7]
    assert opened and not any(isinstance(source, (str, bytes, os.PathLike)) for source in opened)


@pytest.mark.parametrize("mapped_from", [0, 1 << 30])
def test_vectors_that_somebody_holds_outlive_their_segment(index, monkeypatch, mapped_from):
    monkeypatch.setattr("clipsearch.store.segments.MAPPED_FROM", mapped_from)
    with Collection(index) as reader:
        (segment,) = reader.snapshot().segments
        vectors = segment.vectors
    del segment, reader
    np.testing.assert_array_equal(vectors, VECTORS)
    assert not vectors.flags.writeable


@pytest.mark.parametrize(
    "path", ["//server/share/Фото/catalog.sqlite", "//?/C:/Фото/catalog.sqlite", "/a b/50%/#1?x/catalog.sqlite"]
)
def test_sqlite_gets_every_path_as_it_is(path):
    from clipsearch.store.database import _uri

    uri = _uri(Path(path))
    assert uri.startswith("file:") and "/" not in uri and "?" not in uri
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):  # and not "invalid uri authority"
        sqlite3.connect(f"{uri}?mode=ro", uri=True)


def test_sqlite_opens_what_a_uri_names(tmp_path):
    from clipsearch.store.database import _uri

    path = tmp_path / "ü %41#&;写" / "catalog.sqlite"
    path.parent.mkdir()
    sqlite3.connect(f"{_uri(path)}?mode=rwc", uri=True).execute("CREATE TABLE t (x)").connection.close()
    assert path.is_file()


def test_a_file_that_is_in_use_for_a_moment_is_replaced_after_it(tmp_path, monkeypatch):
    real, attempts = os.replace, []

    def replace(source, target):
        attempts.append(target)
        if len(attempts) < 3:
            raise refused()
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr("clipsearch._internal.atomic_files.time.sleep", lambda seconds: None)
    (tmp_path / "new").write_text("new")
    put_in_place(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old").read_text() == "new" and len(attempts) == 3


def test_a_file_that_stays_in_use_or_may_not_be_written_is_an_error(tmp_path, monkeypatch):
    attempts = []

    def replace(source, target, error=None):
        attempts.append(target)
        raise errors[0]

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr("clipsearch._internal.atomic_files.time.sleep", lambda seconds: None)
    for error, least, most in ((refused(), 2, 20), (PermissionError(13, "Permission denied"), 1, 1)):
        errors = [error]
        attempts.clear()
        with pytest.raises(PermissionError):
            put_in_place(tmp_path / "new", tmp_path / "old")
        assert least <= len(attempts) <= most


@pytest.mark.parametrize("held", ["catalog.sqlite-wal", "catalog.sqlite"])
def test_a_repair_beside_an_open_reader_is_put_off_and_loses_nothing(index, monkeypatch, held):
    with sqlite3.connect(index / "catalog.sqlite") as database:
        database.execute("UPDATE images SET name = x'6f74686572' WHERE image_id = 5")
    database.close()
    real_replace, real_unlink = os.replace, Path.unlink

    def replace(source, target, **options):
        if held in (Path(target).name, Path(source).name):
            raise refused(5)
        real_replace(source, target, **options)

    def unlink(path, missing_ok=False):
        if path.name == held:
            raise refused()
        real_unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        patch.setattr(Path, "unlink", unlink)
        patch.setattr("clipsearch._internal.atomic_files.time.sleep", lambda seconds: None)
        for _ in range(2):
            with pytest.raises(CollectionBusy, match="another program has the damaged catalog open"):
                repair(index)
        with pytest.raises(CollectionBusy, match="run this again"):
            CollectionWriter(index)
        with Collection(index) as reader:
            assert len(reader) == PHOTOS
    assert verify(index).damages  # still the old one
    assert repair(index).damages == ()
    assert verify(index).damages == ()
    with Collection(index) as reader:
        assert len(reader) == PHOTOS - 1


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="nothing says here what is mapped")
def test_optimize_deletes_no_file_that_it_has_mapped_itself(index, monkeypatch):
    real, deleted = os.unlink, []

    def unlink(path, *arguments, **options):
        if str(path).endswith(".vectors"):
            deleted.append(path)
            if str(path) in mapped_files():
                raise refused(1224)
        real(path, *arguments, **options)

    monkeypatch.setattr(os, "unlink", unlink)
    with Collection(index) as collection:
        report = optimize(collection, lambda: Texts(DIM), recall=0.5, force=True)
    assert len(report.tried) > 1 and len(deleted) == len(report.tried) - 1
    assert [path.name for path in (index / "approximate").glob("*.vectors")] == [report.chosen.file]


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="nothing says here what is mapped")
def test_a_merge_leaves_no_segment_behind_that_it_had_mapped_itself(index, monkeypatch):
    monkeypatch.setattr("clipsearch.store.segments.MAPPED_FROM", 0)
    real = os.unlink

    def unlink(path, *arguments, **options):
        if str(path) in mapped_files():
            raise refused(1224)
        real(path, *arguments, **options)

    monkeypatch.setattr(os, "unlink", unlink)
    with CollectionWriter(index) as collection:
        for number in range(40):
            add(collection, [f"new {number}.jpg"], random_units(1, DIM, seed=number))
            collection.commit()
        named = {info.name for info in collection.segment_infos()}
        assert {path.name for path in (index / "segments").iterdir()} == named


def test_optimize_leaves_for_later_what_somebody_else_has_mapped(index, monkeypatch):
    real = os.unlink

    def unlink(path, *arguments, **options):
        if str(path).endswith(".vectors"):
            raise refused(1224)
        real(path, *arguments, **options)

    with Collection(index) as collection:
        with monkeypatch.context() as patch:
            patch.setattr(os, "unlink", unlink)
            assert len(optimize(collection, lambda: Texts(DIM), recall=0.5, force=True).tried) > 1
        assert len(list((index / "approximate").glob("*.vectors"))) > 1
        report = optimize(collection, lambda: Texts(DIM), recall=0.5, force=True)
    assert [path.name for path in (index / "approximate").glob("*.vectors")] == [report.chosen.file]


def test_no_file_is_synced_that_is_open_for_reading_only(index, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    real = os.fsync

    def fsync(descriptor):
        is_folder = os.path.isdir(f"/dev/fd/{descriptor}")
        if not is_folder and fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(9, "Bad file descriptor")  # as Windows says
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with CollectionWriter(index) as collection:
        add(collection, ["new.jpg"], random_units(1, DIM, seed=9))
        collection.commit()
        optimize(collection, lambda: Texts(DIM), recall=0.5, force=True)
    (index / "segments" / "000001.faiss").unlink()
    assert repair(index).damages


def test_no_link_is_followed_where_opening_has_no_flag_for_it(tmp_path, monkeypatch):
    (tmp_path / "secret").write_bytes(b"secret")
    with contextlib.suppress(OSError):
        (tmp_path / "link").symlink_to(tmp_path / "secret")
    if not (tmp_path / "link").is_symlink():
        pytest.skip("links need rights here")
    monkeypatch.delattr(os, "O_NOFOLLOW", raising=False)
    with pytest.raises(ValueError, match="symbolic link"):
        open_plain(tmp_path / "link", follow_links=False)
    open_plain(tmp_path / "secret", follow_links=False).close()


def test_no_junction_is_taken_for_the_folder_of_segments(index, on_windows, monkeypatch):
    real = os.lstat

    class State:
        def __init__(self, state):
            self.st_mode, self.st_reparse_tag = state.st_mode, 0xA0000003

    monkeypatch.setattr(
        os, "lstat", lambda path: (State if os.path.basename(path) == "segments" else lambda s: s)(real(path))
    )
    monkeypatch.setattr(os, "readlink", lambda path: "\\\\?\\C:\\elsewhere")
    with pytest.raises(CollectionDamaged, match="segments is a symbolic link"):
        Collection(index)
