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

from clipsearch.encoders.base import ModelSpec
from clipsearch.types import Scores

RELEVANT = 0.5
"""The match that `--relevant` asks for: a hit with it is as likely right as wrong."""

RIVALS = 100
"""A hit is compared with this many of the index's best photos for the text."""

FEATURES = ("long", "score", "score, long", "rivals", "rivals, long")
_LONG = 12  # words; captions of photos have ten on average
_WORD = re.compile(r"\w+")
TABLE = Path(__file__).resolve().with_name("calibration.json")
_OTHERS = "others"


@dataclass(frozen=True, slots=True)
class Calibration:
    """How a model's evidence counts: log odds of a match = bias + weights @ evidence."""

    weights: tuple[float, ...]  # one for each of FEATURES
    bias: float


def match(spec: ModelSpec, text: str, scores: Scores, best: Scores) -> NDArray[np.float64]:
    """The probability (n,) in [0, 1] that each of some photos shows what a text says.

    `scores` (n,) are their cosines with the text; `best` (m,) are the text's highest cosines over the whole index: at least
    RIVALS of them if the index has that many, and at least one. A photo with a higher score has a higher match. Calibrated and
    tested by training/calibrate.py, for texts in English; with other models, few hits reach 0.5.
    """
    known = calibration(spec.fingerprint.model)
    log_odds = evidence(spec.logit_scale, text, scores, best) @ np.array(known.weights) + known.bias
    probability: NDArray[np.float64] = 0.5 * (1 + np.tanh(log_odds / 2))  # the logistic function, without overflow
    return probability


def evidence(scale: float, text: str, scores: Scores, best: Scores) -> NDArray[np.float64]:
    """What `match` is computed from: (n, features), in the order of FEATURES.

    Cosines are multiplied by the model's logit scale, as in its training. A photo counts by its score and by its rivals: the
    denominator of a softmax (arXiv:2103.00020, figure 3) over the index's best photos. Both count differently for short texts,
    which many photos may fit, and long ones: `long` is 0 for a single word and 1 for twelve.
    """
    rivals = scale * np.sort(np.asarray(best, np.float64))[::-1][:RIVALS]
    denominator = rivals[0] + math.log(np.exp(rivals - rivals[0]).sum())
    long = min(math.log(max(len(_WORD.findall(text)), 1)) / math.log(_LONG), 1.0)
    own = scale * np.asarray(scores, np.float64)
    ones = np.ones_like(own)
    return np.column_stack([long * ones, own, long * own, denominator * ones, long * denominator * ones])


@cache
def calibration(model: str) -> Calibration:
    """A model's calibration; a cautious one for models without their own."""
    table = json.loads(TABLE.read_text("utf-8"))
    entry = table.get(model) or table[_OTHERS]
    return Calibration(tuple(entry["weights"][name] for name in FEATURES), entry["bias"])
