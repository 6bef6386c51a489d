"""Choosing how precisely pictures are encoded, by measuring what a cheaper precision changes."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.atomic_files import replacing
from clipsearch._internal.untrusted_files import read_json
from clipsearch.errors import ClipsearchError
from clipsearch.types import Embeddings

logger = logging.getLogger(__name__)

JUDGED_PHOTOS = 64
"""How many photos a precision is judged by: the first ones that the user indexes."""

_MIN_COSINE, _MIN_OVERLAP, _MIN_SPEED = 0.995, 0.98, 1.1
_COMPARED_RESULTS = 10
_MAX_CACHE_BYTES = 10_000_000


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How a precision compares with fp32 on some photos."""

    cosine: float  # the worst photo's, after the photos' mean is subtracted from both: plain cosines hide everything
    overlap: float  # shared among the first ten results of a query; the mean over the query bank
    speed: float  # times as fast

    @property
    def good(self) -> bool:
        """Whether the precision may replace fp32."""
        return self.cosine >= _MIN_COSINE and self.overlap >= _MIN_OVERLAP


def compare(reference: Embeddings, candidate: Embeddings, queries: Embeddings, speed: float = 1.0) -> Fidelity:
    """Compare embeddings (n, dim) of the same photos, the reference in fp32, with the help of text queries (m, dim)."""
    mean = reference.mean(axis=0, dtype=np.float64)
    left, right = reference - mean, candidate - mean
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosines = (left * right).sum(axis=1) / norms
    best, candidates = (
        np.argsort(-(queries @ images.T), axis=1)[:, :_COMPARED_RESULTS] for images in (reference, candidate)
    )
    shared = [len(np.intersect1d(a, b)) / len(a) for a, b in zip(best, candidates, strict=True)]
    return Fidelity(float(np.nan_to_num(cosines).min()), float(np.mean(shared)), speed)


def choose_precision(
    candidates: Sequence[str],
    embedder: Callable[[str], Callable[[NDArray[np.float32]], Embeddings]],
    pixels: NDArray[np.float32],
    queries: Embeddings,
) -> tuple[str, Fidelity | None]:
    """The first candidate that is as good as fp32 and faster, with its measurements; else "fp32" and None.

    `embedder(precision)` returns a function from pixels (n, 3, height, width) to unit vectors.
    """
    reference, fp32_seconds = _timed(embedder("fp32"), pixels)
    for precision in candidates:
        if precision != "fp32":
            embeddings, seconds = _timed(embedder(precision), pixels)
            fidelity = compare(reference, embeddings, queries, fp32_seconds / seconds)
            logger.info("precision %s beside fp32: %s", precision, fidelity)
            if fidelity.good and fidelity.speed >= _MIN_SPEED:
                return precision, fidelity
    return "fp32", None


def load_choice(key: str) -> tuple[str, Fidelity | None] | None:
    """The precision that an earlier run chose for a model on this machine."""
    try:
        entry = read_json(_cache_file(), _MAX_CACHE_BYTES)[key]
        return str(entry["precision"]), Fidelity(**entry["fidelity"]) if entry["fidelity"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save_choice(key: str, precision: str, fidelity: Fidelity | None) -> None:
    """Keep a choice for later runs. If it cannot be kept, the next index measures again."""
    path = _cache_file()
    with contextlib.suppress(OSError, ClipsearchError):
        try:
            entries = dict(read_json(path, _MAX_CACHE_BYTES))
        except (OSError, ValueError, TypeError):
            entries = {}
        entries[key] = {"precision": precision, "fidelity": asdict(fidelity) if fidelity else None}
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing([path], force=True) as (unfinished,):
            unfinished.write_text(json.dumps(entries, indent=1), "utf-8")


def _timed(embed: Callable[[NDArray[np.float32]], Embeddings], pixels: NDArray[np.float32]) -> tuple[Embeddings, float]:
    embed(pixels[:4])  # the first call allocates and compiles
    start = perf_counter()
    embeddings = embed(pixels)
    return embeddings, perf_counter() - start


def _cache_file() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("clipsearch", appauthor=False) / "precision.json"
