"""What an index scores for texts in general: the null distribution that `match` judges a score against."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.atomic_files import keep_if_possible
from clipsearch.encoders.prompts import everyday_texts
from clipsearch.errors import ClipsearchError
from clipsearch.types import Embeddings, Scores

if TYPE_CHECKING:
    from clipsearch.encoders.base import Encoder, ModelSpec
    from clipsearch.query.vector_store import VectorStore
    from clipsearch.store.writer import CollectionWriter

logger = logging.getLogger(__name__)

SAMPLE = 4096
"""Photos that the distribution is measured on, at most: evenly spaced ones of a larger index."""

_KEY = "null scores"  # as Collection.null_scores reads it

_FEWEST = 16  # scores that a point of the tail needs above it
_TAIL = 1.5  # log share lost for each unit beyond the last point: real tails lose 1 to 2
_LEAST_SPREAD = 1e-6  # of an index whose photos score the same for every text
_CHANGED = 0.1  # share of an index's photos that may come or go until its distribution is measured again


@dataclass(frozen=True, slots=True)
class NullScores:
    """The cosines of everyday texts with an index's photos, all pairs together."""

    mean: float
    spread: float  # standard deviation
    tail: tuple[float, ...]  # in units of the spread: 1 / 2**k of all scores are above tail[k]

    def units(self, scores: Scores) -> NDArray[np.float64]:
        """How many spreads scores (n,) are above the mean."""
        units: NDArray[np.float64] = (np.asarray(scores, np.float64) - self.mean) / self.spread
        return units

    def log_share(self, units: NDArray[np.float64]) -> NDArray[np.float64]:
        """The logarithm of the share of everyday scores that are above some values (n,), in units of the spread."""
        halvings = np.interp(units, self.tail, np.arange(len(self.tail)))
        beyond = np.maximum(units - self.tail[-1], 0)
        log_share: NDArray[np.float64] = -math.log(2) * halvings - _TAIL * beyond
        return log_share


def measure(everyday: Scores) -> NullScores:
    """The null distribution of the cosines of everyday texts with photos, (texts, photos)."""
    scores = np.asarray(everyday, np.float64).ravel()
    mean, spread = float(scores.mean()), max(float(scores.std()), _LEAST_SPREAD)
    points = max(int(math.log2(len(scores) / _FEWEST)), 1)
    tail = np.quantile(scores, [1 - 0.5**k for k in range(points)])
    return NullScores(mean, spread, tuple(round(float(value), 4) for value in (tail - mean) / spread))


def null_scores(store: VectorStore[Any], encoder: Encoder) -> NullScores:
    """The null distribution of an index: as it was stored with it, or measured now if it was not, or not for this model.

    Measuring takes some hundredths of a second, and for a model's first time also that of encoding the everyday texts.
    """
    stored = _read(store.null_scores, encoder.spec)
    if stored and abs(stored[1] - len(store)) <= _CHANGED * stored[1]:
        return stored[0]
    return measure(_embedded_texts(encoder) @ store.sample_vectors(SAMPLE).T)


def keep_null_scores(collection: CollectionWriter, load_encoder: Callable[[], Encoder]) -> None:
    """Store the null distribution of an index with it, and commit, if photos came or went since that was last done.

    If the texts cannot be encoded, nothing is stored, and the first query says why.
    """
    if not len(collection):
        return
    try:
        encoder = load_encoder()
        stored = _read(collection.null_scores, encoder.spec)
        if stored and stored[1:] == (len(collection), collection.last_id):
            return
        texts = _embedded_texts(encoder)
    except ClipsearchError as error:
        logger.debug("the null distribution was not measured: %s", error)
        return
    found = measure(texts @ collection.sample_vectors(SAMPLE).T)
    about = {"images": len(collection), "last_id": collection.last_id, "texts": _key(encoder.spec)}
    collection.set_meta(_KEY, json.dumps({**asdict(found), **about}))
    collection.publish()


def _read(text: str | None, spec: ModelSpec) -> tuple[NullScores, int, int] | None:
    """A stored distribution with the number of photos and the last id that it is of; None if it is not for this model."""
    try:
        values = json.loads(text or "{}")
        if values.get("texts") != _key(spec):
            return None
        tail = tuple(float(value) for value in values["tail"])
        null = NullScores(float(values["mean"]), float(values["spread"]), tail)
        numbers = np.array([null.mean, null.spread, *tail])
        is_usable = len(tail) > 0 and bool(
            np.isfinite(numbers).all() and null.spread > 0 and (np.diff(tail) >= 0).all()
        )
        return (null, int(values["images"]), int(values["last_id"])) if is_usable else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None  # as if it had not been stored


def _key(spec: ModelSpec) -> str:
    """Names the everyday texts and what encodes them."""
    parts = (spec.fingerprint.digest, spec.text_model, *everyday_texts())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _embedded_texts(encoder: Encoder) -> Embeddings:
    """The unit vectors (m, dim) of the everyday texts. They are kept in the user's cache folder."""
    path, shape = _cache_file(encoder.spec), (len(everyday_texts()), encoder.spec.dim)
    with contextlib.suppress(OSError, ValueError, EOFError):
        known: Embeddings = np.load(path, allow_pickle=False)
        if known.shape == shape and known.dtype == np.float32 and np.isfinite(known).all():
            return known
    vectors = encoder.encode_texts(everyday_texts())
    content = io.BytesIO()
    np.save(content, vectors)
    keep_if_possible(path, content.getvalue())
    return vectors


def _cache_file(spec: ModelSpec) -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("clipsearch", appauthor=False) / "everyday" / f"{_key(spec)}.npy"
