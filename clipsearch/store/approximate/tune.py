"""Choosing how hard an approximate index has to look: by measuring against the exact answer, never by a rule."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clipsearch.store.approximate.index import DEEPEST, ApproximateIndex
from clipsearch.store.approximate.info import ApproximateInfo, IndexShape, Measurement
from clipsearch.store.ranking import nearest, nearest_to_each
from clipsearch.store.snapshot import Snapshot
from clipsearch.types import Embeddings, Ids

K = 10
"""Results whose recall is tuned."""

_TOGETHER = 64  # queries answered exactly by one reading of the vectors
_TIMED = 32  # queries that a latency is the median of
_CANDIDATES = (
    100,
    140,
    200,
    280,
    400,
    560,
    800,
    1120,
    1600,
)  # at least DEEPEST: so many are scored anyway for a text's match
_SURE = (
    1.645  # standard errors that a recall must lie above what was asked for: 95% of a normal distribution, one-sided
)
_SLOW = 10  # times as long as the exact search: more effort than that is not looked at
_LEAST_SLOW = 20.0  # milliseconds; a busy machine can make that of next to nothing


@dataclass(frozen=True, slots=True)
class TuningQueries:
    """Queries with their exact answers."""

    vectors: Embeddings  # (n, dim)
    best: tuple[Ids, ...]  # for each the ids of the first K, and of all that tie with the last of them
    deep: tuple[Ids, ...]  # the same of the first DEEPEST

    def half(self, which: int) -> TuningQueries:
        """Every second of them, from the first (0) or the second (1)."""
        return TuningQueries(self.vectors[which::2], self.best[which::2], self.deep[which::2])


@dataclass(frozen=True, slots=True)
class TuningResult:
    """How a kind did, at the cheapest setting that reaches what was asked for, else at the one that came nearest."""

    info: ApproximateInfo
    fits: bool


def tuning_queries(
    snapshot: Snapshot, vectors: Embeddings, own: Sequence[int], tell: Callable[[int, int], None]
) -> TuningQueries:
    """Answer queries (n, dim) exactly; those that are the vectors of images `own` without these. `own` may be empty."""
    keeps = [snapshot.keep(segment) for segment in snapshot.segments]
    best: list[Ids] = []
    deep: list[Ids] = []
    for start in range(0, len(vectors), _TOGETHER):
        some = np.ascontiguousarray(vectors[start : start + _TOGETHER])
        for number, (scores, ids) in enumerate(nearest_to_each(snapshot.segments, keeps, some, DEEPEST + 1), start):
            if len(own):
                others = ids != own[number]
                scores, ids = scores[others], ids[others]
            for count, into in ((K, best), (DEEPEST, deep)):
                into.append(ids[scores >= scores[min(count, len(scores)) - 1]])
        tell(min(start + _TOGETHER, len(vectors)), len(vectors))
    return TuningQueries(vectors, tuple(best), tuple(deep))


def exact_milliseconds(snapshot: Snapshot, vectors: Embeddings) -> float:
    """The median time of an exact search for one query."""
    keeps = [snapshot.keep(segment) for segment in snapshot.segments]
    return _median_ms(lambda query: nearest(snapshot.segments, keeps, query, DEEPEST), vectors)


def tune(
    index: ApproximateIndex, snapshot: Snapshot, texts: TuningQueries, images: TuningQueries, recall: float, exact_ms: float,
    most_ms: float | None, tell: Callable[[str], None],
) -> TuningResult:  # fmt: skip
    """The cheapest setting of an open index that reaches a recall@K for texts and for images, within `most_ms`.

    Settings are chosen by one half of the questions, with room for chance, and must hold on the other, which is reported.
    """
    chosen_by, judged_by = (texts.half(0), images.half(0)), (texts.half(1), images.half(1))
    settings: list[tuple[float, int, int]] = []  # milliseconds, effort, candidates
    closest: tuple[float, int, int] = (-1.0, 1, _CANDIDATES[0])  # recall, effort, candidates
    for effort in efforts(index.info.shape):
        tell(f"tuning {index.info.shape.kind}, effort {effort}")
        index.effort = effort
        start = time.perf_counter()
        places = [_places(index, some) for some in chosen_by]
        spent = 1000 * (time.perf_counter() - start) / sum(len(some.vectors) for some in chosen_by)
        for count in _CANDIDATES:
            found = [place < count for place in places]
            closest = max(closest, (min(float(one.mean()) for one in found), effort, count), key=lambda item: item[0])
            if all(_surely(one) >= recall for one in found):
                settings.append((_latency(index, snapshot, chosen_by[0], effort, count), effort, count))
                break
        if spent > max(_SLOW * exact_ms, _LEAST_SLOW) or (settings and settings[-1][2] == _CANDIDATES[0]):
            break
    for milliseconds, effort, count in sorted(settings):
        tried = _judged(index, snapshot, judged_by, recall, exact_ms, effort, count)
        if min(tried.info.measured.text, tried.info.measured.image) >= recall:
            return replace(
                tried, fits=most_ms is None or max(milliseconds, tried.info.measured.milliseconds) <= most_ms
            )
    return _judged(index, snapshot, judged_by, recall, exact_ms, *closest[1:])


def efforts(shape: IndexShape) -> Iterator[int]:
    """How hard to look, from little to all there is."""
    effort, most = (1.0, shape.lists) if shape.lists else (float(_CANDIDATES[0]), min(shape.rows, 8192))
    last = 0
    while effort < most:
        if int(effort) > last:
            last = int(effort)
            yield last
        effort *= 1.4
    yield most


def recalls(index: ApproximateIndex, some: TuningQueries) -> tuple[float, float]:
    """Recall@K and recall@DEEPEST at the index's setting: the shares of the exact answers that are among its candidates.

    Candidates are scored exactly, so one that belongs to the first few is there.
    """
    count = index.candidates
    found = index.candidate_ids(some.vectors, count)
    deep = [
        min(np.isin(truth, ids).sum(), DEEPEST) / min(len(truth), DEEPEST)
        for truth, ids in zip(some.deep, found, strict=True)
    ]
    return float((_found_at(found, some.best) < count).mean()), float(np.mean(deep))


def _judged(
    index: ApproximateIndex,
    snapshot: Snapshot,
    judged_by: tuple[TuningQueries, TuningQueries],
    recall: float,
    exact_ms: float,
    effort: int,
    count: int,
) -> TuningResult:
    milliseconds = _latency(index, snapshot, judged_by[0], effort, count)
    (text, deep), (image, _) = (recalls(index, some) for some in judged_by)
    measured = Measurement(
        asked=recall, k=K, text=text, image=image, text_at_100=deep, text_queries=len(judged_by[0].vectors),
        image_queries=len(judged_by[1].vectors), milliseconds=milliseconds, exact_milliseconds=exact_ms,
    )  # fmt: skip
    return TuningResult(replace(index.info, effort=effort, candidates=count, measured=measured), fits=False)


def _latency(index: ApproximateIndex, snapshot: Snapshot, texts: TuningQueries, effort: int, count: int) -> float:
    index.effort, index.candidates = effort, count
    return _median_ms(lambda query: index.nearest(snapshot, query, DEEPEST), texts.vectors)


def _median_ms(search: Callable[[Embeddings], object], vectors: Embeddings) -> float:
    seconds = []
    for number in range(min(_TIMED, len(vectors))):
        query = np.ascontiguousarray(vectors[number : number + 1])
        start = time.perf_counter()
        search(query)
        seconds.append(time.perf_counter() - start)
    return 1000 * statistics.median(seconds)


def _places(index: ApproximateIndex, some: TuningQueries) -> NDArray[np.int64]:
    """Where the index names each of the first K, (n, K), among its candidates at its effort."""
    most = _CANDIDATES[-1]
    if not index.info.shape.lists:  # a graph names no more than it keeps on the way
        most = min(most, index.effort)
    return _found_at(index.candidate_ids(some.vectors, most), some.best)


def _found_at(found: Ids, truths: Sequence[Ids]) -> NDArray[np.int64]:
    """For each query the first K places, of those in `found` (n, count), at which something of its exact answer is."""
    places = np.full((len(truths), K), np.iinfo(np.int64).max)
    for row, (ids, truth) in enumerate(zip(found, truths, strict=True)):
        right = (
            (ids[:, None] == truth).any(axis=1) if len(truth) < 4 * K else np.isin(ids, truth)
        )  # sorting takes longer
        at = np.flatnonzero(right)[:K]
        places[row, : len(at)] = at
        if len(truth) < K:
            places[row, len(truth) :] = 0  # there is no more to be found
    return places


def _surely(found: NDArray[np.bool_]) -> float:
    """A recall that the true one is above, most likely. `found` is (queries, K)."""
    each = found.mean(axis=1)
    return float(each.mean() - _SURE * each.std() / np.sqrt(len(each)))
