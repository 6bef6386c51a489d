"""Queries with known answers together with a model's scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from calibration.queries import QuerySet, absent, descriptions, single_words, words
from clipsearch.analysis.evaluation import CaptionedExample, read_captions
from clipsearch.encoders.base import Encoder
from clipsearch.encoders.prompts import ENSEMBLE, PHOTO, default_prompts, embed_with_prompts, everyday_texts
from clipsearch.types import Embeddings

DATA = Path(__file__).resolve().parents[2] / "data" / "relevance"
_BATCH = 32
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """Some queries and their cosines with all photos, float64 (queries, photos), and those of everyday texts."""

    queries: QuerySet
    scores: NDArray[np.float64]
    everyday: NDArray[np.float64]  # (texts, photos)

    def some(self, rows: slice | NDArray[np.intp]) -> Task:
        """A part of the queries."""
        queries = self.queries
        texts = tuple(np.array(queries.texts, object)[rows])
        some = QuerySet(queries.name, texts, queries.relevant[rows], queries.judged[rows])
        return Task(some, self.scores[rows], self.everyday)

    def among(self, photos: NDArray[np.intp]) -> Task:
        """The same task on an index of only these photos."""
        queries = self.queries
        part = QuerySet(queries.name, queries.texts, queries.relevant[:, photos], queries.judged[:, photos])
        return Task(part, self.scores[:, photos], self.everyday[:, photos])


def flickr8k(encoder: Encoder, folder: Path, split: str, half: int, work: Path) -> list[Task]:
    """All captions of a split of Flickr8k, and every second of the words, single words and absent things (`half`, 0 or 1).

    Embeddings are kept in `work`.
    """
    photos = read_captions(folder / "captions.jsonl", split)
    paths = [folder / "images" / photo.image for photo in photos]
    name = f"{encoder.spec.fingerprint.digest[:12]}-{split}"
    pictures = _kept(work / f"{name}-photos.npy", paths, encoder.encode_images)
    everyday = _kept(work / f"{name}-everyday.npy", everyday_texts(), encoder.encode_texts) @ pictures.T.astype(
        np.float64
    )
    tasks = []
    for queries in (
        descriptions(photos),
        words(DATA / "words.txt", photos),
        single_words(DATA / "words.txt", photos),
        absent(DATA / "absent.txt", photos),
    ):
        embed = _embed_words(encoder) if queries.name == "single" else encoder.encode_texts
        texts = _kept(work / f"{name}-{queries.name}.npy", queries.texts, embed)
        task = Task(queries, texts.astype(np.float64) @ pictures.T.astype(np.float64), everyday)
        tasks.append(task if queries.name == "descriptions" else task.some(slice(half, None, 2)))
    return tasks


def kept_vectors(
    encoder: Encoder, folder: Path, split: str, kind: Callable[[Sequence[CaptionedExample]], QuerySet], work: Path
) -> tuple[NDArray[np.float64], NDArray[np.float64], QuerySet]:
    """One kind of queries about a split of Flickr8k: texts (n, dim), photos (m, dim), and what is right."""
    photos = read_captions(folder / "captions.jsonl", split)
    name = f"{encoder.spec.fingerprint.digest[:12]}-{split}"
    paths = [folder / "images" / photo.image for photo in photos]
    pictures = _kept(work / f"{name}-photos.npy", paths, encoder.encode_images)
    queries = kind(photos)
    texts = _kept(work / f"{name}-{queries.name}.npy", queries.texts, encoder.encode_texts)
    return texts.astype(np.float64), pictures.astype(np.float64), queries


def _embed_words(encoder: Encoder) -> Callable[[Sequence[str]], Embeddings]:
    """Single words are put into a template, as in a query."""
    return lambda words: embed_with_prompts(encoder, words, default_prompts(encoder.spec, words[0]))


def precision_by_template(encoder: Encoder, folder: Path, work: Path) -> dict[str, float]:
    """How well single words rank the photos of the test split with some templates: mean average precision over the words."""
    photos = read_captions(folder / "captions.jsonl", "test")
    paths = [folder / "images" / photo.image for photo in photos]
    pictures = _kept(work / f"{encoder.spec.fingerprint.digest[:12]}-test-photos.npy", paths, encoder.encode_images)
    queries = single_words(DATA / "words.txt", photos)
    found = {}
    for name, prompts in (("as they are", ()), (PHOTO[0], PHOTO), ("the seven of --ensemble", ENSEMBLE)):
        scores = embed_with_prompts(encoder, queries.texts, prompts) @ pictures.T
        values = []
        for row, relevant, judged in zip(scores, queries.relevant, queries.judged, strict=True):
            hits = relevant[judged][np.argsort(-row[judged])]
            values.append((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())
        found[name] = float(np.mean(values))
    return found


def removed(task: Task) -> Task:
    """Descriptions without their own photos in the index, so that no photo is relevant."""
    queries = task.queries
    nothing = np.zeros_like(queries.relevant)
    scores = np.where(queries.relevant, -1.0, task.scores)  # it ranks last, as if it were gone
    return Task(QuerySet("removed", queries.texts, nothing, ~nothing), scores, task.everyday)


def _kept(path: Path, items: Sequence[_Item], embed: Callable[[Sequence[_Item]], Embeddings]) -> Embeddings:
    """Embeddings (n, dim) of `items` (n), from a file if it has them."""
    if path.is_file() and len(known := np.load(path, allow_pickle=False)) == len(items):
        kept: Embeddings = known
        return kept
    batches = range(0, len(items), _BATCH)
    made: Embeddings = np.concatenate([embed(items[i : i + _BATCH]) for i in tqdm(batches, desc=path.stem)])
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, made)
    return made
