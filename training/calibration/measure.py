"""Precision, recall and F1 of a cutoff, and the reliability of probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.queries import QuerySet

_BINS = 10
_CANDIDATES = 400  # thresholds tried


@dataclass(frozen=True, slots=True)
class Cutoff:
    """The quality of the photos that are returned for each query.

    descriptions and absent: over all pairs of a query and a photo. words and single: each query's own, averaged, so
    that "a dog" does not outweigh the rest; a query without returned photos has precision 0.
    """

    precision: float
    recall: float
    f1: float
    answered: float  # share of the queries with at least one returned photo
    returned: float  # photos for each query, on average


@dataclass(frozen=True, slots=True)
class Bin:
    """Hits of about one probability."""

    predicted: float  # mean
    observed: float  # share of them that are relevant
    count: int


@dataclass(frozen=True, slots=True)
class Believed:
    """The reliability of probabilities, over the best hits of each query."""

    brier: float  # mean squared difference from 0 or 1
    base: float  # the Brier score of always predicting the relevant share
    error: float  # expected calibration error: |predicted - observed|, averaged over hits, in bins of a tenth
    bins: list[Bin]


def cutoff(queries: QuerySet, returned: NDArray[np.bool_]) -> Cutoff:
    """Judge the returned photos, (queries, photos); pairs that are not judged do not count."""
    returned = returned & queries.judged
    right = (returned & queries.relevant).sum(axis=1, dtype=np.float64)
    given, wanted = returned.sum(axis=1, dtype=np.float64), queries.relevant.sum(axis=1, dtype=np.float64)
    answered, mean_given = float((given > 0).mean()), float(given.mean())
    if queries.name in ("words", "single"):
        some = wanted > 0
        right, given, wanted = right[some], given[some], wanted[some]
    else:
        right, given, wanted = (values.sum(keepdims=True) for values in (right, given, wanted))
    precision = right / np.maximum(given, 1)
    recall = right / np.maximum(wanted, 1)
    f1 = 2 * right / np.maximum(given + wanted, 1)
    return Cutoff(float(precision.mean()), float(recall.mean()), float(f1.mean()), answered, mean_given)


def best_threshold(sets: Sequence[QuerySet], scores: Sequence[NDArray[np.float64]]) -> float:
    """The threshold with the best F1, averaged over sets of queries."""
    tops = np.concatenate([np.sort(score, axis=1)[:, -100:].ravel() for score in scores])
    candidates = np.quantile(tops, np.linspace(0, 1, _CANDIDATES))
    quality = [
        np.mean([cutoff(queries, score >= value).f1 for queries, score in zip(sets, scores, strict=True)])
        for value in candidates
    ]
    return float(candidates[int(np.argmax(quality))])


def top(scores: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    """The `count` best of each query, (queries, photos)."""
    chosen = np.zeros(scores.shape, np.bool_)
    np.put_along_axis(chosen, np.argsort(-scores, axis=1, kind="stable")[:, :count], True, axis=1)
    return chosen


def believed(
    matches: NDArray[np.float64], relevant: NDArray[np.bool_], weights: NDArray[np.float64] | None = None
) -> Believed:
    """Compare probabilities (hits,) with relevance (hits,). Each hit counts `weights` (hits,) times; once by default."""
    weights = np.ones(len(matches)) if weights is None else weights
    number = np.minimum((matches * _BINS).astype(int), _BINS - 1)
    bins = []
    for one in np.unique(number):
        inside = number == one
        share = weights[inside] / weights[inside].sum()
        bins.append(Bin(float(share @ matches[inside]), float(share @ relevant[inside]), round(weights[inside].sum())))
    share = weights / weights.sum()
    base = float(share @ relevant)
    return Believed(
        brier=float(share @ (matches - relevant) ** 2),
        base=base * (1 - base),
        error=sum(bin.count * abs(bin.predicted - bin.observed) for bin in bins) / weights.sum(),
        bins=bins,
    )
