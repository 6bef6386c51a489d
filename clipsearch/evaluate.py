"""How good a model is at retrieval, by captions written for photos."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsearch.encoders.base import Encoder
from clipsearch.errors import ClipsearchError
from clipsearch.images.pool import DecoderPool
from clipsearch.pipeline import Embedded, embed_files
from clipsearch.schema import Embeddings, Failure, ImageFile

CUTOFFS = (1, 5, 10)
_TEXT_BATCH = 64
_SCORE_ROWS = 1024  # captions or images compared at once; bounds the memory for their scores


@dataclass(frozen=True, slots=True)
class Captioned:
    """A photo and what people wrote about it."""

    image: str
    captions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RetrievalMetrics:
    """How well one side finds the other. A rank is 1 + the wrong answers scored higher + half of those that tie.

    recall: cutoff → share of the queries whose right answer has at most that rank; for a photo with several captions,
    the best of them counts. median_rank: half of the queries do at least this well. mrr: the mean of 1 / rank.
    """

    recall: dict[int, float]
    median_rank: float
    mrr: float

    def to_json(self) -> dict[str, float]:
        """Rounded, with a key for each cutoff."""
        recalls = {f"recall@{cutoff}": round(share, 4) for cutoff, share in self.recall.items()}
        return {**recalls, "median_rank": self.median_rank, "mrr": round(self.mrr, 4)}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Both directions, over the photos that could be read."""

    model: str
    images: int
    captions: int
    text_to_image: RetrievalMetrics
    image_to_text: RetrievalMetrics
    failures: tuple[Failure, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values: {"model", "images", "captions", "text_to_image": {...}, "image_to_text": {...}, "failures": [...]}."""
        return {
            "model": self.model,
            "images": self.images,
            "captions": self.captions,
            "text_to_image": self.text_to_image.to_json(),
            "image_to_text": self.image_to_text.to_json(),
            "failures": [{"path": failure.file.path, "reason": failure.reason} for failure in self.failures],
        }


def read_captions(path: str | os.PathLike[str], split: str | None = None) -> list[Captioned]:
    """Lines of JSON, {"image": ..., "captions": [...], "split": ...}; those of one split, or all."""
    found: list[Captioned] = []
    splits: set[str] = set()
    try:
        with Path(path).open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    item = _caption_line(line, f"{path}, line {number}")
                    splits.add(str(item.get("split")))
                    if split is None or item.get("split") == split:
                        found.append(Captioned(item["image"], tuple(item["captions"])))
    except (OSError, UnicodeDecodeError) as error:
        raise ClipsearchError(f"{path} cannot be read: {error}") from error
    if not found:
        has = f"; it has {', '.join(sorted(splits))}" if splits else ""
        raise ClipsearchError(f"{path} has no captions{f' in split {split!r}' if split else ''}{has}")
    return found


def evaluate(
    encoder: Encoder,
    items: Sequence[Captioned],
    images: str | os.PathLike[str],
    *,
    jobs: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Embed photos from the folder `images` and their captions, and measure both directions.

    `progress` is called with how many photos or captions have just been embedded. Photos that cannot be read are left
    out, with their captions, and listed.
    """
    files = [ImageFile(os.path.join(images, item.image), 0, 0) for item in items]
    embedded: dict[str, NDArray[np.float32]] = {}
    failures: list[Failure] = []
    by_hash: dict[str, NDArray[np.float32]] = {}
    with DecoderPool(encoder.spec.pixels, workers=jobs) as pool:
        for outcomes in embed_files(files, encoder, pool, known=by_hash.__contains__):
            for outcome in outcomes:
                if isinstance(outcome, Embedded):
                    vector = by_hash[outcome.info.content_hash] if outcome.vector is None else outcome.vector
                    embedded[outcome.file.path] = by_hash[outcome.info.content_hash] = vector
                else:
                    failures.append(outcome)
            if progress:
                progress(len(outcomes))
    kept = [(item, embedded[file.path]) for item, file in zip(items, files, strict=True) if file.path in embedded]
    if not kept:
        first = f" ({failures[0].file.path}: {failures[0].reason})" if failures else ""
        raise ClipsearchError(f"none of the {len(items)} photos could be read from {images}{first}; check --images")
    pictures: Embeddings = np.stack([vector for _, vector in kept])
    texts = np.concatenate(list(_embed_captions(encoder, [item for item, _ in kept], progress)))
    owners = np.repeat(np.arange(len(kept)), [len(item.captions) for item, _ in kept])
    return Evaluation(
        model=encoder.spec.fingerprint.model,
        images=len(kept),
        captions=len(texts),
        text_to_image=_metrics(ranks(texts, owners, pictures, np.arange(len(kept)))),
        image_to_text=_metrics(ranks(pictures, np.arange(len(kept)), texts, owners)),
        failures=tuple(failures),
    )


def ranks(
    queries: Embeddings, query_photos: NDArray[np.int64], answers: Embeddings, answer_photos: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The rank (n,) of each query's best right answer, one that belongs to the same photo. See RetrievalMetrics."""
    result = np.empty(len(queries))
    for start in range(0, len(queries), _SCORE_ROWS):
        rows = slice(start, start + _SCORE_ROWS)
        scores = queries[rows].astype(np.float64) @ answers.T.astype(np.float64)
        right = query_photos[rows, None] == answer_photos
        best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
        wrong = ~right
        result[rows] = 1 + (wrong & (scores > best)).sum(axis=1) + (wrong & (scores == best)).sum(axis=1) / 2
    return result


def _metrics(of: NDArray[np.float64]) -> RetrievalMetrics:
    return RetrievalMetrics(
        recall={cutoff: float((of <= cutoff).mean()) for cutoff in CUTOFFS},
        median_rank=float(np.median(of)),
        mrr=float((1 / of).mean()),
    )


def _embed_captions(
    encoder: Encoder, items: Sequence[Captioned], progress: Callable[[int], None] | None
) -> Iterator[Embeddings]:
    captions = [caption for item in items for caption in item.captions]
    for start in range(0, len(captions), _TEXT_BATCH):
        batch = captions[start : start + _TEXT_BATCH]
        yield encoder.encode_texts(batch)
        if progress:
            progress(len(batch))


def _caption_line(line: str, where: str) -> dict[str, Any]:
    try:
        item = json.loads(line)
    except ValueError as error:
        raise ClipsearchError(f"{where}: not JSON ({error})") from error
    captions = item.get("captions") if isinstance(item, dict) else None
    good = isinstance(captions, list) and captions and all(isinstance(text, str) and text.strip() for text in captions)
    if not good or not isinstance(item.get("image"), str):
        raise ClipsearchError(f'{where}: expected {{"image": "name", "captions": ["text", ...]}}')
    checked: dict[str, Any] = item
    return checked
