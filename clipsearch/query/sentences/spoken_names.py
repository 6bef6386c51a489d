"""Find the names of people and places in a sentence: "Anna in Paris", "Hund in Italien", "plage en Espagne".

Only people that the index knows count, and only places that it has photos of: other names stay text. A name needs a capital
letter, or a word such as "in" before it. "Paris, Texas" is one place: it is absent if the index has photos of
another Paris only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias

from clipsearch._internal.letters import LETTERS
from clipsearch.query.negation import may_be_denied
from clipsearch.query.sentences.plain_letters import folded
from clipsearch.query.sentences.short_regions import REGIONS
from clipsearch.query.usual_words import FIRST_NAMES, USUAL_WORDS

if TYPE_CHECKING:
    from clipsearch.gazetteer import Place

FindPlaces: TypeAlias = "Callable[[str], Sequence[Place]]"
"""The places of a name, the largest first. A region or a country may follow: "Paris, Texas"."""

_MOST_WORDS = 5  # of a name
_WORD = re.compile(
    r"[dl]'(?=\w)|[^\W_](?:[\w.-]*\w)?(?:'(?!s\b)\w+)*"
)  # d' and l' are words, and 's is not part of one
_POSSESSIVE = re.compile(r"['\u2019]s\b")
_IN = frozenset(
    ("in", "near", "at", "from", "to", "around", "im", "bei", "aus", "nach", "en", "a", "dans", "vers", "desde")
)
_WAY = frozenset(("from", "to", "a", "aus", "nach", "desde", "vers"))  # "a" is also the English article
_HERE = frozenset(("in", "near", "en", "a", "dans", "im", "au", "aux"))  # these suffice before a name in small letters
_OUTSIDE = frozenset(("outside", "ausserhalb", "hors", "fuera"))  # so do these, which stay in the text
_NOT = frozenset(("not", "nicht"))
_OF = frozenset(("of", "de", "von", "d"))
_WITH = frozenset(("with", "by", "and", "of", "mit", "von", "und", "avec", "et", "de", "d", "con", "y"))
_ARTICLES = frozenset(("the", "der", "den", "dem", "die", "das", "le", "la", "les", "l", "el", "los", "las"))
_JOINING = frozenset(("or", "oder", "ou", "o", "u", "e", "y", "but", "aber", "mais", "pero"))
_BETWEEN_NAMES = frozenset(("in", "at", "near", "with", "and", "im", "mit", "und", "avec", "et", "con"))
"""With a capital letter, as in "Anna In Paris", too, these do not go on a name."""

_LISTED = re.compile(
    r"\s*(?:,\s*)?(?:(?:and|or|und|oder|et|ou|y|o|e|&)\s+)?"
    r"(?P<article>(?:the|der|den|dem|die|das|le|la|les|el|los|las)\s+|l['\u2019])?"
)
"""Between places of a list: "in italy, france and the netherlands"."""

_FUSED = frozenset(("im", "au", "aux", "du", "del", "al"))  # "in" and an article
_AFTER_A_NAME = re.compile(
    r"\s*(?:$|[,;.!?)\0&]|(?:and|or|with|in|on|at|by|und|oder|mit|im|am|auf|et|ou|avec|y|o|con|en)\b)"
)
_SMALL_WORDS = frozenset(
    ("of", "de", "la", "le", "am", "an", "der", "del", "sur", "upon", "do", "da", "di", "el", "les")
)
"""Words within names that begin with a small letter."""

_NEAR = re.compile(
    r"(?<!\w)(?:pres|proche|autour|cerca|alrededor|close|near|next|in\s+der\s+nahe|in\s+the\s+vicinity)\s+$"
)
"""Words before "de", "of", "von" or "to" and a place."""

_IN_WHOLE = re.compile(
    r"\s*(?P<sign>[,(\[/]?)\s*(?P<link>(?:in|im|en|au|aux|dans)\s+)?"
    r"(?:(?:the|der|den|dem|die|le|la|les|el|los|las)\s+|l')?"
)
"""Between a place and the region or country that it is in: "Paris, Texas", "Paris (Texas)", "London in England"."""

_BRACKETS = ("(", "[")
_CLOSING = re.compile(r"\.?\s*[)\]]")
_CUT_SHORT = frozenset(("st", "ste", "mt", "ft"))  # first words of names, which may have a full stop
_AT_AN_END = re.compile(r"\s*(?:$|[,;.)])")
_LONGEST_CODE = 3  # letters: TX, USA
_STATES = "United States"
_STATE = "US/"  # with which the codes of its states begin
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
    is_absent: bool = False  # the index has no photo of the places, but of others that share the name


def spoken_names(
    text: str, find_places: FindPlaces, people: Collection[str], known_places: FindPlaces
) -> list[SpokenName]:
    """The names in a text in the form NFC, in its order. They do not overlap.

    `find_places` gives the places of a name that the index has photos of, and `known_places` all.
    """
    return _Reader(text, find_places, people, known_places).names()


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


@dataclass(frozen=True, slots=True)
class _Reach:
    """How far a place reaches with the regions and countries that follow it."""

    end: int  # in the text
    after: int  # the number of the next word
    name: str  # for the gazetteer: "Paris, Texas"
    places: tuple[Place, ...]
    is_absent: bool = False
    has_sign: bool = False  # a comma or the like is before what follows


class _Reader:
    """Reads the names of one text."""

    def __init__(self, text: str, find_places: FindPlaces, people: Collection[str], known_places: FindPlaces) -> None:
        self._text, self._plain = text, folded(text)
        self._find_places, self._known_places = find_places, known_places
        self._words = list(_words(text))
        self._place_end = -1  # where the place that was found last ends
        self._people: dict[str, list[str]] = {}
        for name in people:
            whole = _spelt_out(folded(" ".join(name.split())))
            for key in dict.fromkeys((whole, whole.split(" ")[0])):
                self._people.setdefault(key, []).append(name)

    def names(self) -> list[SpokenName]:
        found: list[SpokenName] = []
        first = 0
        while first < len(self._words):
            name = self._name(first)
            if name is not None and (not found or name.start >= found[-1].end):
                found.append(name)
                self._place_end = name.end if name.kind == "place" else -1
            first += 1
            while name is not None and first < len(self._words) and self._words[first].start < name.end:
                first += 1
        return self._without_kinds(found)

    def _without_kinds(self, names: Sequence[SpokenName]) -> list[SpokenName]:
        """The names without places that say which kind of thing is in another place: "New York pizza in Rome"."""
        kept: list[SpokenName] = []
        following: SpokenName | None = None
        is_kind = False
        for name in reversed(names):
            if name.kind == "place" and following and self._is_bare(name):
                between = self._text[name.end : following.start]
                is_listed = is_kind and _LISTED.fullmatch(between)  # "Paris and New York pizza in Rome"
                is_kind = bool(is_listed) or (not self._is_bare(following) and self._is_thing(between, following))
            else:
                is_kind = False
            if not is_kind:
                kept.append(name)
            following = name if name.kind == "place" else following
        return kept[::-1]

    def _is_bare(self, name: SpokenName) -> bool:
        """Whether no word such as "in" before a name belongs to it."""
        return self._text.startswith(name.name, name.start)

    def _is_thing(self, between: str, following: SpokenName) -> bool:
        """Whether what is between two places is a thing, which is in the second one."""
        words = between.split()
        is_one = (
            between[1:2].isalpha()
            and len(words) <= _MOST_WORDS
            and all(word.isalpha() and word.islower() for word in words)
        )
        is_joined = any(word in _IN | _OF | _WITH | _JOINING for word in words)
        # "Rome trip from Paris", "Oklahoma player behind a Texas player"
        is_way = self._plain[following.start : following.end].split()[0] in _WAY
        is_elsewhere = is_way or may_be_denied(self._text, following.start, following.end)
        return is_one and not is_joined and not is_elsewhere

    def _name(self, first: int) -> SpokenName | None:
        """The longest name that begins with a word. After "in" it is rather a place."""
        before = [word.plain for word in self._words[max(0, first - 2) : first]]
        is_in = bool(before) and (before[-1] in _IN or (before[-1] in _ARTICLES and before[0] in _IN))
        readers = (self._place, self._person) if is_in else (self._person, self._place)
        for read in readers:
            for count in range(min(_MOST_WORDS, len(self._words) - first), 0, -1):
                if name := read(first, count):
                    return name
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
            is_here = self._is_here(first, start) or self._is_listed(first)
            has_usual_word = any(word.plain in USUAL_WORDS or word.plain in _ARTICLES for word in words)
            if not is_here or has_usual_word or not _AFTER_A_NAME.match(self._text, words[-1].end):
                return None
        elif not all(word.is_capital or word.plain in _SMALL_WORDS for word in words) or not words[-1].is_capital:
            return None
        if len(name) < _SHORTEST and not name.isupper():
            return None
        is_us = name == "US" and not self._text.isupper()
        is_states = name == "States" and self._has_article(first)
        wanted = _STATES if is_states else name.replace(".", "") if _INITIALS.fullmatch(name) else name
        reach = self._reach(wanted, first + count, is_capital=words[0].is_capital)
        is_usual = all(word.plain in USUAL_WORDS for word in words)
        is_last = self._is_listed(first) and _AFTER_A_NAME.match(self._text, words[-1].end)  # "in Rome or Nice"
        is_named = words[0].is_capital and (before == "in" or is_last or (reach.has_sign and not reach.is_absent))
        if is_usual and not is_us and not is_named:
            return None
        if before in ("", "of") and (self._goes_on(reach.after) or (not before and self._is_surname(first))):
            return None
        has_no_city = before == "article" or is_us
        is_country = not words[0].is_capital and (
            before == "article" or self._has_article(first)
        )  # not "in the center"
        places = tuple(
            place
            for place in reach.places
            if place.kind == "country" or not (is_country or (has_no_city and place.kind == "city"))
        )
        if not places:
            return None
        return SpokenName(
            start, reach.end, "place", self._text[words[0].start : reach.end], places=places, is_absent=reach.is_absent
        )

    def _reach(self, name: str, after: int, *, is_capital: bool) -> _Reach:
        """The place of a name, with the regions and countries that it is in, if they follow it."""
        reach = _Reach(self._words[after - 1].end, after, name, tuple(self._find_places(name)))
        while longer := self._longer(reach, is_capital=is_capital):
            reach = longer
        return reach

    def _longer(self, reach: _Reach, *, is_capital: bool) -> _Reach | None:
        """A place with the next region or country, the longest name of it."""
        between = _IN_WHOLE.match(self._plain, reach.end)
        numbers = range(reach.after, min(reach.after + 3, len(self._words)))
        first = next((number for number in numbers if between and self._words[number].start == between.end()), None)
        if between is None or first is None or not (reach.places or (between["sign"] and is_capital)):
            return None  # of "Frankfurt (Oder)", the first word alone may be no place that the index has
        for count in range(min(_MOST_WORDS, len(self._words) - first), 0, -1):
            words = self._words[first : first + count]
            if not self._is_one_piece(words) or not self._may_be_whole(words, between, is_capital=is_capital):
                continue
            end = words[-1].end
            if between["sign"] in _BRACKETS:
                closing = _CLOSING.match(self._text, end)
                if closing is None:
                    continue
                end = closing.end()
            whole = self._text[words[0].start : words[-1].end]
            whole = whole.replace(".", "") if _INITIALS.fullmatch(whole) else whole
            region = self._region(whole, end)
            name, places, is_absent = self._in_whole(reach, region, between, is_short=region != whole)
            if places:
                has_sign = reach.has_sign or bool(between["sign"])
                return _Reach(end, first + count, name, places, is_absent, has_sign)
        return None

    def _may_be_whole(self, words: Sequence[_Word], between: re.Match[str], *, is_capital: bool) -> bool:
        """Whether words may be a region or country by their letters. Codes such as OR may be other words."""
        first, last = words[0], words[-1]
        is_joined = bool(between["sign"] or between["link"])
        is_usual = all(word.plain in USUAL_WORDS | _IN | _OF | _ARTICLES for word in words)
        has_capitals = last.is_capital and (first.is_capital or (not is_joined and first.plain in _SMALL_WORDS))
        if is_capital and not has_capitals and not between["sign"]:
            return False
        if last.end - first.start > _LONGEST_CODE and not _INITIALS.fullmatch(first.text):
            return first.is_capital or not is_usual
        is_code = first.text.isupper() and not self._text.isupper() and (bool(between["sign"]) or not is_usual)
        is_at_end = _AT_AN_END.match(self._text, last.end) is not None
        return is_code or (is_at_end and (first.text.isupper() or not is_usual))

    def _in_whole(
        self, reach: _Reach, whole: str, between: re.Match[str], *, is_short: bool
    ) -> tuple[str, tuple[Place, ...], bool]:
        """The name of a place in a region or country, the places of this name, and whether the index has no photo of them.

        Without places if the two are not one place. A short name, "NY", is never a city.
        """
        name = f"{reach.name}, {whole}"
        known = tuple(self._known_places(name))
        if not known and between["sign"] != "," and not between["link"]:  # "Frankfurt (Oder)", "Frankfurt am Main"
            name = f"{reach.name} {whole}"
            known = tuple(self._known_places(name))
        if places := tuple(self._find_places(name)):
            return name, places, False
        is_section = bool(known) and known[0].kind == "section"  # "Soho, London"
        if known and not is_section and not reach.places and self._is_around(whole):  # "Munich, Germany"
            return name, known, True
        if not reach.places or (between["sign"] == "," and between["link"]):  # "in Paris, in Texas"
            return name, (), False
        wholes = self._find_places(whole)
        if known:
            is_list = not is_short and self._may_be_list(reach.places, wholes, known)
            return name, () if is_list else known, True
        if reach.is_absent:  # "Zurich, Kansas, USA"
            around = self._known_places(whole)
            is_in = any(_is_within(place.code, other.code) for place in reach.places for other in around)
            return name, reach.places if is_in else (), True
        is_list = not between["sign"] or (bool(wholes) and not is_short)
        return name, () if is_list else self._small_town(reach, whole, is_short=is_short), True

    def _region(self, whole: str, end: int) -> str:
        """The full name of a state or province, "Massachusetts" for "Mass."; other names stay as they are."""
        if len(whole) == 2:  # also "ny", which `_may_be_whole` takes only at an end
            return REGIONS.get(whole.upper(), whole)
        is_short = whole.isupper() or self._text[end : end + 1] in (".", "")  # without the full stop, it may be a word
        return REGIONS.get(whole, whole) if is_short else whole

    def _is_around(self, whole: str) -> bool:
        """Whether a name is that of a region or country."""
        return any(place.kind in ("region", "country") for place in self._known_places(whole))

    def _may_be_list(self, places: Sequence[Place], others: Sequence[Place], joint: Sequence[Place]) -> bool:
        """Whether two names may be two places that the index has photos of: "Rome, New York", "California, Mexico"."""
        cities = [other.code for other in others if other.kind == "city"]
        if any(not _is_within(place.code, city) for city in cities for place in joint[:1]):
            return True
        return bool(others) and places[0].kind != "city" and joint[0].kind == "city"

    def _small_town(self, reach: _Reach, whole: str, *, is_short: bool) -> tuple[Place, ...]:
        """A town that is too small for the gazetteer, "Zurich, Kansas": Americans name the state after a comma."""
        found = self._known_places(whole)
        if not found or found[0].kind != "region" or not found[0].code.startswith(_STATE):
            return ()
        state = found[0]
        name = state.label.partition(",")[0]
        is_city_too = not is_short and any(
            _is_within(place.code, state.code) and place.label.startswith(name) for place in found
        )
        if is_city_too or not any(place.kind == "city" for place in reach.places):  # "Paris, New York" are two cities
            return ()
        return (state._replace(label=f"{reach.name}, {state.label}"),)

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

    def _is_here(self, first: int, start: int) -> bool:
        """Whether words before a name in small letters say that it is a place: "in the netherlands", "outside rome"."""
        number = next(number for number, word in enumerate(self._words) if word.start >= start)
        opening = self._words[number].plain if number < first else ""
        previous = self._words[number - 1].plain if number else ""
        is_denied = previous in _NOT and opening in _IN  # "not from rome"
        return opening in _HERE or is_denied or (previous in _OUTSIDE and (not opening or opening in _OF))

    def _is_listed(self, first: int) -> bool:
        """Whether a word follows a place in a list of places."""
        start = self._words[first].start
        between = self._plain[self._place_end : start] if 0 <= self._place_end < start else ""
        return bool(between.strip()) and _LISTED.fullmatch(between) is not None

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
        """Whether a first name that no person in the index has is before a word, as in "Jack London"."""
        if first == 0 or not self._is_one_piece(self._words[first - 1 : first + 1]):
            return False
        word = self._words[first - 1]
        return word.is_capital and word.plain in FIRST_NAMES and word.plain not in self._people

    def _is_one_piece(self, words: Sequence[_Word]) -> bool:
        """Whether only spaces are between words, or a full stop after a word that is cut short, as in "St. Louis"."""
        return all(
            self._text[one.end : other.start] in (" ", "", "'", "\u2019")
            or (one.plain in _CUT_SHORT and self._text[one.end : other.start] == ". ")
            for one, other in pairwise(words)
        )


def _is_within(code: str, whole: str) -> bool:
    return code.startswith(f"{whole}/")


def _spelt_out(plain: str) -> str:
    """A folded text with several letters for one, as "ss" for "ß"."""
    return plain if plain.isascii() else plain.casefold().translate(LETTERS)


def _words(text: str) -> Iterator[_Word]:
    """The words of a text."""
    plain = folded(text)
    for match in _WORD.finditer(plain):
        end = match.end() - plain[match.start() : match.end()].endswith("'")
        yield _Word(match.start(), end, text[match.start() : end], plain[match.start() : end])
