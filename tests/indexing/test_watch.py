"""Watching folders while real files come, change, move and go."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from clipsearch._internal.cancel import CancelToken
from clipsearch.conditions import Test
from clipsearch.errors import ClipsearchError, CollectionDamaged, CollectionError
from clipsearch.indexing.walk import WalkRules
from clipsearch.indexing.watch import QUIET, Watch
from clipsearch.store.collection import Collection
from clipsearch.store.writer import CollectionWriter
from clipsearch.terms import Query
from tests.conftest import save_photo

pytest.importorskip("watchfiles")

SIDECAR = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:subject><rdf:Bag><rdf:li>holiday</rdf:li></rdf:Bag></dc:subject>
</rdf:Description></rdf:RDF></x:xmpmeta>"""

PATIENCE = 60  # seconds before a test gives up waiting


class Watching:
    """A watch in a thread of its own. It keeps the reports of its rounds and its notices."""

    def __init__(self, engine, folders=(), rules=None, **options):
        self.reports, self.notices, self.updates = [], [], []
        self.cancel = CancelToken()
        self.error = None

        def update(paths):
            self.updates.append(list(paths))
            return engine.index(
                *paths, rules=rules, settled_for=QUIET, on_busy=lambda busy: not self.cancel.wait(0.1), **options
            )

        self._watch = Watch(
            engine.index_folder, folders, rules, update=update, notice=self.notices.append, cancel=self.cancel
        )
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        try:
            for report in self._watch.rounds():
                self.reports.append(report)
        except BaseException as error:
            self.error = error

    def total(self, what):
        return sum(getattr(report, what) for report in self.reports)

    def until(self, holds):
        end = time.monotonic() + PATIENCE
        while not holds():
            assert self.error is None and time.monotonic() < end, (self.error, self.reports, self.notices)
            time.sleep(0.05)


@contextmanager
def watching(engine, *arguments, **options):
    watch = Watching(engine, *arguments, **options)
    watch.thread.start()
    try:
        watch.until(lambda: watch.updates)
        yield watch
    finally:
        watch.cancel.cancel()
        watch.thread.join(PATIENCE)
    assert not watch.thread.is_alive() and watch.error is None


def old(path):
    """Date a file long ago, so that the watch does not wait for it."""
    os.utime(path, (1e9, 1e9))
    return path


def indexed(engine):
    with Collection(engine.index_folder) as collection:
        ids = sorted(collection.ids(None))
        return {os.path.basename(record.file.path) for record in collection.records(ids).values()}


def test_what_comes_changes_moves_and_goes_is_indexed(engine, photos):
    with watching(engine) as watch:
        save_photo(photos / "new.jpg", "red", note="new")
        watch.until(lambda: watch.total("added") == 1)
        save_photo(photos / "new.jpg", "blue", note="changed")
        watch.until(lambda: watch.total("updated") == 1)
        os.rename(photos / "trip", photos / "journey")
        watch.until(lambda: watch.total("moved") == 1)
        os.rename(photos / "red.jpg", photos / "journey" / "rouge.jpg")
        watch.until(lambda: watch.total("moved") == 2)
        os.unlink(photos / "new.jpg")
        watch.until(lambda: watch.total("removed") == 1)
    assert watch.total("failed") == 0 and watch.notices == []
    assert indexed(engine) == {"rouge.jpg", "green.jpg", "blue.jpg", "yellow.jpg", "grey.png"}


def test_a_burst_is_one_round_or_few(engine, photos):
    source = save_photo(photos.parent / "one.jpg", "red", note="burst").read_bytes()
    with watching(engine) as watch:
        watch.until(lambda: watch.reports)
        before = len(watch.reports)
        for number in range(200):
            (photos / f"burst-{number:03}.jpg").write_bytes(source + b"%d" % number)
        watch.until(lambda: watch.total("added") == 200)
    assert len(watch.reports) - before <= 4


def test_a_photo_written_in_pieces_is_read_when_it_is_whole(engine, photos):
    data = save_photo(photos.parent / "slow.jpg", (90, 60, 30), size=(900, 700)).read_bytes()
    longest = 0.0
    with watching(engine) as watch, open(photos / "slow.jpg", "wb", buffering=0) as file:
        last = time.monotonic()
        for start in range(0, len(data), max(1, len(data) // 12)):
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
            file.write(data[start : start + max(1, len(data) // 12)])
            time.sleep(QUIET / 4)
        watch.until(lambda: watch.total("added") == 1)
        assert longest > 0.8 * QUIET or watch.total("failed") == 0
    assert "slow.jpg" in indexed(engine)


def test_a_photo_that_stalls_half_written_is_a_failure_until_the_rest_comes(engine, photos):
    data = save_photo(photos.parent / "stalled.jpg", (90, 60, 30), size=(900, 700)).read_bytes()
    with watching(engine) as watch, open(photos / "stalled.jpg", "wb", buffering=0) as file:
        file.write(data[: len(data) // 2])
        watch.until(lambda: watch.total("failed") == 1)
        file.write(data[len(data) // 2 :])
        watch.until(lambda: watch.total("added") + watch.total("updated") == 1)
    assert engine.failures() == [] and "stalled.jpg" in indexed(engine)


def test_what_a_walk_passes_over_starts_no_round(engine, photos):
    with watching(engine, rules=WalkRules(exclude=("*.tif",))) as watch:
        watch.until(lambda: watch.reports)
        before = len(watch.updates)
        for name in (
            ".clipsearch/x.jpg",
            ".hidden/a.jpg",
            "node_modules/n.jpg",
            "excluded.tif",
            "notes.zip",
            ".dot.jpg",
        ):
            (photos / name).parent.mkdir(exist_ok=True)
            (photos / name).write_bytes(b"anything")
        time.sleep(3 * QUIET)
        assert len(watch.updates) == before
        old(save_photo(photos / "seen.jpg", "red", note="seen"))
        watch.until(lambda: watch.total("added") == 1)
        after = len(watch.updates)
        time.sleep(3 * QUIET)
        assert len(watch.updates) == after  # a round's own writes start no other round


def test_a_sidecar_starts_a_round_that_reads_its_facts(engine, photos):
    with watching(engine) as watch:
        watch.until(lambda: watch.reports)
        (photos / "red.jpg.xmp").write_text(SIDECAR)
        watch.until(lambda: watch.total("facts") == 1)
    assert [hit.record.file.name for hit in engine.search(Query((), (Test("keyword", "=", "holiday"),)), 5)] == [
        "red.jpg"
    ]


def test_a_folder_that_is_not_there_is_waited_for_and_the_others_go_on(engine, photos, tmp_path):
    drive, away = tmp_path / "drive", tmp_path / "away"
    for colour in ("red", "blue"):
        old(save_photo(drive / f"drive-{colour}.jpg", colour, note="drive"))
    engine.index(drive)
    with watching(engine) as watch:
        watch.until(lambda: watch.reports)
        drive.rename(away)
        watch.until(lambda: any("is not there now" in notice for notice in watch.notices))
        old(save_photo(photos / "meanwhile.jpg", "red", note="meanwhile"))
        watch.until(lambda: watch.total("added") == 1)
        drive.mkdir()  # a drive that is not mounted often leaves an empty folder
        watch.until(lambda: any("is empty now" in notice for notice in watch.notices))
        assert "drive-red.jpg" in indexed(engine) and watch.total("removed") == 0
        drive.rmdir()
        away.rename(drive)
        old(save_photo(drive / "drive-green.jpg", "green", note="drive"))
        watch.until(lambda: watch.total("added") == 2)
    assert any(notice.endswith("drive is back") for notice in watch.notices)
    assert watch.total("removed") == 0 and {"drive-red.jpg", "drive-green.jpg", "meanwhile.jpg"} <= indexed(engine)


def test_an_index_that_goes_with_its_drive_is_not_made_anew(engine, photos):
    with watching(engine) as watch:
        watch.until(lambda: watch.reports)
        away = photos.rename(photos.with_name("away"))
        watch.until(lambda: any("index at" in notice for notice in watch.notices))
        photos.mkdir()
        time.sleep(2 * QUIET)
        assert list(photos.iterdir()) == []
        photos.rmdir()
        away.rename(photos)
        old(save_photo(photos / "later.jpg", "red", note="later"))
        watch.until(lambda: watch.total("added") == 1)
    assert watch.total("removed") == 0


def test_an_index_that_goes_while_it_is_opened_is_waited_for(engine, photos, monkeypatch):
    class Going(Collection):
        """An opened index whose drive is pulled out once, just after the check that the drive is there."""

        def __init__(self, folder, **options):
            super().__init__(folder, **options)
            if not gone:
                self.close()
                gone.append(photos.rename(photos.with_name("away")))
                raise CollectionDamaged(f"{folder} is not a readable catalog: unable to open database file")

    gone = []
    with watching(engine) as watch:
        watch.until(lambda: watch.reports)
        monkeypatch.setattr("clipsearch.indexing.watch.Collection", Going)
        old(save_photo(photos / "before.jpg", "red", note="before"))  # after its round the index is opened again
        watch.until(lambda: any("index at" in notice for notice in watch.notices))
        gone[0].rename(photos)
        old(save_photo(photos / "later.jpg", "red", note="later"))
        watch.until(lambda: watch.total("added") == 2)
    assert not any("readable" in notice for notice in watch.notices) and watch.total("removed") == 0


def test_a_damaged_index_is_said_and_waited_for(engine, photos):
    catalog = engine.index_folder / "catalog.sqlite"
    with watching(engine) as watch:
        watch.until(lambda: watch.reports)
        good, bad = catalog.with_name("good"), catalog.with_name("bad")
        os.link(catalog, good)
        bad.write_bytes(b"no catalog" * 1000)
        bad.replace(catalog)  # at once: a catalog that is missing or empty for a moment would be another fault
        old(save_photo(photos / "later.jpg", "red", note="later"))
        watch.until(lambda: any("catalog" in notice for notice in watch.notices))
        assert watch.thread.is_alive()
        good.replace(catalog)
        watch.until(lambda: watch.total("added") == 1)


def test_a_mass_loss_is_refused_and_watching_goes_on(engine, photos):
    with watching(engine) as watch:
        watch.until(lambda: watch.reports)
        kept = {name: (photos / name).read_bytes() for name in ("red.jpg", "green.jpg", "blue.jpg", "yellow.jpg")}
        for name in kept:
            os.unlink(photos / name)
        watch.until(lambda: any("no longer there" in notice for notice in watch.notices))
        assert len(indexed(engine)) == 5
        for name, data in kept.items():
            (photos / name).write_bytes(data)
        old(save_photo(photos / "more.jpg", "red", note="more"))
        watch.until(lambda: watch.total("added") == 1)
    assert watch.total("removed") == 0 and len(indexed(engine)) == 6


def test_another_writer_is_waited_for(engine, photos):
    with watching(engine) as watch:
        watch.until(lambda: watch.reports)
        done = len(watch.reports)
        with CollectionWriter(engine.index_folder):
            old(save_photo(photos / "patient.jpg", "red", note="patient"))
            watch.until(lambda: len(watch.updates) > done)
            time.sleep(0.5)
            assert len(watch.reports) == done
        watch.until(lambda: watch.total("added") == 1)


def test_where_the_system_cannot_say_folders_are_compared(engine, photos, monkeypatch):
    def no_more(*arguments, **options):
        raise OSError("OS file watch limit reached")

    monkeypatch.setattr("watchfiles.watch", no_more)
    monkeypatch.setattr("clipsearch.indexing.watch._COMPARE_INTERVAL_BLIND", 1.0)
    with watching(engine) as watch:
        old(save_photo(photos / "unseen.jpg", "red", note="unseen"))
        watch.until(lambda: watch.total("added") == 1)
    (notice,) = watch.notices
    assert "max_user_watches" in notice


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such file systems")
def test_a_folder_around_file_systems_of_the_machine_is_compared_and_not_watched(engine, photos, monkeypatch, tmp_path):
    (tmp_path / "mountinfo").write_bytes(
        b"22 27 0:9021 / %s rw - proc proc rw\n" % os.fsencode(photos / "a proc").replace(b" ", b"\\040")
    )
    monkeypatch.setattr("clipsearch.indexing.system_folders._MOUNTS", tmp_path / "mountinfo")
    monkeypatch.setattr("watchfiles.watch", None)
    monkeypatch.setattr("clipsearch.indexing.watch._COMPARE_INTERVAL_BLIND", 1.0)
    with watching(engine) as watch:
        watch.until(lambda: watch.notices)
        save_photo(photos / "new.jpg", note="new")
        watch.until(lambda: watch.total("added") == 1)
    assert f"{photos / 'a proc'} is a file system of the machine itself" in watch.notices[0]


def test_a_moment_in_which_no_decoder_can_start_is_waited_for(engine, photos, monkeypatch):
    from clipsearch.images import pool

    monkeypatch.setattr("clipsearch.indexing.watch._COMPARE_INTERVAL_BLIND", 1.0)
    launch = pool._LAUNCH
    with watching(engine) as watch:
        watch.until(lambda: watch.reports)
        monkeypatch.setattr(pool, "_LAUNCH", "import sys; sys.exit(1)")
        old(save_photo(photos / "patient.jpg", "red", note="patient"))
        watch.until(lambda: any("no process that decodes" in notice for notice in watch.notices))
        monkeypatch.setattr(pool, "_LAUNCH", launch)
        watch.until(lambda: watch.total("added") == 1)
    assert engine.failures() == []


def test_a_full_disk_is_waited_for(engine, photos, monkeypatch):
    monkeypatch.setattr("clipsearch.indexing.watch._COMPARE_INTERVAL_BLIND", 1.0)
    full, index = [True], engine.index

    def on_a_full_disk(*folders, **options):
        if full:
            raise CollectionError("the catalog cannot be written (database or disk is full)")
        return index(*folders, **options)

    monkeypatch.setattr(engine, "index", on_a_full_disk)
    with watching(engine) as watch:
        watch.until(lambda: watch.notices)
        full.clear()
        old(save_photo(photos / "new.jpg", "red", note="new"))
        watch.until(lambda: watch.total("added") == 1)
    assert "disk is full" in watch.notices[0]


def test_without_watchfiles_the_extra_is_named(engine, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ClipsearchError, match=r"clipsearch\[watch\]"):
        Watch(engine.index_folder, update=engine.index, notice=print)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process there")
def test_the_command_prints_a_line_a_round_and_ends_by_ctrl_c(photos, tmp_path):
    command = [sys.executable, "-m", "clipsearch", "index", str(photos), "--model", "mini", "--watch"]
    for path in (*photos.glob("*.jpg"), photos / "trip" / "grey.png"):
        old(path)
    with open(tmp_path / "said", "w+") as said:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True)
        try:
            end = time.monotonic() + PATIENCE

            def until(text):
                while text not in (tmp_path / "said").read_text():
                    assert time.monotonic() < end and process.poll() is None, (tmp_path / "said").read_text()
                    time.sleep(0.05)

            until("waiting for changes")
            save_photo(photos / "new.jpg", "red", note="new")
            until(" 1 added in")
            shutil.rmtree(photos / "trip")
            until("1 removed in")
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    text = (tmp_path / "said").read_text()
    assert process.returncode == 130 and "interrupted" in text and "Traceback" not in text
    result = subprocess.run([*command[:-1], "--json"], capture_output=True, text=True)
    assert '"added": 0' in result.stdout and '"unchanged": 5' in result.stdout
