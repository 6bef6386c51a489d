"""Measure what marking hits as right or wrong gains, and choose the weights of `clipsearch.query.embed`.

    python benchmarks/feedback.py ../shared/data            # minutes the first time; embeddings are kept

Marks are simulated from the captions of Flickr8k, three in a round.

*Words*: a photo is right for a word or two if two of its captions name the thing, wrong if no caption does, else not judged.
The searcher marks the best unmarked of the first ten hits: up to two right ones and a wrong one, or what there is. recall@10 is
the share of the right photos, at most ten, that are among the first ten hits, without the wrong marked ones. *Unmarked* is the
same if all marked photos are taken out, before and after: what the moved vector alone gains.

*One photo*: the searcher types a caption, looks for its photo, and marks the three best other hits as wrong while it is not
there. recall@10 is how often it is among the first ten.

Weights are compared on the development split with `mini`, and judged on the test split; photos for captions also with the
embeddings of CLIP ViT-B/32 that others computed.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "training"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from calibration.clip import caption_vectors
from calibration.queries import descriptions, words
from calibration.tasks import DATA, kept_vectors

from clipsearch import load_encoder
from clipsearch.encoders.base import Encoder
from clipsearch.query.embed import RIGHT, WRONG

Vectors: TypeAlias = NDArray[np.float64]
Truth: TypeAlias = NDArray[np.bool_]

_RIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
_WRONGS = (0.0, 0.15, 0.25, 0.5)
_ROCCHIO = (0.75, 0.15)  # the weights in Manning et al., Introduction to Information Retrieval, 2008, section 9.1.1
_HITS, _MARKS, _ROUNDS = 10, 3, 2
_CAPTIONS = 1000  # of a split, evenly spaced
_FEWEST = 5  # photos that a query must have


@dataclass(frozen=True, slots=True)
class Queries:
    """Queries (n, dim), photos (m, dim), and which photos (n, m) are right and judged."""

    texts: Vectors
    photos: Vectors
    right: Truth
    judged: Truth


@dataclass(frozen=True, slots=True)
class Gain:
    """Means over queries: recall@10 at first and after each round, and that of unmarked photos before and after the last."""

    queries: int
    recall: list[float]
    unmarked_before: float
    unmarked_after: float


def main() -> None:
    """Print the weights' recall on the development split, and the gain of the chosen ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--work", type=Path, default=Path("~/.cache/clipsearch-calibration").expanduser())
    given = parser.parse_args()
    mini, flickr = load_encoder("mini"), given.shared / "flickr8k"
    dev, test = (_words(mini, flickr, split, given.work) for split in ("dev", "test"))
    texts, photos, queries = kept_vectors(mini, flickr, "test", descriptions, given.work)
    some = np.arange(0, len(texts), len(texts) // _CAPTIONS)
    captions = {
        "mini, test split": (texts[some], photos, queries.relevant[some].argmax(axis=1)),
        "CLIP ViT-B/32": caption_vectors(given.shared),
    }
    print(
        "words: recall@10 after two rounds, mini, development split; rows: weight of right marks, columns: of wrong ones"
    )
    print(" " * 6 + "".join(f"{wrong:>8}" for wrong in _WRONGS))
    for right in _RIGHTS:
        print(f"{right:>6}" + "".join(f"{gain(dev, right, wrong).recall[-1]:8.3f}" for wrong in _WRONGS))
    for weights in ((0.0, 0.0), _ROCCHIO, (RIGHT, WRONG)):
        found = gain(test, *weights)
        print(
            f"words: mini, test split, {found.queries} queries, weights {weights}: recall@10 {_listed(found.recall)}; "
            f"unmarked {found.unmarked_before:.3f}, {found.unmarked_after:.3f}"
        )
    for name, (of_texts, of_photos, wanted) in captions.items():
        for wrong in _WRONGS:
            recall = one_photo(of_texts, of_photos, wanted, wrong)
            print(f"one photo: {name}, {len(of_texts)} captions, wrong {wrong}: recall@10 {_listed(recall)}")


def _words(encoder: Encoder, folder: Path, split: str, work: Path) -> Queries:
    texts, photos, queries = kept_vectors(
        encoder, folder, split, lambda examples: words(DATA / "words.txt", examples), work
    )
    return Queries(texts, photos, queries.relevant, queries.judged)


def _listed(values: list[float]) -> str:
    return ", ".join(f"{value:.3f}" for value in values)


def one_photo(texts: Vectors, photos: Vectors, wanted: NDArray[np.intp], wrong_weight: float) -> list[float]:
    """recall@10 at first and after each round of searchers who look for one photo each, (n,), and mark others as wrong."""
    found = np.zeros(_ROUNDS + 1)
    for text, own in zip(texts, wanted, strict=True):
        marked = np.zeros(len(photos), np.bool_)
        for number in range(_ROUNDS + 1):
            moved = _moved(text, photos, marked, np.zeros_like(marked), 0.0, wrong_weight)
            ranked = np.argsort(-np.where(marked, -np.inf, photos @ moved))[:_HITS]
            found[number] += own in ranked
            marked[ranked[ranked != own][:_MARKS]] = True
    recalls: list[float] = (found / len(texts)).tolist()
    return recalls


def gain(queries: Queries, right_weight: float, wrong_weight: float) -> Gain:
    """Simulate searchers who mark hits."""
    recalls: list[list[float]] = []
    unmarked: list[tuple[float, float]] = []
    for text, right, judged in zip(queries.texts, queries.right, queries.judged, strict=True):
        if right.sum() < _FEWEST:
            continue
        first = queries.photos @ text
        marked = np.zeros(len(first), np.bool_)
        scores, recall = first, list[float]()
        for number in range(_ROUNDS + 1):
            ranked = np.argsort(-np.where(judged & ~(marked & ~right), scores, -np.inf))[:_HITS]
            recall.append(float(right[ranked].sum() / min(_HITS, right.sum())))
            if number < _ROUNDS:
                marked[_marks(ranked, right, marked)] = True
                scores = queries.photos @ _moved(text, queries.photos, marked, right, right_weight, wrong_weight)
        recalls.append(recall)
        left = right & ~marked
        if left.any():
            before, after = (
                left[np.argsort(-np.where(judged & ~marked, some, -np.inf))[:_HITS]].sum() / min(_HITS, left.sum())
                for some in (first, scores)
            )
            unmarked.append((float(before), float(after)))
    before, after = np.mean(unmarked, axis=0).tolist()
    return Gain(len(recalls), np.mean(recalls, axis=0).tolist(), before, after)


def _marks(ranked: NDArray[np.intp], right: Truth, marked: Truth) -> list[int]:
    """What a searcher marks of the first hits: up to two right photos and a wrong one, else more of what there is."""
    new = [row for row in ranked.tolist() if not marked[row]]
    good, bad = ([row for row in new if right[row] == wanted] for wanted in (True, False))
    chosen = good[: _MARKS - 1] + bad[:1]
    return chosen + [row for row in new if row not in chosen][: _MARKS - len(chosen)]


def _moved(text: Vectors, photos: Vectors, marked: Truth, right: Truth, plus: float, minus: float) -> Vectors:
    """Rocchio's formula; the length does not change a ranking."""
    moved: Vectors = text.copy()
    for chosen, weight in ((marked & right, plus), (marked & ~right, -minus)):
        if chosen.any():
            moved += weight * photos[chosen].mean(axis=0)
    return moved


if __name__ == "__main__":
    main()
