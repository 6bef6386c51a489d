"""CLIP's byte-pair encoding of plain texts, without the tables that the tokenizers library builds first.

Building them takes a fifth of a whole query. For printable ASCII, CLIP does little: lower case, words by a pattern, and their
letters merged pair by pair, the pair that comes first in the list of merges first. Tests compare it with the library.
Source: https://github.com/openai/CLIP/blob/main/clip/simple_tokenizer.py
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

from clipsearch._internal.untrusted_files import read_json, read_plain
from clipsearch.encoders.tokenizer_checks import MAX_FILE_BYTES
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

PlainTokenizer: TypeAlias = Callable[[str], "list[int]"]
"""From a text to the ids of its tokens, including those of start and end; an empty list if the text is not plain."""


def plain_tokenizer(folder: Path, require_vocabulary: Callable[[int], None] = lambda tokens: None) -> PlainTokenizer:
    """The tokenizer of a checkpoint, for plain texts. If it is not known to work as CLIP's does, no text counts as plain.

    `require_vocabulary` is called with the number of tokens. Raises ModelError if the list of merges is incomplete.
    """
    try:
        if (folder / "tokenizer.json").is_file():
            vocabulary, merges = _from_json(read_json(folder / "tokenizer.json", MAX_FILE_BYTES))
        else:
            vocabulary = read_json(folder / "vocab.json", MAX_FILE_BYTES)
            merges = read_plain(folder / "merges.txt", MAX_FILE_BYTES).decode().replace("\r\n", "\n").split("\n")
        _require_merges(len(vocabulary), len(merges), folder)
        ranks = {pair: rank for rank, pair in enumerate(merges) if not pair.startswith("#version")}
        start, end = vocabulary[START], vocabulary[END]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):  # the library will say what is wrong
        return lambda text: []
    require_vocabulary(len(vocabulary))

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
