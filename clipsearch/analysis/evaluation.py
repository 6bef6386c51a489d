"""How good a model is: at retrieval, by captions written for photos, and at telling things apart, by one label for each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.untrusted_files import parse_json
from clipsearch.encoders.base import Encoder
from clipsearch.encoders.prompts import check_prompts, embed_with_prompts
from clipsearch.errors import ClipsearchError
from clipsearch.images.pool import DecoderPool
from clipsearch.indexing.pipeline import Embedded, embed_files
from clipsearch.types import Embeddings, Failure, ImageFile

CUTOFFS = (1, 5, 10)
_FORMS = {
    "captions": '{"image": "name", "captions": ["text", ...]}',
    "labels": '{"image": "name", "label": "text"}',
}
_TEXT_BATCH = 64
_SCORE_ROWS = 1024  # captions or images compared at once; bounds the memory for their scores


@dataclass(frozen=True, slots=True)
class Captioned:
    """A photo and what people wrote about it."""

    image: str
    captions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Labelled:
    """A photo and the one label that is right."""

    image: str
    label: str


_Item = TypeVar("_Item", Captioned, Labelled)


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


@dataclass(frozen=True, slots=True)
class ZeroShot:
    """How often the right label is the likeliest (top1), or among the five likeliest (top5), of all labels there are.

    Over the photos that could be read. A right label's rank is 1 + the wrong ones scored higher + half of those that tie.
    """

    model: str
    images: int
    labels: int
    prompts: tuple[str, ...]
    top1: float
    top5: float
    failures: tuple[Failure, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values: {"model", "images", "labels", "prompts": [...], "top1", "top5", "failures": [...]}."""
        return {
            "model": self.model,
            "images": self.images,
            "labels": self.labels,
            "prompts": list(self.prompts),
            "top1": round(self.top1, 4),
            "top5": round(self.top5, 4),
            "failures": [{"path": failure.file.path, "reason": failure.reason} for failure in self.failures],
        }


def read_captions(path: str | os.PathLike[str], split: str | None = None) -> list[Captioned]:
    """Lines of JSON, {"image": ..., "captions": [...], "split": ...}; those of one split, or all."""
    return [
        Captioned(item["image"], tuple(item["captions"])) for item in _read_lines(path, split, "captions", _caption)
    ]


def read_labelled(path: str | os.PathLike[str], split: str | None = None) -> list[Labelled]:
    """Lines of JSON, {"image": ..., "label": ..., "split": ...}; those of one split, or all."""
    return [Labelled(item["image"], item["label"].strip()) for item in _read_lines(path, split, "labels", _label)]


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
    kept, pictures, failures = _embed_photos(encoder, items, images, jobs, progress)
    texts = np.concatenate(list(_embed_captions(encoder, kept, progress)))
    owners = np.repeat(np.arange(len(kept)), [len(item.captions) for item in kept])
    return Evaluation(
        model=encoder.spec.fingerprint.model,
        images=len(kept),
        captions=len(texts),
        text_to_image=_metrics(ranks(texts, owners, pictures, np.arange(len(kept)))),
        image_to_text=_metrics(ranks(pictures, np.arange(len(kept)), texts, owners)),
        failures=failures,
    )


def evaluate_zero_shot(
    encoder: Encoder,
    items: Sequence[Labelled],
    images: str | os.PathLike[str],
    *,
    prompts: Sequence[str] | None = None,
    jobs: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> ZeroShot:
    """Embed photos from the folder `images`, and the labels of all in `prompts`, and count how often the right one is best.

    None takes the model's own prompts, () none. `progress` is called with how many photos or sentences have just been
    embedded. Photos that cannot be read are left out and listed; their labels still compete.
    """
    templates = tuple(encoder.spec.label_prompts if prompts is None else prompts)
    check_prompts(templates)
    labels = {label: number for number, label in enumerate(dict.fromkeys(item.label for item in items))}
    kept, pictures, failures = _embed_photos(encoder, items, images, jobs, progress)
    texts = embed_with_prompts(encoder, list(labels), templates, progress)
    of = ranks(pictures, np.array([labels[item.label] for item in kept]), texts, np.arange(len(labels)))
    return ZeroShot(
        model=encoder.spec.fingerprint.model,
        images=len(kept),
        labels=len(labels),
        prompts=templates,
        top1=float((of <= 1).mean()),
        top5=float((of <= 5).mean()),
        failures=failures,
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


def _embed_photos(
    encoder: Encoder,
    items: Sequence[_Item],
    images: str | os.PathLike[str],
    jobs: int | None,
    progress: Callable[[int], None] | None,
) -> tuple[list[_Item], Embeddings, tuple[Failure, ...]]:
    """Those whose photo could be read, their embeddings (n, dim), and the failures."""
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
    return [item for item, _ in kept], np.stack([vector for _, vector in kept]), tuple(failures)


def _read_lines(
    path: str | os.PathLike[str], split: str | None, what: str, good: Callable[[dict[str, Any]], bool]
) -> list[dict[str, Any]]:
    """Lines of JSON that are `good`; those of one split, or all. ClipsearchError for others, with the line."""
    found: list[dict[str, Any]] = []
    splits: set[str] = set()
    try:
        with Path(path).open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    item = _parsed(line, f"{path}, line {number}", _FORMS[what], good)
                    splits.add(str(item.get("split")))
                    if split is None or item.get("split") == split:
                        found.append(item)
    except (OSError, UnicodeDecodeError) as error:
        raise ClipsearchError(f"{path} cannot be read: {error}") from error
    if not found:
        has = f"; it has {', '.join(sorted(splits))}" if splits else ""
        raise ClipsearchError(f"{path} has no {what}{f' in split {split!r}' if split else ''}{has}")
    return found


def _parsed(line: str, where: str, form: str, good: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    try:
        item = parse_json(line)
    except ValueError as error:
        raise ClipsearchError(f"{where}: not JSON ({error})") from error
    if not isinstance(item, dict) or not isinstance(item.get("image"), str) or not good(item):
        raise ClipsearchError(f"{where}: expected {form}")
    return item


def _caption(item: dict[str, Any]) -> bool:
    captions = item.get("captions")
    return isinstance(captions, list) and bool(captions) and all(isinstance(c, str) and c.strip() for c in captions)


def _label(item: dict[str, Any]) -> bool:
    return isinstance(item.get("label"), str) and bool(item["label"].strip())
