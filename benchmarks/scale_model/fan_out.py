"""Simulate, query by query, queries that ask every shard and wait for the slowest.

Arrivals are a Poisson process. Each of `replicas` groups has a machine for each shard. A machine answers one query at a time,
first come, first served. Queries go to the groups in turn. A machine's time for a query is drawn independently from measured
times. Nothing fails, nothing is hedged, and machines are equal: a real fleet is worse in all three.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Fleet:
    """The machines, and the load on them."""

    shards: int
    replicas: int
    service_s: float  # median seconds of one machine for one query
    spread: NDArray[np.float64]  # (n,) measured times divided by their median
    overhead_s: float = 0.001  # for the network and for merging the answers, once a query


@dataclass(frozen=True, slots=True)
class Answered:
    """How long queries took, in seconds, and how busy machines were."""

    offered: float  # queries a second
    answered: float  # queries a second, from the first arrival to the last answer
    busy: float  # share of the time that a machine worked
    p50: float
    p99: float


def simulate(fleet: Fleet, queries_a_second: float, *, queries: int = 20_000, seed: int = 0) -> Answered:
    """Simulate a number of queries. The quantiles leave out the first tenth, while queues fill."""
    random = np.random.default_rng(seed)
    arrivals = np.cumsum(random.exponential(1 / queries_a_second, queries))
    latency, work, end = np.empty(queries), 0.0, 0.0
    free = np.zeros((fleet.replicas, fleet.shards))  # when each machine will have answered its queries
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
    """Queries a second beyond which queues grow without end. On average, a group's slowest machine is as fast as any."""
    return float(fleet.replicas / (fleet.service_s * fleet.spread.mean()))


def quantile_of_slowest(spread: NDArray[np.float64], shards: int, share: float) -> float:
    """The quantile of the largest of `shards` independent draws without a queue: a single draw's at share ** (1 / shards)."""
    return float(np.quantile(spread, share ** (1 / shards), method="inverted_cdf"))
