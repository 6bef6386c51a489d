"""Choosing how precisely pictures are encoded, by measuring what a cheaper precision changes."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.atomic_files import keep_if_possible
from clipsearch._internal.untrusted_files import read_json
from clipsearch.types import Embeddings

logger = logging.getLogger(__name__)

JUDGED_PHOTOS = 64
"""How many photos a precision is judged by, at most: the first ones that the user indexes."""

_MIN_COSINE, _MIN_OVERLAP, _MIN_SPEED = 0.995, 0.98, 1.1
_CLEAR, _HOPELESS = 2 / 3, 1.5  # of the loss that the gate allows: beyond them, half of the photos decide
_COMPARED_RESULTS = 10 / 64  # of the photos
_DIRECTIONS = 128
_STRICTNESS = 1.4  # factor of the errors, because random directions are 1.25 times less sensitive than texts
_MAX_CACHE_BYTES = 10_000_000


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How a precision compares with fp32 on some photos."""

    cosine: float  # the worst photo's, after the photos' mean is subtracted from both: plain cosines hide everything
    overlap: float  # shared among a query's first results, ten of 64; the mean over all queries
    speed: float  # times as fast

    @property
    def good(self) -> bool:
        """Whether the precision may replace fp32."""
        return self._loses_at_most(1)

    @property
    def clear(self) -> bool:
        """Whether it is so good, or so bad, that more photos would not change that. The worst photo stays the worst."""
        return self._loses_at_most(_CLEAR) or self.cosine < _MIN_COSINE or not self._loses_at_most(_HOPELESS)

    def _loses_at_most(self, share: float) -> bool:
        return 1 - self.cosine <= share * (1 - _MIN_COSINE) and 1 - self.overlap <= share * (1 - _MIN_OVERLAP)


def compare(
    reference: Embeddings, candidate: Embeddings, queries: Embeddings | None = None, speed: float = 1.0
) -> Fidelity:
    """Compare embeddings (n, dim) of the same photos, the reference in fp32, with the help of text queries (m, dim).

    Without queries, random directions take their place, and errors are enlarged, which is no less strict. It saves encoding
    the texts, which takes longer than everything else: seconds, and half a minute for SigLIP 2.
    """
    ranked = candidate
    if queries is None:
        queries = np.random.default_rng(0).standard_normal((_DIRECTIONS, reference.shape[1]), np.float32)
        ranked = reference + np.float32(_STRICTNESS) * (candidate - reference)
    mean = reference.mean(axis=0, dtype=np.float64)
    left, right = reference - mean, candidate - mean
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosines = (left * right).sum(axis=1) / norms
    best, candidates = (
        np.argsort(-(queries @ images.T), axis=1)[:, : max(1, round(_COMPARED_RESULTS * len(reference)))]
        for images in (reference, ranked)
    )
    shared = [len(np.intersect1d(a, b)) / len(a) for a, b in zip(best, candidates, strict=True)]
    return Fidelity(float(np.nan_to_num(cosines).min()), float(np.mean(shared)), speed)


def choose_precision(
    candidates: Sequence[str],
    embedder: Callable[[str], Callable[[NDArray[np.float32]], Embeddings]],
    pixels: NDArray[np.float32],
) -> tuple[str, Fidelity | None, Embeddings]:
    """The first candidate that is as good as fp32 and faster, with its measurements; else "fp32" and None.

    `embedder(precision)` returns a function from pixels (n, 3, height, width) to unit vectors. The last result has the unit
    vectors of all pictures, or of the first half, in the chosen precision.
    """
    reference = _Embedded(embedder("fp32"), pixels)
    for precision in candidates:
        if precision == "fp32":
            continue
        candidate = _Embedded(embedder(precision), pixels)
        speed = reference.seconds / candidate.seconds
        for count in (len(pixels) // 2, len(pixels)):
            fidelity = compare(reference.first(count), candidate.first(count), speed=speed)
            logger.info("precision %s beside fp32, by %d photos: %s", precision, count, fidelity)
            if fidelity.clear or speed < _MIN_SPEED:
                break
        if fidelity.good and speed >= _MIN_SPEED:
            return precision, fidelity, candidate.vectors
    return "fp32", None, reference.vectors


def load_choice(key: str) -> tuple[str, Fidelity | None] | None:
    """The precision that an earlier run chose for a model on this machine."""
    try:
        entry = read_json(_cache_file(), _MAX_CACHE_BYTES)[key]
        return str(entry["precision"]), Fidelity(**entry["fidelity"]) if entry["fidelity"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save_choice(key: str, precision: str, fidelity: Fidelity | None) -> None:
    """Keep a choice for later runs. If it cannot be kept, the next index measures again."""
    try:
        entries = dict(read_json(_cache_file(), _MAX_CACHE_BYTES))
    except (OSError, ValueError, TypeError):
        entries = {}
    entries[key] = {"precision": precision, "fidelity": asdict(fidelity) if fidelity else None}
    keep_if_possible(_cache_file(), json.dumps(entries, indent=1).encode())


class _Embedded:
    """The vectors of the first half of the pictures, with the seconds that they took, or of more if those are needed."""

    def __init__(self, embed: Callable[[NDArray[np.float32]], Embeddings], pixels: NDArray[np.float32]) -> None:
        self._embed, self._pixels = embed, pixels
        embed(pixels[:4])  # the first call allocates and compiles
        start = perf_counter()
        self.vectors = embed(pixels[: len(pixels) // 2])
        self.seconds = perf_counter() - start

    def first(self, count: int) -> Embeddings:
        """The vectors of so many pictures."""
        if count > len(self.vectors):
            self.vectors = np.concatenate([self.vectors, self._embed(self._pixels[len(self.vectors) : count])])
        return self.vectors[:count]


def _cache_file() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("clipsearch", appauthor=False) / "precision.json"
