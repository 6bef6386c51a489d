#!/usr/bin/env python3
"""Kill `clipsearch index` at random moments, and check that the next run ends with exactly one row per photo.

    python tools/kill_index.py ../shared/data/flickr8k/images --kills 20
    python tools/kill_index.py data/photos --kills 20 --from-model mini --model CHECKPOINT

Each round starts with an empty index, sends SIGKILL at a random moment, checks what is left, and runs to the end. Then every
photo must have one row, every row one vector, and every vector a row or a tombstone. With --from-model, each round starts with
a whole index of that model, and the run that is killed changes its model: all photos must be there at any moment.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from clipsearch.errors import CollectionBusy
from clipsearch.indexing.walk import find_images
from clipsearch.store.collection import Collection
from clipsearch.store.verify import Damage, verify
from clipsearch.store.writer import CollectionWriter


def wait_a_little(_: CollectionBusy) -> bool:
    """Try again: a process that the killed one was just starting has its lock until it becomes another program."""
    time.sleep(0.05)
    return True


def check(index: Path) -> int:
    """The number of photos in an index. Raises AssertionError if rows and vectors do not match."""
    if not (index / "catalog.sqlite").exists():
        return 0
    # Opened as by the next run, which removes leftovers.
    with CollectionWriter(index, on_busy=wait_a_little) as collection:
        records = list(collection.all_records())
        paths = [record.file.path for record in records]
        assert len(paths) == len(set(paths)), "a photo has two rows"
        segments = collection.snapshot().segments
        held = np.concatenate([np.empty(0, np.int64), *(segment.ids for segment in segments)])
        assert len(held) == len(set(held.tolist())), "a row has two vectors"
        living = set(held.tolist()) - set(collection.tombstones())
        assert living == {record.image_id for record in records}, "a row has no vector, or a vector no row"
        named = {segment.info.name for segment in segments}
        on_disk = {path.name for path in (index / "segments").iterdir()}
        assert on_disk == named, f"files that the catalog does not list: {on_disk - named}"
        for segment in segments:
            norms = np.linalg.norm(segment.vectors.astype(np.float64), axis=1)
            assert np.allclose(norms, 1, atol=1e-6), "a vector is torn"
    return len(records)


def one_round(photos: Path, index: Path, model: str, delay: float, former: Path | None = None) -> tuple[bool, int, int]:
    """Kill a run after `delay` seconds, then run to the end. It changes the model of a copy of `former`, if that is given.

    Returns whether the run was still going, the number of photos kept at that moment, and the number at the end.
    """
    command = [sys.executable, "-m", "clipsearch", "index", str(photos), "--index", str(index), "--model", model, "-q"]
    if former:
        shutil.copytree(former, index, dirs_exist_ok=True)
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    time.sleep(delay)
    ran = process.poll() is None
    process.kill()
    process.wait()
    if former:
        assert damages(index) == ()
        check(index / "next")
    kept = check(index)
    finished = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    assert finished.returncode in (0, 3), finished.stderr
    total = check(index)
    if former:
        assert damages(index) == () and model_of(index) == model and not (index / "next").exists()
        assert kept == total, "a photo was lost while the model changed"
    return ran, kept, total


def damages(index: Path) -> tuple[Damage, ...]:
    """What is not as it was written."""
    return verify(index).damages


def model_of(index: Path) -> str | None:
    """The model of an index."""
    with Collection(index) as collection:
        return collection.fingerprint.model if collection.fingerprint else None


def main() -> None:
    """Run the campaign and print a line for each kill."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--from-model", help="change the model of an index of this one")
    parser.add_argument("--longest", type=float, help="latest kill, in seconds; default: the time of a whole run")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    randomness = random.Random(arguments.seed)
    expected = sum(1 for _ in find_images(arguments.photos))
    longest = arguments.longest
    former = None
    if arguments.from_model:
        former = Path(tempfile.mkdtemp(prefix="clipsearch-kill-"))
        made = [sys.executable, "-m", "clipsearch", "index", str(arguments.photos), "--index", str(former), "-q"]
        subprocess.run([*made, "--model", arguments.from_model], check=True)
    number = 1
    while number <= arguments.kills:
        index = Path(tempfile.mkdtemp(prefix="clipsearch-kill-"))
        start = time.monotonic()
        delay = randomness.uniform(0.2, longest or 60)
        ran, kept, total = one_round(arguments.photos, index, arguments.model, delay, former)
        longest = longest or time.monotonic() - start
        shutil.rmtree(index)
        event = f"kill {number:2}" if ran else "too late"
        print(f"{event} after {delay:6.2f} s: {kept:6,} kept, {total:6,} of {expected:,} at the end", flush=True)
        assert total == expected, "a photo is missing"
        number += ran
    print(f"{arguments.kills} kills, nothing lost, nothing twice")


if __name__ == "__main__":
    main()
