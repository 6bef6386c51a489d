"""The cases of starting and of querying: a function each, which yields the rows of the table."""

from __future__ import annotations

import shutil
import sqlite3
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from clipsearch.conditions import Condition, Located
from clipsearch.query import filters
from clipsearch.query.format_filter import of_format
from clipsearch.store.collection import Collection
from suite import limits, peers, synthetic
from suite.measure import Figures, alternate, folder_mb, in_memory, run_process, timed
from suite.result import Result
from suite.setup import QUERY, Setup


def start(setup: Setup) -> Iterator[Result]:
    """`--help` and `--version`."""
    for flag in ("--help", "--version"):
        figures = alternate({"ours": partial(run_process, setup.clipsearch(flag))}, 2 * setup.repeats + 1)
        yield Result(f"clipsearch {flag}", figures["ours"])


def cold_query(setup: Setup) -> Iterator[Result]:
    """One text query as a whole process, over indexes of three sizes."""
    for count in (1_000, 100_000, 1_000_000):
        index, nowhere = setup.index(count), setup.work / "nowhere"
        runs: dict[str, Callable[[Figures], object]] = {
            "clipsearch": partial(
                run_process, setup.clipsearch("query", QUERY, "--index", index, "--model", setup.checkpoint)
            )
        }
        sizes = {"clipsearch": folder_mb(index)}
        if setup.has("rclip"):
            home = setup.rclip_home(count)
            command = peers.rclip_query(setup.peer_dir, home, nowhere, QUERY)
            runs["rclip"] = partial(run_process, command.popen)
            sizes["rclip"] = folder_mb(peers.rclip_data(home)) - folder_mb(peers.rclip_data(home) / "tokenizer")
            in_memory(peers.rclip_data(home) / peers.RCLIP_DATABASE)
        if setup.has("transformers"):
            array = setup.transformers_index(count)
            command = peers.transformers_query(setup.peer_dir, setup.checkpoint, array, QUERY)
            runs["transformers"] = partial(run_process, command.popen)
            in_memory(array)
        in_memory(index, setup.checkpoint)
        for run in runs.values():
            run(Figures())
        figures = alternate(runs, setup.repeats)
        notes: dict[str, float | str] = {f"{name} index, MB": round(size) for name, size in sizes.items()}
        yield Result(f"cold query over {count:,}", figures.pop("clipsearch"), figures, notes=notes)


def warm_query(setup: Setup) -> Iterator[Result]:
    """Texts already encoded, in one process, over a million vectors; then 64 of them at once."""
    count = 1_000_000
    vectors = np.array(setup.vectors(count))
    rate = limits.read_rate(vectors)
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    texts = setup.real[1][:: len(setup.real[1]) // 64][:64]
    with Collection(setup.index(count)) as collection, Collection(setup.index(count)) as whole:
        for segment in whole.snapshot().segments:
            segment.__dict__["_compact"] = None  # without the 8-bit copy
        for search in (collection.search, whole.search, flat.search):
            search(texts[:1], 10)
        turn = iter(range(10_000))

        def each_query(search: Callable[[Any], object]) -> Callable[[Figures], None]:
            return timed(lambda: search(texts[next(turn) % 64][None]))

        runs = {
            "ours": each_query(lambda q: collection.search(q, 10)),
            "ours, whole vectors": each_query(lambda q: whole.search(q, 10)),
            "faiss flat": each_query(lambda q: flat.search(q, 10)),
        }
        figures = alternate(runs, 4 * setup.repeats)
        notes: dict[str, float | str] = {
            "GB/s read by all cores": round(rate / 1e9, 1),
            "flat fp32 limit, ms": round(1e3 * vectors.nbytes / rate, 1),
        }
        yield Result(
            "warm query over 1,000,000",
            figures.pop("ours"),
            figures,
            limit=count * vectors.shape[1] / rate,
            limit_is="reading the 8-bit copy once",
            notes=notes,
        )
        runs = {
            "ours": timed(lambda: collection.search(texts, 10)),
            "faiss flat": timed(lambda: flat.search(texts, 10)),
        }
        figures = alternate(runs, 3)
        yield Result(
            "64 queries at once over 1,000,000",
            figures.pop("ours"),
            figures,
            count=64,
            limit=2 * 64 * vectors.size / limits.multiply_rate(),
            limit_is="one fp32 matrix product",
        )


def filtered(setup: Setup) -> Iterator[Result]:
    """A warm query among the photos that filters leave of a million, beside the same query among all."""
    count = 1_000_000
    conditions = {
        "--taken, within a day": filters.taken_in("2010-05-05"),
        "--in, one folder": filters.in_folder(setup.work / "nowhere" / "00077"),
        "--camera rare": filters.taken_by("rare"),
        "--format heic": of_format("heic"),
        "--near, 150 km": filters.taken_near("0,0,150"),
        "--name, 50 of them": filters.named("000*77*07.jpg"),
        "--where with two of these": filters.parse_where("taken = 2010-05 and camera ~ 'rare*'"),
        "--min-width, two thirds": filters.parse_where("width >= 4000"),
    }
    yield from _filtered(setup, setup.index(count), count, conditions)


def facts(setup: Setup) -> Iterator[Result]:
    """The same with keywords, names, words, stars and places; and what the full-text table adds to the catalog."""
    count = 1_000_000
    rare, some, common = (synthetic.word(number).capitalize() for number in (4_000, 100, 3))
    title = synthetic.described(4_003).title or ""
    conditions = {
        "--keyword, a rare one": filters.keyworded(rare),
        "--keyword": filters.keyworded(some),
        "--keyword, a common one": filters.keyworded(common),
        "--keyword with a glob": filters.keyworded(f"{some[:3]}*"),
        "--person": filters.showing(synthetic.name(200)),
        "--text, the four words of a title": filters.containing(title),
        "--text, a phrase": filters.containing(f'"{" ".join(title.split()[1:3])}"'),
        "--text, the beginning of a word": filters.containing(f"{synthetic.word(20_000)[:5]}*"),
        "--text, a common word": filters.containing(synthetic.word(3)),
        "--rating 5": filters.rated("5"),
        "--rating 3..": filters.rated("3.."),
        "--place, a city": Located((synthetic.city(500),)),
        "--place, a country": Located((synthetic.city(60).partition("/")[0],)),
    }
    index = setup.described_index(count)
    yield from _filtered(setup, index, count, conditions)
    # A full-text table without content of its own has three tables: of words, of their places, and of the texts' lengths.
    with closing(sqlite3.connect(f"file:{index / 'catalog.sqlite'}?mode=ro", uri=True)) as catalog:
        sizes = dict(catalog.execute("SELECT name, SUM(pgsize) FROM dbstat GROUP BY name"))
    full_text = sum(size for table, size in sizes.items() if table.startswith("full_text"))
    rest = sum(sizes.values()) - full_text
    print(
        f"full text: {full_text / 1e6:.0f} MB, {full_text / rest:.1%} of the other {rest / 1e6:.0f} MB", file=sys.stderr
    )


def _filtered(setup: Setup, index: Path, count: int, conditions: Mapping[str, Condition]) -> Iterator[Result]:
    """A row for each condition, of how long a warm query takes among what it leaves."""
    texts = setup.real[1]
    with Collection(index) as collection:
        turn = iter(range(100 * len(texts)))

        def among(condition: Condition | None) -> Callable[[Figures], None]:
            def search() -> None:
                allowed = None if condition is None else collection.ids(condition)
                collection.search(texts[next(turn) % len(texts)][None], 10, allowed)

            return timed(search)

        runs = {"all": among(None)} | {name: among(condition) for name, condition in conditions.items()}
        for run in runs.values():
            run(Figures())
        figures = alternate(runs, 3 * setup.repeats)
        for name, condition in conditions.items():
            left = len(collection.ids(condition))
            notes: dict[str, float | str] = {
                "CPU, ms": round(1e3 * statistics.median(figures[name].cpu_seconds), 1),
                "CPU without a filter, ms": round(1e3 * statistics.median(figures["all"].cpu_seconds), 1),
            }
            yield Result(
                f"{name}: {left:,} of {count:,}", figures[name], {"without a filter": figures["all"]}, notes=notes
            )


def huge(setup: Setup) -> Iterator[Result]:
    """Ten million photos: one query as a whole process, and one in a process that has the text encoded."""
    count, room = 10_000_000, 30e9
    if not (setup.work / f"index-{count}" / "complete").exists() and shutil.disk_usage(setup.work).free < room:
        print(f"ten million vectors are left out: they take {room / 1e9:.0f} GB of disk", file=sys.stderr)
        return
    index = setup.index(count)
    run = partial(run_process, setup.clipsearch("query", QUERY, "--index", index, "--model", setup.checkpoint))
    run(Figures())
    figures = alternate({"clipsearch": run}, setup.repeats)
    notes: dict[str, float | str] = {"index, MB": round(folder_mb(index))}
    yield Result(f"cold query over {count:,}", figures["clipsearch"], notes=notes)
    rate = limits.read_rate(setup.vectors(1_000_000))
    texts = setup.real[1]
    with Collection(index) as collection:
        collection.search(texts[:1], 10)
        turn = iter(range(1, len(texts)))
        figures = alternate({"ours": timed(lambda: collection.search(texts[next(turn)][None], 10))}, 4 * setup.repeats)
        yield Result(
            f"warm query over {count:,}",
            figures["ours"],
            limit=count * texts.shape[1] / rate,
            limit_is="reading the 8-bit copy once",
        )
