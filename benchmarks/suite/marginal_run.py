#!/usr/bin/env python3
"""Embed photos in one of two ways, and print as JSON what 1,000 of them took once all was under way.

    python marginal_run.py index CHECKPOINT PHOTOS INDEX auto          # clipsearch
    python marginal_run.py loop CHECKPOINT PHOTOS - int8               # decode, resize and the model, nothing else
    python marginal_run.py parts CHECKPOINT PHOTOS INDEX auto          # clipsearch, with a clock on each part

PHOTOS has JPEGs without folders, and some more than the clock runs for.

The loop decodes and resizes in as many processes, hands the pixels over, and runs the same model in as many threads.
"""

from __future__ import annotations

import io
import itertools
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clipsearch import SearchEngine, load_encoder
from clipsearch._internal.cancel import CancelToken
from clipsearch._internal.cpu import cores
from clipsearch.encoders.base import Encoder
from clipsearch.images.file_decoder import DRAFT_FACTOR
from clipsearch.images.preprocess import minimum_size, normalise, resize_and_crop
from clipsearch.types import PixelSpec

START, COUNT = 200, 1000
"""Photos before the clock starts, and photos that it runs for."""

_BATCH, _AHEAD, _AT_ONCE = 32, 64, 2  # as in clipsearch.indexing.pipeline and clipsearch.images.pool


def main() -> None:
    """Run one of the ways."""
    if sys.argv[1] == "decode":
        fields = json.loads(sys.argv[2])
        known: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()
        }
        _decode(PixelSpec(**known))
        return
    way, checkpoint, photos, index, precision = sys.argv[1:]
    clock = _Clock()
    parts: dict[str, float] = {}
    if way == "loop":
        _loop(load_encoder(checkpoint, precision=precision), Path(photos), clock)
    else:
        precision, parts = _index(checkpoint, Path(photos), Path(index), precision, clock, with_parts=way == "parts")
    print(json.dumps({**clock.result(), "precision": precision, "parts": parts}))


class _Clock:
    """Notes the time and the processor time, with that of child processes, at the first and the last photo that count."""

    def __init__(self) -> None:
        self._marks: list[tuple[int, float, float]] = []

    def at(self, done: int) -> None:
        """Say that so many photos are done."""
        wanted = (START, START + COUNT, math.inf)[len(self._marks)]
        if done >= wanted:
            self._marks.append((done, time.perf_counter(), time.process_time() + _of_children()))

    @property
    def runs(self) -> bool:
        """Whether the photos that are done now count."""
        return len(self._marks) == 1

    @property
    def has_ended(self) -> bool:
        """Whether all photos that count are done."""
        return len(self._marks) == 2

    def result(self) -> dict[str, float]:
        """How many photos counted, and seconds a photo: of the clock on the wall, and of processors."""
        (first, start, cpu), (last, end, cpu_end) = self._marks
        count = last - first
        return {"photos": count, "seconds": (end - start) / count, "cpu": (cpu_end - cpu) / count}


def _of_children() -> float:
    """Processor seconds of the child processes that are running."""
    total = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


# -- decode, resize and the model, nothing else


def _loop(encoder: Encoder, photos: Path, clock: _Clock) -> None:
    paths = sorted(str(path) for path in photos.iterdir())[: START + COUNT + 4 * _BATCH]
    spec, running = encoder.spec.pixels, deque[Future[Any]]()
    done = 0
    with ThreadPoolExecutor(cores()) as readers, ThreadPoolExecutor(_AT_ONCE) as model:
        decoded = _in_order(readers, paths, spec)
        while batch := list(itertools.islice(decoded, _BATCH)):
            running.append(model.submit(_encode, encoder, spec, batch))
            if len(running) > _AT_ONCE:
                done += len(running.popleft().result())
                clock.at(done)
        while running:
            done += len(running.popleft().result())
            clock.at(done)


def _in_order(readers: ThreadPoolExecutor, paths: list[str], spec: PixelSpec) -> Iterator[bytes]:
    """The pixels of each photo. Each thread has a process that decodes."""
    local, waiting, processes = threading.local(), deque[Future[bytes]](), list[subprocess.Popen[bytes]]()
    size = 3 * spec.output_size[0] * spec.output_size[1]

    def ask(path: str) -> bytes:
        if not hasattr(local, "process"):
            command = [sys.executable, __file__, "decode", json.dumps(asdict(spec))]
            local.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            processes.append(local.process)
        local.process.stdin.write(f"{path}\n".encode())
        local.process.stdin.flush()
        pixels: bytes = local.process.stdout.read(size)
        return pixels

    for path in paths:
        waiting.append(readers.submit(ask, path))
        if len(waiting) >= _AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
    for process in processes:
        process.communicate()


def _decode(spec: PixelSpec) -> None:
    """Read, decode and resize the JPEGs that standard input names, as clipsearch does."""
    for line in sys.stdin.buffer:
        with open(line.decode().rstrip("\n"), "rb") as stream:
            data = stream.read()
        sys.stdout.buffer.write(_decoded(data, spec).tobytes())
        sys.stdout.buffer.flush()


def _decoded(data: bytes, spec: PixelSpec) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=["JPEG"])
    width, height = minimum_size(spec)
    image.draft("RGB", (width * DRAFT_FACTOR, height * DRAFT_FACTOR))
    return resize_and_crop(image.convert("RGB"), spec)


def _encode(encoder: Encoder, spec: PixelSpec, batch: list[bytes]) -> NDArray[np.float32]:
    width, height = spec.output_size
    pixels = [np.frombuffer(data, np.uint8).reshape(height, width, 3) for data in batch]
    piece = 4 * cores()
    parts = [
        encoder.encode_pixels(normalise(pixels[start : start + piece], spec)) for start in range(0, len(pixels), piece)
    ]
    return np.concatenate(parts)


# -- clipsearch


def _index(
    checkpoint: str, photos: Path, index: Path, precision: str, clock: _Clock, *, with_parts: bool
) -> tuple[str, dict[str, float]]:
    """Index until the clock has ended: the precision, and the seconds a photo of each part."""
    shutil.rmtree(index, ignore_errors=True)
    watch, cancel = _Stopwatch(clock), CancelToken()
    if with_parts:
        watch.instrument()

    def progress(report: object, done: int, total: int) -> None:
        clock.at(done)
        if clock.has_ended:
            cancel.cancel()

    with SearchEngine(index, model=checkpoint, precision=precision) as engine:
        engine.index(photos, progress=progress, cancel=cancel)
        spec = engine.encoder.spec
    seconds = {name: total / clock.result()["photos"] for name, total in watch.totals.items()}
    return spec.fingerprint.precision or "fp32", {**seconds, **_in_decoders(photos, spec.pixels)} if with_parts else {}


class _Stopwatch:
    """Adds up the processor time that threads spend in some functions, while a clock runs."""

    def __init__(self, clock: _Clock) -> None:
        self.totals: defaultdict[str, float] = defaultdict(float)
        self._clock = clock
        self._inside = threading.local()

    def instrument(self) -> None:
        """Put a clock on the parts of a run of `index`."""
        from clipsearch.encoders import base
        from clipsearch.images import pool
        from clipsearch.indexing import pipeline, reconciler
        from clipsearch.store.writer import CollectionWriter

        for name in ("add", "has_size", "same_content", "known_file", "known_failure"):
            self._time(CollectionWriter, name, "catalog: rows and questions")
        self._time(CollectionWriter, "commit", "commits: staged vectors, files, syncs")
        self._time(reconciler, "is_own_picture", "looking for clipsearch's own pictures")
        self._time(pipeline, "normalise", "normalising pixels")
        self._time(base.Encoder, "encode_pixels", "the model, in the threads that call it")
        self._time(pool._Worker, "read", "pipes to the decoders, on this side")

    def _time(self, owner: Any, name: str, part: str) -> None:
        real: Callable[..., Any] = getattr(owner, name)

        @wraps(real)
        def timed(*arguments: Any, **options: Any) -> Any:
            if getattr(self._inside, "is_timing", False):
                return real(*arguments, **options)
            self._inside.is_timing = True
            start = time.thread_time()
            try:
                return real(*arguments, **options)
            finally:
                self._inside.is_timing = False
                if self._clock.runs:
                    self.totals[part] += time.thread_time() - start

        setattr(owner, name, timed)


def _in_decoders(photos: Path, spec: PixelSpec) -> dict[str, float]:
    """Seconds a photo of what a decoding process does, each by itself."""
    import hashlib

    from clipsearch.images.files import ReadLimits
    from clipsearch.images.reader import decode_pictures

    contents = [path.read_bytes() for path in sorted(photos.iterdir())[:100]]
    limits, least = ReadLimits(), minimum_size(spec)

    def seconds(work: Callable[[bytes], object]) -> float:
        rounds = []
        for _ in range(3):
            start = time.process_time()
            for data in contents:
                work(data)
            rounds.append((time.process_time() - start) / len(contents))
        return statistics.median(rounds)

    bare = seconds(lambda data: _decoded(data, spec))
    whole = seconds(lambda data: decode_pictures(data, least, limits, None, lambda image: resize_and_crop(image, spec)))
    hashing = seconds(lambda data: hashlib.sha256(data).hexdigest())
    return {
        "decoders: decode and resize alone": bare,
        "decoders: sha256": hashing,
        "decoders: EXIF, profile, format": whole - bare - hashing,
    }


if __name__ == "__main__":
    main()
