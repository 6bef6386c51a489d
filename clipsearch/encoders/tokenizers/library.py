"""A checkpoint's tokenizer in the tokenizers library: any kind, but loading it takes up to two seconds."""

from __future__ import annotations

import re
import threading
from functools import cached_property
from pathlib import Path
from typing import Any

from clipsearch._internal.untrusted_files import read_json, read_plain, why
from clipsearch.encoders.checkpoint import (
    MAX_TOKENIZER_BYTES,
    call_tokenizers,
    read_object,
    require_readable_files,
    require_words_differ,
)
from clipsearch.encoders.tokenizers.base import Vocabulary
from clipsearch.encoders.tokenizers.clip import tokenizer_of_vocabulary
from clipsearch.encoders.tokenizers.gemma import added_ends, padding_token
from clipsearch.encoders.unread import TextPiece, text_pieces
from clipsearch.errors import ModelError

_WORD_START = "\u2581"  # a token of SentencePiece without characters of its own
_UNKNOWN, _UNKNOWN_WORD = "<unk>", "[UNK]"  # of SentencePiece and of BERT
_BYTE = re.compile("<0x[0-9A-F]{2}>")  # a token of SentencePiece for a part of a character


class LibraryTokenizer:
    """See Tokenizer. The checkpoint's files are read when it is first used."""

    def __init__(self, folder: Path, shape: Vocabulary) -> None:
        self._folder, self._shape = folder, shape
        self._loading = threading.Lock()
        self._loaded: Any = None

    @property
    def is_loaded(self) -> bool:
        """Whether the files have been read."""
        return self._loaded is not None

    def encode(self, texts: list[str]) -> list[list[int]]:
        """See Tokenizer."""
        return [encoding.ids for encoding in self.library_tokenizer.encode_batch(texts)]

    def pieces(self, text: str) -> list[TextPiece]:
        """See Tokenizer."""
        encoding = self.library_tokenizer.encode(text, add_special_tokens=False)
        tokens = [self.library_tokenizer.id_to_token(number) for number in encoding.ids]
        offsets = [
            (0, 0) if token == _WORD_START else span for token, span in zip(tokens, encoding.offsets, strict=True)
        ]
        return text_pieces(offsets, [token == self._unknown or bool(_BYTE.fullmatch(token)) for token in tokens])

    @property
    def library_tokenizer(self) -> Any:
        """The library's object, without padding and truncation."""
        with self._loading:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def _load(self) -> Any:
        from tokenizers import Tokenizer  # a short text does without it

        if not has_library_tokenizer(self._folder):
            raise ModelError(
                f"{self._folder} has no tokenizer that can be read: it needs tokenizer.json, or vocab.json and merges.txt, or "
                "vocab.txt; fetch the checkpoint again"
            )
        require_readable_files(self._folder)
        file = self._folder / "tokenizer.json"
        if file.is_file():
            tokenizer: Any = call_tokenizers(lambda: Tokenizer.from_file(str(file)), self._folder)
        elif (self._folder / "merges.txt").is_file():
            tokenizer = call_tokenizers(lambda: tokenizer_of_vocabulary(self._folder), self._folder)
        else:
            tokenizer = call_tokenizers(lambda: tokenizer_of_words(self._folder), self._folder)
        # Dropout is for training. With it, a text would have other tokens each time.
        if getattr(tokenizer.model, "dropout", None):
            tokenizer.model.dropout = None
        if is_gemma(tokenizer):
            call_tokenizers(lambda: restore_training_defaults(tokenizer, self._folder), self._folder)
        if type(tokenizer.model).__name__ == "BPE":
            self._shape.require_vocabulary(tokenizer.get_vocab_size(), self._folder)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        require_words_differ(lambda word: tokenizer.encode(word).ids, self._folder)
        return tokenizer

    @cached_property
    def padding(self) -> int:
        """See Tokenizer."""
        for name in ("tokenizer_config.json", "special_tokens_map.json"):
            if (self._folder / name).is_file():
                token = padding_token(read_object(self._folder / name))
                number = None if token is None else self.library_tokenizer.token_to_id(token)
                if number is not None:
                    return int(number)
        raise ModelError(
            f"{self._folder}: its tokenizer names no token for padding, which the model needs; fetch the checkpoint again"
        )

    @cached_property
    def _unknown(self) -> str | None:
        """The unknown token."""
        model = self.library_tokenizer.model
        return _UNKNOWN if type(model).__name__ == "Unigram" else getattr(model, "unk_token", None)


def has_library_tokenizer(folder: Path) -> bool:
    """Whether a folder's tokenizer can be read by the library: not if it has files of SentencePiece only."""
    choices = (("tokenizer.json",), ("vocab.json", "merges.txt"), ("vocab.txt",))
    return any(all((folder / name).is_file() for name in names) for names in choices)


def tokenizer_of_words(folder: Path) -> Any:
    """BERT's tokenizer from vocab.txt, as `transformers.BertTokenizer` assembles it."""
    from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
    from tokenizers.models import WordPiece

    path = folder / "tokenizer_config.json"
    options = read_object(path) if path.is_file() else {}
    try:
        words = read_plain(folder / "vocab.txt", MAX_TOKENIZER_BYTES).decode().split("\n")
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / 'vocab.txt'} cannot be read: {why(error)}") from error
    vocabulary = {word.rstrip("\r"): number for number, word in enumerate(words[:-1] if words[-1] == "" else words)}
    tokenizer: Any = Tokenizer(WordPiece(vocabulary, unk_token=_UNKNOWN_WORD))
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=options.get("tokenize_chinese_chars", True) is not False,
        strip_accents=options.get("strip_accents"),
        lowercase=options.get("do_lower_case", True) is not False,
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = [token for token in (_UNKNOWN_WORD, "[SEP]", "[PAD]", "[CLS]", "[MASK]") if token in vocabulary]
    tokenizer.add_special_tokens(special)
    start, end = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", end), ("[CLS]", start))
    return tokenizer


def is_gemma(tokenizer: Any) -> bool:
    """Whether an object of the tokenizers library is Gemma's tokenizer, which is SigLIP 2's."""
    return type(tokenizer.model).__name__ == "BPE" and bool(tokenizer.model.byte_fallback)


def restore_training_defaults(tokenizer: Any, folder: Path) -> None:
    """Make a Gemma tokenizer lower-case texts, and add the special tokens that tokenizer_config.json names.

    SigLIP 2 was trained on texts in lower case, but its tokenizer.json does not say so. transformers.Siglip2Tokenizer does
    the same. Source: https://github.com/google-research/big_vision/issues/187
    """
    from tokenizers import normalizers, processors

    own = tokenizer.normalizer
    if own is None:
        tokenizer.normalizer = normalizers.Lowercase()
    elif "Lowercase" not in repr(own):
        tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), own])
    path = folder / "tokenizer_config.json"
    ends = added_ends(read_json(path, MAX_TOKENIZER_BYTES) if path.is_file() else {})
    if ends is not None:
        start, end = ends
        special = [(token, tokenizer.token_to_id(token)) for token in (*start, *end)]
        tokenizer.post_processor = processors.TemplateProcessing(" ".join((*start, "$A", *end)), None, special)
