"""A row of the table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from suite.measure import Figures


@dataclass
class Result:
    """One row of the table."""

    name: str
    ours: Figures
    peers: dict[str, Figures] = field(default_factory=dict)
    limit: float | None = None  # seconds
    limit_is: str = ""
    count: int = 1  # the number of photos or queries in one run
    notes: dict[str, float | str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Everything measured."""
        return {
            "case": self.name,
            "count": self.count,
            "clipsearch": self.ours.as_json(),
            "peers": {name: figures.as_json() for name, figures in self.peers.items()},
            "limit_seconds": self.limit,
            "limit_is": self.limit_is,
            "notes": self.notes,
        }
