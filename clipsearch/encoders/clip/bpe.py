"""CLIP's byte-pair encoding of plain texts, without the tables that the tokenizers library builds first.

Building them takes a fifth of a whole query. What CLIP does with printable ASCII is little: lower case, words by a pattern, and
their letters merged pair by pair, the pair that comes first in the list of merges first. Tests hold it against the library.
Source: https://github.com/openai/CLIP/blob/main/clip/simple_tokenizer.py
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from clipsearch._internal.untrusted_files import read_json, read_plain
from clipsearch.encoders.checkpoint import MOST_TOKENIZER_BYTES
from clipsearch.errors import ModelError

START, END = "<|startoftext|>", "<|endoftext|>"
_OF_ALL = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_OF_ASCII = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[a-z]+|[0-9]|[^\sa-z0-9]+")
WORDS = rf"<\|startoftext\|>|<\|endoftext\|>|{_OF_ALL}"
_NORMALIZERS = [
    {"type": "NFC"},
    {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
    {"type": "Lowercase"},
]

_SPECIAL_TOKENS = 512  # at most
_LONGEST = 500  # characters of a text: merging takes time by the square of a word's, and a longer text is cut anyway

PlainTokenizer = Callable[[str], "list[int]"]
"""From a text to the ids of its tokens, with those of start and end; none where the text is not plain."""


def plain_tokenizer(folder: Path, require_tokens: Callable[[int], None] = lambda count: None) -> PlainTokenizer:
    """That of a checkpoint. One whose tokenizer is not known to be CLIP's takes no text for plain.

    `require_tokens` is told how many tokens there are. ModelError if there are tokens that no merge makes.
    """
    try:
        if (folder / "tokenizer.json").is_file():
            vocabulary, merges = _from_json(read_json(folder / "tokenizer.json", MOST_TOKENIZER_BYTES))
        else:
            vocabulary = read_json(folder / "vocab.json", MOST_TOKENIZER_BYTES)
            merges = read_plain(folder / "merges.txt", MOST_TOKENIZER_BYTES).decode().replace("\r\n", "\n").split("\n")
        require_merges(len(vocabulary), len(merges), folder)
        ranks = {pair: rank for rank, pair in enumerate(merges) if not pair.startswith("#version")}
        start, end = vocabulary[START], vocabulary[END]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):  # the library says what is wrong
        return lambda text: []
    require_tokens(len(vocabulary))

    def encode(text: str) -> list[int]:
        if len(text) > _LONGEST or not (text.isascii() and text.isprintable()) or "<|" in text:
            return []
        tokens = [token for word in _OF_ASCII.findall(text.lower()) for token in _merged(word, ranks)]
        return [start, *map(vocabulary.__getitem__, tokens), end] if all(map(vocabulary.__contains__, tokens)) else []

    return encode


def require_merges(tokens: int, merges: int, folder: Path) -> None:
    """Raise ModelError if merges are missing: of a vocabulary, only bytes and a few special tokens are not made by one."""
    if tokens - merges > 2 * 256 + _SPECIAL_TOKENS:
        raise ModelError(
            f"{folder}: its tokenizer has {tokens:,} tokens and only {merges:,} merges, so it is incomplete; fetch the "
            "checkpoint again"
        )


def _merged(word: str, ranks: dict[str, int]) -> list[str]:
    """A word's tokens: of the pairs that can be merged, always that of the lowest rank, and of those the first."""
    parts = [*word[:-1], f"{word[-1]}</w>"]
    while True:
        known = [
            (ranks[f"{left} {right}"], place)
            for place, (left, right) in enumerate(pairwise(parts))
            if f"{left} {right}" in ranks
        ]
        if not known:
            return parts
        _, place = min(known)
        parts[place : place + 2] = [parts[place] + parts[place + 1]]


def _from_json(said: Any) -> tuple[dict[str, int], list[str]]:
    """Vocabulary and merges of a tokenizer.json. ValueError where it does other things than CLIP's does."""
    model, (split, bytes_) = said["model"], said["pre_tokenizer"]["pretokenizers"]
    is_clips = (
        said["normalizer"] == {"type": "Sequence", "normalizers": _NORMALIZERS}
        and (split["type"], split["behavior"], split["invert"]) == ("Split", "Removed", True)
        and split["pattern"].get("Regex") in (_OF_ALL, WORDS)
        and (bytes_["type"], bytes_["add_prefix_space"]) == ("ByteLevel", False)
        and said["post_processor"]["type"] == "RobertaProcessing"
        and (said["post_processor"]["cls"][0], said["post_processor"]["sep"][0]) == (START, END)
        and (model["type"], model["end_of_word_suffix"]) == ("BPE", "</w>")
        and not any(map(model.get, ("dropout", "continuing_subword_prefix", "byte_fallback", "ignore_merges")))
        and {token["content"] for token in said["added_tokens"]} == {START, END}
    )
    if not is_clips:
        raise ValueError("not CLIP's tokenizer")
    return model["vocab"], [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
