#!/usr/bin/env python3
"""Query a server with many clients at once, and compare with the engine called directly.

    python benchmarks/load_server.py                                 # 100,000 synthetic photos, made once and kept
    python benchmarks/load_server.py --index DIR --model NAME --json # any index

The server is a process of its own (`clipsearch serve`) on the same machine as its clients, which compete with it for the cores.
Each client sends its next query as soon as it has an answer, over one connection. Every case first sends new texts, and then a
few texts again and again. Compare rows of one run only: machines differ and are busy.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line sets it; numpy reads it on import

from suite.measure import machine
from suite.setup import KEPT, Setup, add_folders

from clipsearch import SearchEngine
from clipsearch.query.language import parse_query

TOP_K = 50
REPEATED = 32  # texts that are sent again and again
_THINGS = (
    "dog",
    "cat",
    "boat",
    "bridge",
    "child",
    "mountain",
    "cup",
    "horse",
    "street",
    "tree",
    "car",
    "bird",
    "church",
    "cake",
)
_PLACES = (
    "on a beach",
    "in the snow",
    "at night",
    "by a river",
    "in a kitchen",
    "in the rain",
    "from above",
    "in a garden",
)
_COLOURS = ("red", "green", "blue", "white", "black", "old", "small", "bright", "wooden", "wet")


@dataclass
class Row:
    """One row of the table."""

    case: str
    texts: str
    queries: int
    errors: int
    queries_per_second: float
    p50_ms: float
    p99_ms: float


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0] if __doc__ else "", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--index", type=Path, help="an index; by default a synthetic one is made")
    parser.add_argument("--model", help="its model, if it is not found under the name that the index remembers")
    parser.add_argument("--images", type=int, default=100_000, help="photos in the synthetic index")
    add_folders(parser)
    parser.add_argument("--clients", type=int, default=64, help="at once")
    parser.add_argument("--queries", type=int, default=1280, help="for each case of the server; the engine gets fewer")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    index, model = arguments.index, arguments.model
    if index is None:
        arguments.work.mkdir(parents=True, exist_ok=True)
        setup = Setup(arguments.shared, KEPT, arguments.work, 1, 0)
        index, model = setup.index(arguments.images), str(setup.checkpoint)
    texts = _new_texts()
    again = [next(texts) for _ in range(REPEATED)]
    rows: list[Row] = []

    def add(row: Row) -> None:
        rows.append(row)
        print(_table([row]).splitlines()[-1], file=sys.stderr)

    with SearchEngine.open(index, model=model) as engine, _server(index, model) as address:
        images = engine.status(scan=False).images
        engine.search(next(texts), TOP_K)
        few = max(1, arguments.queries // 10)
        for kind, ask in (("new", texts), ("repeated", itertools.cycle(again))):
            add(_engine_row("engine, one after another", kind, engine, [[next(ask)] for _ in range(few)]))
            add(_row("server, 1 client", kind, *asyncio.run(_clients(address, ask, 1, few))))
            batches = [[next(ask) for _ in range(64)] for _ in range(max(1, arguments.queries // 64))]
            add(_engine_row("engine, 64 at once", kind, engine, batches))
            outcome = asyncio.run(_clients(address, ask, arguments.clients, arguments.queries))
            add(_row(f"server, {arguments.clients} clients", kind, *outcome))
    if arguments.json:
        print(
            json.dumps(
                {"machine": machine(), "images": images, "top_k": TOP_K, "rows": list(map(asdict, rows))}, indent=1
            )
        )
    else:
        print(f"{machine()}; {images:,} photos, {TOP_K} hits a query\n")
        print(_table(rows))
    if any(row.errors for row in rows):
        sys.exit(1)


def _new_texts() -> Iterator[str]:
    """Distinct texts of about the same length."""
    words = random.Random(0)
    for number in itertools.count():
        yield f"a {words.choice(_COLOURS)} {words.choice(_THINGS)} {words.choice(_PLACES)} {number}"


def _engine_row(case: str, kind: str, engine: SearchEngine, batches: list[list[str]]) -> Row:
    seconds: list[float] = []
    begin = time.perf_counter()
    for batch in batches:
        start = time.perf_counter()
        engine.search_many([parse_query(text) for text in batch], TOP_K)
        seconds += [time.perf_counter() - start] * len(batch)
    return _row(case, kind, time.perf_counter() - begin, seconds, 0)


async def _clients(address: str, texts: Iterator[str], clients: int, queries: int) -> tuple[float, list[float], int]:
    """Send queries from several clients at once; the total seconds, the seconds of each, and the number of failed queries."""
    left = iter([next(texts) for _ in range(queries)])
    seconds: list[float] = []
    errors = 0

    async def client() -> None:
        nonlocal errors
        parts = urlsplit(address)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for text in left:
            start = time.perf_counter()
            writer.write(
                f"GET /api/search?top_k={TOP_K}&q={quote(text)} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode(
                    "ascii"
                )
            )
            errors += not await _is_answered(reader, TOP_K)
            seconds.append(time.perf_counter() - start)
        writer.close()
        await writer.wait_closed()

    begin = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return time.perf_counter() - begin, seconds, errors


async def _is_answered(reader: asyncio.StreamReader, hits: int) -> bool:
    """Read an answer, and tell whether it has as many hits as requested."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = next(int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-length:"))
    body = await reader.readexactly(length)
    return head.startswith("http/1.1 200") and body.count(b'"rank": ') == hits


@contextmanager
def _server(index: Path, model: str | None) -> Iterator[str]:
    """Run `clipsearch serve` at a free port; yields its address."""
    command = [sys.executable, "-m", "clipsearch", "serve", "--index", str(index), "--port", "0", "--no-open"]
    command += ["--model", model] if model else []
    with tempfile.TemporaryDirectory() as state, tempfile.TemporaryFile("w+") as errors:
        environment = {**os.environ, "XDG_STATE_HOME": state}  # it must not be the index used last
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            if not address:
                errors.seek(0)
                sys.exit(f"the server did not start:\n{errors.read()}")
            yield address
        finally:
            process.terminate()
            process.wait()


def _row(case: str, kind: str, total: float, seconds: list[float], errors: int) -> Row:
    ordered = sorted(seconds)
    p50, p99 = (1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.99))
    return Row(case, kind, len(seconds), errors, len(seconds) / total, p50, p99)


def _table(rows: list[Row]) -> str:
    columns: dict[str, Callable[[Row], str]] = {
        "case": lambda row: row.case,
        "texts": lambda row: row.texts,
        "queries": lambda row: str(row.queries),
        "errors": lambda row: str(row.errors),
        "queries/s": lambda row: f"{row.queries_per_second:.0f}",
        "p50 ms": lambda row: f"{row.p50_ms:.1f}",
        "p99 ms": lambda row: f"{row.p99_ms:.1f}",
    }
    lines = [list(columns), ["---"] * len(columns), *([show(row) for show in columns.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
