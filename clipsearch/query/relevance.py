"""`match`: the probability that a photo shows what a text says."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipsearch.query.null_scores import NullScores
from clipsearch.types import Scores

RELEVANT = 0.5
"""The match that `--relevant` asks for: a hit with it is as likely right as wrong."""

RIVALS = 100
"""A hit of a long text is compared with this many of the best photos for the text, of those that meet the filters."""

REACH = 1000
"""How many of the index's best photos for a text are counted, at most."""

FEATURES = ("long", "score", "score, long", "reached", "reached, long", "rivals, long")
_LONG = 10  # words; captions of photos have about as many
ARTICLES = frozenset({"a", "an", "the"})
_WORD = re.compile(r"\w+")
TABLE = Path(__file__).resolve().with_name("calibration.json")


@dataclass(frozen=True, slots=True)
class Calibration:
    """How evidence counts, for every model: log odds of a match = bias + weights @ evidence."""

    weights: tuple[float, ...]  # one for each of FEATURES
    bias: float


def match(
    null: NullScores, images: int, text: str, scores: Scores, best: Scores, rivals: Scores | None = None
) -> NDArray[np.float64]:
    """The probability (n,) in [0, 1] that each of some photos shows what a text says.

    `scores` (n,) are their cosines with the text; `best` (m,) are the text's highest cosines over the whole index of `images`
    photos: REACH of them, or all. `rivals` (k,) are its highest among the photos that meet the filters: RIVALS of them, or all;
    None if there are no filters. `null` is what everyday texts score in this index, so the model does not matter. A photo with
    a higher score has a match at least as high. Calibrated and tested by training/calibrate.py, for texts in English.
    """
    known = calibration()
    everything = np.concatenate([np.asarray(scores, np.float64), best])
    log_odds = evidence(null, images, text, everything, best, rivals) @ np.array(known.weights) + known.bias
    ascending = np.argsort(everything, kind="stable")
    log_odds[ascending] = np.maximum.accumulate(log_odds[ascending])
    probability: NDArray[np.float64] = 0.5 * (1 + np.tanh(log_odds[: len(scores)] / 2))  # logistic, without overflow
    return probability


def evidence(
    null: NullScores, images: int, text: str, scores: Scores, best: Scores, rivals: Scores | None = None
) -> NDArray[np.float64]:
    """What `match` is computed from: (n, features), in the order of FEATURES. Parameters are those of `match`.

    score: how far the photo's score is above what everyday texts score here, in units of their spread. reached: the logarithm
    of how many photos reach the score, divided by one more than everyday texts let expect, as in a false discovery rate (Efron,
    Large-Scale Inference, 2010, chapter 4); the highest value at this score or a lower one. rivals: the denominator of a
    softmax over the best photos that meet the filters. `long` is 0 for a single word and 1 for ten: a word may fit many photos,
    a long description few, so a word counts more by what is reached, and a description by its rivals.
    """
    own, highest = null.units(scores), np.sort(null.units(best))
    reached = np.maximum.accumulate(_reached(null, images, highest, highest))
    at_lower = np.searchsorted(highest, own, side="right")
    lower = np.where(at_lower > 0, reached[np.maximum(at_lower, 1) - 1], -np.inf)
    most_reached = np.maximum(_reached(null, images, own, highest), lower)
    strongest = highest[-RIVALS:] if rivals is None else np.sort(null.units(rivals))[-RIVALS:]
    denominator = strongest[-1] + math.log(np.exp(strongest - strongest[-1]).sum())
    long = length(text)
    ones = np.ones_like(own)
    return np.column_stack([long * ones, own, long * own, most_reached, long * most_reached, long * denominator * ones])


def length(text: str) -> float:
    """How much a text is a description: 0 for a single word, whose match does not depend on rivals, up to 1 for ten words."""
    words = [word for word in _WORD.findall(text.lower()) if word not in ARTICLES]
    return min(math.log(max(len(words), 1)) / math.log(_LONG), 1.0)


def _reached(
    null: NullScores, images: int, units: NDArray[np.float64], highest: NDArray[np.float64]
) -> NDArray[np.float64]:
    """log(photos that reach a value / (photos that everyday texts let expect + 1)) for values (n,); `highest` is ascending."""
    count = np.maximum(len(highest) - np.searchsorted(highest, units - 1e-9), 1)
    expected = images * np.exp(null.log_share(units))
    difference: NDArray[np.float64] = np.log(count) - np.log1p(expected)
    return difference


@cache
def calibration() -> Calibration:
    """The calibration, read from calibration.json once."""
    entry = json.loads(TABLE.read_text("utf-8"))
    return Calibration(tuple(entry["weights"][name] for name in FEATURES), entry["bias"])
