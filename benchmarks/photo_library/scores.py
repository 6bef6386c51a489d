"""Precision, recall and rankings, added up over many questions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass
class Tally:
    """How many of the right items were found, over all questions of a kind."""

    questions: int = 0
    right: int = 0  # found, and they should be
    found: int = 0
    wanted: int = 0

    def add(self, found: Collection[object], wanted: Collection[object]) -> None:
        """Count one question's answer."""
        self.questions += 1
        self.right += len(set(found) & set(wanted))
        self.found += len(set(found))
        self.wanted += len(set(wanted))

    @property
    def precision(self) -> float:
        """The share of what was found that is right; 1 if nothing was found."""
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """The share of what should be found that was; 1 if nothing should be."""
        return self.right / self.wanted if self.wanted else 1.0


def recall_at(ranking: Sequence[object], wanted: Collection[object], most: int = 10) -> float:
    """The share of the wanted items among the first `most`; of more wanted ones than that, the share of those ranks."""
    return len(set(ranking[:most]) & set(wanted)) / min(most, len(wanted))
