"""What is measured: each case runs clipsearch and the peers in turn and says what the limit is."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from benchmark import limits, peers, synthetic
from benchmark.measure import Figures, alternate, folder_mb, in_memory, run_process, timed
from benchmark.setup import QUERY, Setup
from clipsearch import load_encoder
from clipsearch.schema import ImageFile, ImageInfo
from clipsearch.store.catalog import Place
from clipsearch.store.collection import Collection


@dataclass
class Result:
    """One row of the table."""

    name: str
    ours: Figures
    peers: dict[str, Figures] = field(default_factory=dict)
    limit: float | None = None  # seconds
    limit_is: str = ""
    count: int = 1  # what one run does: so many photos or queries
    notes: dict[str, float | str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Everything measured."""
        return {
            "case": self.name, "count": self.count, "clipsearch": self.ours.as_json(),
            "peers": {name: figures.as_json() for name, figures in self.peers.items()},
            "limit_seconds": self.limit, "limit_is": self.limit_is, "notes": self.notes,
        }  # fmt: skip


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
            "clipsearch": partial(run_process, setup.clipsearch("query", QUERY, "--index", index))
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
        for segment in whole.published_segments():
            segment.__dict__["_compact"] = None  # as if there were no 8-bit copy
        for search in (collection.search, whole.search, flat.search):
            search(texts[:1], 10)
        turn = iter(range(10_000))

        def one(search: Callable[[Any], object]) -> Callable[[Figures], None]:
            return timed(lambda: search(texts[next(turn) % 64][None]))

        runs = {
            "ours": one(lambda q: collection.search(q, 10)),
            "ours, whole vectors": one(lambda q: whole.search(q, 10)),
            "faiss flat": one(lambda q: flat.search(q, 10)),
        }
        figures = alternate(runs, 4 * setup.repeats)
        notes: dict[str, float | str] = {
            "GB/s read by all cores": round(rate / 1e9, 1),
            "flat fp32 limit, ms": round(1e3 * vectors.nbytes / rate, 1),
        }
        yield Result(
            "warm query over 1,000,000", figures.pop("ours"), figures,
            limit=count * vectors.shape[1] / rate, limit_is="reading the 8-bit copy once", notes=notes,
        )  # fmt: skip
        runs = {
            "ours": timed(lambda: collection.search(texts, 10)),
            "faiss flat": timed(lambda: flat.search(texts, 10)),
        }
        figures = alternate(runs, 3)
        yield Result(
            "64 queries at once over 1,000,000", figures.pop("ours"), figures, count=64,
            limit=2 * 64 * vectors.size / limits.multiply_rate(), limit_is="one fp32 matrix product",
        )  # fmt: skip


def huge(setup: Setup) -> Iterator[Result]:
    """Ten million photos: one query as a whole process, and one in a process that has the text encoded."""
    count, room = 10_000_000, 30e9
    if not (setup.work / f"index-{count}" / "complete").exists() and shutil.disk_usage(setup.work).free < room:
        print(f"ten million vectors are left out: they take {room / 1e9:.0f} GB of disk", file=sys.stderr)
        return
    index = setup.index(count)
    run = partial(run_process, setup.clipsearch("query", QUERY, "--index", index))
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
            f"warm query over {count:,}", figures["ours"],
            limit=count * texts.shape[1] / rate, limit_is="reading the 8-bit copy once",
        )  # fmt: skip


def indexing(setup: Setup) -> Iterator[Result]:
    """Photos to a new index, end to end, as a whole process."""
    for kind in ("12 MP", "1 MP"):
        folder = setup.photo_folder(kind)
        in_memory(folder, setup.checkpoint)
        ours, loop = setup.work / "new-index", setup.work / "new.npy"

        def index(precision: str, figures: Figures, folder: Path = folder, ours: Path = ours) -> None:
            shutil.rmtree(ours, ignore_errors=True)
            flags = ("--index", ours, "--model", setup.checkpoint, "--precision", precision, "--quiet")
            run_process(setup.clipsearch("index", folder, *flags), figures)

        runs: dict[str, Callable[[Figures], object]] = {
            "ours": partial(index, "auto"),
            "clipsearch fp32": partial(index, "fp32"),
        }
        if setup.has("rclip"):
            home = setup.rclip_home(0)

            def rclip(figures: Figures, folder: Path = folder, home: Path = home) -> None:
                (peers.rclip_data(home) / peers.RCLIP_DATABASE).unlink(missing_ok=True)
                run_process(peers.rclip_index(setup.peer_dir, home, folder).popen, figures)

            runs["rclip"] = rclip
        if setup.has("transformers"):
            command = peers.transformers_index(setup.peer_dir, setup.checkpoint, folder, loop)
            runs["transformers"] = partial(run_process, command.popen)
        runs["ours"](Figures())  # the precision is settled once for a machine
        figures = alternate(runs, setup.repeats)
        index("auto", Figures())
        with Collection(ours) as collection:
            assert collection.fingerprint
            chosen = collection.fingerprint.precision or "fp32"
        parts = limits.indexing_parts(load_encoder(setup.checkpoint, precision=chosen), folder)
        count = len(list(folder.glob("*.jpg")))
        yield Result(
            f"indexing {count} JPEGs of {kind}", figures.pop("ours"), figures, count=count,
            limit=count * sum(parts.values()), limit_is="decoding alone + model alone, on all cores",
            notes={"precision chosen": chosen, **{f"{name}, ms": round(1e3 * value, 1) for name, value in parts.items()}},
        )  # fmt: skip


def unchanged(setup: Setup) -> Iterator[Result]:
    """`index` over 100,000 files of which none has changed, beside a bare walk with os.scandir and stat."""
    count, folder, index = 100_000, setup.work / "files", setup.work / "index-files"
    if not (index / "complete").exists():
        names = synthetic.names(count)
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"\xff\xd8")
        with Collection(index, writable=True) as collection:
            collection.require(setup.encoder.spec.fingerprint)
            root_id = collection.add_root(str(folder), {})
            for number, (name, vector) in enumerate(zip(names, setup.vectors(count), strict=True)):
                state = (folder / name).stat()
                parent, _, file = name.rpartition("/")
                info = ImageInfo(width=1, height=1, format="JPEG", content_hash=f"{number:064x}")
                image = ImageFile(str(folder / name), state.st_size, state.st_mtime_ns)
                collection.add(Place(root_id, parent, file), image, info, np.array(vector))
            collection.commit()
        (index / "complete").touch()
    walk = (
        "import os, sys\ndef walk(folder):\n for entry in os.scandir(folder):\n"
        "  if entry.is_dir(follow_symlinks=False): walk(entry.path)\n  else: entry.stat(follow_symlinks=False)\n"
        "walk(sys.argv[1])"
    )
    bare = {"args": [sys.executable, "-c", walk, str(folder)], "env": peers.environment()}
    command = setup.clipsearch("index", "--index", index, "--json")
    runs: dict[str, Callable[[Figures], object]] = {
        "ours": partial(run_process, command),
        "bare walk": partial(run_process, bare),
    }  # fmt: skip
    for run in runs.values():
        run(Figures())
    figures = alternate(runs, setup.repeats)
    yield Result(f"`index` on {count:,} unchanged files", figures.pop("ours"), figures, count=count)


def adding(setup: Setup) -> Iterator[Result]:
    """1,000 rows more in an index of a million, beside the same in one of ten thousand; and opening the million."""
    copies = {count: setup.work / f"growing-{count}" for count in (1_000_000, 10_000)}
    for count, copy in copies.items():
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(setup.index(count), copy)
    fresh = list(synthetic.scattered(setup.real[0], 1_000 * 2 * (setup.repeats + 1), seed=1))
    rows = iter(np.concatenate(fresh))
    numbers = iter(range(10_000_000, 20_000_000))
    merges = Figures()

    def add(count: int) -> Callable[[Figures], None]:
        def run(figures: Figures) -> None:
            with Collection(copies[count], writable=True) as collection:
                root_id = next(iter(collection.roots()))
                begin = time.perf_counter()
                for _ in range(1_000):
                    number = next(numbers)
                    info = ImageInfo(width=1, height=1, format="JPEG", content_hash=f"{number:064x}")
                    file = ImageFile(f"{number}.jpg", number, 0)
                    collection.add(Place(root_id, "new", f"{number}.jpg"), file, info, next(rows))
                collection.publish()
                figures.seconds.append(time.perf_counter() - begin)
                begin = time.perf_counter()
                collection.tidy()
                merges.seconds.append(time.perf_counter() - begin)

        return run

    runs = {"ours": add(1_000_000), "to 10,000": add(10_000)}
    for run in runs.values():
        run(Figures())
    figures = alternate(runs, setup.repeats)
    notes: dict[str, float | str] = {"merging, s a run on average": round(sum(merges.seconds) / len(merges.seconds), 3)}
    yield Result("adding 1,000 to 1,000,000", figures.pop("ours"), figures, count=1_000, notes=notes)
    for copy in copies.values():
        shutil.rmtree(copy)

    def open_and_look() -> None:
        with Collection(setup.index(1_000_000)) as collection:
            collection.published_segments()

    whole = setup.work / "whole.faiss"
    if not whole.exists():
        flat = faiss.IndexFlatIP(512)
        flat.add(np.array(setup.vectors(1_000_000)))
        faiss.write_index(flat, str(whole))
    opened = alternate(
        {"ours": timed(open_and_look), "read_index": timed(lambda: faiss.read_index(str(whole)))}, setup.repeats
    )
    yield Result("opening 1,000,000", opened.pop("ours"), opened)


CASES: dict[str, Callable[[Setup], Iterator[Result]]] = {
    "start": start, "cold": cold_query, "warm": warm_query, "huge": huge,
    "indexing": indexing, "unchanged": unchanged, "adding": adding,
}  # fmt: skip
