"""Choose how hard an approximate index searches, by measuring it against the exact answer."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clipsearch.store.approximate.index import DEEPEST, ApproximateIndex
from clipsearch.store.approximate.info import ApproximateInfo, IndexShape, Measurement
from clipsearch.store.snapshot import Snapshot
from clipsearch.types import Embeddings, Ids, Progress

K = 10
"""The recall of this many results is tuned. Of a file with several pictures, the best one is a result."""

_TOGETHER = 64  # queries answered exactly in one pass over the vectors
_TIMED = 32  # queries whose median latency is measured
# At least DEEPEST: that many are scored anyway for a text's match.
_CANDIDATES = (100, 140, 200, 280, 400, 560, 800, 1120, 1600)
# Standard errors by which a recall must exceed the requested one: 95% of a normal distribution, one-sided.
_SURE = 1.645
_SLOW = 10  # times as long as the exact search: more effort than that is not tried
_LEAST_SLOW = 20.0  # milliseconds; a busy machine can take that long for almost nothing


@dataclass(frozen=True, slots=True)
class TuningQueries:
    """Queries with their exact answers."""

    vectors: Embeddings  # (n, dim)
    best: tuple[Ids, ...]  # for each query the ids of the first K, and of all that tie with the last of them
    deep: tuple[Ids, ...]  # the same for the first DEEPEST

    def half(self, first: int) -> TuningQueries:
        """Every second query, beginning with the first (0) or the second (1)."""
        return TuningQueries(self.vectors[first::2], self.best[first::2], self.deep[first::2])


@dataclass(frozen=True, slots=True)
class TuningResult:
    """The cheapest setting that reaches the requested recall, or else the one that comes nearest."""

    info: ApproximateInfo
    fits: bool


def tuning_queries(snapshot: Snapshot, vectors: Embeddings, own: Sequence[int], progress: Progress) -> TuningQueries:
    """Answer queries (n, dim) exactly, as a search by default does: each file has one answer, its best picture.

    If the queries are the vectors of pictures `own`, each picture's file is left out of its own answer.
    """
    file_ids = snapshot.file_ids
    best: list[Ids] = []
    deep: list[Ids] = []
    own_files = file_ids.files_of(np.array(own, np.int64))
    for start in range(0, len(vectors), _TOGETHER):
        queries = np.ascontiguousarray(vectors[start : start + _TOGETHER])
        for number, (scores, ids) in enumerate(file_ids.nearest_files(snapshot.nearest, queries, DEEPEST + 1), start):
            if len(own):
                others = file_ids.files_of(ids) != own_files[number]
                scores, ids = scores[others], ids[others]
            for count, answers in ((K, best), (DEEPEST, deep)):
                answers.append(ids[scores >= scores[min(count, len(scores)) - 1]])
        progress(start + len(queries), len(vectors))
    return TuningQueries(vectors, tuple(best), tuple(deep))


def exact_milliseconds(snapshot: Snapshot, vectors: Embeddings) -> float:
    """The median time of an exact search for one query."""
    return _median_ms(lambda query: snapshot.nearest(query, DEEPEST), vectors)


def tune(
    index: ApproximateIndex,
    snapshot: Snapshot,
    texts: TuningQueries,
    images: TuningQueries,
    *,
    recall: float,
    exact_ms: float,
    max_ms: float | None,
    progress: Callable[[str], None],
) -> TuningResult:
    """The cheapest setting of an open index that reaches a recall@K for texts and for images, within `max_ms`.

    One half of the queries chooses settings, with a margin for chance. The other half must confirm them and is reported.
    """

    def confirmed(effort: int, count: int) -> TuningResult:
        milliseconds = _latency(index, snapshot, confirming[0], effort, count)
        (text, deep), (image, _) = (recalls(index, queries) for queries in confirming)
        measured = Measurement(
            asked=recall,
            k=K,
            text=text,
            image=image,
            text_at_100=deep,
            text_queries=len(confirming[0].vectors),
            image_queries=len(confirming[1].vectors),
            milliseconds=milliseconds,
            exact_milliseconds=exact_ms,
        )
        return TuningResult(replace(index.info, effort=effort, candidates=count, measured=measured), fits=False)

    choosing, confirming = (texts.half(0), images.half(0)), (texts.half(1), images.half(1))
    settings: list[tuple[float, int, int]] = []  # milliseconds, effort, candidates
    closest: tuple[float, int, int] = (-1.0, 1, _CANDIDATES[0])  # recall, effort, candidates
    for effort in efforts(index.info.shape):
        progress(f"tuning {index.info.shape.kind}, effort {effort}")
        index.effort = effort
        start = time.perf_counter()
        ranks = [_ranks(index, queries) for queries in choosing]
        spent = 1000 * (time.perf_counter() - start) / sum(len(queries.vectors) for queries in choosing)
        for count in _CANDIDATES:
            hits = [rank < count for rank in ranks]
            closest = max(closest, (min(float(hit.mean()) for hit in hits), effort, count), key=lambda item: item[0])
            if all(_lower_bound(hit) >= recall for hit in hits):
                settings.append((_latency(index, snapshot, choosing[0], effort, count), effort, count))
                break
        if spent > max(_SLOW * exact_ms, _LEAST_SLOW) or (settings and settings[-1][2] == _CANDIDATES[0]):
            break
    for milliseconds, effort, count in sorted(settings):
        result = confirmed(effort, count)
        measured = result.info.measured
        if min(measured.text, measured.image) >= recall:
            return replace(result, fits=max_ms is None or max(milliseconds, measured.milliseconds) <= max_ms)
    return confirmed(*closest[1:])


def efforts(shape: IndexShape) -> Iterator[int]:
    """Efforts to try, from little to the most there is."""
    effort, most = (1.0, shape.lists) if shape.lists else (float(_CANDIDATES[0]), min(shape.rows, 8192))
    last = 0
    while effort < most:
        if int(effort) > last:
            last = int(effort)
            yield last
        effort *= 1.4
    yield most


def recalls(index: ApproximateIndex, queries: TuningQueries) -> tuple[float, float]:
    """Recall@K and recall@DEEPEST at the index's setting: the shares of the exact answers among its candidates.

    Candidates are scored exactly, so every right one among them reaches its place.
    """
    candidates = index.candidate_ids(queries.vectors, index.candidates)
    deep = [
        min(np.isin(truth, ids).sum(), DEEPEST) / min(len(truth), DEEPEST)
        for truth, ids in zip(queries.deep, candidates, strict=True)
    ]
    return float((_ranks_of(candidates, queries.best) < index.candidates).mean()), float(np.mean(deep))


def _latency(index: ApproximateIndex, snapshot: Snapshot, texts: TuningQueries, effort: int, count: int) -> float:
    """Milliseconds at a setting, which the index keeps."""
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


def _ranks(index: ApproximateIndex, queries: TuningQueries) -> NDArray[np.int64]:
    """The ranks (n, K) of the exact answers among the index's candidates at its effort."""
    most = _CANDIDATES[-1]
    if not index.info.shape.lists:  # a graph returns no more than it keeps during the search
        most = min(most, index.effort)
    return _ranks_of(index.candidate_ids(queries.vectors, most), queries.best)


def _ranks_of(candidates: Ids, truths: Sequence[Ids]) -> NDArray[np.int64]:
    """For each query, the first K ranks in `candidates` (n, count) that hold an exact answer: (n, K)."""
    ranks = np.full((len(truths), K), np.iinfo(np.int64).max)
    for row, (ids, truth) in enumerate(zip(candidates, truths, strict=True)):
        # Comparing is faster than sorting, unless many answers tie.
        right = (ids[:, None] == truth).any(axis=1) if len(truth) < 4 * K else np.isin(ids, truth)
        first = np.flatnonzero(right)[:K]
        ranks[row, : len(first)] = first
        ranks[row, len(truth) :] = 0  # there are no more answers
    return ranks


def _lower_bound(hits: NDArray[np.bool_]) -> float:
    """A recall that the true one very likely exceeds. `hits` is (queries, K)."""
    each = hits.mean(axis=1)
    return float(each.mean() - _SURE * each.std() / np.sqrt(len(each)))
