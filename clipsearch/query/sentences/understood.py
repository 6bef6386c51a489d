"""What was understood of a sentence: the facts in it, and what is left to look for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

FactKind: TypeAlias = Literal["place", "person", "taken", "without"]
"""`without` is what a text denies, which is subtracted; the others became filters."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A part of a sentence that became a filter, or is subtracted: `words` as typed, and what they mean, for people."""

    kind: FactKind
    words: str  # "last summer"
    meaning: str  # "2026-06..2026-08"
    is_denied: bool = False  # photos that are known to have it are left out


@dataclass(frozen=True, slots=True)
class Understood:
    """The facts in a query's texts, in their order, and the rest of the texts; "" if there is no rest."""

    facts: tuple[Fact, ...]
    text: str

    def __str__(self) -> str:
        """For people: "place: Italy, taken: 2026-06..2026-08, looking for: beach"."""
        looking_for = f"looking for: {self.text or 'all photos'}"
        facts = (f"{fact.kind}: {'not ' if fact.is_denied else ''}{fact.meaning}" for fact in self.facts)
        return ", ".join([*facts, looking_for])

    def to_json(self) -> dict[str, Any]:
        """{"summary", "text", "facts": [{"kind", "words", "meaning", "denied"}]}."""
        facts = [
            {"kind": fact.kind, "words": fact.words, "meaning": fact.meaning, "denied": fact.is_denied}
            for fact in self.facts
        ]
        return {"summary": str(self), "text": self.text, "facts": facts}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Understood:
        """The inverse of `to_json`."""
        facts = tuple(
            Fact(fact["kind"], fact["words"], fact["meaning"], fact.get("denied", False)) for fact in values["facts"]
        )
        return cls(facts, values["text"])
