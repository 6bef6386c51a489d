"""The cases of indexing: a function each, which yields the rows of the table."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from clipsearch import load_encoder
from clipsearch.errors import CollectionError
from clipsearch.store.collection import Collection
from clipsearch.store.rows import Place
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import ImageFile, ImageInfo
from suite import limits, peers, synthetic
from suite.marginal_run import COUNT, START
from suite.measure import Figures, alternate, in_memory, run_process, timed
from suite.result import Result
from suite.setup import QUERY, ROOT, Setup

_GLANCE = 0.05  # seconds between looks at an index that is being made


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
        runs["ours"](Figures())  # each machine chooses its precision once
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


def first_results(setup: Setup) -> Iterator[Result]:
    """From the start of `index` on a large folder to the end of the first query that finds photos, each a process."""
    folder, index = setup.shared / "data" / "flickr8k" / "images", setup.work / "first-index"
    count = sum(1 for _ in folder.iterdir())
    for model in ("mini", setup.clip):
        in_memory(folder, *([model] if isinstance(model, Path) else []))
        figures = Figures()
        for _ in range(setup.repeats + 1):
            shutil.rmtree(index, ignore_errors=True)
            start = time.perf_counter()
            command = setup.clipsearch("index", folder, "--index", index, "--model", model, "--quiet")
            process = subprocess.Popen(**command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                while process.poll() is None and not _count_photos(index):
                    time.sleep(_GLANCE)
                found = run_process(
                    setup.clipsearch("query", QUERY, "--index", index, "--model", model, "--json"), Figures()
                )
                figures.seconds.append(time.perf_counter() - start)
            finally:
                process.kill()
                process.wait()
            assert json.loads(found)["hits"]
        del figures.seconds[0]  # each machine chooses its precision once
        name = "mini" if model == "mini" else "CLIP ViT-B/32"
        yield Result(f"first query that finds photos, {count:,} being indexed, {name}", figures)


def _count_photos(index: Path) -> int:
    """How many photos a query would find now."""
    try:
        with Collection(index) as collection:
            return len(collection)
    except CollectionError:  # it is being made
        return 0


def marginal(setup: Setup) -> Iterator[Result]:
    """1,000 photos of a run that is under way, beside decoding, resizing and the model in a loop, and nothing else."""
    folder, index = setup.many_photos(START + COUNT + 200), setup.work / "marginal-index"
    in_memory(folder, setup.clip)
    processor: dict[str, list[float]] = {}

    def run(way: str, precision: str, figures: Figures) -> dict[str, Any]:
        command = [sys.executable, str(Path(__file__).with_name("marginal_run.py")), way]
        command += [str(setup.clip), str(folder), str(index), precision]
        environment = {**peers.environment(), "PYTHONPATH": str(ROOT)}
        result: dict[str, Any] = json.loads(run_process({"args": command, "env": environment}, Figures()))
        figures.seconds.append(COUNT * result["seconds"])
        processor.setdefault(way, []).append(result["cpu"])
        return result

    about = run("parts", "auto", Figures())
    chosen = about["precision"]
    ways = {"ours": partial(run, "index", "auto"), "the loop": partial(run, "loop", chosen)}
    figures = alternate(ways, setup.repeats)
    cpu = {way: statistics.median(seconds) for way, seconds in processor.items()}
    parts = {f"{name}, ms": round(1e3 * seconds, 2) for name, seconds in about["parts"].items()}
    yield Result(
        f"{COUNT:,} JPEGs of 1 MP, CLIP ViT-B/32, start-up apart", figures.pop("ours"), figures, count=COUNT,
        limit=figures["the loop"].median, limit_is="decode, resize and the model alone",
        notes={"precision": chosen, "processor time, loop by ours": f"{cpu['loop'] / cpu['index']:.0%}",
               "processor ms a photo": round(1e3 * cpu["index"], 1), **parts},
    )  # fmt: skip


def unchanged(setup: Setup) -> Iterator[Result]:
    """`index` over 100,000 unchanged files, beside a bare walk with os.scandir and stat."""
    count, folder, index = 100_000, setup.work / "files", setup.work / "index-files"
    if not (index / "complete").exists():
        names = synthetic.names(count)
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"\xff\xd8")
        with CollectionWriter(index) as collection:
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
    }
    for run in runs.values():
        run(Figures())
    figures = alternate(runs, setup.repeats)
    yield Result(f"`index` on {count:,} unchanged files", figures.pop("ours"), figures, count=count)


def adding(setup: Setup) -> Iterator[Result]:
    """Add 1,000 rows to an index of a million and to an index of ten thousand; and open the million."""
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
            with CollectionWriter(copies[count]) as collection:
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
            collection.snapshot()

    whole = setup.work / "whole.faiss"
    if not whole.exists():
        flat = faiss.IndexFlatIP(512)
        flat.add(np.array(setup.vectors(1_000_000)))
        faiss.write_index(flat, str(whole))
    opened = alternate(
        {"ours": timed(open_and_look), "read_index": timed(lambda: faiss.read_index(str(whole)))}, setup.repeats
    )
    yield Result("opening 1,000,000", opened.pop("ours"), opened)
