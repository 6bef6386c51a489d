"""What Windows does otherwise, by doubles of it: these tests run on every system."""

import ntpath
import os
import shutil
import sqlite3
from pathlib import Path

import faiss
import numpy as np
import pytest

from clipsearch import windows
from clipsearch.config import index_for
from clipsearch.errors import CollectionBusy, CollectionDamaged, ImageError
from clipsearch.images.discover import WalkRules, list_images, why_passed_over
from clipsearch.images.files import read_bytes
from clipsearch.images.pool import DecoderPool
from clipsearch.optimizing import optimize
from clipsearch.replacing import put_in_place
from clipsearch.schema import ImageFile
from clipsearch.store.collection import Collection
from clipsearch.store.guard import absolute_root
from clipsearch.store.layout import open_file
from clipsearch.store.repair import repair
from clipsearch.store.verify import verify
from tests.conftest import ColourEncoder, save_photo
from tests.store.approximating import Texts
from tests.store.support import add, random_units, writer

double = pytest.mark.skipif(os.name == "nt", reason="there it would be the real thing")

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


@pytest.fixture
def on_windows(monkeypatch):
    monkeypatch.setattr(windows, "HERE", True)


def refused(winerror=32):
    error = PermissionError(13, "The process cannot access the file because it is being used by another process")
    error.winerror = winerror
    return error


def mapped_files():
    """The files that this process has mapped."""
    return {
        line.split(maxsplit=5)[5].strip() for line in Path("/proc/self/maps").read_text().splitlines() if "/" in line
    }


# -- names in other letters


def test_faiss_is_never_given_a_path_for_it_would_open_it_by_its_ansi_name(tmp_path, monkeypatch):
    real, opened = faiss.read_index, []
    monkeypatch.setattr(faiss, "read_index", lambda source, *flags: opened.append(source) or real(source, *flags))
    monkeypatch.delattr(faiss, "OnDiskInvertedLists", raising=False)  # which Windows' faiss does not have
    folder = tmp_path / "Фото 写真 ü" / ".clipsearch"
    monkeypatch.setattr("clipsearch.store.segments.COMPACT_ROWS", 1)
    with writer(folder, DIM) as collection:
        add(collection, NAMES, VECTORS)
        collection.commit()
        optimize(collection, lambda: Texts(DIM), recall=0.5, force=True)
        (found,) = collection.search(VECTORS[7:8], 1)
        assert found[0][1].file.name == NAMES[7]
    assert opened and not any(isinstance(source, (str, bytes, os.PathLike)) for source in opened)


def test_vectors_that_somebody_holds_outlive_their_segment(index):
    with Collection(index) as reader:
        (segment,) = reader.published_segments()
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


# -- files that are open


def test_a_file_that_is_in_use_for_a_moment_is_replaced_after_it(tmp_path, monkeypatch):
    real, attempts = os.replace, []

    def replace(source, target):
        attempts.append(target)
        if len(attempts) < 3:
            raise refused()
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr("clipsearch.replacing.time.sleep", lambda seconds: None)
    (tmp_path / "new").write_text("new")
    put_in_place(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old").read_text() == "new" and len(attempts) == 3


def test_a_file_that_stays_in_use_or_may_not_be_written_is_an_error(tmp_path, monkeypatch):
    attempts = []

    def replace(source, target, error=None):
        attempts.append(target)
        raise errors[0]

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr("clipsearch.replacing.time.sleep", lambda seconds: None)
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
        patch.setattr("clipsearch.replacing.time.sleep", lambda seconds: None)
        for _ in range(2):
            with pytest.raises(CollectionBusy, match="another program has the damaged catalog open"):
                repair(index)
        with pytest.raises(CollectionBusy, match="run this again"):
            Collection(index, writable=True)
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
    real = os.unlink

    def unlink(path, *arguments, **options):
        if str(path) in mapped_files():
            raise refused(1224)
        real(path, *arguments, **options)

    monkeypatch.setattr(os, "unlink", unlink)
    with Collection(index, writable=True) as collection:
        for number in range(40):
            add(collection, [f"new {number}.jpg"], random_units(1, DIM, seed=number))
            collection.commit()
        named = {info.name for info in collection.catalog.segments()}
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
    with Collection(index, writable=True) as collection:
        add(collection, ["new.jpg"], random_units(1, DIM, seed=9))
        collection.commit()
        optimize(collection, lambda: Texts(DIM), recall=0.5, force=True)
    (index / "segments" / "000001.faiss").unlink()
    assert repair(index).damages


# -- folders


def test_a_folder_whose_rights_say_that_it_can_be_written_to_is_tried(photos, monkeypatch):
    real = Path.open

    def read_only(path, mode="r", *arguments, **options):
        if mode[0] in "xwa" and path.is_relative_to(photos):
            raise PermissionError(13, "Access is denied")
        return real(path, mode, *arguments, **options)

    monkeypatch.setattr(os, "access", lambda path, mode: True)  # Windows says so of every folder
    monkeypatch.setattr(Path, "open", read_only)
    assert not index_for((str(photos),)).is_relative_to(photos)


def test_trying_a_folder_leaves_nothing_in_it(photos):
    before = sorted(photos.iterdir())
    assert index_for((str(photos),)) == photos / ".clipsearch"
    assert sorted(photos.iterdir()) == before


def test_the_index_of_a_read_only_folder_is_found_in_any_case_of_its_letters(monkeypatch):
    from clipsearch import config

    monkeypatch.setattr(os.path, "normcase", ntpath.normcase)
    folders = [Path(name, "Photos") for name in ("c:", "C:")]
    assert len({config._outside_index(folder).name for folder in folders}) == 1


def test_no_link_is_followed_where_opening_has_no_flag_for_it(tmp_path, monkeypatch):
    (tmp_path / "secret").write_bytes(b"secret")
    try:
        (tmp_path / "link").symlink_to(tmp_path / "secret")
    except OSError:
        pytest.skip("links need rights here")
    monkeypatch.delattr(os, "O_NOFOLLOW", raising=False)
    with pytest.raises(ValueError, match="symbolic link"):
        open_file(tmp_path / "link")
    open_file(tmp_path / "secret").close()


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


@pytest.mark.parametrize(
    ("stored", "found"),
    [
        ("..", ""), ("../trip/a", "trip/a"), ("..\\trip\\a", "trip/a"), ("../tr\\ip", "tr\\ip"),
    ],
)  # fmt: skip
def test_a_root_beside_the_index_is_found_whichever_system_wrote_it(tmp_path, stored, found):
    if os.sep == "\\":
        found = found.replace("/", "\\")
    assert absolute_root(tmp_path / ".clipsearch", stored) == os.path.join(tmp_path, found).rstrip(os.sep)


@pytest.mark.parametrize("stored", ["C:\\Users\\me\\Photos", "\\\\server\\share", "/home/me/photos"])
def test_an_index_from_another_system_opens_with_its_roots_as_they_were(tmp_path, stored):
    assert absolute_root(tmp_path / ".clipsearch", stored) == stored


def test_an_index_that_windows_wrote_goes_on_here(tmp_path, encoder):
    from clipsearch import SearchEngine

    save_photo(tmp_path / "all" / "trip" / "red.jpg", "red")
    folder = tmp_path / "all" / ".clipsearch"
    with SearchEngine(folder) as engine:
        engine.index(tmp_path / "all" / "trip")
    with Collection(folder, writable=True) as collection:
        collection.catalog.begin()
        assert [path for path, _ in collection.catalog.roots().values()] == ["../trip"]
        collection.catalog._db.execute("UPDATE roots SET path = ?", (b"..\\trip",))
        collection.commit()
    with SearchEngine(folder) as engine:
        report = engine.index(tmp_path / "all" / "trip", rules=WalkRules(hidden=True))
        assert (report.added, report.unchanged) == (0, 1)
        assert [hit.path for hit in engine.search("red")] == [str(tmp_path / "all" / "trip" / "red.jpg")]
    with Collection(folder) as collection:
        assert len(collection.roots()) == 1


# -- names


@pytest.mark.parametrize(
    "name",
    [
        "con",
        "CON.jpg",
        "nul.png",
        "aux",
        "Com1.tar.jpg",
        "lpt9.JPG",
        "com¹.jpg",
        "con .jpg",
        "a.jpg.",
        "a.jpg ",
        "conin$",
    ],
)
def test_names_that_windows_takes_for_something_else_are_known(name):
    assert windows.is_reserved(name)


@pytest.mark.parametrize(
    "name", ["console.jpg", "com.jpg", "com0x.jpg", "com10.jpg", "a.con", ".con.jpg", "nul_.png", "ü.jpg"]
)
def test_other_names_are_files(name):
    assert not windows.is_reserved(name)


@double
def test_no_device_is_opened_and_each_is_a_failure_with_its_reason(photos, on_windows, monkeypatch):
    for name in ("con.jpg", "aux", "nul.png"):
        shutil.copy(photos / "red.jpg", photos / name)
    real = os.open

    def never_a_device(path, *arguments, **options):
        assert not windows.is_reserved(os.path.basename(path)), f"{path} would never end"
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", never_a_device)
    monkeypatch.setattr("ntpath.basename", os.path.basename)
    (listing, *_) = list_images(photos)
    assert {"con.jpg", "nul.png"} <= set(listing.states) and "aux" not in listing.states
    with pytest.raises(ImageError, match="rename it"):
        read_bytes(photos / "con.jpg", 1 << 20)
    assert read_bytes(photos / "red.jpg", 1 << 20)[0]


def test_a_long_path_is_opened_by_its_extended_form(on_windows):
    name = "\\".join(["C:", *["folder" * 10] * 5, "a.jpg"])
    assert windows.opened_as(name) == f"\\\\?\\{name}"
    assert windows.opened_as(f"\\\\server\\share\\{name[3:]}") == f"\\\\?\\UNC\\server\\share\\{name[3:]}"
    assert windows.opened_as(f"\\\\?\\{name}") == f"\\\\?\\{name}"
    assert windows.opened_as("C:\\a.jpg") == "C:\\a.jpg"
    assert windows.opened_as("C:\\aux") == "\\\\?\\C:\\aux"  # a folder of that name


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("C:\\Фото\\a b.jpg", "file:///C:/%D0%A4%D0%BE%D1%82%D0%BE/a%20b.jpg"), ("\\\\?\\C:\\a.jpg", "file:///C:/a.jpg"),
        ("\\\\server\\share\\a.jpg", "file://server/share/a.jpg"), ("\\\\?\\UNC\\server\\share\\a.jpg", "file://server/share/a.jpg"),
    ],
)  # fmt: skip
def test_a_page_leads_to_a_photo_by_its_uri(monkeypatch, path, address):
    from clipsearch.render import gallery

    monkeypatch.setattr(gallery.os, "sep", "\\")
    assert gallery._address(path, path) == address


def test_long_paths_are_walked_and_read(tmp_path, on_windows, monkeypatch):
    folder = tmp_path.joinpath(*["folder" * 10] * 5)
    save_photo(folder / "red.jpg", "red")
    real = {name: getattr(os, name) for name in ("open", "stat", "scandir")}

    def short_only(name):
        def call(path, *arguments, **options):
            if isinstance(path, str) and len(path) > 259 and not path.startswith("\\\\?\\"):
                raise FileNotFoundError(2, "The system cannot find the path specified", path)
            return real[name](path.removeprefix("\\\\?\\") if isinstance(path, str) else path, *arguments, **options)

        return call

    monkeypatch.setattr(windows.ntpath, "normpath", os.path.normpath)
    for name in real:
        monkeypatch.setattr(os, name, short_only(name))
    files = [file for listing in list_images(str(tmp_path)) for file in listing.files]
    assert [file.path for file in files] == [str(folder / "red.jpg")]
    assert len(read_bytes(files[0].path, 1 << 20)[0]) == files[0].size


def test_a_junction_is_a_link_to_a_folder_and_a_mounted_drive_is_not(tmp_path, on_windows, monkeypatch):
    targets = {"junction": "\\\\?\\C:\\elsewhere", "drive": "\\\\?\\Volume{0a1b}\\", "plain": ""}
    for name in targets:
        save_photo(tmp_path / name / "red.jpg", "red")

    class State:
        st_reparse_tag = 0xA0000003

    real = os.lstat
    monkeypatch.setattr(os, "lstat", lambda path: State if targets.get(os.path.basename(path)) else real(path))
    monkeypatch.setattr(os, "readlink", lambda path: targets[os.path.basename(path)])
    assert {listing.folder for listing in list_images(str(tmp_path))} == {"", "drive", "plain"}
    followed = list_images(str(tmp_path), WalkRules(follow_links=True))
    assert {listing.folder for listing in followed} == {"", "junction", "drive", "plain"}
    monkeypatch.setattr(os.path, "islink", lambda path: False)
    assert "is a link to a folder" in why_passed_over(str(tmp_path), "junction", WalkRules())
    assert not why_passed_over(str(tmp_path), "drive", WalkRules())


# -- processes


def test_decoders_are_no_part_of_the_group_that_a_ctrl_c_goes_to(tmp_path, monkeypatch):
    import subprocess

    real, asked = subprocess.Popen, []

    def popen(command, **options):
        asked.append(options.pop("creationflags"))
        return real(command, **options)

    monkeypatch.setattr("clipsearch.images.pool._OWN_GROUP", 0x200)  # CREATE_NEW_PROCESS_GROUP
    monkeypatch.setattr(subprocess, "Popen", popen)
    path = save_photo(tmp_path / "red.jpg", "red")
    with DecoderPool(ColourEncoder().spec.pixels, workers=1) as pool:
        list(pool.read([ImageFile(str(path), 0, 0)]))
    assert asked == [0x200]
