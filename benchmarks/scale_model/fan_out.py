"""A query that asks every shard and waits for the slowest: its waiting and its tail, query by query.

Arrivals are a Poisson process. Each of `replicas` groups has a machine for each shard, which answers one query at a time, first
come, first served; queries go to the groups in turn. A machine's time for a query is drawn, independently, from what was
measured. Nothing fails, nothing is hedged, and machines are equal: a real fleet is worse in all three.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Fleet:
    """What is asked, and by whom."""

    shards: int
    replicas: int
    service_s: float  # median seconds of one machine for one query
    spread: NDArray[np.float64]  # (n,) measured times divided by their median
    overhead_s: float = 0.001  # network and putting the answers together, once a query


@dataclass(frozen=True, slots=True)
class Answered:
    """How long queries took, in seconds, and how busy machines were."""

    offered: float  # queries a second
    answered: float  # queries a second, from the first arrival to the last answer
    busy: float  # share of the time that a machine worked
    p50: float
    p99: float


def simulate(fleet: Fleet, queries_a_second: float, *, queries: int = 20_000, seed: int = 0) -> Answered:
    """Ask so many queries. The first tenth, while queues fill, does not count for the quantiles."""
    random = np.random.default_rng(seed)
    arrivals = np.cumsum(random.exponential(1 / queries_a_second, queries))
    latency, work, end = np.empty(queries), 0.0, 0.0
    free = np.zeros((fleet.replicas, fleet.shards))  # when each machine has answered what it was asked
    for number, arrival in enumerate(arrivals):
        group = free[number % fleet.replicas]
        service = fleet.service_s * random.choice(fleet.spread, fleet.shards)
        np.maximum(group, arrival, out=group)
        group += service
        done = float(group.max())
        latency[number] = done - arrival + fleet.overhead_s
        work += float(service.sum())
        end = max(end, done)
    counted = latency[queries // 10 :]
    machines, seconds = fleet.shards * fleet.replicas, end - float(arrivals[0])
    return Answered(
        queries_a_second,
        queries / seconds,
        work / machines / seconds,
        float(np.quantile(counted, 0.5)),
        float(np.quantile(counted, 0.99)),
    )


def capacity(fleet: Fleet) -> float:
    """Queries a second beyond which queues grow without end: each group's slowest machine is as fast as any on average."""
    return float(fleet.replicas / (fleet.service_s * fleet.spread.mean()))


def quantile_of_slowest(spread: NDArray[np.float64], shards: int, share: float) -> float:
    """The quantile of the largest of `shards` independent draws, without any queue: that of one at share ** (1 / shards)."""
    return float(np.quantile(spread, share ** (1 / shards), method="inverted_cdf"))
