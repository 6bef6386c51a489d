"""The answer to a query: its hits, best first, with where they came from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from clipsearch.schema import Hit, Query


@dataclass(frozen=True, slots=True)
class Explanation:
    """How an answer came about, in seconds and bytes."""

    model: str
    index: str
    images: int  # in the index
    considered: int  # of them, those that meet the filters
    bytes_scanned: int  # of vectors
    seconds: dict[str, float]  # by stage: "encode", "filter", "search", "match"


class Hits(list[Hit]):
    """A list of hits with the query they answer, and how they were found."""

    def __init__(self, hits: Iterable[Hit], query: Query, explanation: Explanation) -> None:
        super().__init__(hits)
        self.query = query
        self.explanation = explanation
