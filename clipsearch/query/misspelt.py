"""Words of a query with two letters in the wrong order, such as "baech", and what was probably meant.

A word counts as known if the model's tokenizer has it as one piece. Swapped letters are nearly always a slip: 78 of the 40,455
captions of Flickr8k have such a word, and at most ten of these words are right as they are. Letters that are missing, doubled
or wrong lead too often from one rare word to another ("sled" to "led"), so nothing is said about them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from clipsearch.encoders.unread import TextPiece
from clipsearch.query.usual_words import USUAL_WORDS

_WORD = re.compile(r"(?<![\w'-])[a-z]{3,}(?![\w'-])")  # names begin with a capital, and are spelled in many ways
_RARE = "boa bras claps cots dads fro garb girt henna hoes nitro pats perm signer slat wets"
_RARE_WORDS = frozenset(_RARE.split())
"""Words of captions that are right as they are, though the tokenizer splits them."""

Tokenize = Callable[[str], Sequence[TextPiece]]


def without_swaps(text: str, tokenize: Tokenize) -> str:
    """The text with each unknown word replaced by the only known one that a swap of two neighbouring letters makes of it."""
    return _WORD.sub(lambda match: _without_swap(match[0], tokenize), text)


def _without_swap(word: str, tokenize: Tokenize) -> str:
    if word in USUAL_WORDS or word in _RARE_WORDS or _is_known(word, tokenize):
        return word
    pairs = zip(range(len(word) - 1), word, word[1:], strict=False)
    swapped = {word[:at] + right + left + word[at + 2 :] for at, left, right in pairs if left != right}
    known = [other for other in swapped if _is_known(other, tokenize)]
    return known[0] if len(known) == 1 else word


def _is_known(word: str, tokenize: Tokenize) -> bool:
    pieces = tokenize(word)
    return len(pieces) == 1 and not pieces[0].is_unknown
