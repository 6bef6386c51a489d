"""Approximate indexes measured: recall of texts and of images, latency and memory, at settings from careless to careful."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from clipsearch.store.approximate.build import VectorSource, build
from clipsearch.store.approximate.index import DEEPEST, ApproximateIndex
from clipsearch.store.approximate.info import Kind
from clipsearch.store.approximate.tune import (
    TuningQueries,
    efforts,
    exact_milliseconds,
    recalls,
    tuning_queries,
)
from clipsearch.store.collection import Collection
from clipsearch.types import Embeddings
from suite import peers
from suite.setup import Setup

QUERIES = 256  # texts, and as many images
_TIMED = 48
_CANDIDATES = (100, 400, 1600)
_PEER_SCRIPT = Path(__file__).with_name("ann_peers.py")


@dataclass(frozen=True)
class Point:
    """One setting of one index."""

    rows: int
    method: str
    setting: str
    text: float  # recall@10
    image: float
    milliseconds: float  # median of one text query at a time
    megabytes: float
    build_seconds: float


@dataclass(frozen=True)
class Bench:
    """The vectors and queries that all methods are measured with."""

    rows: int
    texts: TuningQueries
    images: TuningQueries
    exact: Point


def measured(setup: Setup, rows: int, kinds: Sequence[Kind], others: Sequence[str]) -> Iterator[Point]:
    """Every point of our kinds and of the installed peers, over an index of a given size. The exact search comes first."""
    with Collection(setup.index(rows)) as collection:
        fingerprint = collection.fingerprint
        assert fingerprint is not None
        source = VectorSource(collection.snapshot(), fingerprint.digest)
        bench = _bench(setup, source)
        yield bench.exact
        for kind in kinds:
            yield from _ours(setup, source, bench, kind)
        for peer in others:
            if setup.has(peer):
                yield from _peer(setup, source, bench, peer)


def _bench(setup: Setup, source: VectorSource) -> Bench:
    real = setup.real[1]
    texts = np.ascontiguousarray(real[:: max(len(real) // QUERIES, 1)][:QUERIES])
    chosen = np.random.default_rng(0).choice(source.ids, QUERIES, replace=False)
    own = np.sort(chosen).tolist()
    images = _vectors(source, own)
    silent = lambda done, total: None  # noqa: E731
    bench = (tuning_queries(source.snapshot, texts, (), silent), tuning_queries(source.snapshot, images, own, silent))
    milliseconds = exact_milliseconds(source.snapshot, texts)
    size = len(source.ids) * source.dim * 4 / 1e6
    exact = Point(len(source.ids), "exact", "8-bit copy, proven", 1.0, 1.0, milliseconds, size * 1.25, 0.0)
    return Bench(len(source.ids), *bench, exact)


def _vectors(source: VectorSource, ids: Sequence[int]) -> Embeddings:
    wanted = np.array(ids, np.int64)
    vectors = np.empty((len(ids), source.dim), np.float32)
    for segment in source.snapshot.segments:
        rows = segment.rows_of(wanted)
        vectors[rows >= 0] = segment.vectors[rows[rows >= 0]]
    return vectors


def _ours(setup: Setup, source: VectorSource, bench: Bench, kind: Kind) -> Iterator[Point]:
    with TemporaryDirectory(dir=setup.work, prefix="ann-") as folder:
        start = time.perf_counter()
        card = build(Path(folder), kind, source, lambda what, done, total: None)
        seconds = time.perf_counter() - start
        index = ApproximateIndex(Path(folder), card)
        base = Point(bench.rows, kind, "", 0.0, 0.0, 0.0, card.size / 1e6, seconds)
        best = 0.0
        for effort in list(efforts(card.shape))[::2]:
            done = []
            for count in _CANDIDATES:
                if not card.shape.lists and count > max(effort, _CANDIDATES[0]):
                    continue
                index.effort, index.candidates = effort, count
                milliseconds = _timed(index, source, bench.texts.vectors)
                text, image = (recalls(index, side)[0] for side in (bench.texts, bench.images))
                done.append(
                    replace(base, setting=f"{effort}, {count}", text=text, image=image, milliseconds=milliseconds)
                )
            yield from done
            before, best = best, max(point.text for point in done)
            if min(point.milliseconds for point in done) > 1.5 * bench.exact.milliseconds or done[0].text > 0.9995:
                break
            if effort > 32 and best < before + 0.001:  # a higher setting finds no more
                break


def _timed(index: ApproximateIndex, source: VectorSource, texts: Embeddings) -> float:
    seconds = []
    for number in range(_TIMED):
        start = time.perf_counter()
        index.nearest(source.snapshot, texts[number : number + 1], DEEPEST)
        seconds.append(time.perf_counter() - start)
    return 1000 * median(seconds)


def _peer(setup: Setup, source: VectorSource, bench: Bench, peer: str) -> Iterator[Point]:
    """A peer's points, measured in its own environment over the same vectors, row by row."""
    with TemporaryDirectory(dir=setup.work, prefix="ann-") as folder:
        query_file = Path(folder) / "queries.npz"
        np.savez(query_file, texts=bench.texts.vectors, images=bench.images.vectors)
        command = peers.run_script(
            setup.peer_dir, peer, _PEER_SCRIPT, peer, setup.vectors_file(bench.rows), query_file, folder
        )
        process = subprocess.run(**command.popen, check=False, capture_output=True, text=True)
        if process.returncode:  # the lines that it printed before count
            print(f"{peer} ended with {process.returncode}:\n{process.stderr[-2000:]}", file=sys.stderr)
        for about in map(json.loads, process.stdout.splitlines()):
            with np.load(Path(folder) / about["answers"]) as answers:
                text = _recall(answers["texts"], bench.texts, 0)
                image = _recall(answers["images"], bench.images, 1)
            yield Point(
                bench.rows, about["method"], about["setting"], text, image, about["milliseconds"], about["megabytes"],
                about["build_seconds"],
            )  # fmt: skip


def _recall(rows: Any, queries: TuningQueries, own: int) -> float:
    """Recall@10 of rows (n, 10 + own); ids are rows plus one. If `own` is 1, each image's first hit is itself."""
    recalls_each = [
        min(int(np.isin(truth, ids + 1).sum()), 10) / 10
        for truth, ids in zip(queries.best, rows[:, : 10 + own], strict=True)
    ]
    return float(np.mean(recalls_each))


def as_json(points: Sequence[Point]) -> list[dict[str, Any]]:
    """Everything measured."""
    return [asdict(point) for point in points]
