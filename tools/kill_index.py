#!/usr/bin/env python3
"""Kill `clipsearch index` at random moments, and check that the next run ends with exactly one row per photo.

    python tools/kill_index.py ../shared/data/flickr8k/images --kills 20

Each round starts with an empty index, sends SIGKILL at a random moment, checks what is left, and runs to the end. Then every
photo must have one row, every row one vector, and every vector a row or a tombstone.
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

from clipsearch.indexing.walk import find_images
from clipsearch.store.collection import Collection


def check(index: Path) -> int:
    """The number of photos in an index. Raises AssertionError if rows and vectors do not match."""
    if not (index / "catalog.sqlite").exists():
        return 0
    with Collection(index, writable=True) as collection:  # opened as by the next run, which removes leftovers
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


def one_round(photos: Path, index: Path, model: str, delay: float) -> tuple[bool, int, int]:
    """Kill a run after `delay` seconds, then run to the end.

    Returns whether the run was still going, the number of photos kept at that moment, and the number at the end.
    """
    command = [sys.executable, "-m", "clipsearch", "index", str(photos), "--index", str(index), "--model", model, "-q"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    time.sleep(delay)
    ran = process.poll() is None
    process.kill()
    process.wait()
    kept = check(index)
    finished = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    assert finished.returncode in (0, 3), finished.stderr
    return ran, kept, check(index)


def main() -> None:
    """Run the campaign and print a line for each kill."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--longest", type=float, help="latest kill, in seconds; default: the time of a whole run")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    randomness = random.Random(arguments.seed)
    expected = sum(1 for _ in find_images(arguments.photos))
    longest = arguments.longest
    number = 1
    while number <= arguments.kills:
        index = Path(tempfile.mkdtemp(prefix="clipsearch-kill-"))
        start = time.monotonic()
        delay = randomness.uniform(0.2, longest or 60)
        ran, kept, total = one_round(arguments.photos, index, arguments.model, delay)
        longest = longest or time.monotonic() - start
        shutil.rmtree(index)
        event = f"kill {number:2}" if ran else "too late"
        print(f"{event} after {delay:6.2f} s: {kept:6,} kept, {total:6,} of {expected:,} at the end", flush=True)
        assert total == expected, "a photo is missing"
        number += ran
    print(f"{arguments.kills} kills, nothing lost, nothing twice")


if __name__ == "__main__":
    main()
