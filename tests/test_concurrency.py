"""Many readers search while a writer commits, merges, is killed and restarts. Two writers exclude each other."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from random import Random

import numpy as np
import pytest

from clipsearch.cli import cli
from clipsearch.engine import SearchEngine
from clipsearch.errors import CollectionBusy
from clipsearch.store.collection import Collection
from clipsearch.store.lock import WriterLock
from clipsearch.store.writer import CollectionWriter

if sys.platform == "win32":
    pytest.skip("SIGKILL exists on Unix only", allow_module_level=True)

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from torture_lab.checking import reached
from torture_lab.children import child
from torture_lab.workload import Job, opened, plan, small_tiers, states, vectors_of
from torture_lab.workload import apply as carry_out

STEPS = plan(11, 24)
STATES = states(STEPS)
TOP = 12
QUERIES = np.stack([vectors_of("query", number)[0] for number in range(3)])


def exact(state, query):
    """Rank all files by their best float64 inner product, best first; ties are ordered by path."""
    scores = {
        name: float((vectors_of(name, version).astype(np.float64) * query.astype(np.float64)).sum(axis=1).max())
        for name, version in state.items()
    }
    order = sorted(scores, key=lambda name: (-scores[name], name))[:TOP]
    return [(name, state[name]) for name in order], [scores[name] for name in order]


def read_on(folder, stop, line):
    """Search until `stop` is set, then send the number of answers and the commits they came from."""
    expected = [[exact(state, query) for query in QUERIES] for state in STATES]
    answers, seen, last = 0, set(), 0
    try:
        with Collection(folder) as collection:
            while not stop.is_set():
                number = answers % len(QUERIES)
                hits = collection.search(QUERIES[number : number + 1], TOP)[0]
                photos = [(os.path.relpath(record.file.path, folder.parent), record.info.width) for _, record in hits]
                same = [at for at in range(last, len(STATES)) if expected[at][number][0] == photos]
                assert same, f"an answer of no commit from {last} on: {photos}"
                scores = expected[same[0]][number][1]
                assert np.allclose([score for score, _ in hits], scores, rtol=0, atol=1e-12)
                last = same[0]
                seen.add(last)
                answers += 1
                time.sleep(0.02)  # without a pause, many readers starve the writer on a small machine
        line.send((answers, seen, ""))
    except Exception as error:
        line.send((answers, seen, f"{type(error).__name__}: {error}"))


@pytest.mark.parametrize(("count", "steps"), [(3, STEPS[:10]), pytest.param(8, STEPS, marks=pytest.mark.long)])
def test_every_answer_of_many_readers_is_from_one_commit(tmp_path, count, steps):
    folder, chance = tmp_path / "photos" / ".clipsearch", Random(5)
    with small_tiers(), opened(folder) as collection:
        carry_out(collection, STEPS[0])
    context = multiprocessing.get_context("forkserver")
    stop, lines, readers = context.Event(), [], []
    with child(Job(folder, steps, 1)):  # starts the fork server with the laboratory's settings
        pass
    for _ in range(count):
        line, theirs = context.Pipe(duplex=False)
        readers.append(context.Process(target=read_on, args=(folder, stop, theirs)))
        readers[-1].start()
        theirs.close()
        lines.append(line)
    done, kills, seconds, patience = 1, 0, 0.02, time.monotonic() + 60
    while done < len(steps) and time.monotonic() < patience:
        before = done
        with child(Job(folder, steps, done)) as (process, begin, ended):
            begin()
            process.join(chance.uniform(0, seconds))
            kills += process.is_alive()
            process.kill()
            outcome = ended()
        with pytest.MonkeyPatch.context() as patch:  # readers may still use the files that a check would remove
            patch.setattr("torture_lab.checking._named", lambda folder: {p.name for p in folder.glob("segments/*")})
            done = reached(folder, STATES, outcome.acknowledged)
        if done == before:  # a slow or busy machine needs longer for a step
            seconds *= 1.5
    stop.set()
    answers = [line.recv() for line in lines]
    for reader, line in zip(readers, lines, strict=True):
        reader.join()
        reader.close()
        line.close()
    assert [error for _, _, error in answers if error] == []
    assert done == len(steps) and kills
    assert all(count for count, _, _ in answers) and len(set.union(*(seen for _, seen, _ in answers))) > 3


def test_a_second_writer_learns_which_process_writes_and_since_when(tmp_path):
    with (
        opened(tmp_path / "index"),
        pytest.raises(CollectionBusy, match=rf"pid {os.getpid()} since \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d"),
    ):
        CollectionWriter(tmp_path / "index")
    opened(tmp_path / "index").close()


@pytest.mark.parametrize(
    "content", [b"", b"\xff\x00garbage" * 99, b'{"pid": 1, "since": "2001-01-01T00:00:00+00:00"}', b"[]"]
)
def test_a_leftover_lock_file_blocks_no_writer(tmp_path, content):
    opened(tmp_path / "index").close()
    (tmp_path / "index" / "writer.lock").write_bytes(content)
    with opened(tmp_path / "index"), pytest.raises(CollectionBusy, match=f"pid {os.getpid()} since 20"):
        CollectionWriter(tmp_path / "index")


@pytest.mark.parametrize("content", [b"", b"\xff\x00garbage", b'{"pid": "x"}', b"[]"])
def test_an_unreadable_lock_file_names_no_process(tmp_path, content):
    with opened(tmp_path / "index"):
        (tmp_path / "index" / "writer.lock").write_bytes(content)
        with pytest.raises(CollectionBusy, match=r"writing to the index in [^(]*;"):
            CollectionWriter(tmp_path / "index")


def test_a_killed_writer_blocks_no_other_writer(tmp_path):
    folder = tmp_path / "photos" / ".clipsearch"
    with child(Job(folder, STEPS)) as (process, begin, ended):
        begin()
        while not (folder / "writer.lock").exists() and process.is_alive():
            time.sleep(0.001)
        process.kill()
        ended()
    opened(folder).close()


# -- --wait


def run(arguments):
    return cli.main(arguments, prog_name="clipsearch", standalone_mode=False)


def test_wait_waits_for_the_other_writer(photos, encoder, capsys):
    with SearchEngine.open(photos) as engine:
        engine.index(photos)
    lock = WriterLock(photos / ".clipsearch" / "writer.lock")
    threading.Timer(0.6, lock.release).start()
    assert run(["index", "--wait", str(photos)]) in (0, None)  # the next word is not a number, so it is a folder
    output = capsys.readouterr()
    assert output.err.count(f"pid {os.getpid()} since") == 1 and "Ctrl-C gives up" in output.err
    assert "run this again" not in output.err  # it does that itself
    assert "5 unchanged" in output.out


@pytest.mark.parametrize("arguments", [[], ["--wait", "0.3"], ["--wait=0.3"]])
def test_waiting_ends_after_its_time(photos, encoder, arguments):
    with SearchEngine.open(photos) as engine:
        engine.index(photos)
    lock = WriterLock(photos / ".clipsearch" / "writer.lock")
    try:
        for command in (["index", str(photos)], ["forget", str(photos / "trip"), "--index", str(photos)]):
            with pytest.raises(CollectionBusy, match="pid"):
                run([*command, *arguments])
    finally:
        lock.release()
    run(["forget", "--wait", str(photos / "trip"), "--index", str(photos)])
    with SearchEngine.open(photos) as engine:
        assert engine.status().images == 4


def test_ctrl_c_ends_a_wait_at_once(photos, encoder):
    with SearchEngine.open(photos) as engine:
        engine.index(photos)
    lock = WriterLock(photos / ".clipsearch" / "writer.lock")
    command = [sys.executable, "-m", "clipsearch", "forget", str(photos / "trip"), "--index", str(photos), "--wait"]
    try:
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert re.search(r"pid \d+ since .*Waiting", process.stderr.readline())
            process.send_signal(signal.SIGINT)
            assert "interrupted" in process.communicate(timeout=60)[1] and process.returncode == 130
    finally:
        lock.release()
