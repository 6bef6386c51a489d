"""Measure how fast an index goes into a store and back, and a query through the store beside a query of the index.

    python benchmarks/store.py INDEX --model CHECKPOINT               # Milvus's server, from the package `milvus`
    python benchmarks/store.py INDEX --model CHECKPOINT --store URL   # another store; its collection must be new

The index is copied first, because pushing writes its lineage into it. Times are medians over the queries.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from clipsearch import Query, SearchEngine, Term
from clipsearch.conditions import Condition, Test
from clipsearch.milvus.address import parse_address
from clipsearch.milvus.table import Table

TEXTS = [
    "a dog on a beach",
    "a red car",
    "snow",
    "two people at a table",
    "a bridge at night",
    "food on a plate",
    "a bird",
    "a boat",
]
FILTERS: dict[str, tuple[Condition, ...]] = {
    "no filter": (),
    "width >= 4000": (Test("width", ">=", 4000),),
    "name ~ '*17*'": (Test("name", "~", "*17*"),),
}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--store")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, _store(given.store, Path(folder)) as store:
        copy = Path(folder, "index")
        shutil.copytree(given.index, copy)
        with SearchEngine(copy, model=given.model) as engine, SearchEngine(store=store, model=given.model) as remote:
            pushed = engine.push(store)
            print(
                f"push   {pushed.images:,} rows in {pushed.seconds:.1f} s: {pushed.images / pushed.seconds:,.0f} a second"
            )
            again = engine.push(store)
            print(f"push   nothing new: {again.seconds:.2f} s")
            for name, filters in FILTERS.items():
                _compare(name, engine, remote, filters)
        with SearchEngine(Path(folder, "pulled"), model=given.model) as engine:
            pulled = engine.pull(store)
            print(
                f"pull   {pulled.images:,} rows in {pulled.seconds:.1f} s: {pulled.images / pulled.seconds:,.0f} a second"
            )
            assert pulled.digest == pushed.digest
        table = Table(parse_address(store))
        table.drop()
        table.close()


def _compare(name: str, engine: SearchEngine, remote: SearchEngine, filters: tuple[Condition, ...]) -> None:
    """Search the index and the store in turn, check that the hits are equal, and time both."""
    queries = [Query((Term(text),), filters) for text in TEXTS]
    for query in queries:  # now texts are encoded, and segments and selections are loaded
        assert list(engine.search(query)) == list(remote.search(query)), query
    mine, theirs = _median(engine.search, queries), _median(remote.search, queries)
    time.sleep(3)  # then the store is asked for its version again
    start = time.perf_counter()
    remote.search(queries[0])
    first = time.perf_counter() - start
    print(
        f"query  {name}: index {1000 * mine:.1f} ms, store {1000 * theirs:.1f} ms, after a pause {1000 * first:.0f} ms"
    )


def _median(search: Callable[[Query], object], queries: list[Query]) -> float:
    seconds = []
    for query in queries * 3:
        start = time.perf_counter()
        search(query)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


@contextlib.contextmanager
def _store(url: str | None, folder: Path) -> Iterator[str]:
    if url:
        yield url
        return
    from tests.milvus.server import running

    (folder / "server").mkdir()
    with running(folder / "server") as address:
        yield f"milvus://{address}/bench"


if __name__ == "__main__":
    main()
