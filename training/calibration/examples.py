"""The data that a calibration is fitted to: the best hits of queries in indexes of several sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.fit import logistic
from calibration.tasks import Task
from clipsearch.query.relevance import RIVALS, Calibration, evidence

SIZES = (10, 30, 100, 300, 1000)  # photos in an index; all count the same
MIX = {"descriptions": 0.4, "removed": 0.2, "words": 0.2, "absent": 0.2}  # how much the kinds of queries count
_QUERIES = 2400  # of a kind, for each size
_HITS = 100  # of a query: the hits that a user may look at
_PHOTOS = 4000  # photos drawn for each size, which makes four to two hundred indexes


@dataclass(frozen=True, slots=True)
class Examples:
    """Pairs of a query and a hit."""

    evidence: NDArray[np.float64]  # (pairs, features)
    relevant: NDArray[np.bool_]  # (pairs,)
    weights: NDArray[np.float64]  # (pairs,)


def examples(tasks: Sequence[Task], scale: float, rng: np.random.Generator) -> Examples:
    """The best hits of every kind of query, in indexes of photos drawn at random. A query counts once, with all its hits."""
    found: list[tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]] = []
    for size in SIZES:
        for task in tasks:
            total = task.scores.shape[1]
            rounds = min(_PHOTOS // size, 200)
            for _ in range(rounds):
                index = task.among(np.sort(rng.choice(total, min(size, total), replace=False)))
                rows = _usable(index)
                rows = rng.choice(rows, min(len(rows), _QUERIES // rounds), replace=False)
                share = MIX[task.queries.name] / rounds / max(len(rows), 1)
                found += [_pairs(index, row, scale, share) for row in rows]
    evidences, relevant, weights = zip(*found, strict=True)
    return Examples(np.concatenate(evidences), np.concatenate(relevant), np.concatenate(weights))


def fit(found: Examples) -> Calibration:
    """The calibration that makes the examples most likely."""
    weights, bias = logistic(found.evidence, found.relevant, found.weights)
    return _calibration(weights, bias)


def fit_without_level(several: Sequence[Examples]) -> Calibration:
    """For models never measured: only a score's distance from its rivals counts, since its own level means nothing."""
    evidences = np.concatenate([found.evidence for found in several])
    relevant = np.concatenate([found.relevant for found in several])
    weights = np.concatenate([found.weights / found.weights.sum() for found in several])
    long, score, long_score, rivals, long_rivals = evidences.T
    (by_length, by_lead, by_long_lead), bias = logistic(
        np.column_stack([long, score - rivals, long_score - long_rivals]), relevant, weights
    )
    return _calibration(np.array([by_length, by_lead, by_long_lead, -by_lead, -by_long_lead]), bias)


def matches(task: Task, scale: float, known: Calibration) -> NDArray[np.float64]:
    """The `match` of every pair, (queries, photos), without rounding."""
    result = np.empty(task.scores.shape)
    for row, (text, scores) in enumerate(zip(task.queries.texts, task.scores, strict=True)):
        best = np.partition(scores, -min(RIVALS, len(scores)))[-RIVALS:]
        log_odds = evidence(scale, text, scores, best) @ np.array(known.weights) + known.bias
        result[row] = 0.5 * (1 + np.tanh(log_odds / 2))
    return result


def _usable(index: Task) -> NDArray[np.intp]:
    """Descriptions whose photo is in the index, and words with a judged photo."""
    if index.queries.name == "descriptions":
        return np.flatnonzero(index.queries.relevant.any(axis=1))
    return np.flatnonzero(index.queries.judged.any(axis=1))


def _pairs(
    index: Task, row: int, scale: float, share: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    hits = np.argsort(-index.scores[row])[:_HITS]
    best = index.scores[row, hits[:RIVALS]]
    hits = hits[index.queries.judged[row, hits]]
    pairs = evidence(scale, index.queries.texts[row], index.scores[row, hits], best)
    return pairs, index.queries.relevant[row, hits], np.full(len(hits), share / max(len(hits), 1))


def _calibration(weights: NDArray[np.float64], bias: float) -> Calibration:
    return Calibration(tuple(round(float(weight), 4) for weight in weights), round(bias, 4))
