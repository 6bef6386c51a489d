"""How likely a photo is to be what a text asks for: a probability beside the score."""

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
"""The match that `--relevant` asks for: such a hit is as likely right as wrong."""

RIVALS = 100
"""How many of the index's best photos for a text a hit is compared with."""

FEATURES = ("long", "score", "score, long", "rivals", "rivals, long")
_LONG = 12  # words; captions of photos have ten on average
_WORD = re.compile(r"\w+")
TABLE = Path(__file__).resolve().with_name("calibration.json")
_OTHERS = "others"


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a model's evidence is worth: log odds of a match = bias + weights @ evidence."""

    weights: tuple[float, ...]  # one for each of FEATURES
    bias: float


def match(spec: ModelSpec, text: str, scores: Scores, best: Scores) -> NDArray[np.float64]:
    """The probability (n,) in [0, 1] that each of some photos shows what a text says.

    `scores` (n,) are their cosines with the text; `best` (m,) are the text's highest cosines over the whole index: at least
    RIVALS of them where the index has so many, and at least one. A photo with a higher score has a higher match. Calibrated and
    judged by training/calibrate.py, for texts in English; where a model was not, few hits reach 0.5.
    """
    known = calibration(spec.fingerprint.model)
    log_odds = evidence(spec.logit_scale, text, scores, best) @ np.array(known.weights) + known.bias
    probability: NDArray[np.float64] = 0.5 * (1 + np.tanh(log_odds / 2))  # the logistic function, without overflow
    return probability


def evidence(scale: float, text: str, scores: Scores, best: Scores) -> NDArray[np.float64]:
    """What `match` decides by: (n, features), in the order of FEATURES.

    Cosines count times the model's logit scale, as it was trained to weigh them. A photo is judged by its score and by its
    rivals, the sum below the line of a softmax (arXiv:2103.00020, figure 3) over the index's own best photos. Both weigh
    differently for a short text, which many photos may fit, and for a long one, from 0 for a single word to 1 for twelve.
    """
    rivals = scale * np.sort(np.asarray(best, np.float64))[::-1][:RIVALS]
    against = rivals[0] + math.log(np.exp(rivals - rivals[0]).sum())
    long = min(math.log(max(len(_WORD.findall(text)), 1)) / math.log(_LONG), 1.0)
    own = scale * np.asarray(scores, np.float64)
    one = np.ones_like(own)
    return np.column_stack([long * one, own, long * own, against * one, long * against * one])


@cache
def calibration(model: str) -> Calibration:
    """A model's calibration, or the cautious one for models that none was made for."""
    table = json.loads(TABLE.read_text("utf-8"))
    entry = table.get(model) or table[_OTHERS]
    return Calibration(tuple(entry["weights"][name] for name in FEATURES), entry["bias"])
