"""Compare the model with measurements at other sizes than those it was fitted to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scale_model import costs
from scale_model.constants import Constants, Figures

_DIM = 512  # of all measured indexes

PREDICTIONS: dict[str, Callable[[Constants, int], float]] = {
    "warm query, s": lambda c, n: costs.warm_query(c, n, _DIM),
    "cold query, s": lambda c, n: costs.cold_query(c, n, _DIM),
    "peak memory of a cold query, bytes": lambda c, n: sum(costs.query_memory(c, n, _DIM)),
    "of it beyond mapped files, bytes": lambda c, n: costs.query_memory(c, n, _DIM)[1],
    "index on disk, bytes": lambda c, n: costs.index_bytes(c, n, _DIM),
    "index on disk, format 2, bytes": lambda c, n: (
        costs.vector_bytes(n, _DIM) + costs.compact_bytes(n, _DIM) + n * c.catalog_bytes_2
    ),
    "adding 1,000, s": lambda c, n: 1000 * c.add_s,
}
"""The prediction for a number of photos. The time of adding does not depend on it."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A prediction beside a measurement."""

    what: str
    photos: int
    predicted: float
    measured: float
    source: str

    @property
    def error(self) -> float:
        """(predicted - measured) / measured."""
        return self.predicted / self.measured - 1


def compared(figures: Figures) -> list[Compared]:
    """Every measured point with its prediction."""
    return [
        Compared(
            point.what,
            point.photos,
            PREDICTIONS[point.what](figures.constants, point.photos),
            point.value,
            point.source,
        )
        for point in figures.points
    ]
