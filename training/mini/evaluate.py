"""Measures a finished model folder: recall, sizes, loading time, throughput, batch invariance.

Pictures and texts are embedded as clipsearch does it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clipsearch.encoders.mini.encoder import MiniEncoder
from mini.crops import INPUT_SIZE
from mini.features import read_flickr8k, read_image, to_pixels
from mini.vision import Floats

NAME_PROMPTS = ("{}", "a photo of a {}")
LEVELS = (1, 5, 10)
CHUNK = 50


def encode_images(encoder: MiniEncoder, photos: Sequence[Path]) -> Floats:
    """Unit embeddings (n, dim) of photos, squashed to the model's square."""

    def work(start: int) -> Floats:
        pixels = np.stack([to_pixels(read_image(photo), INPUT_SIZE) for photo in photos[start : start + CHUNK]])
        return encoder.encode_pixels(pixels)

    with ThreadPoolExecutor(2) as pool:
        return np.concatenate(list(pool.map(work, range(0, len(photos), CHUNK))))


def recall(ranks: npt.NDArray[np.int64]) -> str:
    """Recall at 1, 5 and 10 from zero-based ranks."""
    return "/".join(f"{float(np.mean(ranks < level)):.4f}" for level in LEVELS)


def ranks_of(scores: Floats, targets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How many columns beat the target's, for each row."""
    own = scores[np.arange(len(scores)), targets]
    return (scores > own[:, None]).sum(axis=1)  # type: ignore[no-any-return]


def evaluate(model: Path, data: Path, splits: Sequence[str], names: bool) -> dict[str, str]:
    """Recall@1/5/10 on Flickr8k splits (both directions) and, if asked, by class name on the ImageNet sample."""
    encoder = MiniEncoder(model)
    results = {}
    for split in splits:
        photos = [row for row in read_flickr8k(data / "flickr8k") if row.split == split]
        z = encode_images(encoder, [row.path for row in photos])
        u = encoder.encode_texts([caption for row in photos for caption in row.captions])
        owners = np.repeat(np.arange(len(photos)), 5)
        scores = u @ z.T
        results[f"flickr8k {split} text->image"] = recall(ranks_of(scores, owners))
        own = scores[np.arange(len(scores)), owners].reshape(len(photos), 5).max(axis=1)
        # Rank of the image's best own caption among all captions.
        results[f"flickr8k {split} image->text"] = recall((own[:, None] < scores.T).sum(axis=1))
    if names:
        folder = data / "imagenet_sample"
        rows = [json.loads(line) for line in (folder / "labels.jsonl").read_text("utf-8").splitlines()]
        z = encode_images(encoder, [folder / "images" / row["image"] for row in rows])
        for prompt in NAME_PROMPTS:
            u = encoder.encode_texts([prompt.format(row["label"]) for row in rows])
            results[f"imagenet_sample '{prompt}' -> image"] = recall(ranks_of(u @ z.T, np.arange(len(rows))))
    return results


def measure(model: Path) -> dict[str, str]:
    """Sizes, loading time (median of 5), images a second, milliseconds a query, batch invariance."""
    alone = ["a photo of a dog"]
    pixels = np.random.default_rng(0).standard_normal((64, 3, INPUT_SIZE, INPUT_SIZE)).astype(np.float32)
    loads: dict[str, Callable[[], object]] = {
        "image.safetensors": lambda: MiniEncoder(model).embed_pixels(pixels[:1]),
        "text.safetensors": lambda: MiniEncoder(model).embed_texts(alone),
    }
    results = {}
    for name, load in loads.items():
        times = []
        for _ in range(5):
            start = time.perf_counter()
            load()
            times.append(time.perf_counter() - start)
        results[f"{name} load"] = f"{1000 * float(np.median(times)):.0f} ms, {(model / name).stat().st_size:,} bytes"
    encoder = MiniEncoder(model)
    encoder.embed_pixels(pixels)  # enough of them for int8
    for batch in (1, 16):
        seconds = fastest(lambda batch=batch: encoder.embed_pixels(pixels[:batch]))  # type: ignore[misc]
        results[f"images/s, batch {batch}, all cores"] = f"{batch / seconds:.1f}"
    results["text query of 6 tokens"] = f"{1000 * fastest(lambda: encoder.embed_texts(alone)):.1f} ms"
    company = [
        *alone,
        "two dogs",
        *(" ".join(["a dog and a cat"] * count) for count in range(1, 9)),
        "a photo of a cat",
    ]
    change = np.abs(encoder.encode_texts(company)[0] - encoder.encode_texts(alone)[0]).max()
    results["largest change of a text by company"] = f"{float(change):.1e}"
    return results


def fastest(work: Callable[[], object], repeats: int = 15) -> float:
    """Seconds of the fastest of several runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)
