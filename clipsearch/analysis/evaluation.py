"""How good a model is: at finding photos by their captions, and at telling labels apart."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.cancel import CancelToken
from clipsearch._internal.untrusted_files import parse_json
from clipsearch.encoders.base import Encoder
from clipsearch.encoders.prompts import check_prompts, embed_with_prompts
from clipsearch.errors import ClipsearchError
from clipsearch.images.pool import DecoderPool
from clipsearch.indexing.pipeline import Embedded, embed_files
from clipsearch.render.json_output import reasons_to_json
from clipsearch.types import Embeddings, Failure, ImageFile

CUTOFFS = (1, 5, 10)
_FORMS = {
    "captions": '{"image": "name", "captions": ["text", ...]}',
    "labels": '{"image": "name", "label": "text"}',
}
_QUERIES_AT_ONCE = 1024  # bounds the memory for their scores


@dataclass(frozen=True, slots=True)
class CaptionedExample:
    """A photo and what people wrote about it."""

    image: str
    captions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LabelledExample:
    """A photo and its one right label."""

    image: str
    label: str


_Example = TypeVar("_Example", CaptionedExample, LabelledExample)


@dataclass(frozen=True, slots=True)
class RetrievalMetrics:
    """How well queries find their right answers; the best one counts if a photo has several captions.

    A rank is 1 + the number of wrong answers that score higher + half of those that tie. recall: cutoff → share of the queries
    with at most that rank. mrr: the mean of 1 / rank.
    """

    recall: dict[int, float]
    median_rank: float
    mrr: float

    def to_json(self) -> dict[str, float]:
        """Plain values: {"recall@1", "recall@5", "recall@10", "median_rank", "mrr"}."""
        recalls = {f"recall@{cutoff}": round(share, 4) for cutoff, share in self.recall.items()}
        return {**recalls, "median_rank": self.median_rank, "mrr": round(self.mrr, 4)}


@dataclass(frozen=True, slots=True)
class RetrievalEvaluation:
    """Retrieval in both directions, over the photos that could be read."""

    model: str
    images: int
    captions: int
    text_to_image: RetrievalMetrics
    image_to_text: RetrievalMetrics
    failures: tuple[Failure, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values: {"model", "images", "captions", "text_to_image": {...}, "image_to_text": {...}, "failures": [...]}."""
        return {
            **asdict(self),
            "text_to_image": self.text_to_image.to_json(),
            "image_to_text": self.image_to_text.to_json(),
            "failures": reasons_to_json(self.failures),
        }


@dataclass(frozen=True, slots=True)
class ZeroShotEvaluation:
    """The share of photos whose right label is the likeliest (top1), or among the five likeliest (top5).

    Only photos that could be read count. Ranks are those of RetrievalMetrics.
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
            **asdict(self),
            "prompts": list(self.prompts),
            "top1": round(self.top1, 4),
            "top5": round(self.top5, 4),
            "failures": reasons_to_json(self.failures),
        }


def read_captions(path: str | os.PathLike[str], split: str | None = None) -> list[CaptionedExample]:
    """The examples of one split, or all, from lines of JSON: {"image": ..., "captions": [...], "split": ...}.

    Raises ClipsearchError, with the number of the line, if the file cannot be read or a line is wrong.
    """
    return _read_examples(path, split, "captions", _captioned)


def read_labelled(path: str | os.PathLike[str], split: str | None = None) -> list[LabelledExample]:
    """The examples of one split, or all, from lines of JSON: {"image": ..., "label": ..., "split": ...}.

    Raises ClipsearchError, with the number of the line, if the file cannot be read or a line is wrong.
    """
    return _read_examples(path, split, "labels", _labelled)


def evaluate_retrieval(
    encoder: Encoder,
    items: Sequence[CaptionedExample],
    images: str | os.PathLike[str],
    *,
    jobs: int | None = None,
    progress: Callable[[int], None] | None = None,
    cancel: CancelToken | None = None,
) -> RetrievalEvaluation:
    """Embed photos from the folder `images` and their captions, and measure retrieval in both directions.

    `progress` is called with the number of photos or captions just embedded. Photos that cannot be read are left out, with
    their captions, and listed. Raises ClipsearchError if no photo can be read, and Cancelled.
    """
    cancel = cancel or CancelToken()
    progress = cancel.checked(progress)
    kept, image_vectors, failures = embed_photos(encoder, items, images, jobs, progress, cancel)
    text_vectors = embed_with_prompts(encoder, [text for item in kept for text in item.captions], progress=progress)
    photos = np.arange(len(kept))
    photo_of_text = np.repeat(photos, [len(item.captions) for item in kept])
    return RetrievalEvaluation(
        model=encoder.spec.fingerprint.model,
        images=len(kept),
        captions=len(text_vectors),
        text_to_image=_metrics(rank_answers(text_vectors, photo_of_text, image_vectors, photos)),
        image_to_text=_metrics(rank_answers(image_vectors, photos, text_vectors, photo_of_text)),
        failures=failures,
    )


def evaluate_zero_shot(
    encoder: Encoder,
    items: Sequence[LabelledExample],
    images: str | os.PathLike[str],
    *,
    prompts: Sequence[str] | None = None,
    jobs: int | None = None,
    progress: Callable[[int], None] | None = None,
    cancel: CancelToken | None = None,
) -> ZeroShotEvaluation:
    """Embed photos from the folder `images` and all labels, and count how often a photo's right label is the likeliest.

    `prompts` are templates for the labels; None uses the model's own, () none. `progress` is called with the number of photos
    or sentences just embedded. Photos that cannot be read are left out and listed; their labels still compete. Raises
    ClipsearchError if no photo can be read, and Cancelled.
    """
    cancel = cancel or CancelToken()
    progress = cancel.checked(progress)
    templates = tuple(encoder.spec.label_prompts if prompts is None else prompts)
    check_prompts(templates)
    labels = {label: number for number, label in enumerate(dict.fromkeys(item.label for item in items))}
    kept, image_vectors, failures = embed_photos(encoder, items, images, jobs, progress, cancel)
    label_vectors = embed_with_prompts(encoder, list(labels), templates, progress)
    right_labels = np.array([labels[item.label] for item in kept])
    ranks = rank_answers(image_vectors, right_labels, label_vectors, np.arange(len(labels)))
    return ZeroShotEvaluation(
        model=encoder.spec.fingerprint.model,
        images=len(kept),
        labels=len(labels),
        prompts=templates,
        top1=float((ranks <= 1).mean()),
        top5=float((ranks <= 5).mean()),
        failures=failures,
    )


def rank_answers(
    queries: Embeddings, query_keys: NDArray[np.int64], answers: Embeddings, answer_keys: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The rank (n,) of each query's best right answer, as RetrievalMetrics defines it. Right answers have the query's key."""
    ranks = np.empty(len(queries))
    for start in range(0, len(queries), _QUERIES_AT_ONCE):
        rows = slice(start, start + _QUERIES_AT_ONCE)
        scores = queries[rows].astype(np.float64) @ answers.T.astype(np.float64)
        right = query_keys[rows, None] == answer_keys
        best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
        wrong = ~right
        ranks[rows] = 1 + (wrong & (scores > best)).sum(axis=1) + (wrong & (scores == best)).sum(axis=1) / 2
    return ranks


def _metrics(ranks: NDArray[np.float64]) -> RetrievalMetrics:
    return RetrievalMetrics(
        recall={cutoff: float((ranks <= cutoff).mean()) for cutoff in CUTOFFS},
        median_rank=float(np.median(ranks)),
        mrr=float((1 / ranks).mean()),
    )


def embed_photos(
    encoder: Encoder,
    items: Sequence[_Example],
    images: str | os.PathLike[str],
    jobs: int | None,
    progress: Callable[[int], None] | None,
    cancel: CancelToken | None = None,
) -> tuple[list[_Example], Embeddings, tuple[Failure, ...]]:
    """The examples whose photo could be read, their embeddings (n, dim), and the failures."""
    files = [ImageFile(os.path.join(images, item.image), 0, 0) for item in items]
    embedded: dict[str, NDArray[np.float32]] = {}
    failures: list[Failure] = []
    by_hash: dict[str, NDArray[np.float32]] = {}
    cancel = cancel or CancelToken()
    with DecoderPool(encoder.spec.pixels, workers=jobs) as pool, cancel.listening():
        for outcomes in embed_files(files, encoder, pool, known=by_hash.__contains__, cancel=cancel):
            for outcome in outcomes:
                if isinstance(outcome, Embedded):
                    vector = by_hash[outcome.info.content_hash] if outcome.vectors is None else outcome.vectors[0]
                    embedded[outcome.file.path] = by_hash[outcome.info.content_hash] = vector
                else:
                    failures.append(outcome)
            if progress:
                progress(len(outcomes))
    kept = [(item, embedded[file.path]) for item, file in zip(items, files, strict=True) if file.path in embedded]
    if not kept:
        first = f" ({failures[0].file.path}: {failures[0].reason})" if failures else ""
        raise ClipsearchError(f"none of the {len(items)} photos could be read from {images}{first}; check `images`")
    return [item for item, _ in kept], np.stack([vector for _, vector in kept]), tuple(failures)


def _read_examples(
    path: str | os.PathLike[str], split: str | None, kind: str, parse: Callable[[dict[str, Any]], _Example | None]
) -> list[_Example]:
    """The lines of one split, or all, parsed. `parse` returns None for an object without what it needs."""
    examples: list[_Example] = []
    splits: set[str] = set()
    try:
        with Path(path).open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    item = parse_json(line)
                except ValueError as error:
                    raise ClipsearchError(f"{path}, line {number}: not JSON ({error})") from error
                example = parse(item) if isinstance(item, dict) and isinstance(item.get("image"), str) else None
                if example is None:
                    raise ClipsearchError(f"{path}, line {number}: expected {_FORMS[kind]}")
                splits.add(str(item.get("split")))
                if split is None or item.get("split") == split:
                    examples.append(example)
    except (OSError, UnicodeDecodeError) as error:
        raise ClipsearchError(f"{path} cannot be read: {error}") from error
    if not examples:
        others = f"; it has {', '.join(sorted(splits))}" if splits else ""
        raise ClipsearchError(f"{path} has no {kind}{f' in split {split!r}' if split else ''}{others}")
    return examples


def _captioned(item: dict[str, Any]) -> CaptionedExample | None:
    captions = item.get("captions")
    if isinstance(captions, list) and captions and all(isinstance(c, str) and c.strip() for c in captions):
        return CaptionedExample(item["image"], tuple(captions))
    return None


def _labelled(item: dict[str, Any]) -> LabelledExample | None:
    label = item.get("label")
    return LabelledExample(item["image"], label.strip()) if isinstance(label, str) and label.strip() else None
