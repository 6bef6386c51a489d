"""Hostile folders, from the walk to the results. Tests of the walk or the reader alone are in their own folders."""

import json
import os
import shutil
import socket
import sys

import pytest

from clipsearch.engine import SearchEngine
from clipsearch.images.files import ReadLimits
from clipsearch.render.json_output import json_line
from clipsearch.render.tables import failures_table
from clipsearch.render.text import printable
from clipsearch.store.collection import Collection
from clipsearch.store.verify import verify
from tests.conftest import names, save_photo

NAMES = [
    "new\nline.jpg", "carriage\rreturn.jpg", "tab\t.jpg", "quote'.jpg", 'double".jpg', "back\\slash.jpg", "bell\x07.jpg",
    "escape\x1b[2J\x1b]0;title\x07.jpg", "c1\x9b31m.jpg", "bidi\u202egpj.exe.jpg", "isolate\u2066x\u2069.jpg",
    "zero\u200bwidth.jpg", "\u2028separator.jpg", "<script>alert(1)<", "<img src=x onerror=alert(1)>.jpg", "$(touch x).jpg",
    "`touch x`.jpg", "; rm -rf ~ #.jpg", "-rf.jpg", "--help.jpg", " leading.jpg", "trailing.jpg ", "%s%n.jpg", "*.jpg", "~.jpg",
    "e\u0301 is not \u00e9.jpg", "\u00e9 is not e\u0301.jpg", "a" * 250 + ".jpg", "\U0001f469\u200d\U0001f680.jpg",
    "' OR 1=1 --.jpg",
]  # fmt: skip
posix = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are restricted there")


@pytest.fixture
def engine(photos, encoder):
    with SearchEngine.open(photos) as engine:
        yield engine


def indexed(engine, **options):
    return engine.index(jobs=1, **options)


def paths(engine):
    with Collection(engine.index_folder) as collection:
        return [record.file.path for record in collection.all_records()]


# -- names


@posix
def test_names_of_every_kind_are_indexed_found_and_shown_on_one_line(engine, photos):
    for number, name in enumerate(NAMES):
        if name.endswith("<"):  # this name becomes a folder, because a name cannot contain "/"
            name += "/script>.jpg"
        save_photo(photos / "odd" / "x.jpg", "red", note=str(number)).rename(make(photos / "odd" / name))
    report = indexed(engine)
    assert (report.added, report.failed) == (5 + len(NAMES), 0)
    hits = engine.search("red", top_k=5 + len(NAMES))
    hit_paths = [hit.path for hit in hits]
    assert len(hit_paths) == 5 + len(NAMES) and all(os.path.exists(path) for path in hit_paths)
    for path in hit_paths:
        shown = printable(path)
        assert len(shown.splitlines()) == 1 and shown.isprintable() and "\u202e" not in shown
        assert json.loads(json_line({"path": path})) == {"path": path}
    assert indexed(engine).unchanged == 5 + len(NAMES)
    assert verify(engine.index_folder).damages == ()


def make(path):
    path.parent.mkdir(exist_ok=True)
    return path


@posix
def test_names_that_are_not_utf8_and_their_reasons_are_shown_on_one_line(engine, photos):
    for name in (b"\xff\xfe.jpg", b"caf\xe9\n.jpg", b"\xed\xa0\x80.jpg"):
        with open(os.fsencode(photos) + b"/" + name, "wb") as file:
            file.write(b"\xff\xd8\xff no picture")
    assert indexed(engine).failed == 3
    table = failures_table(engine.failures(), str(photos))
    assert len(table.splitlines()) == 3 and table.count("\t") == 3
    assert table.replace("\t", "").replace("\n", "").isprintable()
    table.encode()
    for failure in engine.failures():
        assert json.loads(json_line(failure.file.path)) == failure.file.path and os.path.exists(failure.file.path)


@posix
def test_a_whole_tree_of_odd_folders_can_be_forgotten_and_filtered(engine, photos):
    for number, name in enumerate(NAMES):
        save_photo(photos / name / "x.jpg", "red", note=str(number))
    indexed(engine)
    for name in NAMES:
        assert engine.forget(photos / name) == 1
    assert len(paths(engine)) == 5


# -- files that are not photos, or that change


@posix
def test_pipes_sockets_devices_and_links_to_them_are_not_photos(engine, photos, monkeypatch):
    os.mkfifo(photos / "pipe.jpg")
    (photos / "zero.jpg").symlink_to("/dev/zero")
    (photos / "random.png").symlink_to("/dev/urandom")
    (photos / "terminal.jpg").symlink_to("/dev/tty")
    (photos / "process.jpg").symlink_to("/proc/self/mem")
    (photos / "endless.jpg").symlink_to("endless.jpg")
    monkeypatch.chdir(photos)  # a socket's path must be short, so bind a relative one
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.jpg")
        report = indexed(engine)
    assert report.added == 5 and len(paths(engine)) == 5


@posix
def test_a_sparse_petabyte_is_a_failure_and_costs_nothing(engine, photos):
    sizes = []
    for name, size in (("a.jpg", 1 << 50), ("b.jpg", 1 << 43), ("c.jpg", 1 << 40)):
        try:
            with open(photos / name, "wb") as file:
                file.truncate(size)
            sizes.append(size)
        except OSError:
            (photos / name).unlink()
    report = indexed(engine)
    assert sizes and report.failed == len(sizes) and report.added == 5
    assert all("larger than 512 MiB" in failure.reason for failure in engine.failures())


@posix
def test_linked_photos_elsewhere_are_photos_but_linked_folders_are_not_entered(engine, photos, tmp_path):
    save_photo(tmp_path / "outside" / "private.jpg", "grey", note="private")
    (photos / "one.jpg").symlink_to(tmp_path / "outside" / "private.jpg")
    (photos / "folder").symlink_to(tmp_path / "outside")
    (photos / "up").symlink_to(tmp_path)
    assert indexed(engine).added == 6
    assert str(photos / "one.jpg") in paths(engine)
    assert not any("outside" in path for path in paths(engine))


def test_a_photo_that_becomes_a_folder_or_a_pipe_leaves_the_index(engine, photos):
    indexed(engine)
    (photos / "red.jpg").unlink()
    (photos / "red.jpg").mkdir()
    if hasattr(os, "mkfifo"):
        (photos / "blue.jpg").unlink()
        os.mkfifo(photos / "blue.jpg")
    report = indexed(engine)
    assert report.removed == (2 if hasattr(os, "mkfifo") else 1)


@posix
def test_a_photo_that_becomes_a_pipe_between_walk_and_reading_does_not_hang(engine, photos, monkeypatch):
    from clipsearch.indexing import apply

    real = apply.plan_sync

    def late(*arguments, **options):
        made = real(*arguments, **options)
        (photos / "red.jpg").unlink()
        os.mkfifo(photos / "red.jpg")
        (photos / "blue.jpg").unlink()
        (photos / "blue.jpg").symlink_to("/dev/zero")
        return made

    monkeypatch.setattr(apply, "plan_sync", late)
    report = indexed(engine, limits=ReadLimits(seconds=10))
    assert report.failed == 2 and report.added == 3


def test_a_photo_that_grows_while_it_is_read_is_not_taken_as_it_was(engine, photos, monkeypatch):
    """If a file grows between stat and read, it becomes a failure or is read whole, never a mixture."""
    from clipsearch.indexing import apply

    real = apply.plan_sync

    def late(*arguments, **options):
        made = real(*arguments, **options)
        with open(photos / "red.jpg", "ab") as file:
            file.write(b"more" * 1000)
        return made

    monkeypatch.setattr(apply, "plan_sync", late)
    indexed(engine)
    monkeypatch.setattr(apply, "plan_sync", real)
    report = indexed(engine)
    assert report.unchanged == 5 and report.updated == 0


def test_a_name_that_changes_only_its_case_is_a_move(engine, photos):
    indexed(engine)
    (photos / "red.jpg").rename(photos / "x")
    (photos / "x").rename(photos / "RED.jpg")
    report = indexed(engine)
    assert (report.moved, report.added, report.removed) == (1, 0, 0)
    assert {"RED.jpg"} == {os.path.basename(path) for path in paths(engine) if path.lower().endswith("red.jpg")}


@posix
def test_names_that_differ_only_in_case_are_two_photos(engine, photos):
    save_photo(photos / "RED.jpg", "blue", note="other")
    indexed(engine)
    assert sum(path.lower().endswith("red.jpg") for path in paths(engine)) == 2


# -- clocks


@pytest.mark.parametrize("seconds", [0, -86400, 2**33, 2**31 - 1])
def test_times_before_1970_and_far_ahead_are_accepted(engine, photos, seconds):
    indexed(engine)
    save_photo(photos / "red.jpg", "blue", note="new content")
    os.utime(photos / "red.jpg", (seconds, seconds))
    assert indexed(engine).updated == 1
    assert indexed(engine).unchanged == 5
    assert names(engine.search("blue", top_k=2)) == ["blue.jpg", "red.jpg"]


def test_indexing_goes_on_if_the_clock_goes_back(engine, photos, monkeypatch):
    now = [1e9]

    def earlier():
        now[0] -= 3600
        return now[0]

    monkeypatch.setattr("time.time", earlier)
    indexed(engine)
    save_photo(photos / "new.jpg", "grey", note="new")
    assert indexed(engine).added == 1 and verify(engine.index_folder).damages == ()


# -- other content with the same size and time


def test_the_same_size_and_time_with_other_content_is_seen_when_paranoid(engine, photos, encoder):
    red, blue = photos / "red.jpg", photos / "blue.jpg"
    size = max(red.stat().st_size, blue.stat().st_size)
    for photo in (red, blue):
        photo.write_bytes(photo.read_bytes().ljust(size, b"\0"))
        os.utime(photo, (5, 5))
    spare = blue.read_bytes()
    blue.unlink()
    indexed(engine)
    red.write_bytes(spare)
    os.utime(red, (5, 5))
    assert indexed(engine).unchanged == 4  # size and time are the same
    encoded = encoder.encoded
    report = indexed(engine, paranoid=True)
    assert (report.updated, report.unchanged, report.added, report.removed, report.failed) == (1, 3, 0, 0, 0)
    assert encoder.encoded == encoded + 1
    assert names(engine.search("blue", top_k=1)) == ["red.jpg"]
    report = indexed(engine, paranoid=True)
    assert (report.updated, report.unchanged, encoder.encoded) == (0, 4, encoded + 1)


def test_two_photos_whose_contents_were_swapped_are_seen_when_paranoid(engine, photos):
    red, blue = photos / "red.jpg", photos / "blue.jpg"
    size = max(red.stat().st_size, blue.stat().st_size)
    for photo in (red, blue):
        photo.write_bytes(photo.read_bytes().ljust(size, b"\0"))
        os.utime(photo, (5, 5))
    indexed(engine)
    first, second = red.read_bytes(), blue.read_bytes()
    red.write_bytes(second)
    blue.write_bytes(first)
    for photo in (red, blue):
        os.utime(photo, (5, 5))
    indexed(engine, paranoid=True)
    assert names(engine.search("blue", top_k=1)) == ["red.jpg"] and names(engine.search("red", top_k=1)) == ["blue.jpg"]
    assert len(paths(engine)) == 5 and verify(engine.index_folder).damages == ()


def test_being_paranoid_needs_no_model_if_nothing_changed_and_still_refuses_a_loss(engine, photos, monkeypatch):
    indexed(engine)
    monkeypatch.setattr("clipsearch.images.pool._Worker.read", lambda *_: pytest.fail("a file was decoded"))
    report = indexed(engine, paranoid=True)
    assert (report.unchanged, report.updated, report.left) == (5, 0, 0)
    for name in ("red.jpg", "green.jpg", "blue.jpg"):
        (photos / name).unlink()
    from clipsearch.errors import SyncRefused

    with pytest.raises(SyncRefused, match="prune=True"):
        indexed(engine, paranoid=True)


def test_being_paranoid_finds_a_photo_that_has_rotted(engine, photos):
    indexed(engine)
    path, before = photos / "red.jpg", (photos / "red.jpg").stat()
    path.write_bytes(bytes(before.st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    report = indexed(engine, paranoid=True)
    assert (report.failed, report.unchanged) == (1, 4)
    assert [failure.file.name for failure in engine.failures()] == ["red.jpg"]


def test_copying_a_folder_into_itself_ends(engine, photos):
    shutil.copytree(photos, photos / "trip" / "again", ignore=shutil.ignore_patterns("again", ".clipsearch"))
    assert indexed(engine).added == 10
