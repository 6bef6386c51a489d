"""A CLIP checkpoint's tokenizer: our own for a few plain texts, the tokenizers library for all others.

Building the library's tables takes a fifth of a whole query. For printable ASCII, CLIP does little: lower case, words by a
pattern, and their letters merged pair by pair, the pair that comes first in the list of merges first. Tests compare the two.
Source: https://github.com/openai/CLIP/blob/main/clip/simple_tokenizer.py
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

from clipsearch._internal.untrusted_files import read_json, read_plain
from clipsearch.encoders.base import warn_truncated
from clipsearch.encoders.checkpoint import (
    MAX_TOKENIZER_BYTES,
    call_tokenizers,
    require_readable_files,
    require_words_differ,
)
from clipsearch.encoders.shape import ModelShape
from clipsearch.encoders.unread import TextPiece, text_pieces
from clipsearch.errors import ModelError

START, END = "<|startoftext|>", "<|endoftext|>"
_WORDS_OR_SIGNS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_ASCII_WORDS_OR_SIGNS = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[a-z]+|[0-9]|[^\sa-z0-9]+")
SPLIT_PATTERN = rf"<\|startoftext\|>|<\|endoftext\|>|{_WORDS_OR_SIGNS}"
_NORMALIZERS = [
    {"type": "NFC"},
    {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
    {"type": "Lowercase"},
]
_MAX_SPECIAL_TOKENS = 512
_MAX_CHARACTERS = 500  # merging takes time by the square of a word's length, and a longer text is cut anyway
_FEW_TEXTS = 4  # the library's tables are not worth building for them

PlainTokenizer: TypeAlias = Callable[[str], "list[int]"]
"""From a text to the ids of its tokens, including those of start and end; an empty list if the text is not plain."""


class ClipTokenizer:
    """Texts to token ids. Its files are read when it is first used."""

    def __init__(self, folder: Path, shape: ModelShape) -> None:
        self._folder = folder
        self._shape = shape

    def encode(self, texts: list[str]) -> list[list[int]]:
        """The ids of each text's tokens. A text beyond the context length is cut, with a ClipsearchWarning."""
        limit = self._shape.context_length
        if len(texts) <= _FEW_TEXTS and "library_tokenizer" not in vars(self):
            plain = [self._plain_tokenizer(text) for text in texts]
            if all(0 < len(ids) <= limit for ids in plain):
                return plain
        encodings = self.library_tokenizer.encode_batch(texts)
        # Each part of a text that was cut has a start and an end token.
        lengths = (2 + sum(len(part.ids) - 2 for part in (text, *text.overflowing)) for text in encodings)
        warn_truncated(texts, lengths, limit, stacklevel=5)
        return [encoding.ids for encoding in encodings]

    def pieces(self, text: str) -> list[TextPiece]:
        """The pieces of a text, up to the context length. A character of several tokens has no token of its own."""
        encoding = self.library_tokenizer.encode(text, add_special_tokens=False)
        unknown = getattr(self.library_tokenizer.model, "unk_token", None)  # CLIP's own vocabulary lacks nothing
        return text_pieces(encoding.offsets, [token == unknown for token in encoding.tokens])

    @cached_property
    def _plain_tokenizer(self) -> PlainTokenizer:
        return plain_tokenizer(self._folder, self._shape)

    @cached_property
    def library_tokenizer(self) -> Any:
        """The checkpoint's own tokenizer in the tokenizers library, without padding, cut to the context length."""
        from tokenizers import Tokenizer  # a plain text does without it

        _ = self._plain_tokenizer  # checks the files
        require_readable_files(self._folder)
        file = self._folder / "tokenizer.json"
        tokenizer: Any = call_tokenizers(
            lambda: Tokenizer.from_file(str(file)) if file.is_file() else tokenizer_of_vocabulary(self._folder),
            self._folder,
        )
        # Dropout is for training. With it, a text would have other tokens each time.
        if getattr(tokenizer.model, "dropout", None):
            tokenizer.model.dropout = None
        self._shape.require_vocabulary(tokenizer.get_vocab_size(), self._folder)
        tokenizer.enable_truncation(self._shape.context_length)
        tokenizer.no_padding()
        require_words_differ(lambda word: tokenizer.encode(word).ids, self._folder)
        return tokenizer


def tokenizer_of_vocabulary(folder: Path) -> Any:
    """CLIP's byte-pair tokenizer from vocab.json and merges.txt, as `transformers.CLIPTokenizer` assembles it."""
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
    from tokenizers.models import BPE

    files = str(folder / "vocab.json"), str(folder / "merges.txt")
    tokenizer: Any = Tokenizer(BPE.from_file(*files, end_of_word_suffix="</w>", fuse_unk=False, unk_token=END))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT_PATTERN), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.add_special_tokens([START, END])
    tokenizer.post_processor = processors.RobertaProcessing(
        (END, tokenizer.token_to_id(END)), (START, tokenizer.token_to_id(START)), False, False
    )
    return tokenizer


def plain_tokenizer(folder: Path, shape: ModelShape | None = None) -> PlainTokenizer:
    """The tokenizer of a checkpoint, for plain texts. If it is not known to work as CLIP's does, no text counts as plain.

    Raises ModelError if the list of merges is incomplete, or the tokens are not those of a model of this shape.
    """
    try:
        if (folder / "tokenizer.json").is_file():
            vocabulary, merges = _from_json(read_json(folder / "tokenizer.json", MAX_TOKENIZER_BYTES))
        else:
            vocabulary = read_json(folder / "vocab.json", MAX_TOKENIZER_BYTES)
            merges = read_plain(folder / "merges.txt", MAX_TOKENIZER_BYTES).decode().replace("\r\n", "\n").split("\n")
        _require_merges(len(vocabulary), len(merges), folder)
        ranks = {pair: rank for rank, pair in enumerate(merges) if not pair.startswith("#version")}
        start, end = vocabulary[START], vocabulary[END]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):  # the library will say what is wrong
        return lambda text: []
    if shape:
        shape.require_vocabulary(len(vocabulary), folder)

    def encode(text: str) -> list[int]:
        if len(text) > _MAX_CHARACTERS or not (text.isascii() and text.isprintable()) or "<|" in text:
            return []
        words = _ASCII_WORDS_OR_SIGNS.findall(text.lower())
        tokens = [token for word in words for token in _merge(word, ranks)]
        return [start, *map(vocabulary.__getitem__, tokens), end] if all(map(vocabulary.__contains__, tokens)) else []

    return encode


def _require_merges(tokens: int, merges: int, folder: Path) -> None:
    """Raise ModelError if merges are missing: each makes a token, except for bytes and a few special tokens."""
    if tokens - merges > 2 * 256 + _MAX_SPECIAL_TOKENS:
        raise ModelError(
            f"{folder}: its tokenizer has {tokens:,} tokens and only {merges:,} merges, so it is incomplete; fetch the "
            "checkpoint again"
        )


def _merge(word: str, ranks: dict[str, int]) -> list[str]:
    """A word's tokens: the pair of the lowest rank is merged again and again, the leftmost one first."""
    parts = [*word[:-1], f"{word[-1]}</w>"]
    while True:
        mergeable = [
            (ranks[f"{left} {right}"], position)
            for position, (left, right) in enumerate(pairwise(parts))
            if f"{left} {right}" in ranks
        ]
        if not mergeable:
            return parts
        _, position = min(mergeable)
        parts[position : position + 2] = [parts[position] + parts[position + 1]]


def _from_json(tokenizer: Any) -> tuple[dict[str, int], list[str]]:
    """Vocabulary and merges of a tokenizer.json. Raises ValueError if it does not work as CLIP's does."""
    model, (split, bytes_) = tokenizer["model"], tokenizer["pre_tokenizer"]["pretokenizers"]
    post_processor = tokenizer["post_processor"]
    is_clips = (
        tokenizer["normalizer"] == {"type": "Sequence", "normalizers": _NORMALIZERS}
        and (split["type"], split["behavior"], split["invert"]) == ("Split", "Removed", True)
        and split["pattern"].get("Regex") in (_WORDS_OR_SIGNS, SPLIT_PATTERN)
        and (bytes_["type"], bytes_["add_prefix_space"]) == ("ByteLevel", False)
        and post_processor["type"] == "RobertaProcessing"
        and (post_processor["cls"][0], post_processor["sep"][0]) == (START, END)
        and (model["type"], model["end_of_word_suffix"]) == ("BPE", "</w>")
        and not any(map(model.get, ("dropout", "continuing_subword_prefix", "byte_fallback", "ignore_merges")))
        and {token["content"] for token in tokenizer["added_tokens"]} == {START, END}
    )
    if not is_clips:
        raise ValueError("not CLIP's tokenizer")
    return model["vocab"], [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
