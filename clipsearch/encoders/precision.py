"""Choosing how precisely pictures are encoded: by measuring what a cheaper precision changes, not by hoping."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.atomic_files import replacing
from clipsearch._internal.untrusted_files import read_json
from clipsearch.errors import ClipsearchError
from clipsearch.types import Embeddings

JUDGED_PHOTOS = 64
"""Photos that a precision is judged by: the first of the user's own."""

LEAST_COSINE, LEAST_OVERLAP, LEAST_GAIN = 0.995, 0.98, 1.1
_COMPARED = 10  # results of a query
_CACHE, _MOST_BYTES = "precision.json", 10_000_000


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How a precision compares with fp32 on some photos."""

    cosine: float  # the worst photo's, after the photos' mean is taken off both: plain cosines hide everything
    overlap: float  # of the first ten results of the query bank's queries, on average
    speed: float  # times as fast

    @property
    def good(self) -> bool:
        """Whether it may stand in for fp32."""
        return self.cosine >= LEAST_COSINE and self.overlap >= LEAST_OVERLAP


def compare(reference: Embeddings, candidate: Embeddings, queries: Embeddings, speed: float = 1.0) -> Fidelity:
    """Judge embeddings (n, dim) of the same photos by those in fp32 and by text queries (m, dim)."""
    mean = reference.mean(axis=0, dtype=np.float64)
    left, right = reference - mean, candidate - mean
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosines = (left * right).sum(axis=1) / norms
    best, candidates = _first(queries @ reference.T), _first(queries @ candidate.T)
    shared = [len(np.intersect1d(a, b)) / len(a) for a, b in zip(best, candidates, strict=True)]
    return Fidelity(float(np.nan_to_num(cosines).min()), float(np.mean(shared)), speed)


def choose(
    candidates: Sequence[str],
    embed: Callable[[str], Callable[[NDArray[np.float32]], Embeddings]],
    pixels: NDArray[np.float32],
    queries: Embeddings,
) -> tuple[str, Fidelity | None]:
    """The first of `candidates` that is as good as fp32 and faster, with its measurements; "fp32" where none is.

    `embed(precision)` gives what turns pixels (n, 3, height, width) into unit vectors.
    """
    reference, slow = _timed(embed("fp32"), pixels)
    for precision in candidates:
        if precision != "fp32":
            embeddings, quick = _timed(embed(precision), pixels)
            fidelity = compare(reference, embeddings, queries, slow / quick)
            if fidelity.good and fidelity.speed >= LEAST_GAIN:
                return precision, fidelity
    return "fp32", None


def remembered(key: str) -> tuple[str, Fidelity | None] | None:
    """What `choose` found before for a model on this machine."""
    try:
        entry = read_json(_cache_file(), _MOST_BYTES)[key]
        return str(entry["precision"]), Fidelity(**entry["fidelity"]) if entry["fidelity"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(key: str, precision: str, fidelity: Fidelity | None) -> None:
    """Keep what was found; where it cannot be kept, the next index finds it again."""
    path = _cache_file()
    with contextlib.suppress(OSError, ClipsearchError):
        try:
            entries = dict(read_json(path, _MOST_BYTES))
        except (OSError, ValueError, TypeError):
            entries = {}
        entries[key] = {"precision": precision, "fidelity": asdict(fidelity) if fidelity else None}
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing([path], force=True) as (unfinished,):
            unfinished.write_text(json.dumps(entries, indent=1), "utf-8")


@cache
def query_bank() -> tuple[str, ...]:
    """Everyday descriptions of photos, one a line of queries.txt."""
    path = Path(__file__).resolve().with_name("queries.txt")
    return tuple(path.read_text("utf-8").splitlines())


def _timed(embed: Callable[[NDArray[np.float32]], Embeddings], pixels: NDArray[np.float32]) -> tuple[Embeddings, float]:
    embed(pixels[:4])  # the first call allocates and compiles
    start = perf_counter()
    embeddings = embed(pixels)
    return embeddings, perf_counter() - start


def _first(scores: NDArray[np.float32]) -> NDArray[np.intp]:
    return np.argsort(-scores, axis=1)[:, :_COMPARED]


def _cache_file() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("clipsearch", appauthor=False) / _CACHE
