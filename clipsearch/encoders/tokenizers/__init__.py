"""Texts to token ids, without waiting for the tokenizers library if a text is short and the tokenizer a well-known one."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from clipsearch.encoders.tokenizers.base import Tokenizer, Vocabulary
from clipsearch.encoders.tokenizers.compact import UNUSABLE, CompactTokenizer, open_compact
from clipsearch.encoders.tokenizers.library import LibraryTokenizer, has_library_tokenizer
from clipsearch.encoders.tokenizers.siglip import VOCABULARY, SiglipTokenizer
from clipsearch.encoders.unread import TextPiece

__all__ = ["Tokenizer", "has_tokenizer", "open_tokenizer"]

logger = logging.getLogger(__name__)

_MAX_CHARACTERS = 20_000  # in more of them, the library's tables are worth the second that loading them takes


def open_tokenizer(folder: Path, shape: Vocabulary, table: Path | None = None) -> Tokenizer:
    """The tokenizer of a checkpoint folder. Its files are read when it is first used.

    `table` is a file of `clipsearch.encoders.tokenizers.compact.write_table` that was delivered with the model. If it does not
    fit the folder's files, a table is made as for other models.
    """
    if (folder / VOCABULARY).is_file():  # it counts more than a tokenizer.json beside it
        return SiglipTokenizer(folder, shape)
    return _CheckpointTokenizer(folder, shape, table)


def has_tokenizer(folder: Path) -> bool:
    """Whether a folder's tokenizer can be read by `open_tokenizer`: not if it has other files of SentencePiece only."""
    return (folder / VOCABULARY).is_file() or has_library_tokenizer(folder)


class _CheckpointTokenizer:
    """See Tokenizer. Short texts are encoded by the compact form of the tokenizer, others by the library."""

    def __init__(self, folder: Path, shape: Vocabulary, table: Path | None) -> None:
        self._folder, self._shape, self._table = folder, shape, table
        self._library = LibraryTokenizer(folder, shape)
        self._opening = threading.Lock()
        self._is_open = False
        self._compact: CompactTokenizer | None = None

    @property
    def padding(self) -> int:
        """See Tokenizer."""
        compact = self._fitting_compact(0)
        padding = None if compact is None else compact.padding
        return self._library.padding if padding is None else padding

    def encode(self, texts: list[str]) -> list[list[int]]:
        """See Tokenizer."""
        compact = self._fitting_compact(sum(map(len, texts)))
        if compact is not None:
            try:
                encoded = [ids for ids in map(compact.encode, texts) if ids is not None]
                if len(encoded) == len(texts):
                    return encoded
            except UNUSABLE as error:
                self._give_up(error)
        return self._library.encode(texts)

    def pieces(self, text: str) -> list[TextPiece]:
        """See Tokenizer."""
        compact = self._fitting_compact(len(text))
        if compact is not None:
            try:
                pieces = compact.pieces(text)
                if pieces is not None:
                    return pieces
            except UNUSABLE as error:
                self._give_up(error)
        return self._library.pieces(text)

    def _fitting_compact(self, characters: int) -> CompactTokenizer | None:
        """The compact form, if there is one and it is the faster way for texts of so many characters."""
        with self._opening:
            if not self._is_open:
                self._compact = open_compact(self._folder, self._shape, self._library, self._table)
                self._is_open = True
            return None if characters > _MAX_CHARACTERS or self._library.is_loaded else self._compact

    def _give_up(self, error: Exception) -> None:
        """Use the library from now on, since the tables are damaged."""
        logger.warning(
            "the cached tables of the tokenizer in %s are damaged (%s), so they are not used", self._folder, error
        )
        self._compact = None
