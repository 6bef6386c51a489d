"""Find the names of people and places in a sentence: "Anna in Paris", "Hund in Italien", "plage en Espagne".

Only people that the index knows count, and only places that it has photos of: other names stay text. A name needs a capital
letter, or a word such as "in" before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias

from clipsearch._internal.letters import LETTERS
from clipsearch.query.sentences.plain_letters import folded
from clipsearch.query.usual_words import FIRST_NAMES, USUAL_WORDS

if TYPE_CHECKING:
    from clipsearch.gazetteer import Place

FindPlaces: TypeAlias = "Callable[[str], Sequence[Place]]"
"""The places of a name that the index has photos of, the largest first."""

_MOST_WORDS = 5  # of a name
_WORD = re.compile(
    r"[dl]'(?=\w)|[^\W_](?:[\w.-]*\w)?(?:'(?!s\b)\w+)*"
)  # d' and l' are words, and 's is not part of one
_POSSESSIVE = re.compile(r"['\u2019]s\b")
_IN = frozenset(
    ("in", "near", "at", "from", "to", "around", "im", "bei", "aus", "nach", "en", "a", "dans", "vers", "desde")
)
_HERE = frozenset(("in", "near", "en", "a", "dans"))  # these suffice before a name in small letters
_OF = frozenset(("of", "de", "von", "d"))
_WITH = frozenset(("with", "by", "and", "of", "mit", "von", "und", "avec", "et", "de", "d", "con", "y"))
_ARTICLES = frozenset(("the", "der", "den", "dem", "die", "das", "le", "la", "les", "l", "el", "los", "las"))
_BETWEEN_NAMES = frozenset(("in", "at", "near", "with", "and", "im", "mit", "und", "avec", "et", "con"))
"""With a capital letter, as in "Anna In Paris", too, these do not go on a name."""

_FUSED = frozenset(("im", "au", "aux", "du", "del", "al"))  # "in" and an article
_AFTER_A_NAME = re.compile(
    r"\s*(?:$|[,;.!?)\0]|(?:and|or|with|in|on|at|by|und|oder|mit|im|am|auf|et|ou|avec|y|o|con|en)\b)"
)
_SMALL_WORDS = frozenset(
    ("of", "de", "la", "le", "am", "an", "der", "del", "sur", "upon", "do", "da", "di", "el", "les")
)
"""Words within names that begin with a small letter."""

_NEAR = re.compile(
    r"(?<!\w)(?:pres|proche|autour|cerca|alrededor|close|near|next|in\s+der\s+nahe|in\s+the\s+vicinity)\s+$"
)
"""Words before "de", "of", "von" or "to" and a place."""

_STATES = "United States"
_INITIALS = re.compile(r"(?:[A-Z]\.)+[A-Z]")
_SHORTEST = 3  # letters of a place, unless all are capital: US, UK


@dataclass(frozen=True, slots=True)
class SpokenName:
    """A name in a text: text[start:end], with the words before it that belong to it."""

    start: int
    end: int
    kind: Literal["place", "person"]
    name: str  # as it was typed
    people: tuple[str, ...] = ()  # whose name it may be, as the index has them
    places: tuple[Place, ...] = ()


def spoken_names(text: str, find_places: FindPlaces, people: Collection[str]) -> list[SpokenName]:
    """The names in a text in the form NFC, in its order. They do not overlap."""
    return _Reader(text, find_places, people).names()


@dataclass(frozen=True, slots=True)
class _Word:
    start: int
    end: int
    text: str
    plain: str

    @property
    def is_capital(self) -> bool:
        """Whether it begins with a capital letter, or with a letter of a script without capitals."""
        first = self.text[:1]
        return first.isupper() or (first.isalpha() and first.lower() == first.upper())


class _Reader:
    """Reads the names of one text."""

    def __init__(self, text: str, find_places: FindPlaces, people: Collection[str]) -> None:
        self._text = text
        self._find_places = find_places
        self._words = list(_words(text))
        self._people: dict[str, list[str]] = {}
        for name in people:
            whole = _spelt_out(folded(" ".join(name.split())))
            for key in dict.fromkeys((whole, whole.split(" ")[0])):
                self._people.setdefault(key, []).append(name)

    def names(self) -> list[SpokenName]:
        found: list[SpokenName] = []
        first = 0
        while first < len(self._words):
            name, count = self._name(first) or (None, 1)
            if name is not None and (not found or name.start >= found[-1].end):
                found.append(name)
            first += count
        return found

    def _name(self, first: int) -> tuple[SpokenName, int] | None:
        """The longest name that begins with a word, and how many words it has. After "in" it is rather a place."""
        before = [word.plain for word in self._words[max(0, first - 2) : first]]
        is_in = bool(before) and (before[-1] in _IN or (before[-1] in _ARTICLES and before[0] in _IN))
        readers = (self._place, self._person) if is_in else (self._person, self._place)
        for read in readers:
            for count in range(min(_MOST_WORDS, len(self._words) - first), 0, -1):
                if name := read(first, count):
                    return name, count
        return None

    def _person(self, first: int, count: int) -> SpokenName | None:
        words = self._words[first : first + count]
        people = self._people.get(_spelt_out(" ".join(word.plain for word in words)))
        if not people or not self._is_one_piece(words):
            return None
        if count == 1 and (words[0].text[:1].islower() or self._goes_on(first + 1)):  # some scripts have no capitals
            return None
        start = words[0].start
        if first and self._words[first - 1].plain in _WITH and self._is_one_piece(self._words[first - 1 : first + 1]):
            start = self._words[first - 1].start
        name = self._text[words[0].start : words[-1].end]
        return SpokenName(start, self._end(words[-1]), "person", name, people=tuple(people))

    def _end(self, word: _Word) -> int:
        """The end of a name, after the 's of a possessive."""
        match = _POSSESSIVE.match(self._text, word.end)
        return match.end() if match else word.end

    def _place(self, first: int, count: int) -> SpokenName | None:
        words = self._words[first : first + count]
        if not self._is_one_piece(words):
            return None
        start, before = self._before(first)
        name = self._text[words[0].start : words[-1].end]
        if not words[0].is_capital:
            is_here = before == "in" and self._words[first - 1].plain in _HERE
            has_usual_word = any(word.plain in USUAL_WORDS or word.plain in _ARTICLES for word in words)
            if not is_here or has_usual_word or not _AFTER_A_NAME.match(self._text, words[-1].end):
                return None
        elif not all(word.is_capital or word.plain in _SMALL_WORDS for word in words) or not words[-1].is_capital:
            return None
        if len(name) < _SHORTEST and not name.isupper():
            return None
        is_us = name == "US" and not self._text.isupper()
        is_states = name == "States" and self._has_article(first)
        is_usual = all(word.plain in USUAL_WORDS for word in words)
        is_named = words[0].is_capital and (before == "in" or self._names_its_whole(first + count, name))
        if is_usual and not is_us and not is_named:
            return None
        if before in ("", "of") and (self._goes_on(first + count) or (not before and self._is_surname(first))):
            return None
        wanted = _STATES if is_states else name.replace(".", "") if _INITIALS.fullmatch(name) else name
        has_no_city = before == "article" or is_us
        places = tuple(place for place in self._find_places(wanted) if place.kind != "city" or not has_no_city)
        if not places:
            return None
        return SpokenName(start, words[-1].end, "place", name, places=places)

    def _names_its_whole(self, after: int, name: str) -> bool:
        """Whether a comma and a region or country that has a place of this name follow it, as in "Nice, France"."""
        following = self._words[after : after + _MOST_WORDS]
        if not following or self._text[self._words[after - 1].end : following[0].start].strip() != ",":
            return False
        codes = [place.code for place in self._find_places(name)]
        for word in following:
            wholes = self._find_places(self._text[following[0].start : word.end])
            if any(code.startswith(f"{whole.code}/") for whole in wholes for code in codes):
                return True
        return False

    def _before(self, first: int) -> tuple[int, str]:
        """Where a place begins with the words before it, and their kind: "in", "of", "article" (as in "in the"), ""."""
        if first == 0 or not self._is_one_piece(self._words[first - 1 : first + 1]):
            return self._words[first].start, ""
        word = self._words[first - 1]
        if word.plain in _FUSED:
            return word.start, "article"
        if (word.plain in _OF or word.plain == "to") and (near := _NEAR.search(folded(self._text[: word.start]))):
            return near.start(), "in"
        if word.plain in _IN or word.plain in _OF:
            return word.start, "in" if word.plain in _IN else "of"
        if word.plain in _ARTICLES and first > 1 and self._words[first - 2].plain in _IN | _OF:
            return self._words[first - 2].start, "article"
        return self._words[first].start, ""

    def _has_article(self, first: int) -> bool:
        return first > 0 and self._words[first - 1].plain in _ARTICLES

    def _goes_on(self, after: int) -> bool:
        """Whether a name seems to go on, as in "Paris Hilton": the next word has a capital letter, and is no known name."""
        if after == len(self._words):
            return False
        word = self._words[after]
        if not word.text[:1].isupper() or not self._is_one_piece(self._words[after - 1 : after + 1]):
            return False
        if word.plain in _BETWEEN_NAMES:
            return False
        return _spelt_out(word.plain) not in self._people and not self._find_places(word.text)

    def _is_surname(self, first: int) -> bool:
        """Whether a first name is before a word, as in "Jack London", and it is of nobody in the index."""
        if first == 0 or not self._is_one_piece(self._words[first - 1 : first + 1]):
            return False
        word = self._words[first - 1]
        return word.is_capital and word.plain in FIRST_NAMES and word.plain not in self._people

    def _is_one_piece(self, words: Sequence[_Word]) -> bool:
        """Whether only spaces are between words."""
        return all(self._text[one.end : other.start] in (" ", "", "'", "\u2019") for one, other in pairwise(words))


def _spelt_out(plain: str) -> str:
    """A folded text with several letters for one, as "ss" for "ß"."""
    return plain if plain.isascii() else plain.casefold().translate(LETTERS)


def _words(text: str) -> Iterator[_Word]:
    """The words of a text."""
    plain = folded(text)
    for match in _WORD.finditer(plain):
        end = match.end() - plain[match.start() : match.end()].endswith("'")
        yield _Word(match.start(), end, text[match.start() : end], plain[match.start() : end])
