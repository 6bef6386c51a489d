#!/usr/bin/env python3
"""Measure how long commands take to end after Ctrl-C, while every core is busy with something else.

    python benchmarks/measure_interrupts.py                                # 10 runs of each command
    python benchmarks/measure_interrupts.py --only serve watch --runs 3

Each run starts a command, waits until it is at work, and a further moment that differs from run to run. Then it sends SIGINT to
the process and its children, as a terminal does. A loop beside it keeps each core busy. Photos are made from a fixed seed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from suite.measure import machine

from clipsearch._internal.cpu import cores

LIMIT = 1.0  # seconds
_PHOTOS = 400
_SIZE = (3000, 2000)
_STARTING = 60.0  # seconds that a command may take until it is at work
_SETTLING = 0.5  # seconds before the first run, for the busy loops to start


@dataclass(frozen=True, slots=True)
class Case:
    """A command to interrupt: its words, and the moments of the interrupt in seconds after it is at work."""

    words: tuple[str, ...]
    moments: tuple[float, float]
    is_at_work: Callable[[subprocess.Popen[bytes], Path], bool] = lambda process, errors: True
    prepare: Callable[[], None] = lambda: None


def make_photos(folder: Path, count: int) -> None:
    """Pictures of 6 megapixels: noise that takes a usual time to decode, with dark text for `--ocr`."""
    folder.mkdir()
    random = np.random.default_rng(1)
    for number in range(count):
        small = random.integers(0, 255, (60, 90, 3), np.uint8)
        picture = Image.fromarray(small).resize(_SIZE, Image.Resampling.BICUBIC)
        picture.save(folder / f"{number:04}.jpg", quality=85)


def says(text: str) -> Callable[[subprocess.Popen[bytes], Path], bool]:
    """Whether the command has written a text to standard error."""
    return lambda process, errors: text in errors.read_text("utf-8", "replace")


def cases(top: Path) -> dict[str, Case]:
    """The commands, over folders below `top` that `main` fills."""
    photos, indexed = str(top / "photos"), str(top / "indexed")
    fresh = top / "fresh"

    def forget() -> None:
        shutil.rmtree(fresh, ignore_errors=True)

    new = ("index", photos, "--index", str(fresh), "--model", "mini")
    return {
        "index": Case(new, (0.0, 8.0), prepare=forget),
        "index --ocr": Case((*new, "--ocr"), (2.0, 12.0), prepare=forget),
        "index --watch": Case(("index", indexed, "--watch"), (0.0, 2.0), says("waiting for changes")),
        "query": Case(("query", "a dog", "--index", indexed), (0.0, 0.6)),
        "duplicates": Case(("duplicates", "--index", indexed), (0.0, 3.0)),
        "serve": Case(("serve", "--index", indexed, "--no-open", "--port", "0"), (0.0, 2.0), says("Ctrl-C stops")),
        "serve --watch": Case(
            ("serve", "--index", indexed, "--no-open", "--port", "0", "--watch"), (0.0, 2.0), says("Ctrl-C stops")
        ),
        "serve, starting": Case(("serve", "--index", indexed, "--no-open", "--port", "0"), (0.0, 1.5)),
    }


def interrupted(case: Case, moment: float, folder: Path) -> float | None:
    """The seconds from SIGINT to the end of the command; None if it had ended before."""
    case.prepare()
    errors = folder / "errors"
    with errors.open("wb") as file:
        command = [sys.executable, "-m", "clipsearch", *case.words]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=file, start_new_session=True
        )
        try:
            end = time.monotonic() + _STARTING
            while not case.is_at_work(process, errors) and process.poll() is None:
                if time.monotonic() > end:
                    raise RuntimeError(f"{' '.join(case.words)} is not at work after {_STARTING:g} s")
                time.sleep(0.02)
            time.sleep(moment)
            if process.poll() is not None:
                return None
            start = time.perf_counter()
            os.killpg(process.pid, signal.SIGINT)
            process.wait(60)
            return time.perf_counter() - start
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextmanager
def busy_cores(count: int) -> Iterator[None]:
    """Keep so many cores busy."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        time.sleep(_SETTLING)
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def main(words: Sequence[str] | None = None) -> int:
    """Measure, and print a line for each command. Exit status 1 if one took longer than the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="COMMAND", help="measure these only")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--photos", type=int, default=_PHOTOS)
    parser.add_argument("--idle", action="store_true", help="without the busy loops")
    arguments = parser.parse_args(words)
    slow = False
    with tempfile.TemporaryDirectory() as made:
        top = Path(made)
        make_photos(top / "photos", arguments.photos)
        shutil.copytree(top / "photos", top / "indexed")
        subprocess.run(
            [sys.executable, "-m", "clipsearch", "index", top / "indexed", "--model", "mini", "-q"], check=True
        )
        print(f"{machine()}; {arguments.photos} photos of {_SIZE[0]} x {_SIZE[1]}", flush=True)
        print(f"{'seconds from Ctrl-C to the end':<32} {'median':>8} {'worst':>8} {'runs':>6}", flush=True)
        with busy_cores(0 if arguments.idle else cores()):
            for name, case in cases(top).items():
                if arguments.only and name not in arguments.only:
                    continue
                first, last = case.moments
                moments = [first + (last - first) * run / max(1, arguments.runs - 1) for run in range(arguments.runs)]
                took = [seconds for moment in moments if (seconds := interrupted(case, moment, top)) is not None]
                if not took:
                    print(f"{name:<32} had always ended before", flush=True)
                    continue
                slow |= max(took) > LIMIT
                print(f"{name:<32} {statistics.median(took):>8.2f} {max(took):>8.2f} {len(took):>6}", flush=True)
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
