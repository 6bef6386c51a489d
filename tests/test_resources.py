"""A command leaves no thread, process or open file behind, even if it is interrupted or killed."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from clipsearch.engine import SearchEngine
from clipsearch.store.collection import Collection
from tests.conftest import save_photo
from tests.store.support import add, random_units, writer

pytestmark = pytest.mark.usefixtures("own_decoders")

linux = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="reads /proc")


def open_files():
    return len(os.listdir("/proc/self/fd"))


def threads_after(threads):
    """Wait until new threads have ended, then return all threads. A cancelled timer's thread takes a moment to end."""
    until = time.monotonic() + 5
    while not set(threading.enumerate()) <= threads and time.monotonic() < until:
        time.sleep(0.01)
    return set(threading.enumerate())


def children():
    """Child processes that this process has not waited for."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            found.update((task / "children").read_text().split())
    return found


@linux
def test_indexing_leaves_no_thread_no_process_and_no_open_file(photos, encoder):
    threads, processes = set(threading.enumerate()), children()
    with SearchEngine.open(photos) as engine:
        engine.index(jobs=2)
    files = open_files()
    for number in range(3):
        save_photo(photos / f"{number}.jpg", "red", note=str(number))
        with SearchEngine.open(photos) as engine:
            engine.index(jobs=2)
            engine.search("red")
            engine.status()
    assert threads_after(threads) == threads and children() == processes
    assert open_files() <= files


@linux
def test_a_run_that_fails_leaves_nothing_behind(photos, encoder, monkeypatch):
    with SearchEngine.open(photos) as engine:
        engine.index(jobs=1)
        threads, processes, files = set(threading.enumerate()), children(), open_files()
        for number, error in enumerate((RuntimeError, KeyboardInterrupt, OSError)):
            save_photo(photos / f"{number}.jpg", "red", note=str(number))

            def fail(pixels, error=error):
                raise error("in the model")

            monkeypatch.setattr(encoder, "embed_pixels", fail)
            with contextlib.suppress(error):
                engine.index(jobs=2)
    assert threads_after(threads) <= threads and children() == processes
    assert open_files() <= files


@linux
def test_open_files_stay_few_over_200_searches_and_commits(tmp_path):
    folder = tmp_path / ".clipsearch"
    vectors = random_units(200, 8)
    counts = []
    with writer(folder, 8) as collection:
        add(collection, ["first.jpg"], vectors[:1])
        collection.commit()
        with Collection(folder) as reader:
            before = open_files()
            for number in range(1, 200):
                add(collection, [f"{number}.jpg"], vectors[number : number + 1])
                collection.commit()
                assert reader.search(vectors[number][None], 1)[0][0][1].file.name == f"{number}.jpg"
                counts.append(open_files())
    assert max(counts) <= before + 10


@linux
def test_open_files_and_threads_stay_few_over_200_searches(photos, encoder):
    with SearchEngine.open(photos) as engine:
        engine.index(jobs=1)
        engine.search("red")
        files, threads = open_files(), threading.active_count()
        for number in range(200):
            engine.search(("red", "blue + green", photos / "red.jpg")[number % 3])
        assert open_files() <= files and threading.active_count() <= threads


def run(*arguments, folder):
    return subprocess.Popen(
        [sys.executable, "-m", "clipsearch", *map(str, arguments)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def session(leader):
    """All processes of a session, without zombies."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if fields[3] == str(leader) and fields[0] != "Z":
                found.append(int(folder.name))
    return found


def decoders(folder):
    """Decoding processes of an index command. Each runs in its own session."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            decodes = b"clipsearch.images.worker" in (process / "cmdline").read_bytes()
            if decodes and os.readlink(process / "cwd") == str(folder):
                found.append(int(process.name))
    return found


@pytest.fixture
def many(photos):
    for number in range(250):
        save_photo(photos / f"{number:03}.jpg", (number, number // 2, 90), size=(900, 700), note=str(number))
    return photos


def started(process, photos):
    """Wait until an index run starts to decode. Return False if it ends first."""
    for _ in range(600):
        if decoders(photos):
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.05)
    return False


@linux
def test_ctrl_c_ends_every_process_of_a_run(many):
    process = run("index", many, "--model", "mini", folder=many)
    if not started(process, many):
        process.communicate(timeout=60)
        pytest.skip("this machine indexed everything before Ctrl-C came")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert session(process.pid) == [] and decoders(many) == []
    assert process.returncode in (0, 130)


@linux
def test_no_decoder_outlives_a_run_that_was_killed(many):
    process = run("index", many, "--model", "mini", folder=many)
    started(process, many)
    process.kill()
    process.communicate(timeout=60)
    for _ in range(200):
        if not decoders(many):
            break
        time.sleep(0.05)
    assert session(process.pid) == [] and decoders(many) == []


@linux
def test_no_process_outlives_a_query_and_an_index(photos):
    for arguments in (
        ["index", photos, "--model", "mini"],
        ["query", "red"],
        ["query", "red.jpg"],
        ["status"],
        ["verify"],
    ):
        process = run(*arguments, folder=photos)
        process.communicate(timeout=120)
        assert process.returncode == 0
        assert session(process.pid) == [] and decoders(photos) == []
