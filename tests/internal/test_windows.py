"""Names, folders and processes on Windows. Test doubles imitate Windows, so these tests run on every system."""

import ntpath
import os
import shutil
from pathlib import Path, PureWindowsPath

import pytest

from clipsearch._internal import windows
from clipsearch.cli.find_index import index_for
from clipsearch.conditions import Below
from clipsearch.errors import ImageError
from clipsearch.images.files import read_bytes
from clipsearch.images.pool import DecoderPool
from clipsearch.indexing import roots
from clipsearch.indexing.walk import WalkRules, list_images, why_passed_over
from clipsearch.query import filters as where
from clipsearch.store.collection import Collection
from clipsearch.store.validation import absolute_root
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import ImageFile
from tests.conftest import ColourEncoder, save_photo

double = pytest.mark.skipif(os.name == "nt", reason="there it would be the real thing")


@pytest.fixture
def on_windows(monkeypatch):
    monkeypatch.setattr(windows, "HERE", True)


def test_a_folder_whose_rights_say_that_it_can_be_written_to_is_tried(photos, monkeypatch):
    real = Path.mkdir

    def read_only(path, *arguments, **options):
        if path.is_relative_to(photos):
            raise PermissionError(13, "Access is denied")
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "access", lambda path, mode: True)  # Windows says so of every folder
    monkeypatch.setattr(Path, "mkdir", read_only)
    assert not index_for((str(photos),)).is_relative_to(photos)


def test_trying_a_folder_leaves_nothing_in_it(photos):
    before = sorted(photos.iterdir())
    assert index_for((str(photos),)) == photos / ".clipsearch"
    assert sorted(photos.iterdir()) == before


def test_the_index_of_a_read_only_folder_is_found_in_any_case_of_its_letters(monkeypatch):
    from clipsearch.cli import find_index as config

    monkeypatch.setattr(os.path, "normcase", ntpath.normcase)
    folders = [Path(name, "Photos") for name in ("c:", "C:")]
    assert len({config._outside_index(folder).name for folder in folders}) == 1


@pytest.mark.parametrize(
    ("named", "root"),
    [
        (r"\\server\share", "\\\\server\\share\\"),
        ("\\\\server\\share\\a\\", r"\\server\share\a"),
        ("D:\\", "D:\\"),
        ("D:/a/", r"D:\a"),
    ],
)
def test_a_share_or_a_drive_is_a_root_under_one_name(monkeypatch, named, root):
    with monkeypatch.context() as patch:
        patch.setattr(os, "path", ntpath)
        patch.setattr(roots, "Path", PureWindowsPath)
        patch.setattr(where, "Path", PureWindowsPath)
        root_path, folder = roots.absolute(named), where.in_folder(named)
    assert (root_path, folder) == (root, Below(root))


@pytest.mark.parametrize(
    ("stored", "found"),
    [
        ("..", ""),
        ("../trip/a", "trip/a"),
        ("..\\trip\\a", "trip/a"),
        ("../tr\\ip", "tr\\ip"),
    ],
)
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
    with CollectionWriter(folder) as collection:
        collection._catalog.begin()
        assert [path for path, _ in collection._catalog.roots().values()] == ["../trip"]
        collection._catalog._db.execute("UPDATE roots SET path = ?", (b"..\\trip",))
        collection.commit()
    with SearchEngine(folder) as engine:
        report = engine.index(tmp_path / "all" / "trip", rules=WalkRules(hidden=True))
        assert (report.added, report.unchanged) == (0, 1)
        assert [hit.path for hit in engine.search("red")] == [str(tmp_path / "all" / "trip" / "red.jpg")]
    with Collection(folder) as collection:
        assert len(collection.roots()) == 1


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


@pytest.mark.parametrize("name", ["$RECYCLE.BIN", "$Recycle.Bin"])  # on other drives, and on C:
def test_deleted_photos_are_not_indexed(tmp_path, name):
    save_photo(tmp_path / name / "S-1-5-21" / "red.jpg")
    assert [listing.folder for listing in list_images(str(tmp_path))] == [""]


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
        ("C:\\Фото\\a b.jpg", "file:///C:/%D0%A4%D0%BE%D1%82%D0%BE/a%20b.jpg"),
        ("\\\\?\\C:\\a.jpg", "file:///C:/a.jpg"),
        ("\\\\server\\share\\a.jpg", "file://server/share/a.jpg"),
        ("\\\\?\\UNC\\server\\share\\a.jpg", "file://server/share/a.jpg"),
    ],
)
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


@pytest.mark.usefixtures("own_decoders")
def test_decoders_are_no_part_of_the_group_that_a_ctrl_c_goes_to(tmp_path, monkeypatch):
    import subprocess

    real, flags = subprocess.Popen, []

    def popen(command, **options):
        flags.append(options.pop("creationflags"))
        return real(command, **options)

    monkeypatch.setattr("clipsearch.images.pool._OWN_GROUP", 0x200)  # CREATE_NEW_PROCESS_GROUP
    monkeypatch.setattr(subprocess, "Popen", popen)
    path = save_photo(tmp_path / "red.jpg", "red")
    with DecoderPool(ColourEncoder().spec.pixels, workers=1) as pool:
        list(pool.read([ImageFile(str(path), 0, 0)]))
    assert flags == [0x200]
