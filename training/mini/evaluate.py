"""Measures a finished model folder with onnxruntime alone: recall, sizes, loading time, throughput, batch invariance."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from tokenizers import Tokenizer

from mini.crops import INPUT_SIZE
from mini.features import read_flickr8k, read_image, session, to_pixels
from mini.vision import Floats

NAME_PROMPTS = ("{}", "a photo of a {}")
LEVELS = (1, 5, 10)
CHUNK = 50


def unit(rows: Floats) -> Floats:
    """Rows scaled to length 1."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)  # type: ignore[no-any-return]


def encode_images(path: Path, photos: Sequence[Path]) -> Floats:
    """Unit embeddings (n, dim) of photos, squashed to the model's square."""
    runner = session(path)

    def work(start: int) -> Floats:
        pixels = np.stack([to_pixels(read_image(photo), INPUT_SIZE) for photo in photos[start : start + CHUNK]])
        return runner.run(None, {"pixel_values": pixels})[0]  # type: ignore[no-any-return]

    with ThreadPoolExecutor(2) as pool:
        return unit(np.concatenate(list(pool.map(work, range(0, len(photos), CHUNK)))))


def encode_texts(path: Path, tokenizer: Tokenizer, texts: Sequence[str]) -> Floats:
    """Unit embeddings (n, dim) of texts."""
    runner = session(path, threads=2)
    tokenizer.enable_padding()
    tokenizer.enable_truncation(64)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    parts = []
    for start in range(0, len(texts), CHUNK):
        encoded = tokenizer.encode_batch([texts[i] for i in order[start : start + CHUNK]])
        feed = {
            "input_ids": np.array([e.ids for e in encoded]),
            "attention_mask": np.array([e.attention_mask for e in encoded]),
        }
        parts.append(runner.run(None, feed)[0])
    rows = np.concatenate(parts)
    out = np.empty_like(rows)
    out[order] = rows
    return unit(out)


def recall(ranks: npt.NDArray[np.int64]) -> str:
    """Recall at 1, 5 and 10 from zero-based ranks."""
    return "/".join(f"{float(np.mean(ranks < level)):.4f}" for level in LEVELS)


def ranks_of(scores: Floats, targets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How many columns beat the target's, for each row."""
    own = scores[np.arange(len(scores)), targets]
    return (scores > own[:, None]).sum(axis=1)  # type: ignore[no-any-return]


def evaluate(
    image: Path, text: Path, tokenizer: Path, data: Path, splits: Sequence[str], names: bool
) -> dict[str, str]:
    """Recall@1/5/10 on Flickr8k splits (both directions) and, if asked, by class name on the ImageNet sample."""
    tok = Tokenizer.from_file(str(tokenizer))
    results = {}
    for split in splits:
        photos = [row for row in read_flickr8k(data / "flickr8k") if row.split == split]
        z = encode_images(image, [row.path for row in photos])
        u = encode_texts(text, tok, [caption for row in photos for caption in row.captions])
        owners = np.repeat(np.arange(len(photos)), 5)
        scores = u @ z.T
        results[f"flickr8k {split} text->image"] = recall(ranks_of(scores, owners))
        own = scores[np.arange(len(scores)), owners].reshape(len(photos), 5).max(axis=1)
        # Rank of the image's best own caption among all captions.
        results[f"flickr8k {split} image->text"] = recall((own[:, None] < scores.T).sum(axis=1))
    if names:
        folder = data / "imagenet_sample"
        rows = [json.loads(line) for line in (folder / "labels.jsonl").read_text("utf-8").splitlines()]
        z = encode_images(image, [folder / "images" / row["image"] for row in rows])
        for prompt in NAME_PROMPTS:
            u = encode_texts(text, tok, [prompt.format(row["label"]) for row in rows])
            results[f"imagenet_sample '{prompt}' -> image"] = recall(ranks_of(u @ z.T, np.arange(len(rows))))
    return results


def measure(image: Path, text: Path) -> dict[str, str]:
    """Sizes, session creation time (median of 5), images a second, milliseconds a query, batch invariance."""
    results = {}
    for path in (image, text):
        times = []
        for _ in range(5):
            start = time.perf_counter()
            session(path)
            times.append(time.perf_counter() - start)
        results[f"{path.name} load"] = f"{1000 * float(np.median(times)):.0f} ms, {path.stat().st_size:,} bytes"
    pixels = np.random.default_rng(0).standard_normal((16, 3, INPUT_SIZE, INPUT_SIZE)).astype(np.float32)
    for threads in (1, 2):
        runner = session(image, threads)
        for batch in (1, 16):
            feed = {"pixel_values": pixels[:batch]}
            rate = batch / fastest(runner, feed)
            results[f"images/s, batch {batch}, {threads} threads"] = f"{rate:.1f}"
    runner = session(text)
    ids = np.array([[101, 1037, 6302, 1997, 1037, 3899, 102]])
    alone = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    results["text query of 7 tokens, 1 thread"] = f"{1000 * fastest(runner, alone):.1f} ms"
    rng = np.random.default_rng(0)
    company = rng.integers(1000, 30000, (9, 40))
    mask = np.ones_like(company)
    company[4, :7], company[4, 7:], mask[4, 7:] = ids[0], 0, 0
    joint = unit(runner.run(None, {"input_ids": company, "attention_mask": mask})[0])[4]
    change = np.abs(joint - unit(runner.run(None, alone)[0])[0]).max()
    results["largest change of a text by padding and company"] = f"{float(change):.1e}"
    return results


def fastest(runner: ort.InferenceSession, feed: dict[str, npt.NDArray[Any]], repeats: int = 15) -> float:
    """Seconds of the fastest of several runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        runner.run(None, feed)
        times.append(time.perf_counter() - start)
    return min(times)
