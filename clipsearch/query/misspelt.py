"""Words of a query with a slip, such as "baech", "moutain" or "woooden", and what was probably meant.

A word counts as known if the model's tokenizer has it as one piece. Three slips of an unknown word are read, if only one known
word comes of them: two letters in the wrong order, one letter missing within the word, and one letter too many. Other changes
lead too often from one rare word to another ("turban" to "urban"), and a form of a known word ("beached") is no slip.
The first rule changes 73 of the 40,455 captions of Flickr8k, and at most ten of them were right. The others change 163, nearly
all of which have a slip, since words that were right are in a list. Elsewhere they change about one unknown word of 300.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from clipsearch.encoders.unread import TextPiece
from clipsearch.query.usual_words import USUAL_WORDS

_WORD = re.compile(r"(?<![\w'-])[a-z]{3,}(?![\w'-])")  # names begin with a capital, and are spelled in many ways
_RARE = (
    "boa bras claps cots dads fro garb girt henna hoes nitro pats perm signer slat wets "
    "alight archeologist backset bandanas beaded bloodied caldron cleanser defecating dividend flailing grating hackey "
    "licensee moustache poplar sifting stoops streambed sturgeon terrapin tickle waterbed"
)
_RARE_WORDS = frozenset(_RARE.split())
"""Words, most of them of captions, that are right as they are, though the tokenizer splits them."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SHORTEST, _SHORTEST_WITH_LETTER_ADDED = 6, 8  # letters; shorter words have too many known words near them
_SHORTEST_IN_DOUBT = 4  # letters; a shorter unknown word is more often a name or a short form than a slip
_LONGEST = 24  # letters; what is longer is no word, and looking at it would take the square of its length
_MOST_WORDS = 8  # of a query to which letters are added, which takes about 3 ms each
_ENDINGS = ("s", "es", "ed", "er", "ers", "ing", "y", "ee", "ness", "less")

_PLACE = re.compile(
    r"(?<!\w)((?:in|near|from|at|to|around|im|bei|aus|nach|en|\u00e0|au|dans|vers|desde)"
    r" (?:(?:the|den|der|dem|la|le|el) )?)([^\W\d_]{5,})(?![\w'-])"
)
_MOST_PLACES = 300  # of an index, the most frequent, whose names are compared

Tokenize = Callable[[str], Sequence[TextPiece]]


def without_slips(text: str, tokenize: Tokenize) -> str:
    """The text with each unknown word replaced by the only known one that a slip makes of it."""
    words = [word for word in dict.fromkeys(_WORD.findall(text)) if len(word) <= _LONGEST]
    unknown = [word for word in words if not _is_right(word, tokenize)]
    meant = {
        word: _without_swap(word, tokenize) or (_without_slip(word, tokenize) if place < _MOST_WORDS else None)
        for place, word in enumerate(unknown)
    }
    return _WORD.sub(lambda match: meant.get(match[0]) or match[0], text)


def seems_misspelt(text: str, tokenize: Tokenize) -> bool:
    """Whether an unknown word of a text is one slip away from known ones, also if it is not certain which one was meant."""
    words = [word for word in dict.fromkeys(_WORD.findall(text)) if _SHORTEST_IN_DOUBT <= len(word) <= _LONGEST]
    return any(
        not _is_form(word, tokenize) and any(_is_known(other, tokenize) for other in _one_letter_off(word))
        for word in [word for word in words if not _is_right(word, tokenize)][:_MOST_WORDS]
    )


def with_places(text: str, codes: Callable[[], Sequence[str]]) -> str:
    """The text with each name of a place that does not exist replaced by the only one of the index that a slip makes of it.

    `codes` gives those of the index's places, the most frequent first. A name begins with a capital, after "in" or the like.
    """
    return _PLACE.sub(lambda match: match[1] + _place(match[2], codes), text)


def _place(name: str, codes: Callable[[], Sequence[str]]) -> str:
    if not name[0].isupper():
        return name
    from clipsearch.gazetteer import names_one_slip_away  # few queries need it

    near = names_one_slip_away(name, codes()[:_MOST_PLACES])
    return near[0] if len(near) == 1 else name


def _is_right(word: str, tokenize: Tokenize) -> bool:
    return word in USUAL_WORDS or word in _RARE_WORDS or _is_known(word, tokenize)


def _without_swap(word: str, tokenize: Tokenize) -> str | None:
    pairs = zip(range(len(word) - 1), word, word[1:], strict=False)
    swapped = {word[:at] + right + left + word[at + 2 :] for at, left, right in pairs if left != right}
    return _only_known(swapped, tokenize)


def _without_slip(word: str, tokenize: Tokenize) -> str | None:
    """The word with one letter more or less. Its first and its last letter stay, as endings are no slips."""
    if len(word) < _SHORTEST or _is_form(word, tokenize):
        return None
    return _only_known(_one_letter_off(word), tokenize)


def _one_letter_off(word: str) -> set[str]:
    """The word with a letter more within it, without one of two equal letters, and if it is long, without any one."""
    inner = range(1, len(word))
    near = {word[:at] + letter + word[at:] for at in inner for letter in _LETTERS} - {word + word[-1], word[0] + word}
    near |= {word[:at] + word[at + 1 :] for at in inner if word[at] == word[at - 1]}
    if len(word) >= _SHORTEST_WITH_LETTER_ADDED:
        near |= {word[:at] + word[at + 1 :] for at in inner[:-1]}
    return near


def _is_form(word: str, tokenize: Tokenize) -> bool:
    """Whether the word is a plural, a tense or the like of a known word, or its plural is known."""
    for ending in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem == word or len(stem) < 3:
            continue
        once = stem[:-1] if stem[-1] == stem[-2] else stem
        if any(_is_known(form, tokenize) for form in (stem, stem + "e", once)):
            return True
    return _is_known(word + "s", tokenize)


def _only_known(words: set[str], tokenize: Tokenize) -> str | None:
    known = [word for word in words if _is_known(word, tokenize)]
    return known[0] if len(known) == 1 else None


def _is_known(word: str, tokenize: Tokenize) -> bool:
    pieces = tokenize(word)
    return len(pieces) == 1 and not pieces[0].is_unknown
