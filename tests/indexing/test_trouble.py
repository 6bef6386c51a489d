"""Passing trouble removes nothing from an index: a failing drive, a missing right, a killed decoder, a clock from 2300."""

import contextlib
import os
import signal
import sqlite3
import time

import pytest

from clipsearch._internal.cancel import CancelToken
from clipsearch.errors import Cancelled, ClipsearchWarning, ImageError, SyncRefused
from clipsearch.images import files, reader
from clipsearch.images import pool as pool_module
from clipsearch.images.files import ReadLimits
from clipsearch.indexing import retries as attempts
from clipsearch.indexing.apply import apply_sync
from clipsearch.indexing.plan import SyncOptions, plan_sync
from clipsearch.indexing.walk import WalkRules
from clipsearch.store.collection import Collection
from clipsearch.store.rows import KnownFailure
from clipsearch.store.writer import CollectionWriter
from tests.conftest import ColourEncoder, save_photo
from tests.store.support import downgrade

pytestmark = pytest.mark.usefixtures("own_decoders")

PHOTOS = {"red.jpg", "green.jpg", "blue.jpg", "yellow.jpg", "grey.png"}


@pytest.fixture
def index(photos, tmp_path):
    """A function that brings the index of `photos` up to date and returns the report."""

    def run(*, paranoid=False, retry=False, limits=None, prune=False, cancel=None):
        encoder = ColourEncoder()
        with CollectionWriter(tmp_path / "index") as collection:
            collection.require(encoder.spec.fingerprint)
            root_id = collection.add_root(str(photos), {})
            options = SyncOptions(None, prune, paranoid, retry, jobs=1, limits=limits or ReadLimits())
            plan = plan_sync(collection, str(photos), root_id, WalkRules(), options)
            return apply_sync(collection, [plan], lambda: encoder, options, cancel=cancel)

    return run


@pytest.fixture
def state(tmp_path):
    """A function that returns the names of the photos in the index, and its failures by name."""

    def read():
        with Collection(tmp_path / "index") as collection:
            names = {record.file.name for record in collection.all_records()}
            assert len(collection.ids()) == len(names)
            return names, {failure.file.name: failure for failure in collection.failures()}

    return read


@pytest.fixture
def unreadable(monkeypatch):
    """Make reading fail for some files, here and in decoding processes, as a drive or a lock does. `()` ends it."""
    launch = pool_module._LAUNCH
    real = os.open

    def fail(names=(), error=5):
        def refused(path, *rest, **options):
            if str(path).endswith(tuple(names)):
                raise OSError(error, os.strerror(error))
            return real(path, *rest, **options)

        there = (
            "import os; real = os.open\n"
            "def refused(path, *rest, **options):\n"
            f"    if str(path).endswith({tuple(names)!r}): raise OSError({error}, os.strerror({error}))\n"
            "    return real(path, *rest, **options)\n"
            "os.open = refused\n"
        )
        monkeypatch.setattr(files.os, "open", refused if names else real)
        monkeypatch.setattr(pool_module, "_LAUNCH", f"{there}\n{launch}" if names else launch)

    return fail


@pytest.fixture
def decoder(monkeypatch):
    """Make decoding processes run some code for pictures with a given ending. None ends it."""
    launch = pool_module._LAUNCH

    def does(what, ending=b"TROUBLE"):
        patched = (
            "import os, time, clipsearch.images.worker as w; decode = w.decode_pictures; "
            f"w.decode_pictures = lambda data, *rest: ({what}) if data.endswith({ending!r}) else decode(data, *rest)\n"
        )
        monkeypatch.setattr(pool_module, "_LAUNCH", launch if what is None else patched + launch)

    return does


def spoil(path, ending=b"TROUBLE", colour="red"):
    """Save a photo with other bytes than before and this ending. It can still be decoded."""
    save_photo(path, colour, note=f"another {time.monotonic_ns()}")
    with path.open("ab") as stream:
        stream.write(ending)


@pytest.mark.parametrize("error", [5, 13, 110, 116, 12])  # EIO, EACCES, ETIMEDOUT, ESTALE, ENOMEM
def test_photos_that_cannot_be_read_for_a_moment_stay_and_answer(index, state, unreadable, error):
    index()
    unreadable([".jpg", ".png"], error)
    report = index(paranoid=True)
    assert (report.failed, report.kept, report.removed) == (5, 5, 0)
    names, failures = state()
    assert names == failures.keys() == PHOTOS
    assert {(failure.cause, failure.kept) for failure in failures.values()} == {("access", True)}
    unreadable()
    report = index()
    assert (report.unchanged, report.failed, report.known_failures) == (5, 0, 0)
    assert state() == (PHOTOS, {})


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions do not stop this user")
def test_a_missing_right_is_no_damage(index, state, photos):
    index()
    os.utime(photos / "red.jpg", (1, 1))
    (photos / "red.jpg").chmod(0)
    assert index().kept == 1
    (photos / "red.jpg").chmod(0o600)
    assert index().updated == 1
    assert state() == (PHOTOS, {})


def test_a_folder_that_is_closed_during_a_run_keeps_its_photos(index, state, photos, unreadable):
    """The walk sees the files with their new times. Afterwards, opening them fails."""
    index()
    for number, name in enumerate(["red.jpg", "green.jpg", "blue.jpg"]):
        os.utime(photos / name, (number, number))
    unreadable(["red.jpg", "green.jpg", "blue.jpg"], 13)
    assert index().kept == 3
    assert state()[0] == PHOTOS
    unreadable()
    assert index().updated == 3
    assert state() == (PHOTOS, {})


def test_a_changed_photo_that_cannot_be_read_is_tried_again_and_then_shows_what_it_is(index, state, photos, unreadable):
    index()
    save_photo(photos / "red.jpg", "blue", note="now it is blue")
    unreadable(["red.jpg"])
    assert index().kept == 1
    assert index().kept == 1
    assert "red.jpg" in state()[0]
    unreadable()
    report = index()
    assert (report.updated, report.failed) == (1, 0)
    assert state() == (PHOTOS, {})


def test_a_new_photo_that_cannot_be_read_is_tried_at_every_run(index, state, photos, unreadable):
    index()
    save_photo(photos / "new.jpg", "red", note="new")
    unreadable(["new.jpg"])
    for runs in range(1, 6):
        assert index().failed == 1
        assert state()[1]["new.jpg"].attempts == runs
    unreadable()
    assert index().added == 1
    assert state() == (PHOTOS | {"new.jpg"}, {})


@pytest.mark.parametrize("what", ["os.kill(os.getpid(), 9)", "time.sleep(60)", "(_ for _ in ()).throw(MemoryError())"])
def test_crashes_and_time_outs_are_tried_three_times_and_then_only_when_asked(index, state, photos, decoder, what):
    limits = ReadLimits(seconds=0.5)
    index()
    spoil(photos / "new.jpg")
    decoder(what)
    for tried in range(1, attempts.MOST_ATTEMPTS + 1):
        report = index(limits=limits)
        assert (report.failed, report.known_failures) == (1, 0)
        assert state()[1]["new.jpg"].attempts == tried
    decoder(None)
    report = index(limits=limits)
    assert (report.failed, report.known_failures, report.added) == (0, 1, 0)
    assert index(retry=True).added == 1
    assert state() == (PHOTOS | {"new.jpg"}, {})


def test_a_known_photo_is_kept_when_its_decoder_is_killed_and_its_bytes_are_the_same(index, state, photos, decoder):
    index()
    decoder("os.kill(os.getpid(), 9)", ending=b"")
    os.utime(photos / "red.jpg", (1, 1))
    report = index(paranoid=True)
    assert (report.failed, state()) == (0, (PHOTOS, {}))  # equal bytes need no decoder


def test_a_photo_that_has_changed_into_no_picture_leaves(index, state, photos):
    index()
    (photos / "red.jpg").write_bytes(b"\xff\xd8\xff")
    report = index()
    assert (report.failed, report.kept, report.withheld) == (1, 0, 0)
    names, failures = state()
    assert names == PHOTOS - {"red.jpg"} and failures.keys() == {"red.jpg"} and not failures["red.jpg"].kept


def test_more_than_half_of_an_index_that_breaks_stays_until_it_is_confirmed(index, state, photos):
    index()
    before = {name: (photos / name).read_bytes() for name in ("red.jpg", "green.jpg", "blue.jpg")}
    for name in before:
        (photos / name).write_bytes(b"\xff\xd8\xff")
    for _ in range(2):  # a second run reports it again
        report = index()
        assert (report.failed, report.kept, report.withheld) == (3, 3, 3)
        assert state()[0] == PHOTOS
    (photos / "red.jpg").write_bytes(before["red.jpg"])
    report = index()  # two of five are fewer than half
    assert (report.withheld, state()[0]) == (0, PHOTOS - {"green.jpg", "blue.jpg"})


def test_pruning_confirms_that_broken_photos_leave(index, state, photos):
    index()
    for name in ("red.jpg", "green.jpg", "blue.jpg"):
        (photos / name).write_bytes(b"\xff\xd8\xff")
    index()
    assert index(prune=True).withheld == 0
    assert state()[0] == {"yellow.jpg", "grey.png"}


def test_a_kept_photo_that_is_deleted_leaves_with_its_mark(index, state, photos, unreadable):
    index()
    os.utime(photos / "red.jpg", (1, 1))
    unreadable(["red.jpg"])
    assert index().kept == 1
    (photos / "red.jpg").unlink()
    assert index().removed == 1
    assert state() == (PHOTOS - {"red.jpg"}, {})


def test_a_kept_photo_that_is_renamed_takes_its_vector_along(index, state, photos, unreadable):
    index()
    os.utime(photos / "red.jpg", (1, 1))
    unreadable(["red.jpg"])
    index()
    unreadable()
    (photos / "red.jpg").rename(photos / "crimson.jpg")
    report = index()
    assert (report.moved, report.added) == (1, 0)
    assert state() == (PHOTOS - {"red.jpg"} | {"crimson.jpg"}, {})


def test_a_limit_that_allows_a_file_now_counts_as_a_change(index, state, photos):
    index()
    save_photo(photos / "large.png", "red", size=(200, 200))
    small = ReadLimits(max_pixels=10_000)
    assert index(limits=small).failed == 1
    assert state()[1]["large.png"].cause == "pixels"
    assert index(limits=small).known_failures == 1
    assert index(limits=ReadLimits(max_pixels=9_000)).known_failures == 1
    assert index(limits=ReadLimits(max_pixels=50_000)).added == 1


def test_a_size_limit_that_allows_a_file_now_counts_as_a_change(index, state, photos):
    index()
    spoil(photos / "large.jpg", ending=b"\0" * 50_000)
    assert index(limits=ReadLimits(max_bytes=20_000)).failed == 1
    assert state()[1]["large.jpg"].cause == "bytes"
    assert index(limits=ReadLimits(max_bytes=20_000)).known_failures == 1
    assert index().added == 1


def test_a_decoder_that_is_installed_counts_as_a_change(index, photos, monkeypatch):
    (photos / "new.jpg").write_bytes(b"\xff\xd8\xff of a format that is not known yet")
    index()
    assert index().known_failures == 1
    monkeypatch.setattr(attempts, "_decoders", lambda: "another decoder 1.0")
    assert index().failed == 1
    assert index().known_failures == 1


def test_failures_of_an_older_index_are_tried_once_more(index, photos, tmp_path, state):
    (photos / "new.jpg").write_bytes(b"\xff\xd8\xff")
    index()
    downgrade(tmp_path / "index", 5)
    with sqlite3.connect(tmp_path / "index" / "catalog.sqlite") as catalog:
        catalog.create_function("check_of", -1, lambda *values: __import__("zlib").crc32(ascii(values).encode()))
        catalog.execute("UPDATE failures SET row_check = check_of(root_id, folder, name, size, mtime_ns, reason)")
    catalog.close()
    with Collection(tmp_path / "index") as collection:
        assert [failure.cause for failure in collection.failures()] == ["content"]
    report = index()
    assert (report.failed, report.known_failures) == (1, 0)
    report = index()
    assert (report.failed, report.known_failures) == (0, 1)
    assert state()[1]["new.jpg"].attempts == 1


def test_an_interrupted_run_forgets_no_photo_that_it_could_not_read(index, state, photos, unreadable):
    index()
    for name in PHOTOS - {"grey.png"}:
        os.utime(photos / name, (1, 1))
    unreadable(["red.jpg", "green.jpg"])
    looks = iter(range(100))

    class CancelledAtTheThirdFile(CancelToken):
        def check(self):
            if next(looks) > 2:
                raise Cancelled

    report = index(cancel=CancelledAtTheThirdFile())
    assert report.interrupted and state()[0] == PHOTOS
    unreadable()
    index()
    assert state() == (PHOTOS, {})


@pytest.mark.parametrize("seconds", [10**10, 10**11, -(10**10), -1])
def test_no_time_of_a_file_ends_a_run(index, state, photos, seconds):
    index()
    try:
        os.utime(photos / "red.jpg", ns=(0, seconds * 10**9))
    except OverflowError:
        pytest.skip("this system cannot set such a time")
    assert index().failed == 0
    report = index()
    assert (report.unchanged, report.updated) == (5, 0)
    assert state() == (PHOTOS, {})


def test_a_time_that_an_integer_of_sqlite_cannot_hold_is_clamped(index, state, photos, monkeypatch):
    """File systems differ in the times that they can keep, so the test pretends a time of the year 2400."""
    far = 13_570_000_000 * 10**9
    assert files.clamped(far) == 2**63 - 1 and files.clamped(-far) == 1 - 2**63
    index()
    real = os.fstat

    class Far:
        def __init__(self, status):
            self.st_mode, self.st_size, self.st_mtime_ns = status.st_mode, status.st_size, far

    monkeypatch.setattr(files.os, "fstat", lambda descriptor: Far(real(descriptor)))
    assert files.read_bytes(photos / "red.jpg", 10**6)[1].mtime_ns == 2**63 - 1


@pytest.mark.skipif(os.name != "posix", reason="needs SIGSTOP")
def test_time_in_which_the_program_stood_still_is_nobodys_fault(tmp_path, monkeypatch):
    """If the process stands still, the watchdog finds that far too much time passed between two looks."""
    spent = []
    worker = type("Worker", (), {"spend": lambda self, seconds: spent.append(seconds)})()
    pool = pool_module.DecoderPool.__new__(pool_module.DecoderPool)
    clock = iter([0.0, 0.1, 31.0, 31.1])
    pool._lock = pool_module.threading.Lock()
    pool._all = {worker}
    looks = iter([False, False, False, True])
    pool._ended = type("Ended", (), {"wait": lambda self, seconds: next(looks)})()
    monkeypatch.setattr(pool_module.time, "monotonic", lambda: next(clock))
    pool._watch()
    assert sum(spent) < 1


@pytest.mark.skipif(os.name != "posix", reason="needs SIGSTOP")
def test_a_run_that_is_stopped_for_longer_than_the_time_limit_goes_on(tmp_path):
    """The run is stopped in the middle of decoding, as by Ctrl-Z in a shell."""
    import subprocess
    import sys

    for number in range(12):
        save_photo(tmp_path / "photos" / f"{number}.jpg", "red", note=str(number))
    script = (
        "import sys, clipsearch.images.pool as p\n"
        "from clipsearch.indexing.walk import find_images\n"
        "from clipsearch.types import PixelSpec\n"
        "p._LAUNCH = 'import time, clipsearch.images.worker as w; decode = w.decode_pictures; '"
        " 'w.decode_pictures = lambda *a: (time.sleep(0.2), decode(*a))[1]\\n' + p._LAUNCH\n"
        "spec = PixelSpec(None, (8, 8), None, 3, (0.0,) * 3, (1.0,) * 3)\n"
        "with p.DecoderPool(spec, p.ReadLimits(seconds=1.5), workers=2) as pool:\n"
        "    for outcome in pool.read(find_images(sys.argv[1])):\n"
        "        print(type(outcome).__name__, flush=True)\n"
    )
    run = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "photos")], stdout=subprocess.PIPE, text=True)
    with run:
        lines = [run.stdout.readline()]
        run.send_signal(signal.SIGSTOP)
        time.sleep(2)
        run.send_signal(signal.SIGCONT)
        lines += run.stdout.readlines()
    assert [line.strip() for line in lines] == ["Decoded"] * 12


def test_a_drive_that_gives_nothing_is_not_a_broken_photo(index, state, photos, monkeypatch):
    index()
    spoil(photos / "slow.jpg")
    monkeypatch.setattr(pool_module, "_READ_TIMEOUT", 0.5)
    launch = pool_module._LAUNCH
    slow = (
        "import time, clipsearch.images.worker as w; read = w.read_bytes; "
        "w.read_bytes = lambda path, *rest: (time.sleep(60) if path.endswith('slow.jpg') else None, read(path, *rest))[1]\n"
    )
    monkeypatch.setattr(pool_module, "_LAUNCH", slow + launch)
    assert index().failed == 1
    assert state()[1]["slow.jpg"].cause == "access"
    monkeypatch.setattr(pool_module, "_LAUNCH", launch)
    assert index().added == 1


def test_where_no_decoder_can_run_the_run_ends_and_no_photo_is_blamed(index, state, photos, monkeypatch):
    index()
    spoil(photos / "new.jpg")
    monkeypatch.setattr(pool_module, "_LAUNCH", "import sys; sys.exit(1)")
    with pytest.raises(Exception, match="no process that decodes photos can run here"):
        index()
    assert state() == (PHOTOS, {})


def test_a_reason_with_any_characters_can_be_kept(tmp_path):
    from clipsearch.store.rows import Place
    from clipsearch.types import Failure, ImageFile

    with CollectionWriter(tmp_path / "index") as collection:
        root_id = collection.add_root(str(tmp_path / "photos"), {})
        file = ImageFile(str(tmp_path / "photos" / "x.jpg"), 1, 1)
        collection.fail(Place(root_id, "", "x.jpg"), Failure(file, "\ud800 odd \0 words"))
        collection.commit()
        assert "odd" in collection.failures()[0].reason


def test_what_a_file_and_what_its_drive_are_to_blame_for_is_told_apart(tmp_path):
    (tmp_path / "empty.jpg").write_bytes(b"")
    with pytest.raises(ImageError) as gone:
        files.read_bytes(tmp_path / "gone.jpg", 100)
    (tmp_path / "large.jpg").write_bytes(b"x" * 200)
    with pytest.raises(ImageError) as large:
        files.read_bytes(tmp_path / "large.jpg", 100)
    assert (gone.value.cause, large.value.cause) == ("access", "bytes")


@pytest.mark.parametrize("what", ["os.kill(os.getpid(), 9)", "time.sleep(60)"])
def test_photos_known_to_have_changed_leave_when_that_is_confirmed_also_after_three_crashes(
    index, state, photos, decoder, what
):
    limits = ReadLimits(seconds=0.5)
    index()
    for name in ("red.jpg", "green.jpg", "blue.jpg"):
        spoil(photos / name)
    decoder(what)
    for _ in range(attempts.MOST_ATTEMPTS + 1):
        assert index(limits=limits).withheld == 3
    assert index(limits=limits, prune=True).withheld == 0
    assert state()[0] == {"yellow.jpg", "grey.png"}


def test_photos_that_are_renamed_and_cannot_be_read_for_a_moment_are_not_lost(index, state, photos, unreadable):
    index()
    for name in ("red", "green", "blue", "yellow"):
        (photos / f"{name}.jpg").rename(photos / f"{name} 2.jpg")
    unreadable([" 2.jpg"])
    for _ in range(2):
        report = index()
        assert (report.failed, report.removed) == (4, 0)
        assert state()[0] == PHOTOS
    unreadable()
    report = index()
    assert (report.moved, report.added, report.removed) == (4, 0, 0)
    assert state() == ({"red 2.jpg", "green 2.jpg", "blue 2.jpg", "yellow 2.jpg", "grey.png"}, {})


@pytest.mark.parametrize("moment", ["before a folder is listed", "before its files are looked at"])
def test_a_drive_that_goes_during_the_walk_takes_no_photo_along(index, state, photos, monkeypatch, moment):
    from clipsearch.indexing import walk as discover

    index()
    real = os.scandir

    def goes(path):
        if moment == "before a folder is listed":
            if str(path).endswith("trip"):
                photos.rename(photos.with_name("away"))
            return real(path)
        with real(path) as entries:
            listed = list(entries)
        if str(path) == str(photos):
            photos.rename(photos.with_name("away"))
        return contextlib.nullcontext(iter(listed))

    monkeypatch.setattr(discover.os, "scandir", goes)
    report = index(prune=True)
    assert (report.removed, len(report.unreadable) > 0) == (0, True)
    monkeypatch.setattr(discover.os, "scandir", real)
    photos.with_name("away").rename(photos)
    assert state() == (PHOTOS, {})


def test_a_limit_of_memory_from_outside_that_is_gone_counts_as_a_change(index, state, photos, decoder, monkeypatch):
    resource = pytest.importorskip("resource")
    index()
    spoil(photos / "new.jpg")
    decoder("(_ for _ in ()).throw(MemoryError())")
    real = resource.getrlimit
    monkeypatch.setattr(
        resource, "getrlimit", lambda kind: (2**31, 2**31) if kind == resource.RLIMIT_AS else real(kind)
    )
    for _ in range(attempts.MOST_ATTEMPTS):
        assert index().failed == 1
    assert index().known_failures == 1
    decoder(None)
    monkeypatch.setattr(resource, "getrlimit", real)
    assert index().added == 1


def test_a_lower_limit_is_no_change_of_a_photo(index, state, photos):
    spoil(photos / "red.jpg", ending=b"\0" * 50_000)
    index()
    os.utime(photos / "red.jpg", (1, 1))
    assert index(limits=ReadLimits(max_bytes=20_000)).kept == 1
    assert state()[0] == PHOTOS
    index()
    assert state() == (PHOTOS, {})


def test_decoders_that_are_killed_while_they_wait_blame_no_photo(photos):
    from clipsearch.indexing.walk import find_images
    from clipsearch.types import PixelSpec

    files = list(find_images(photos))
    with pool_module.DecoderPool(PixelSpec(None, (8, 8), None, 3, (0.0,) * 3, (1.0,) * 3), workers=2) as pool:
        for _ in range(3):
            assert not [outcome for outcome in pool.read(files) if isinstance(outcome, pool_module.Failure)]
            for worker in list(pool._all):
                worker._process.kill()
                worker._process.wait()


def test_where_no_thread_can_be_started_that_is_said(photos, monkeypatch):
    from clipsearch.errors import ClipsearchError
    from clipsearch.indexing.walk import find_images
    from clipsearch.types import PixelSpec

    def refused(self):
        raise RuntimeError("can't start new thread")

    with pool_module.DecoderPool(PixelSpec(None, (8, 8), None, 3, (0.0,) * 3, (1.0,) * 3), workers=2) as pool:
        monkeypatch.setattr(pool_module.threading.Thread, "start", refused)
        with pytest.raises(ClipsearchError, match="started"):
            list(pool.read(find_images(photos)))


def test_causes_that_take_turns_are_counted_together(index, state, photos, decoder):
    index()
    spoil(photos / "new.jpg")
    for what in ("os.kill(os.getpid(), 9)", "(_ for _ in ()).throw(MemoryError())", "os.kill(os.getpid(), 9)"):
        decoder(what)
        assert index().failed == 1
    assert index().known_failures == 1


def test_a_mark_of_a_damaged_catalog_is_gone_after_a_repair(index, photos, tmp_path):
    from clipsearch.store.repair import repair
    from clipsearch.store.verify import verify

    (photos / "new.jpg").write_bytes(b"\xff\xd8\xff")
    index()
    with sqlite3.connect(tmp_path / "index" / "catalog.sqlite") as catalog:
        catalog.execute("UPDATE failures SET attempts = 3")
    catalog.close()
    assert verify(tmp_path / "index").damages
    repair(tmp_path / "index")
    assert not verify(tmp_path / "index").damages


@pytest.mark.parametrize(
    "error",
    [OSError("out of memory error when reading image file"), RuntimeError("Pixel allocation failed: Out of memory")],
)
def test_what_a_library_says_of_missing_memory_is_no_fault_of_the_file(monkeypatch, error):
    """Pillow, libavif and libheif report it in their own words, like any other error."""

    def refused(*_, **__):
        raise error

    monkeypatch.setattr(reader.Image, "open", refused)
    with pytest.raises(ImageError) as raised:
        reader.decode_image(b"a photo", None, ReadLimits())
    assert raised.value.cause == "memory"


def test_what_libraries_say_where_memory_was_limited_from_outside_is_not_believed_for_ever():
    """libjpeg and OpenJPEG call a file broken when they get no memory."""
    small, large = ReadLimits(memory=2**30), ReadLimits()
    for cause in ("content", "crash"):
        assert attempts.is_due(KnownFailure((0, 0), cause, 3, attempts.circumstances(small)), large)
        assert not attempts.is_due(KnownFailure((0, 0), cause, 3, attempts.circumstances(large)), small)


def test_a_folder_whose_photos_were_pruned_is_a_note_until_it_is_back(engine, tmp_path):
    drive = tmp_path / "drive"
    save_photo(drive / "navy.jpg", (0, 0, 120))
    (drive / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    assert engine.index(drive).added == 1
    away = drive.rename(tmp_path / "away")
    with pytest.raises(SyncRefused, match="is not there now"):
        engine.index()
    assert engine.index(prune=True).removed == 1
    for folders in [(), (drive,)]:
        with pytest.warns(ClipsearchWarning, match=r"drive is not there, and .* to forget it: `clipsearch forget "):
            assert engine.index(*folders).removed == 0
    with pytest.warns(ClipsearchWarning, match="drive is not there"):
        assert engine.preview().refusal is None
    away.rename(drive)
    assert (engine.index().added, engine.index().unchanged) == (1, 6)
