"""XLM-R's and BERT's tokenizers: a text is cut into words, and each word into pieces that are in a table.

XLM-R takes the most probable pieces (Unigram, arXiv:1804.10959), BERT the longest ones from the left (WordPiece). Only
characters of the vocabulary that the tokenizer leaves as they are, or replaces by one other, are computed here. Texts with
others are left to the library, as are unusual spaces.
"""

from __future__ import annotations

import json
import struct
import unicodedata
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsearch.encoders.tokenizers.table_file import Table, TableFile
from clipsearch.encoders.unread import TextPiece, text_pieces

_SPACE = "\u2581"  # before each word, for Unigram
_CONTINUED = "##"  # before each piece of a word but the first, for WordPiece
_UNKNOWN_PENALTY = 10.0  # how much less probable an unknown character is than the rarest piece; the library's value
_ALONE = 1 << 32  # marks a character that is a word of its own
_LATIN = range(0x21, 0x250)  # characters that a tokenizer may lower or strip, so that they are in no piece
_METASPACES = (["WhitespaceSplit", "Metaspace"], ["Metaspace"])
_LONGEST = 64  # characters of a piece; XLM-R's have 16, and much longer ones would make a long word slow
_MAX_KNOWN = 200_000
_DOUBLE = struct.Struct("<d")
_Word = tuple[str, list[int]]  # its characters as they are looked up, and the place of each one in the text


class PieceTokenizer:
    """Texts to tokens, by tables of `piece_tables`."""

    padding: int | None = None  # texts are not padded

    def __init__(self, file: TableFile) -> None:
        self._pieces, self._scores, self._characters = map(file.table, ("pieces", "scores", "characters"))
        self._header = file.header
        self._starts_of_added = frozenset(file.header["starts"])
        self._is_unigram: bool = file.header["unigram"]
        self._unknown: int = file.header["unknown"]
        self._known: dict[tuple[Table, int], int | None] = {}

    def encode(self, text: str) -> list[int] | None:
        """The ids of a text's tokens, with the special ones; None if only the library knows."""
        words = self._words(text)
        if words is None:
            return None
        ids = [token for word, _ in words for token, _ in self._cut(word)]
        return [*self._header["prefix"], *ids, *self._header["suffix"]]

    def pieces(self, text: str) -> list[TextPiece] | None:
        """The pieces of a text; None if it has several words, or if only the library knows."""
        words = None if " " in text else self._words(text)
        if words is None:
            return None
        offsets: list[tuple[int, int]] = []
        unknown: list[bool] = []
        for word, places in words:
            start = 0
            for token, end in self._cut(word):
                own = places[max(start, int(self._is_unigram)) : end]
                offsets.append((own[0], own[-1] + 1) if own else (0, 0))
                unknown.append(token == self._unknown)
                start = end
        return text_pieces(offsets, unknown)

    def _words(self, text: str) -> list[_Word] | None:
        if text != text.strip(" ") or "  " in text or not self._starts_of_added.isdisjoint(text):
            return None
        if self._is_unigram and not text.isascii() and unicodedata.normalize("NFKC", text) != text:
            return None
        words: list[_Word] = []
        is_inside = False
        for place, sign in enumerate(text):
            character = None if sign == " " else self._value(self._characters, ord(sign))
            if sign == " ":
                is_inside = False
            elif character is None:
                return None
            elif is_inside and character < _ALONE:
                words[-1][1].append(place)
                words[-1] = words[-1][0] + chr(character), words[-1][1]
            else:
                first = _SPACE if self._is_unigram else ""
                words.append((first + chr(character % _ALONE), [place] * (1 + len(first))))
                is_inside = character < _ALONE
        return words

    def _cut(self, word: str) -> list[tuple[int, int]]:
        """The tokens of a word, and where each one ends."""
        return self._most_probable(word) if self._is_unigram else self._longest(word)

    def _longest(self, word: str) -> list[tuple[int, int]]:
        unknown = [(self._unknown, len(word))]
        tokens: list[tuple[int, int]] = []
        start = 0 if len(word) <= self._header["longest_word"] else len(word)
        while start < len(word):
            for end in range(min(len(word), start + self._header["longest"]), start, -1):
                token = self._token((_CONTINUED if start else "") + word[start:end])
                if token is not None:
                    break
            else:
                return unknown
            tokens.append((token, end))
            start = end
        return tokens or unknown

    def _most_probable(self, word: str) -> list[tuple[int, int]]:
        best: list[tuple[float, int, int] | None] = [(0.0, 0, 0)] + [None] * len(word)  # score, start and token, by end
        for start in range(len(word)):
            score = (best[start] or (0.0,))[0]
            for end in range(start + 1, min(len(word), start + self._header["longest"]) + 1):
                token = self._token(word[start:end])
                if token is not None:
                    total = score + _float(self._value(self._scores, token) or 0)
                elif end == start + 1:
                    token, total = self._unknown, score + self._header["unknown_score"]
                else:
                    continue
                known = best[end]
                if known is None or total > known[0]:
                    best[end] = total, start, token
        tokens: list[tuple[int, int]] = []
        end = len(word)
        while end > 0:
            _, start, token = best[end] or (0.0, 0, self._unknown)
            if not (tokens and token == tokens[-1][0] == self._unknown):  # unknown characters in a row are one token
                tokens.append((token, end))
            end = start
        return tokens[::-1]

    def _token(self, piece: str) -> int | None:
        return self._value(self._pieces, _key(piece))

    def _value(self, table: Table, key: int) -> int | None:
        known = self._known
        if (table, key) not in known:
            if len(known) >= _MAX_KNOWN:
                known.clear()
            known[table, key] = table.get(key)
        return known[table, key]


def piece_tables(
    tokenizer: Any,
) -> tuple[dict[str, Any], dict[str, tuple[NDArray[np.uint64], NDArray[np.uint64]]], dict[str, NDArray[Any]]]:
    """Header, tables and arrays for a table file, from an object of the tokenizers library.

    Raises ValueError, LookupError, TypeError or AttributeError if the tokenizer does not work as XLM-R's or BERT's does.
    """
    content = json.loads(tokenizer.to_str())
    model, splitter, normalizer = content["model"], content["pre_tokenizer"], content["normalizer"]
    is_unigram = model["type"] == "Unigram"
    kinds = [part["type"] for part in splitter.get("pretokenizers", [splitter])]
    if is_unigram:
        metaspace = splitter.get("pretokenizers", [splitter])[-1]
        is_known = kinds in _METASPACES and not model["byte_fallback"] and model["unk_id"] is not None
        is_known = is_known and (metaspace["replacement"], metaspace["prepend_scheme"]) == (_SPACE, "always")
        scores: Mapping[str, float] = dict(model["vocab"])
        vocabulary = {piece: number for number, (piece, _) in enumerate(model["vocab"])}
    else:
        is_known = (model["type"], normalizer["type"], kinds) == ("WordPiece", "BertNormalizer", ["BertPreTokenizer"])
        is_known = is_known and model["continuing_subword_prefix"] == _CONTINUED
        scores, vocabulary = {}, model["vocab"]
    is_known = is_known and max(map(len, vocabulary)) <= _LONGEST
    if not is_known or len(vocabulary) != tokenizer.get_vocab_size(with_added_tokens=False):
        raise ValueError("neither XLM-R's tokenizer nor BERT's")
    unknown = model["unk_id"] if is_unigram else vocabulary[model["unk_token"]]
    characters = _characters(tokenizer, vocabulary, is_unigram=is_unigram)
    letter = min(chr(sign) for sign in characters if chr(sign).isalpha())
    whole, bare = (tokenizer.encode(letter, add_special_tokens=special).ids for special in (True, False))
    start = min(start for start in range(len(whole)) if whole[start : start + len(bare)] == bare)
    header = {
        "tokens": len(vocabulary),
        "unigram": is_unigram,
        "unknown": unknown,
        "unknown_score": min(scores.values(), default=0.0) - _UNKNOWN_PENALTY,
        "longest": max(map(len, vocabulary)),
        "longest_word": model.get("max_input_chars_per_word", 0),
        "prefix": whole[:start],
        "suffix": whole[start + len(bare) :],
        "starts": sorted({token["content"][0] for token in content["added_tokens"]}),
    }
    numbers = [vocabulary[piece] for piece in scores]
    tables = {
        "pieces": _table(map(_key, vocabulary), vocabulary.values()),
        "scores": _table(numbers, np.array(list(scores.values()), np.float64).view(np.uint64)),
        "characters": _table(characters, characters.values()),
    }
    return header, tables, {}


def _characters(tokenizer: Any, vocabulary: Mapping[str, int], *, is_unigram: bool) -> dict[int, int]:
    """Code points that stand for themselves or another one, perhaps as a word of their own."""
    signs = {sign for piece in vocabulary for sign in piece} | {*map(chr, _LATIN)}
    signs |= {sign.upper() for sign in signs if len(sign.upper()) == 1}
    values: dict[int, int] = {}
    for sign in sorted(signs):
        normal = tokenizer.normalizer.normalize_str(sign) if tokenizer.normalizer else sign
        if sign.isspace() or sign == _SPACE or not sign.isprintable() or (is_unigram and normal != sign):
            continue
        shown = normal.strip(" ")
        if len(shown) == 1 and not shown.isspace():
            parts = 1 if is_unigram else len(tokenizer.pre_tokenizer.pre_tokenize_str(f"a{normal}a"))
            if parts in (1, 3):
                values[ord(sign)] = ord(shown) + (_ALONE if parts == 3 else 0)
    return values


def _table(keys: Any, values: Any) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    return np.array(list(keys), np.uint64), np.array(list(values), np.uint64)


def _key(piece: str) -> int:
    """A number that no other piece has, but for a chance of one in 2**64."""
    return int.from_bytes(blake2b(piece.encode(), digest_size=8).digest(), "little")


def _float(bits: int) -> float:
    (value,) = _DOUBLE.unpack(bits.to_bytes(8, "little"))
    return float(value)
