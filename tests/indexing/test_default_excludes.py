"""A walk skips deleted photos, pictures made from others, and clipsearch's own files."""

import os
import shutil
import sys

import pytest
from PIL import Image

from clipsearch._internal.commands import INDEX_FOLDER
from clipsearch.engine import SearchEngine
from clipsearch.errors import ClipsearchError
from clipsearch.images.own_pictures import is_own_picture, mark
from clipsearch.indexing import system_folders
from clipsearch.indexing.default_excludes import DEFAULT_EXCLUDES, LEFT_OUT_BECAUSE, because, default_exclude
from clipsearch.indexing.walk import WalkRules, find_images, list_images, reason_passed_over, why_passed_over
from clipsearch.render.chart import Chart
from clipsearch.render.chart_picture import charts_png, save_png
from clipsearch.render.contact_sheet import save_contact_sheet
from tests.conftest import ROOT, names, save_photo


def paths(root, **rules):
    return [os.path.relpath(file.path, root).replace(os.sep, "/") for file in find_images(root, WalkRules(**rules))]


LEFT_ALONE = (
    "#recycle",
    "@Recycle",
    "#snapshot",
    "@Recently-Snapshot",
    "~snapshot",
    ".Trash-1000",
    ".Trashes",
    "Takeout/Google Photos/Trash",
    "Takeout/Google Fotos/Papierkorb",
    "My Catalog Previews.lrdata",
    "My Catalog Smart Previews.lrdata",
    "Thumbs",
    "thumbs",
    ".thumbnails",
    "@eaDir",
    "$RECYCLE.BIN",
    "$Recycle.Bin",
    "__MACOSX",
    "Photos Library.photoslibrary/resources",
)


@pytest.mark.parametrize("folder", LEFT_ALONE)
def test_folders_of_deleted_and_derived_pictures_are_left_alone(tmp_path, folder):
    save_photo(tmp_path / folder / "deep" / "x.jpg")
    save_photo(tmp_path / "kept.jpg")
    assert paths(tmp_path, hidden=True) == ["kept.jpg"]
    assert len(paths(tmp_path, hidden=True, defaults=False)) == 2
    assert why_passed_over(str(tmp_path), f"{folder}/deep", WalkRules(hidden=True))


@pytest.mark.parametrize(
    "folder",
    ["Trash", "recycle", "Thumbs up", "Google Photos", "Photos from 2020", "Photos Library.photoslibrary/originals"],
)
def test_folders_with_similar_names_are_walked(tmp_path, folder):
    save_photo(tmp_path / folder / "x.jpg")
    assert paths(tmp_path) == [f"{folder}/x.jpg"]


def test_a_folder_that_the_user_names_is_walked_whatever_it_is_called(tmp_path):
    save_photo(tmp_path / "#recycle" / "x.jpg")
    (tmp_path / "#recycle" / ".nomedia").touch()
    assert paths(tmp_path / "#recycle") == ["x.jpg"]


@pytest.mark.parametrize("hidden", [False, True])
def test_a_folder_that_android_hides_is_left_alone_with_everything_below_it(tmp_path, hidden):
    save_photo(tmp_path / "Sent" / "x.jpg")
    save_photo(tmp_path / "Sent" / "deep" / "x.jpg")
    save_photo(tmp_path / "x.jpg")
    (tmp_path / "Sent" / ".nomedia").touch()
    assert paths(tmp_path, hidden=hidden) == ["x.jpg"]
    assert len(paths(tmp_path, hidden=hidden, defaults=False)) == 3
    assert ".nomedia" in why_passed_over(str(tmp_path), "Sent/deep", WalkRules(hidden=hidden))
    listings = {listing.folder: listing for listing in list_images(tmp_path, WalkRules(hidden=hidden))}
    assert listings["Sent"].skipped == {"": "default"}


def test_each_entry_that_is_left_out_has_its_reason(tmp_path):
    for name in ("Thumbs/x.jpg", ".git/x.jpg", "raw/x.jpg", "keep/x.jpg", f"{INDEX_FOLDER}/x.jpg", "y.png", ".z.jpg"):
        save_photo(tmp_path / name)
    (tmp_path / "link").symlink_to(tmp_path / "keep")
    (tmp_path / "notes.txt").write_text("words")
    (listing, *_) = list_images(tmp_path, WalkRules(exclude=("raw", "*.png")))
    assert listing.skipped == {
        "Thumbs": "default",
        ".git": "hidden",
        "raw": "excluded",
        "y.png": "excluded",
        ".z.jpg": "hidden",
        "link": "link",
    }
    assert listing.folders == {"Thumbs", ".git", "raw", "link"}
    assert listing.other_files == ["notes.txt"]


def test_the_documentation_lists_every_folder_that_is_left_alone():
    page = (ROOT / "docs" / "reference" / "left-alone.md").read_text("utf-8")
    for entry in DEFAULT_EXCLUDES:
        assert entry.why in page
        assert all(f"`{name}`" in page for name in (*entry.inside, *(entry.but or entry.names)))


def test_capitals_do_not_matter():
    assert default_exclude("#RECYCLE") is default_exclude("@recycle") is not None
    assert default_exclude("trash", "google photos") is default_exclude("Trash", "Google Photos") is not None


# -- files that clipsearch made


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_contact_sheet_is_recognised_by_its_content_under_any_name(engine, tmp_path, suffix):
    hits = engine.search("red", top_k=3)
    sheet = tmp_path / f"sheet{suffix}"
    save_contact_sheet(hits, sheet, "red")
    assert is_own_picture(str(sheet))
    renamed = sheet.rename(tmp_path / "holiday")
    assert is_own_picture(str(renamed))
    assert not any(is_own_picture(hit.path) for hit in hits)


def test_a_picture_of_charts_is_recognised(tmp_path):
    save_png(
        charts_png("Photos", "by year", [Chart("year", (("2024", 3),), is_timeline=True)]), tmp_path / "charts.png"
    )
    assert is_own_picture(str(tmp_path / "charts.png"))


def test_what_cannot_be_read_is_not_our_own(tmp_path):
    assert not is_own_picture(str(tmp_path / "missing.jpg"))
    assert not is_own_picture(str(tmp_path))


def test_contact_sheets_beside_the_photos_are_not_indexed(engine, photos):
    save_contact_sheet(engine.search("red", top_k=3), photos / "sheet.jpg", "red")
    report = engine.index()
    assert (report.own, report.added, report.failed, report.unchanged) == (1, 0, 0, 5)
    assert engine.index().own == 1
    report = engine.index(str(photos), rules=WalkRules(defaults=False))
    assert (report.own, report.added) == (0, 1)


def test_a_photo_that_became_a_contact_sheet_leaves_the_index(engine, photos):
    Image.new("RGB", (64, 64), "red").save(photos / "red.jpg", "JPEG", **mark("JPEG"))
    report = engine.index()
    assert (report.own, report.removed, report.updated) == (1, 1, 0)
    assert "red.jpg" not in names(engine.search("red", top_k=10))


MOUNTS = b"""22 27 0:9021 / /proc rw,relatime - proc proc rw
23 27 0:9022 / /sys ro shared:7 master:2 - sysfs sysfs ro
31 23 0:9023 / /sys/fs/cgroup rw - cgroup2 none rw
27 1 254:0 / / rw - ext4 /dev/vda rw
40 27 0:9030 / /mnt/nas\\040photos rw - nfs4 nas:/photos rw
41 27 0:9031 / /mnt/phone rw - fuse.sshfs phone:/ rw
a line of nonsense - proc
"""


@pytest.fixture
def proc(tmp_path, monkeypatch):
    """A folder with a photo, for which the system says that it is in the fake mount table's /proc."""
    from types import SimpleNamespace

    folder = tmp_path / "machine" / "proc"
    save_photo(folder / "a.jpg")
    save_photo(tmp_path / "machine" / "home" / "b.jpg")
    (tmp_path / "mountinfo").write_bytes(MOUNTS)
    monkeypatch.setattr(system_folders, "_MOUNTS", tmp_path / "mountinfo")
    stat = os.stat

    def fake(path, **options):
        info = stat(path, **options)
        if os.path.realpath(path) != str(folder):
            return info
        return SimpleNamespace(st_dev=os.makedev(0, 9021), st_ino=1, st_mode=info.st_mode, st_mtime_ns=0, st_size=0)

    monkeypatch.setattr(os, "stat", fake)
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such file systems")
def test_file_systems_of_the_machine_are_known_by_their_type(proc):
    devices = system_folders.system_devices()
    assert devices >= {os.makedev(0, minor) for minor in (9021, 9022, 9023)}
    assert not devices & {os.makedev(254, 0), os.makedev(0, 9030), os.makedev(0, 9031)}  # a disk, a NAS, a phone


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such file systems")
@pytest.mark.parametrize("rules", [WalkRules(), WalkRules(hidden=True, defaults=False, follow_links=True)])
def test_a_walk_never_enters_file_systems_of_the_machine(proc, rules):
    above = proc.parent
    (above / "home" / "link").symlink_to(proc)
    listings = list(list_images(above, rules))
    assert [file.path for listing in listings for file in listing.files] == [str(above / "home" / "b.jpg")]
    assert {"": "system"} in [listing.skipped for listing in listings]
    assert reason_passed_over(str(above), "proc", rules) == ("system", str(proc))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such file systems")
def test_the_mounts_are_read_once_however_many_folders_are_gone(tmp_path, encoder, monkeypatch):
    for number in range(5):
        save_photo(tmp_path / "photos" / f"hidden {number}" / "a.jpg", note=str(number))
    save_photo(tmp_path / "photos" / "b.jpg")
    with SearchEngine.open(tmp_path / "photos") as engine:
        engine.index()
        reads = []
        mounts = system_folders._MOUNTS.read_bytes()
        counted = type("Counted", (), {"read_bytes": lambda _: reads.append(1) or mounts})()
        monkeypatch.setattr(system_folders, "_MOUNTS", counted)
        engine.index()
        usual = len(reads)
        for number in range(5):
            shutil.rmtree(tmp_path / "photos" / f"hidden {number}")
        reads.clear()
        engine.index(prune=True)
    assert usual and len(reads) == usual + 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such file systems")
def test_a_file_system_of_the_machine_is_refused_and_one_inside_a_folder_is_named(proc, encoder):
    with SearchEngine.open(proc.parent) as engine:
        with pytest.raises(ClipsearchError, match=r"proc is in a file system of the machine itself"):
            engine.index(proc)
        report = engine.index(proc.parent)
        assert (report.added, report.left_alone) == (1, 1)
        skipped = engine.preview().skipped
    assert [(file.path, file.reason) for file in skipped] == [(f"{proc}{os.sep}", "system")]


def test_the_reason_fits_one_photo_and_many():
    """It comes after "1 photo left the index" and "3 photos left the index"."""
    for reason in LEFT_OUT_BECAUSE:
        assert not {"they", "it", "is"} & set(because({reason: 1}).split("(")[0].split())
