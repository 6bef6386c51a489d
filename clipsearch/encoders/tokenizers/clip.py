"""CLIP's own tokenizer for printable ASCII: lower case, words by a pattern, and byte-pair encoding of each word.

Other texts are left to the library: which characters are letters depends on its version of Unicode.
Source: https://github.com/openai/CLIP/blob/main/clip/simple_tokenizer.py
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsearch.encoders.tokenizers.byte_pairs import BytePairs, merge_tokens, merges_table, read_merges
from clipsearch.encoders.tokenizers.table_file import TableFile
from clipsearch.encoders.unread import TextPiece

START, END = "<|startoftext|>", "<|endoftext|>"
_WORDS_OR_SIGNS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_ASCII_WORDS_OR_SIGNS = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[a-z]+|[0-9]|[^\sa-z0-9]+")
SPLIT_PATTERN = rf"<\|startoftext\|>|<\|endoftext\|>|{_WORDS_OR_SIGNS}"
_NORMALIZERS = [
    {"type": "NFC"},
    {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
    {"type": "Lowercase"},
]
_PRINTABLE = range(33, 127)  # these ASCII characters stand for themselves among CLIP's signs for bytes
_LAST = 128  # added to the symbol of a word's last character, whose token is another one
_LAST_SUFFIX = "</w>"


class AsciiClipTokenizer:
    """Texts of printable ASCII to tokens, by tables of `clip_tables`."""

    padding: int | None = None  # texts are not padded: the model is causal

    def __init__(self, file: TableFile) -> None:
        self._pairs = BytePairs(file)
        self._start: list[int] = file.header["prefix"]
        self._end: list[int] = file.header["suffix"]

    def encode(self, text: str) -> list[int] | None:
        """The ids of a text's tokens, with the special ones; None if the text is not plain."""
        if not (text.isascii() and text.isprintable()) or "<|" in text:
            return None
        ids = list(self._start)
        for word in _ASCII_WORDS_OR_SIGNS.findall(text.lower()):
            symbols = [*map(ord, word)]
            symbols[-1] += _LAST
            tokens = [token for token in map(self._pairs.token, symbols) if token is not None]
            if len(tokens) < len(symbols):
                return None
            ids += merge_tokens(tokens, self._pairs.merge)[0]
        return ids + self._end

    def pieces(self, text: str) -> list[TextPiece] | None:
        """None: only texts with other characters than ASCII are looked at, and those are the library's."""
        return None


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


def clip_tables(
    tokenizer: Any,
) -> tuple[dict[str, Any], dict[str, tuple[NDArray[np.uint64], NDArray[np.uint64]]], dict[str, NDArray[Any]]]:
    """Header, tables and arrays for a table file, from tokenizer.json.

    Raises ValueError, LookupError, TypeError or AttributeError if the tokenizer does not work as CLIP's does.
    """
    model, (split, bytes_) = tokenizer["model"], tokenizer["pre_tokenizer"]["pretokenizers"]
    post_processor, vocabulary = tokenizer["post_processor"], tokenizer["model"]["vocab"]
    is_clips = (
        tokenizer["normalizer"] == {"type": "Sequence", "normalizers": _NORMALIZERS}
        and (split["type"], split["behavior"], split["invert"]) == ("Split", "Removed", True)
        and split["pattern"].get("Regex") in (_WORDS_OR_SIGNS, SPLIT_PATTERN)
        and (bytes_["type"], bytes_["add_prefix_space"]) == ("ByteLevel", False)
        and post_processor["type"] == "RobertaProcessing"
        and post_processor["cls"] == [START, vocabulary[START]]
        and post_processor["sep"] == [END, vocabulary[END]]
        and (model["type"], model["end_of_word_suffix"]) == ("BPE", _LAST_SUFFIX)
        and not any(map(model.get, ("dropout", "continuing_subword_prefix", "byte_fallback", "ignore_merges")))
        and {token["content"] for token in tokenizer["added_tokens"]} == {START, END}
    )
    if not is_clips:
        raise ValueError("not CLIP's tokenizer")
    return clip_tables_of_model(model)


def clip_tables_of_model(
    model: Any,
) -> tuple[dict[str, Any], dict[str, tuple[NDArray[np.uint64], NDArray[np.uint64]]], dict[str, NDArray[Any]]]:
    """The same from vocabulary and merges alone: `vocab`, token → id, and `merges`."""
    vocabulary, merges = read_merges(model)
    symbols = {sign: vocabulary.get(chr(sign)) for sign in _PRINTABLE}
    last_symbols = {sign + _LAST: vocabulary.get(f"{chr(sign)}{_LAST_SUFFIX}") for sign in _PRINTABLE}
    known = {symbol: token for symbol, token in {**symbols, **last_symbols}.items() if token is not None}
    header = {
        "tokens": len(vocabulary),
        "merges": len(merges),
        "characters": 0,
        "prefix": [vocabulary[START]],
        "suffix": [vocabulary[END]],
    }
    return header, {"tokens": merges_table(known, merges)}, {}
