"""Words of a text that a model cannot read, as its tokenizer shows.

A tokenizer has no piece for text that was rare in its training: it gives an unknown token, or the single bytes of a character.
If it spells the words of an alphabet letter by letter, that alphabet was rare, too.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

_SHORTEST_SPELLED = 3  # letters; shorter words are often spelled in languages that a tokenizer knows
_LATIN = ("LATIN", "FULLWIDTH", "MODIFIER", "MICRO", "ANGSTROM", "MASCULINE", "FEMININE")  # prefixes of letters' names
_WORDS_OF_A_LETTER = {"CJK", "HIRAGANA", "KATAKANA", "HANGUL"}  # in these, a character may be a word


class TextPiece(NamedTuple):
    """A token: the characters that it stands for, and whether it is the unknown token or a part of a character."""

    start: int
    end: int
    is_unknown: bool


def text_pieces(offsets: Sequence[tuple[int, int]], unknown: Sequence[bool]) -> list[TextPiece]:
    """Pieces from a tokenizer's offsets (start, end), without empty ones. Tokens that share a character are parts of it."""
    spans = [(start, end, lacks) for (start, end), lacks in zip(offsets, unknown, strict=True) if end > start]
    shared = {number for number, (left, right) in enumerate(pairwise(spans)) if right[0] < left[1]}
    return [
        TextPiece(start, end, lacks or number in shared or number - 1 in shared)
        for number, (start, end, lacks) in enumerate(spans)
    ]


def unread_words(text: str, tokenize: Callable[[str], Sequence[TextPiece]], *, is_english: bool) -> list[str]:
    """The words of a text with letters or pictographs that a model cannot read. `tokenize` gives the pieces of a word.

    A model that is known to read English only reads no other alphabet than the Latin one.
    """
    if text.isascii():  # every tokenizer has these
        return []
    words = [word for word in text.split() if not word.isascii()]
    unread = {word for word in words if _is_unread(word, tokenize(word), is_english=is_english)}
    # A tokenizer may know a word's letters by chance. That does not help if it lacks others of the alphabet.
    alphabets = {alphabet for word in unread for alphabet in _alphabets(word)}
    return [word for word in words if word in unread or alphabets & _alphabets(word)]


def _is_unread(word: str, pieces: Sequence[TextPiece], *, is_english: bool) -> bool:
    if is_english and _alphabets(word):
        return True
    if any(piece.is_unknown and any(map(_has_meaning, word[piece.start : piece.end])) for piece in pieces):
        return True
    is_spelled = bool(pieces) and all(piece.end - piece.start == 1 for piece in pieces)
    alphabets, letters = _alphabets(word), sum(map(str.isalpha, word))
    return is_spelled and bool(alphabets) and letters >= _SHORTEST_SPELLED and not alphabets & _WORDS_OF_A_LETTER


def _has_meaning(sign: str) -> bool:
    """Whether a character is a letter or a pictograph, not punctuation, an accent, or a sign of money or mathematics."""
    return not sign.isascii() and (sign.isalpha() or unicodedata.category(sign) == "So")


def _alphabets(word: str) -> set[str]:
    """The alphabets of a word's letters, except Latin, by the first word of their Unicode names: "CYRILLIC"."""
    names = (unicodedata.name(sign, "") for sign in word if sign.isalpha())
    return {name.partition(" ")[0] for name in names if name and not name.startswith(_LATIN)}
