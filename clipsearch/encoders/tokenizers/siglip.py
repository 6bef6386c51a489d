"""The tokenizer of the first SigLIP models, as `transformers.SiglipTokenizer` has it. The only user of sentencepiece.

A text loses its case and its punctuation (https://github.com/google-research/big_vision), and SentencePiece cuts it.
"""

from __future__ import annotations

import re
import string
from functools import cached_property
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from clipsearch._internal.untrusted_files import read_plain, why
from clipsearch.encoders.checkpoint import MAX_TOKENIZER_BYTES, call_tokenizers, read_object, require_words_differ
from clipsearch.encoders.tokenizers.base import Vocabulary
from clipsearch.encoders.unread import TextPiece, text_pieces
from clipsearch.errors import ModelError

VOCABULARY = "spiece.model"
_END, _UNKNOWN, _SPACE = "</s>", "<unk>", "\u2581"
_SPECIAL = re.compile(rf"\s*({_END}|{_UNKNOWN})\s*")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


class SiglipTokenizer:
    """See Tokenizer. The checkpoint's file is read when it is first used."""

    def __init__(self, folder: Path, shape: Vocabulary) -> None:
        self._folder, self._shape = folder, shape

    @property
    def padding(self) -> int:
        """See Tokenizer; the end token."""
        return self._id(_END)

    def encode(self, texts: list[str]) -> list[list[int]]:
        """See Tokenizer."""
        return [self._encode(text) for text in texts]

    def pieces(self, text: str) -> list[TextPiece]:
        """See Tokenizer; empty if SentencePiece changes the number of characters, so that their places are not known."""
        kept = [(sign, place) for place, whole in enumerate(text) for sign in whole.lower().translate(_PUNCTUATION)]
        tokens = self._cut(_SPACE + text)
        ends = list(accumulate(len(token.replace(_SPACE, "")) for token in tokens))
        places = [place for sign, place in kept if not sign.isspace()]
        if not ends or ends[-1] != len(places):
            return []
        spans = [(places[start], places[end - 1] + 1) if end > start else (0, 0) for start, end in pairwise([0, *ends])]
        return text_pieces(spans, [self._id(token) == self._id(_UNKNOWN) for token in tokens])

    def _encode(self, text: str) -> list[int]:
        tokens: list[str] = []
        for part in _SPECIAL.split(_SPACE + text.replace(_SPACE, " ")):
            tokens += [part] if part in (_END, _UNKNOWN) else self._cut(part) if part else []
        if len(tokens) > 1 and tokens[0] == _SPACE and tokens[1] in (_END, _UNKNOWN):
            del tokens[0]
        ids = [self._id(token) for token in tokens]
        return ids if ids and tokens[-1] == _END else [*ids, self._id(_END)]

    def _cut(self, text: str) -> list[str]:
        """The tokens of a text without special ones. Something has to stand before it, or its first space would be lost."""
        if self._has_lower_case:
            text = text.lower()
        text = " ".join(re.split(r"\s+", text.translate(_PUNCTUATION))).strip()
        before: list[str] = self._model.encode(_UNKNOWN, out_type=str)
        tokens: list[str] = self._model.encode(_UNKNOWN + text, out_type=str)
        return tokens[len(before) :]

    def _id(self, token: str) -> int:
        return int(self._model.piece_to_id(token))

    @cached_property
    def _has_lower_case(self) -> bool:
        path = self._folder / "tokenizer_config.json"
        return not path.is_file() or read_object(path).get("do_lower_case", True) is not False

    @cached_property
    def _model(self) -> Any:
        try:
            from sentencepiece import SentencePieceProcessor  # the extra `siglip`
        except ImportError as error:
            message = f"the tokenizer of {self._folder} needs sentencepiece: pip install 'clipsearch[siglip]'"
            raise ModelError(message) from error
        path = self._folder / VOCABULARY
        try:
            data = read_plain(path, MAX_TOKENIZER_BYTES)
        except (OSError, ValueError) as error:
            raise ModelError(f"{path} cannot be read: {why(error)}") from error
        model: Any = call_tokenizers(lambda: SentencePieceProcessor(model_proto=data), self._folder)
        self._shape.require_vocabulary(model.get_piece_size(), self._folder)
        require_words_differ(model.encode, self._folder)
        return model
