"""The walk: which files count as photos, which files it skips, and how it withstands a hostile folder."""

import os
import sys

import pytest
from PIL import Image

from clipsearch.images.file_types import looks_like_image
from clipsearch.indexing import walk as discover
from clipsearch.indexing.walk import WalkRules, find_images, list_images, why_passed_over
from tests.conftest import save_photo


def found(root, **rules):
    return [os.path.relpath(file.path, root) for file in find_images(root, WalkRules(**rules))]


def test_photos_are_found_in_the_order_of_their_names_folder_by_folder(tmp_path):
    for name in ("b/2.jpg", "b/10.jpg", "a/x/1.png", "a/1.png", "z.jpg", "0.jpg"):
        save_photo(tmp_path / name)
    assert found(tmp_path) == ["0.jpg", "z.jpg", "a/1.png", "a/x/1.png", "b/10.jpg", "b/2.jpg"]


def test_size_and_time_come_from_the_walk(tmp_path):
    path = save_photo(tmp_path / "a.jpg")
    os.utime(path, ns=(5, 7_000_000_001))
    (file,) = find_images(tmp_path)
    assert (file.path, file.size, file.mtime_ns) == (str(path), path.stat().st_size, 7_000_000_001)


@pytest.mark.parametrize("suffix", ["", ".dat", ".txt", ".JPG_original"])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "JPEG2000", "AVIF", "ICNS"])
def test_content_makes_a_photo_whatever_the_suffix(tmp_path, format, suffix):
    Image.new("RGB", (64, 64), "red").save(tmp_path / f"photo{suffix}", format=format)
    (tmp_path / f"words{suffix}").write_text("no picture at all, only words")
    assert found(tmp_path) == [f"photo{suffix}"]
    assert [listing.others for listing in list_images(tmp_path)] == [1]


def test_a_suffix_makes_a_photo_whatever_the_content(tmp_path):
    for name in ("broken.jpg", "UPPER.JPG", "phone.HEIC"):
        (tmp_path / name).write_bytes(b"")
    assert found(tmp_path) == ["UPPER.JPG", "broken.jpg", "phone.HEIC"]


@pytest.mark.parametrize(
    "head", [b"", b"B", b"RIFF....WAVEfmt ", b"....ftypmp42....", b"%PDF-1.7", b"PK\3\4", b"P6x", b"GIF8"]
)
def test_other_signatures_are_not_pictures(head):
    assert not looks_like_image(head)


def test_hidden_and_system_folders_are_skipped_unless_asked_for(tmp_path):
    for folder in (".hidden", "@eaDir", "node_modules", ".git", "System Volume Information", "real"):
        save_photo(tmp_path / folder / "x.jpg")
    save_photo(tmp_path / "._x.jpg")
    assert found(tmp_path) == ["real/x.jpg"]
    assert found(tmp_path, hidden=True) == ["._x.jpg", ".git/x.jpg", ".hidden/x.jpg", "real/x.jpg"]
    assert found(tmp_path, defaults=False) == [
        "@eaDir/x.jpg",
        "System Volume Information/x.jpg",
        "node_modules/x.jpg",
        "real/x.jpg",
    ]


def test_our_own_folder_is_always_skipped(tmp_path):
    save_photo(tmp_path / ".clipsearch" / "x.jpg")
    assert found(tmp_path, hidden=True, defaults=False) == []


def test_names_can_be_excluded_by_patterns(tmp_path):
    for name in ("keep.jpg", "drop.png", "raw/x.jpg"):
        save_photo(tmp_path / name)
    assert found(tmp_path, exclude=("*.png", "raw")) == ["keep.jpg"]


def test_rules_survive_being_stored():
    rules = WalkRules(hidden=True, defaults=False, follow_links=True, exclude=("a", "b*"))
    assert WalkRules.from_json(rules.to_json()) == rules
    assert WalkRules.from_json({"exclude": "text", "from a later version": 1}) == WalkRules()


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_to_files_count_and_links_to_folders_only_when_followed(tmp_path):
    save_photo(tmp_path / "real" / "x.jpg")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "file.jpg").symlink_to(tmp_path / "real" / "x.jpg")
    (tmp_path / "photos" / "folder").symlink_to(tmp_path / "real")
    (tmp_path / "photos" / "dangling.jpg").symlink_to(tmp_path / "nowhere")
    assert found(tmp_path / "photos") == ["file.jpg"]
    assert found(tmp_path / "photos", follow_links=True) == ["file.jpg", "folder/x.jpg"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_loops_of_links_end(tmp_path):
    save_photo(tmp_path / "a" / "x.jpg")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "self").symlink_to(tmp_path / "a" / "self")
    assert found(tmp_path, follow_links=True) == ["a/x.jpg"]


def test_a_folder_that_cannot_be_listed_is_said_and_the_walk_goes_on(tmp_path, monkeypatch):
    save_photo(tmp_path / "a" / "x.jpg")
    save_photo(tmp_path / "b" / "x.jpg")
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("a"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("os.scandir", refuse)
    listings = {listing.folder: listing for listing in list_images(tmp_path)}
    assert listings["a"].error == "Permission denied" and listings["a"].files == ()
    assert len(listings["b"].files) == 1


def test_folders_and_files_that_vanish_meanwhile_are_passed_over(tmp_path, monkeypatch):
    save_photo(tmp_path / "a" / "x.jpg")
    save_photo(tmp_path / "b.jpg")
    walk = list_images(tmp_path)
    assert [file.name for file in next(walk).files] == ["b.jpg"]
    (tmp_path / "a" / "x.jpg").unlink()
    (tmp_path / "a").rmdir()
    assert list(walk) == []
    assert list(list_images(tmp_path / "never")) == []


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are Unicode there")
def test_odd_names_survive(tmp_path):
    for name in (b"caf\xe9.jpg", b"new\nline.jpg", b"\xff\xfe.jpg", "ünï 🐕.jpg".encode(), b"-rf.jpg", b" .jpg"):
        with open(os.fsencode(tmp_path) + b"/" + name, "wb") as file:
            file.write(b"\xff\xd8\xff")
    names = [os.fsencode(file.name) for file in find_images(tmp_path)]
    assert len(names) == 6 and b"caf\xe9.jpg" in names


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs there")
def test_pipes_and_folders_with_photo_names_are_no_photos(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder.jpg").mkdir()
    assert found(tmp_path) == []


def test_a_very_deep_tree_is_walked(tmp_path):
    deep = tmp_path
    for _ in range(150):
        deep = deep / "d"
    save_photo(deep / "x.jpg")
    assert len(found(tmp_path)) == 1


@pytest.mark.parametrize("package", ["Fotos.photoslibrary", "Old.APLIBRARY", "iPhoto.photolibrary"])
def test_of_a_library_of_apples_only_the_photos_are_walked(tmp_path, package):
    inside = ("originals/0/a.jpg", "Masters/2011/b.jpg", "resources/derivatives/0/a_1_105_c.jpeg", "Thumbnails/b.jpg")
    for name in inside:
        save_photo(tmp_path / package / name)
    assert found(tmp_path) == [f"{package}/Masters/2011/b.jpg", f"{package}/originals/0/a.jpg"]
    assert found(tmp_path / package) == ["Masters/2011/b.jpg", "originals/0/a.jpg"]
    assert len(found(tmp_path, defaults=False)) == 4
    for folder, root in ((f"{package}/resources/derivatives", tmp_path), ("resources", tmp_path / package)):
        assert "passes over the folder resources" in why_passed_over(str(root), folder, WalkRules())
    assert why_passed_over(str(tmp_path), f"{package}/originals/0", WalkRules()) == ""


class Away:
    """The status of a file whose bytes are in a cloud."""

    def __init__(self, info, **more):
        self._info, self.__dict__ = info, {**more, "_info": info}

    def __getattr__(self, name):
        return getattr(self._info, name)


@pytest.mark.parametrize(
    ("attributes", "away"),
    [
        ({"st_flags": 0x40000000}, True),
        ({"st_flags": 0x20}, False),
        ({"st_file_attributes": 0x400000}, True),
        ({"st_file_attributes": 0x1020}, True),
        ({"st_file_attributes": 0x20}, False),
        ({}, False),
    ],
)
def test_a_file_in_a_cloud_is_told_by_what_the_system_says_of_it(tmp_path, attributes, away):
    assert discover.is_placeholder(Away(tmp_path.stat(), **attributes)) is away


@pytest.fixture
def in_the_cloud(monkeypatch):
    """Pretend that files of this size are in a cloud. Opening one fails the test."""
    monkeypatch.setattr(discover, "_HAS_PLACEHOLDERS", True)
    monkeypatch.setattr(discover, "is_placeholder", lambda info: info.st_size == 4321)
    monkeypatch.setattr(discover, "has_image_signature", lambda path: pytest.fail(f"{path} was opened"))


def test_photos_that_are_in_a_cloud_alone_are_not_opened(tmp_path, in_the_cloud):
    save_photo(tmp_path / "here.jpg")
    for name in ("away.jpg", "no_suffix"):
        (tmp_path / name).write_bytes(bytes(4321))
    (listing,) = list_images(tmp_path)
    assert (list(listing.states), listing.placeholders, listing.others) == (["here.jpg"], ("away.jpg", "no_suffix"), 0)


def test_what_macos_leaves_of_a_photo_in_icloud_stands_for_the_photo(tmp_path):
    save_photo(tmp_path / "here.jpg")
    for name in (".away.jpg.icloud", ".notes.pages.icloud", ".here.jpg.icloud"):
        (tmp_path / name).write_bytes(b"bplist00")
    for rules in (WalkRules(), WalkRules(hidden=True)):
        (listing,) = list_images(tmp_path, rules)
        assert (list(listing.states), listing.placeholders) == (["here.jpg"], ("away.jpg",))
    (listing,) = list_images(tmp_path, WalkRules(exclude=("away*",)))
    assert listing.placeholders == ()
