#!/usr/bin/env python3
"""Build a peer's approximate index, in an environment that has only the peer, and measure some of its settings.

    python ann_peers.py autofaiss|usearch VECTORS.npy QUERIES.npz FOLDER

Prints one JSON line a setting; answers (row numbers) go to FOLDER.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

TIMED = 64
Answer = Callable[[Any], Any]  # queries (n, dim) to rows (n, 11)


def report(method: str, setting: str, answer: Answer, queries: Any, folder: Path, **about: float) -> None:
    """Answer all queries, time the first ones one by one, and print the figures as JSON."""
    name = f"{method}-{setting}.npz".replace("/", "_").replace(",", "_").replace(" ", "_")
    np.savez(folder / name, texts=answer(queries["texts"]), images=answer(queries["images"]))
    seconds = []
    for number in range(TIMED):
        query = queries["texts"][number : number + 1]
        start = time.perf_counter()
        answer(query)
        seconds.append(time.perf_counter() - start)
    figures = {
        "method": method,
        "setting": setting,
        "answers": name,
        "milliseconds": 1000 * statistics.median(seconds),
        **about,
    }
    print(json.dumps(figures), flush=True)


def autofaiss(vectors: Path, queries: Any, folder: Path) -> None:
    """Autofaiss with its own choice of an index, tuned to several query times.

    It may use more memory than the vectors take, so it builds a graph. With a quarter of that memory it chooses product
    quantisation behind a rotation. Training that for 100,000 vectors on two cores took more than half an hour.
    """
    import autofaiss as library

    alone = folder / "vectors"  # it reads folders
    alone.mkdir()
    (alone / "vectors.npy").symlink_to(vectors)
    start = time.perf_counter()
    index, about = library.build_index(
        str(alone), save_on_disk=False, file_format="npy", metric_type="ip", verbose=40, nb_cores=os.cpu_count(),
        max_index_memory_usage="8GB", current_memory_available="12GB", max_index_query_time_ms=10,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    megabytes = float(about.get("size in bytes", 0)) / 1e6
    for milliseconds in (0.5, 1, 2, 4, 8, 16):
        # The description tells which index build_index chose.
        library.tune_index(
            index, about["index_key"], max_index_query_time_ms=milliseconds, save_on_disk=False, verbose=40
        )
        report(
            f"autofaiss {about['index_key']}",
            f"{milliseconds} ms",
            lambda batch: index.search(batch, 11)[1],
            queries,
            folder,
            megabytes=megabytes,
            build_seconds=seconds,
        )


def usearch(vectors: Path, queries: Any, folder: Path) -> None:
    """USearch's graph over 8-bit values, from careless to careful."""
    from usearch.index import Index

    rows = np.load(vectors, mmap_mode="r")
    index = Index(ndim=rows.shape[1], metric="ip", dtype="i8")
    start = time.perf_counter()
    for first in range(0, len(rows), 65_536):
        block = np.array(rows[first : first + 65_536])
        index.add(np.arange(first, first + len(block)), block)
    seconds = time.perf_counter() - start

    def answer(batch: Any) -> Any:
        matches = index.search(batch, 11)
        return np.asarray(matches.keys).astype(np.int64).reshape(len(batch), -1)

    for effort in (32, 64, 128, 256, 512, 1024, 2048):
        index.expansion_search = effort
        report(
            "usearch i8",
            str(effort),
            answer,
            queries,
            folder,
            megabytes=index.memory_usage / 1e6,
            build_seconds=seconds,
        )


def main() -> None:
    """Run one of the two."""
    peer, vectors, queries_file, folder = sys.argv[1:]
    with np.load(queries_file) as data:
        queries = dict(data)
    {"autofaiss": autofaiss, "usearch": usearch}[peer](Path(vectors), queries, Path(folder))


if __name__ == "__main__":
    main()
