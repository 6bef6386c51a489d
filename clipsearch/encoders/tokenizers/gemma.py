"""Gemma's tokenizer as SigLIP 2 uses it: lower case, then byte-pair encoding of the whole text, its spaces included.

Characters without a token are encoded as bytes. The tables come from tokenizer.json, which takes a second to load.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsearch.encoders.tokenizers.byte_pairs import BytePairs, merge_tokens, merges_table, read_merges
from clipsearch.encoders.tokenizers.table_file import TableFile
from clipsearch.encoders.unread import TextPiece, text_pieces

_SPACE = "\u2581"  # stands for a space
_REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": _SPACE}
_LOWERCASE = {"type": "Lowercase"}
_NORMALIZERS: tuple[dict[str, Any], ...] = (
    _REPLACE,
    {"type": "Sequence", "normalizers": [_REPLACE]},
    {"type": "Sequence", "normalizers": [_LOWERCASE, _REPLACE]},
)
_SPLIT = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
_START, _END = "<bos>", "<eos>"
_MAX_ADDED = 2_000  # Gemma's has 249
_CODE_POINTS = 0x110000
_UNSAFE = 2**31 - 1  # in place of a difference, for characters that are left to the library
_DOTTED_I = 0x130  # "İ", the only character that becomes two in lower case
_PICTOGRAPHS = range(0x1F000, 0x1FB00)  # blocks without letters, to which each version of Unicode adds emoji


class GemmaTokenizer:
    """Texts to tokens, by tables of `gemma_tables`."""

    def __init__(self, file: TableFile) -> None:
        self._pairs = BytePairs(file)
        self._bytes: list[int] = file.header["bytes"]
        self.padding: int | None = file.header["padding"]
        self._unknown: int | None = file.header["unknown"]
        self._prefix: list[int] = file.header["prefix"]
        self._suffix: list[int] = file.header["suffix"]
        self._added: dict[str, int] = file.header["added"]
        self._file = file
        lengths: dict[str, set[int]] = {}
        for token in self._added:
            lengths.setdefault(token[0], set()).add(len(token))
        self._lengths = {first: sorted(numbers, reverse=True) for first, numbers in lengths.items()}
        self._case: tuple[NDArray[np.uint32], NDArray[np.int32]] | None = None

    def encode(self, text: str) -> list[int] | None:
        """The ids of a text's tokens, with the special ones; None if it has characters that only the library knows."""
        ids = list(self._prefix)
        for start, end, added in self._sections(text):
            if added is not None:
                ids.append(added)
                continue
            symbols = self._symbols(text[start:end])
            if symbols is None:
                return None
            ids += merge_tokens(symbols[0], self._pairs.merge)[0]
        return ids + self._suffix

    def pieces(self, text: str) -> list[TextPiece] | None:
        """The pieces of a text; None if it has characters that only the library knows."""
        spans: list[tuple[int, int]] = []
        tokens: list[int] = []
        for start, end, added in self._sections(text):
            if added is not None:
                spans.append((start, end))
                tokens.append(added)
                continue
            symbols = self._symbols(text[start:end])
            if symbols is None:
                return None
            merged, firsts = merge_tokens(symbols[0], self._pairs.merge)
            places = symbols[1]
            lasts = [*(first - 1 for first in firsts[1:]), len(places) - 1]
            spans += [
                (start + places[first], start + places[last] + 1) for first, last in zip(firsts, lasts, strict=True)
            ]
            tokens += merged
        space, unread = self._pairs.token(ord(_SPACE)), {*self._bytes, self._unknown}
        offsets = [(0, 0) if token == space else span for token, span in zip(tokens, spans, strict=True)]
        return text_pieces(offsets, [token in unread for token in tokens])

    def _sections(self, text: str) -> Iterator[tuple[int, int, int | None]]:
        """The parts of a text: start, end, and the id if it is an added token. The leftmost and longest of these count."""
        start = position = 0
        while position < len(text):
            for length in self._lengths.get(text[position], ()):
                candidate = text[position : position + length]  # shorter at the end of the text
                added = self._added.get(candidate)
                if added is not None:
                    if start < position:
                        yield start, position, None
                    start = position + len(candidate)
                    yield position, start, added
                    position = start - 1
                    break
            position += 1
        if start < len(text):
            yield start, len(text), None

    def _symbols(self, section: str) -> tuple[list[int], list[int]] | None:
        """The tokens to begin with, and the number of the character that each comes from."""
        if section.isascii():
            characters = [*map(ord, section.lower())]
            places = [*range(len(section))]
        else:
            lowered = self._lowered(section)
            if lowered is None:
                return None
            characters, places = lowered
        tokens: list[int] = []
        owners: list[int] = []
        for character, place in zip(characters, places, strict=True):
            token = self._pairs.token(ord(_SPACE) if character == ord(" ") else character)
            if token is not None:
                tokens.append(token)
                owners.append(place)
            else:
                encoded = chr(character).encode()
                tokens += [self._bytes[byte] for byte in encoded]
                owners += [place] * len(encoded)
        return tokens, owners

    def _lowered(self, section: str) -> tuple[list[int], list[int]] | None:
        """Code points in lower case, character by character, and where each comes from. None if one is not safe."""
        if self._case is None:
            self._case = self._file.array("case.starts", "<u4"), self._file.array("case.differences", "<i4")
        starts, differences = self._case
        try:
            points = np.frombuffer(section.encode("utf-32-le"), "<u4").astype(np.int64)
        except UnicodeEncodeError:
            return None
        change = differences[np.searchsorted(starts, points, side="right") - 1].astype(np.int64)
        if (change == _UNSAFE).any():
            return None
        lowered: list[int] = []
        places: list[int] = []
        for place, (point, low) in enumerate(zip(points.tolist(), (points + change).tolist(), strict=True)):
            both = (ord("i"), 0x307) if point == _DOTTED_I else (low,)
            lowered += both
            places += [place] * len(both)
        return lowered, places


def gemma_tables(
    tokenizer: Any, config: Any
) -> tuple[dict[str, Any], dict[str, tuple[NDArray[np.uint64], NDArray[np.uint64]]], dict[str, NDArray[Any]]]:
    """Header, tables and arrays for a table file, from tokenizer.json and tokenizer_config.json.

    Raises ValueError, LookupError, TypeError or AttributeError if the tokenizer does not work as Gemma's does.
    """
    model = tokenizer["model"]
    is_gemmas = (
        tokenizer["normalizer"] in _NORMALIZERS
        and tokenizer["pre_tokenizer"] in (_SPLIT, None)
        and model["type"] == "BPE"
        and model["byte_fallback"] is True
        and not any(map(model.get, ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "ignore_merges")))
    )
    if not is_gemmas:
        raise ValueError("not Gemma's tokenizer")
    vocabulary, merges = read_merges(model)
    added = _added_tokens(tokenizer["added_tokens"], vocabulary)
    ends = added_ends(config)
    prefix, suffix = (
        _template(tokenizer["post_processor"], vocabulary)
        if ends is None
        else (
            [vocabulary[token] for token in ends[0]],
            [vocabulary[token] for token in ends[1]],
        )
    )
    characters = {ord(token): number for token, number in vocabulary.items() if len(token) == 1}
    header = {
        "tokens": len(vocabulary),
        "merges": len(np.unique(merges[:, 2])),
        "characters": len(characters),
        "bytes": [vocabulary[f"<0x{byte:02X}>"] for byte in range(256)],
        "unknown": vocabulary.get(model["unk_token"]),
        "padding": vocabulary.get(padding_token(config) or ""),
        "prefix": prefix,
        "suffix": suffix,
        "added": added,
    }
    starts, differences = _case_changes()
    arrays = {"case.starts": starts, "case.differences": differences}
    return header, {"tokens": merges_table(characters, merges)}, arrays


def added_ends(config: Any) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The special tokens before and after each text, if tokenizer_config.json says so; it overrules tokenizer.json."""
    if not isinstance(config, Mapping) or not {"add_bos_token", "add_eos_token"} & set(config):
        return None
    return (
        (_START,) if config.get("add_bos_token") is True else (),
        (_END,) if config.get("add_eos_token") is True else (),
    )


def padding_token(config: Any) -> str | None:
    """The token that texts are padded with, from tokenizer_config.json."""
    token = config.get("pad_token") if isinstance(config, Mapping) else None
    content = token.get("content") if isinstance(token, Mapping) else token
    return content if isinstance(content, str) else None


def _added_tokens(tokens: Any, vocabulary: Mapping[str, int]) -> dict[str, int]:
    """The tokens that are looked for in a text before all else. Raises ValueError if they are not all of the simple kind."""
    if len(tokens) > _MAX_ADDED:
        raise ValueError("too many added tokens")
    added = {token["content"]: token["id"] for token in tokens}
    is_simple = all(
        token["content"]
        and vocabulary[token["content"]] == token["id"]
        and not any(token[name] for name in ("single_word", "lstrip", "rstrip", "normalized"))
        for token in tokens
    )
    if not is_simple or len(added) < len(tokens):
        raise ValueError("added tokens of another kind than Gemma's")
    return added


def _template(post_processor: Any, vocabulary: Mapping[str, int]) -> tuple[list[int], list[int]]:
    """The ids of the special tokens before and after each text."""
    if post_processor is None:
        return [], []
    if post_processor["type"] != "TemplateProcessing":
        raise ValueError("a post-processor of another kind than Gemma's")
    sides: tuple[list[int], list[int]] = ([], [])
    side = 0
    for part in post_processor["single"]:
        if "Sequence" in part:
            side += 1
        else:
            name = part["SpecialToken"]["id"]
            if post_processor["special_tokens"][name]["ids"] != [vocabulary[name]]:
                raise ValueError("a special token with another id")
            sides[side].append(vocabulary[name])
    if side != 1:
        raise ValueError("a template without its text")
    return sides


@cache
def _case_changes() -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """Ranges of code points and what is added to each for lower case, as the tokenizers library does it.

    A character counts as safe if no version of Unicode can make Python and the library differ: it has a meaning in this
    version, in which the two agree. Unicode never gives such a character another lower case.
    """
    from tokenizers import normalizers

    points = [point for point in range(1, _CODE_POINTS) if not 0xD800 <= point < 0xE000]
    lowered = normalizers.Lowercase().normalize_str("\0".join(map(chr, points))).split("\0")
    differences = np.full(_CODE_POINTS, _UNSAFE, np.int64)
    differences[0] = 0
    for point, low in zip(points, lowered, strict=True):
        character = chr(point)
        has_meaning = point in _PICTOGRAPHS or unicodedata.category(character) != "Cn"
        if has_meaning and low == character.lower() and (len(low) == 1 or (point == _DOTTED_I and low == "i\u0307")):
            differences[point] = 0 if point == _DOTTED_I else ord(low) - point
    starts = np.flatnonzero(np.diff(differences, prepend=_UNSAFE - 1))
    return starts.astype("<u4"), differences[starts].astype("<i4")
