"""Make `scale_constants.json` from small indexes made here and from the figures of `scripts/bench.py --json`."""

from __future__ import annotations

import json
import mmap
import os
import random
import shutil
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from suite import synthetic

from clipsearch._internal.cpu import cores
from clipsearch.images.thumbnails import encoded
from clipsearch.store import ranking
from clipsearch.store.collection import Collection
from clipsearch.store.rows import Place
from clipsearch.store.vectors import exact_scores
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import Embeddings, Fingerprint, ImageFile, Scores
from scale_model import costs
from scale_model.constants import Constants

SIZES = (32_768, 65_536, 98_304)  # photos; below 100,000 a scan uses one core, so other work disturbs it less
_QUERIES = 192
_DIM = 512
_FILE = 1 << 29  # size of the file for measuring the disk, in bytes
_CAPTIONED = 16_384

Entry = dict[str, Any]


def measure(work: Path, shared: Path) -> tuple[dict[str, Entry], list[float]]:
    """Constants that need no other run, and the present spread of queries' times. `work` takes 1.5 GB."""
    images, texts = synthetic.real_embeddings(shared)
    index = work / "index"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        seconds: dict[int, float] = {}
        scored: dict[int, float] = {}
        spread, start = [], 0
        for size in SIZES:
            blocks = (block for block in synthetic.scattered(images, size - start, seed=size))
            synthetic.fill(index, work / "nowhere", Fingerprint("scale", "", "scale", _DIM), blocks, start)
            start = size
            times = _queries(index, texts)
            # The best time shows an idle machine even if this one is busy. The spread keeps the other times.
            seconds[size], spread = min(times), [seconds_each / min(times) for seconds_each in times]
            scored[size] = _candidates(index, texts)
        slope, fixed = np.polyfit(list(seconds), list(seconds.values()), 1)
        power, first = np.polyfit(np.log(list(scored)), np.log(list(scored.values())), 1)
        here = "`simulate_scale.py --measure`"
        line = f"{here}: a line through " + ", ".join(f"{n:,}: {1e3 * s:.2f} ms" for n, s in seconds.items())
        curve = f"{here}: a power of the photos through " + ", ".join(
            f"{n:,}: {count:.1f}" for n, count in scored.items()
        )
        rate, fault = _disk(work / "disk")
        catalog = (index / "catalog.sqlite").stat().st_size
        entries: dict[str, Entry] = {
            "cores": _entry(cores(), "this machine"),
            "memory": _entry(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), "this machine"),
            "scan_fixed_s": _entry(max(float(fixed), 1e-4), line),
            "scan_rate": _entry(_DIM / float(slope), f"{line}; its slope"),
            "touch_rate": _entry(_touch(index), f"{here}: compact copies mapped anew, first pass less second"),
            "disk_rate": _entry(rate, f"{here}: 512 MB in order, past the cache"),
            "disk_fault_s": _entry(fault, f"{here}: pages of a mapped file of 512 MB at random, not cached, a mean"),
            "candidates": _entry(float(np.exp(first)), curve),
            "candidates_power": _entry(float(power), f"{curve}; the power"),
            "catalog_bytes": _entry(catalog / SIZES[-1], f"{here}: catalog.sqlite of {SIZES[-1]:,} photos"),
            "caption_bytes": _entry(_caption_bytes(work, shared), f"{here}: {_CAPTIONED:,} captions of Flickr8k"),
            "thumbnail_bytes": _entry(_thumbnail_bytes(shared), f"{here}: 200 photos of Flickr8k, WebP, 256 px"),
        }
        return entries, [round(seconds_each, 4) for seconds_each in spread]
    finally:
        shutil.rmtree(work, ignore_errors=True)


def from_bench(path: Path) -> tuple[dict[str, Entry], list[dict[str, Any]], list[float]]:
    """Constants, points and the spread of warm queries that `python scripts/bench.py --json` gives."""
    data = json.loads(path.read_text("utf-8"))
    results = {result["case"]: result for result in data["results"]}
    used = int(data["machine"].split()[0])  # "2 cores of ..."
    source = "`python scripts/bench.py --json`"
    small, middle = results["cold query over 1,000"], results["cold query over 100,000"]
    large, notes = results["indexing 128 JPEGs of 12 MP"], results["indexing 256 JPEGs of 1 MP"]["notes"]
    share = large["limit_seconds"] / large["clipsearch"]["median"]
    ours = {name: result["clipsearch"] for name, result in results.items()}
    anonymous = middle["clipsearch"]["anonymous_mb"] * 1e6 - 16 * 100_000
    constants = {
        "process_s": _entry(small["clipsearch"]["median"], f"{source}: cold query over 1,000"),
        "process_anonymous": _entry(anonymous, f"{source}: cold query over 100,000, less 16 bytes a photo"),
        "process_mapped": _entry(
            1e6 * (small["clipsearch"]["peak_mb"] - small["clipsearch"]["anonymous_mb"]),
            f"{source}: cold query over 1,000",
        ),
        "read_rate": _entry(
            1e9 * results["warm query over 1,000,000"]["notes"]["GB/s read by all cores"],
            f"{source}: memory read by all cores",
        ),
        "batch_s_per_vector": _entry(
            ours["64 queries at once over 1,000,000"]["median"] / 1e6, f"{source}: 64 queries at once"
        ),
        "decode_12mp": _entry(
            used * large["notes"]["decode, ms"] / 1e3, f"{source}: 12 MP, decoding alone on all cores"
        ),
        "decode_1mp": _entry(used * notes["decode, ms"] / 1e3, f"{source}: 1 MP, decoding alone on all cores"),
        "model_b32": _entry(used * notes["model, ms"] / 1e3, f"{source}: 1 MP, the model alone on all cores, int8"),
        "efficiency": _entry(min(1.0, share), f"{source}: 12 MP, limit / ours, start-up of a short run and all"),
        "add_s": _entry(
            results["adding 1,000 to 1,000,000"]["peers"]["to 10,000"]["median"] / 1000,
            f"{source}: adding 1,000 to 10,000",
        ),
        "walk_s": _entry(
            ours["`index` on 100,000 unchanged files"]["median"] / 1e5, f"{source}: unchanged, start-up and all"
        ),
        "filter_s": _entry(
            ours["--min-width, two thirds: 666,666 of 1,000,000"]["median"] / 666_666,
            f"{source}: --min-width, two thirds",
        ),
    }
    points = []
    for photos in (1_000_000, 10_000_000):
        cold, warm = results[f"cold query over {photos:,}"], results[f"warm query over {photos:,}"]
        size = cold["notes"].get("clipsearch index, MB") or cold["notes"]["index, MB"]
        format_2 = ", format 2" if photos == 10_000_000 else ""
        points += [
            _point("warm query, s", photos, warm["clipsearch"]["median"], source),
            _point("cold query, s", photos, cold["clipsearch"]["median"], source),
            _point("peak memory of a cold query, bytes", photos, 1e6 * cold["clipsearch"]["peak_mb"], source),
            _point("of it beyond mapped files, bytes", photos, 1e6 * cold["clipsearch"]["anonymous_mb"], source),
            _point(f"index on disk{format_2}, bytes", photos, 1e6 * size, source),
        ]
    quiet = [
        [seconds_each / statistics.median(times) for seconds_each in times]
        for times in (
            results["warm query over 1,000,000"]["clipsearch"]["seconds"],
            results["--taken, within a day: 144 of 1,000,000"]["peers"]["without a filter"]["seconds"],
        )
    ]
    points.append(_point("adding 1,000, s", 1_000_000, ours["adding 1,000 to 1,000,000"]["median"], source))
    return constants, points, [round(seconds_each, 4) for times in quiet for seconds_each in times]


def opening(bench: Path, constants: Constants) -> Entry:
    """How much longer the process over 100,000 photos took than the model predicts without this constant."""
    results = {
        result["case"]: result["clipsearch"]["median"] for result in json.loads(bench.read_text("utf-8"))["results"]
    }
    rest = results["cold query over 100,000"] - costs.cold_query(replace(constants, open_s=0.0), 100_000, _DIM)
    return _entry(
        max(rest, 1e-3), "`python scripts/bench.py --json`: cold query over 100,000, less what the model says of it"
    )


def _entry(value: float, source: str) -> Entry:
    return {"value": float(f"{value:.5g}"), "source": source}


def _point(what: str, photos: int, value: float, source: str) -> dict[str, Any]:
    return {"what": what, "photos": photos, "value": float(f"{value:.5g}"), "source": source}


def _queries(index: Path, texts: NDArray[np.float32]) -> list[float]:
    """Seconds of single warm queries."""
    times = []
    with Collection(index) as collection:
        for number in range(_QUERIES + 16):
            query = texts[number * 7 % len(texts)][None]
            start = time.perf_counter()
            collection.search(query, 10)
            times.append(time.perf_counter() - start)
    return times[16:]


def _candidates(index: Path, texts: NDArray[np.float32]) -> float:
    """How many vectors a query for ten photos scores again."""
    counted: list[int] = []

    def counting(vectors: Embeddings, query: Embeddings) -> Scores:
        counted.append(len(vectors))
        return exact_scores(vectors, query)

    ranking.exact_scores = counting  # type: ignore[attr-defined]
    try:
        with Collection(index) as collection:
            for query in texts[:64]:
                collection.search(query[None], 10)
    finally:
        ranking.exact_scores = exact_scores  # type: ignore[attr-defined]
    return sum(counted) / 64


def _touch(index: Path) -> float:
    """Bytes a second of one core's first look at a cached, mapped file, without the time of reading."""
    files = sorted((index / "segments").glob("*.int8.faiss"))
    for path in files:
        path.read_bytes()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(50):
        for path in files:
            mapped = np.memmap(path, np.uint8, "r")[: path.stat().st_size // 8 * 8].view(np.uint64)
            for passed in times:
                start = time.perf_counter()
                np.bitwise_xor.reduce(mapped)
                passed.append((time.perf_counter() - start) / mapped.nbytes)
    return 1 / (min(times[0]) - min(times[1]))


def _disk(path: Path) -> tuple[float, float]:
    """Bytes a second in order, and seconds of a page at random through a mapping; both not cached by this system."""
    with path.open("wb") as out:
        for _ in range(_FILE >> 20):
            out.write(os.urandom(1 << 20))
        out.flush()
        os.fsync(out.fileno())
    direct = os.open(path, os.O_RDONLY | os.O_DIRECT)
    block = mmap.mmap(-1, 1 << 23)
    start = time.perf_counter()
    try:
        while os.readv(direct, [block]):
            pass
    finally:
        os.close(direct)
    rate = _FILE / (time.perf_counter() - start)
    with path.open("rb") as stream:
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        view = mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ)
        places = random.Random(0).sample(range(_FILE >> 12), 300)
        times = []
        for place in places:
            start = time.perf_counter()
            view[place << 12]
            times.append(time.perf_counter() - start)
        view.close()
    return rate, statistics.mean(times)


def _caption_bytes(work: Path, shared: Path) -> float:
    """Bytes that a caption adds to the catalog."""
    lines = (shared / "data" / "flickr8k" / "captions.jsonl").read_text("utf-8").splitlines()
    captions = [caption for line in lines for caption in json.loads(line)["captions"]][:_CAPTIONED]
    sizes = []
    for kind in (None, captions):
        index = work / f"captions-{kind is not None}"
        with CollectionWriter(index) as collection:
            collection.require(Fingerprint("scale", "", "scale", 8))
            root = collection.add_root(str(work / "nowhere"), {})
            vector = np.eye(1, 8, dtype=np.float32)[0]
            for number, name in enumerate(synthetic.names(_CAPTIONED)):
                folder, _, file = name.rpartition("/")
                info = replace(synthetic.facts(number), caption=kind[number] if kind else None)
                collection.add(Place(root, folder, file), ImageFile(str(work / name), number, 0), info, vector)
            collection.commit()
        sizes.append((index / "catalog.sqlite").stat().st_size)
    return (sizes[1] - sizes[0]) / _CAPTIONED


def _thumbnail_bytes(shared: Path) -> float:
    from PIL import Image

    sizes = []
    for path in sorted((shared / "data" / "flickr8k" / "images").iterdir())[:200]:
        with Image.open(path) as image:
            image.thumbnail((256, 256))
            sizes.append(len(encoded(image.convert("RGB"), "JPEG", quality=82)))
    return statistics.mean(sizes)
