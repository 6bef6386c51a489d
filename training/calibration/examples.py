"""The data that a calibration is fitted to: the best hits of queries in indexes of several sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from calibration.fit import logistic
from calibration.tasks import Task
from clipsearch.query.null_scores import NullScores, measure
from clipsearch.query.relevance import REACH, Calibration, evidence

SIZES = (100, 300, 1000, 1000)  # photos in an index; all count the same
MIX = {"descriptions": 0.25, "words": 0.25, "single": 0.2, "removed": 0.1, "absent": 0.2}  # of the queries
_QUERIES = 300  # of a kind, for each size
_HITS = 300  # of a query: the hits that a user may look at
_PHOTOS = 1200  # photos drawn for each size, which makes 1 to 8 indexes of each size
_MOST_INDEXES = 8

Evidence = Callable[[Task, int], NDArray[np.float64]]
"""What a query of a task, given by its row, has as evidence for each photo: (photos, features)."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Pairs of a query and a hit."""

    evidence: NDArray[np.float64]  # (pairs, features)
    relevant: NDArray[np.bool_]  # (pairs,)
    weights: NDArray[np.float64]  # (pairs,); their sum is 1


def evidence_of(task: Task, row: int) -> NDArray[np.float64]:
    """What clipsearch computes `match` from."""
    scores, null = task.scores[row], _null(task)
    best = np.sort(scores)[::-1][:REACH]
    return evidence(null, len(scores), task.queries.texts[row], scores, best)


@lru_cache(maxsize=8)
def _null(task: Task) -> NullScores:
    return measure(task.everyday)


def examples(tasks: Sequence[Task], of: Evidence = evidence_of) -> Examples:
    """The best hits of every kind of query, in indexes of photos drawn at random. A query counts once, with all its hits."""
    rng = np.random.default_rng(0)
    found: list[tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]] = []
    for size in SIZES:
        for task in tasks:
            total = task.scores.shape[1]
            rounds = max(1, min(_PHOTOS // size, _MOST_INDEXES))
            for _ in range(rounds):
                index = task.among(np.sort(rng.choice(total, min(size, total), replace=False)))
                rows = _usable(index)
                rows = rng.choice(rows, min(len(rows), _QUERIES // rounds), replace=False)
                share = MIX[task.queries.name] / rounds / max(len(rows), 1)
                found += [_pairs(index, row, of, share) for row in rows]
    evidences, relevant, weights = zip(*found, strict=True)
    total_weight = np.concatenate(weights)
    return Examples(np.concatenate(evidences), np.concatenate(relevant), total_weight / total_weight.sum())


def fit(several: Sequence[Examples]) -> Calibration:
    """The calibration that makes the examples most likely. Each of several models counts the same."""
    weights, bias = logistic(
        np.concatenate([found.evidence for found in several]),
        np.concatenate([found.relevant for found in several]),
        np.concatenate([found.weights for found in several]),
    )
    return Calibration(tuple(round(float(weight), 3) for weight in weights), round(bias, 3))


def matches(task: Task, known: Calibration, of: Evidence = evidence_of) -> NDArray[np.float64]:
    """The `match` of every pair, (queries, photos), without rounding."""
    log_odds = np.array([of(task, row) @ np.array(known.weights) + known.bias for row in range(len(task.scores))])
    for row, scores in zip(log_odds, task.scores, strict=True):
        ascending = np.argsort(scores, kind="stable")
        row[ascending] = np.maximum.accumulate(row[ascending])
    probabilities: NDArray[np.float64] = 0.5 * (1 + np.tanh(log_odds / 2))
    return probabilities


def _usable(index: Task) -> NDArray[np.intp]:
    """Descriptions whose photo is in the index, and words with a judged photo."""
    if index.queries.name == "descriptions":
        return np.flatnonzero(index.queries.relevant.any(axis=1))
    return np.flatnonzero(index.queries.judged.any(axis=1))


def _pairs(
    index: Task, row: int, of: Evidence, share: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    hits = np.argsort(-index.scores[row])[:_HITS]
    hits = hits[index.queries.judged[row, hits]]
    return of(index, row)[hits], index.queries.relevant[row, hits], np.full(len(hits), share / max(len(hits), 1))
