"""What a tokenizer is."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from clipsearch.encoders.unread import TextPiece


class Tokenizer(Protocol):
    """Texts to the ids of their tokens, as the checkpoint's own tokenizer makes them. Raises ModelError if that is damaged."""

    @property
    def padding(self) -> int:
        """The id of the token that fills a text up to a given length. Raises ModelError if the checkpoint names none."""

    def encode(self, texts: list[str]) -> list[list[int]]:
        """The ids of each text, with the special tokens that the model expects around them, neither padded nor cut."""

    def pieces(self, text: str) -> list[TextPiece]:
        """The pieces of a text, without special tokens. A character of several tokens has no token of its own."""


class Vocabulary(Protocol):
    """The tokens that a model has."""

    def require_vocabulary(self, tokens: int, folder: Path) -> None:
        """Raise ModelError if a tokenizer with this many tokens belongs to another model."""
