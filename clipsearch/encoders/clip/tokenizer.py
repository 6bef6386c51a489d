"""A CLIP checkpoint's tokenizer, whose texts are cut to the model's context length."""

from __future__ import annotations

from pathlib import Path

from clipsearch.encoders.base import warn_truncated
from clipsearch.encoders.shape import ModelShape
from clipsearch.encoders.tokenizers import open_tokenizer
from clipsearch.encoders.unread import TextPiece


class ClipTokenizer:
    """Texts to token ids. Its files are read when it is first used."""

    def __init__(self, folder: Path, shape: ModelShape) -> None:
        self._tokenizer = open_tokenizer(folder, shape)
        self._limit = shape.context_length

    def encode(self, texts: list[str]) -> list[list[int]]:
        """The ids of each text's tokens. A text beyond the context length is cut, with a ClipsearchWarning."""
        tokens = self._tokenizer.encode(texts)
        warn_truncated(texts, map(len, tokens), self._limit, stacklevel=5)
        return [ids if len(ids) <= self._limit else [*ids[: self._limit - 1], ids[-1]] for ids in tokens]

    def pieces(self, text: str) -> list[TextPiece]:
        """The pieces of a text. A character of several tokens has no token of its own."""
        return self._tokenizer.pieces(text)
