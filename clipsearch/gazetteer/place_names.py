"""From codes of places to their names, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal, NamedTuple

import numpy as np

from clipsearch.gazetteer.data import CITY, COUNTRY, KIND_SHIFT, REGION, Gazetteer, gazetteer
from clipsearch.gazetteer.folding import fold

_ROW = (1 << KIND_SHIFT) - 1
_SPELLINGS = {"st": ("saint", "sankt", "sint"), "ste": ("sainte",), "mt": ("mount",), "ft": ("fort",)}
"""The first words of names, short and in full."""
_FAMOUS = 10
"""A city's other name, as Paris is of Parys, does not count if another place of that name has so many times its inhabitants."""
_LONGEST_NAME = 200  # characters; longer texts are not looked up
_COMPARED = 20  # similar names, of which those with the fewest mistakes are suggested
_SUGGESTED_FROM = 50_000  # inhabitants of a city that is suggested for a name that is not known
_SUGGESTED_BY_OTHER_NAMES_FROM = 200_000  # and of one whose names in other languages are compared, too
_MOST_MISTAKES = 2  # letters that a name in another language may have too many or too few

Kind = Literal["city", "section", "region", "country"]


@dataclass(frozen=True, slots=True)
class PlaceName:
    """What a code stands for. What it does not say, or the gazetteer does not know, is None."""

    city: str | None
    region: str | None
    country: str | None
    section: str | None = None  # a quarter, borough or suburb of the city

    def __str__(self) -> str:
        """For people: "Paris, Île-de-France, France"."""
        parts = (self.city, None if self.region == self.city else self.region, self.country)
        return ", ".join(part for part in parts if part)


class Place(NamedTuple):
    """A place that has a name."""

    code: str  # a photo is from there if its code is this one, or begins with this one and "/"
    kind: Kind
    label: str  # for people: "Paris, Texas, United States"


@lru_cache(maxsize=65_536)
def names(code: str, language: str | None = None) -> PlaceName:
    """The names of a place, region or country by its code.

    Countries and regions are named in a language, "de", if the gazetteer has that name, else in English. Cities are named as
    GeoNames names them: in English if there is an English name, else as people there do. A code that is not known has no names.
    """
    places = gazetteer()
    country, region, city, section, *_ = (*code.split("/"), "", "", "", "")
    return PlaceName(
        _city_name(places, city),
        _region_name(places, f"{country}/{region}", language) if region else None,
        _country_name(places, country, language),
        _city_name(places, section),
    )


def label(code: str) -> str:
    """What a code stands for, for people: "Paris, Texas, United States"; the code itself if it is not known."""
    name = names(code)
    return ", ".join(filter(None, (name.section, str(name)))) or code


@lru_cache(maxsize=65_536)
def texts(code: str) -> tuple[str, ...]:
    """The names for a full-text index: of the section, city, region and country, in English and as people there say."""
    places = gazetteer()
    own = _own_language(places, code[:2])
    english, local = names(code), names(code, own)
    region = places.texts("region_own_name")[number] if (number := _region_row(places, code)) is not None else None
    found = (english.section, english.city, english.region, local.region, region, english.country, local.country)
    return tuple(dict.fromkeys(text for text in found if text))


def find(name: str) -> list[Place]:
    """All places of a name, those with most inhabitants first.

    Case, accents and punctuation are ignored, and the name may be in any language that the gazetteer has. A region or a country
    may follow, by its name or code: "Paris, Texas", "Springfield, IL". Empty if no place has this name.
    """
    if len(name) > _LONGEST_NAME:
        return []
    first, *others = [part for part in name.split(",") if part.strip()] or [""]
    found = _of_name(first)
    for other in others:
        around = {place.code for place in _of_name(other, codes=True)}
        found = [place for place in found if any(_contains(whole, place.code) for whole in around)]
    words = name.split()
    if not found and not others and len(words) > 1:  # "Paris Texas"
        for end in range(len(words) - 1, 0, -1):
            if found := find(f"{' '.join(words[:end])}, {' '.join(words[end:])}"):
                break
    return found


def near_spellings(name: str, limit: int = 3, codes: Iterable[str] = ()) -> list[str]:
    """Names of larger places that are spelled like a name that is not known: fewest mistakes first, then most inhabitants.

    Those of the places with these codes, and of their regions and countries, come before all others.
    """
    import difflib  # few queries need it

    places, wanted = gazetteer(), fold(name.partition(",")[0])
    if not wanted or len(name) > _LONGEST_NAME:
        return []
    # A name → the inhabitants and the usual name of the largest place that has it.
    candidates: dict[str, tuple[int, str]] = {}
    labels = [places.texts(kind) for kind in ("city_name", "region_name", "country_name")]
    people = [places.array(kind).tolist() for kind in ("population", "region_population", "country_population")]
    for key, kind, row in (*_usual_names(places), *_other_names(places, wanted)):
        if label := labels[kind][row]:
            candidates[key] = max(candidates.get(key, (-1, "")), (people[kind][row], label))
    close = difflib.get_close_matches(wanted, candidates, _COMPARED, 0.75)
    close.sort(key=lambda key: (_mistakes(wanted, key), -candidates[key][0]))
    own = {fold(text): text for code in codes for text in texts(code)}
    first = sorted(difflib.get_close_matches(wanted, own, _COMPARED, 0.75), key=lambda key: _mistakes(wanted, key))
    named = [own[key] for key in first] + [candidates[key][1] for key in close if key not in first]
    return list(dict.fromkeys(named))[:limit]


def names_one_slip_away(name: str, codes: Iterable[str]) -> list[str]:
    """The names of places with these codes, and of their regions and countries, that differ from a name by one slip.

    A slip is a letter that is missing, too much or wrong, or two that are swapped. Empty if there is a place of the name.
    """
    wanted = fold(name)
    if not wanted or len(name) > _LONGEST_NAME or find(name):
        return []
    own: dict[str, str] = {}
    for text in (text for code in codes for text in texts(code)):
        own.setdefault(fold(text), text)  # the first codes are those of most photos
    return [text for key, text in own.items() if abs(len(key) - len(wanted)) < 2 and _mistakes(wanted, key) == 1]


def _usual_names(places: Gazetteer) -> Iterator[tuple[str, int, int]]:
    """The folded names of larger cities, of regions and of countries, with their kinds and rows."""
    cities = np.flatnonzero(places.array("population") >= _SUGGESTED_FROM).tolist()
    regions, countries = (range(len(places.texts(kind))) for kind in ("region_code", "country_code"))
    for kind, rows in ((CITY, cities), (REGION, regions), (COUNTRY, countries)):
        labels = places.texts(("city_name", "region_name", "country_name")[kind])
        yield from ((fold(labels[row]), kind, row) for row in rows if labels[row])


def _other_names(places: Gazetteer, wanted: str) -> Iterator[tuple[str, int, int]]:
    """The folded names in other languages, "munchen", of large cities, of regions and of countries.

    Only those of about the wanted length, and with its first letter: there are too many to compare all.
    """
    keys, key_place = places.texts("key"), places.array("key_place")
    kinds, rows = key_place >> KIND_SHIFT, key_place & _ROW
    population = places.array("population")
    is_large = (kinds != CITY) | (population[np.where(kinds == CITY, rows, 0)] >= _SUGGESTED_BY_OTHER_NAMES_FROM)
    for position, kind, row in zip(
        np.flatnonzero(is_large).tolist(), kinds[is_large].tolist(), rows[is_large].tolist(), strict=True
    ):
        key = keys[position]
        if key[:1] == wanted[0] and abs(len(key) - len(wanted)) <= _MOST_MISTAKES:
            yield key, kind, row


def _mistakes(typed: str, meant: str) -> int:
    """How many letters are missing, too many, wrong, or swapped with the next: the optimal string alignment distance."""
    before, last = list[int](), list(range(len(meant) + 1))
    for row, letter in enumerate(typed, 1):
        this = [row]
        for column, other in enumerate(meant, 1):
            fewest = min(last[column] + 1, this[-1] + 1, last[column - 1] + (letter != other))
            if row > 1 and column > 1 and (letter, typed[row - 2]) == (meant[column - 2], other):
                fewest = min(fewest, before[column - 2] + 1)
            this.append(fewest)
        before, last = last, this
    return last[-1]


def _contains(whole: str, code: str) -> bool:
    return code != whole and code.startswith(f"{whole}/")


def _of_name(name: str, *, codes: bool = False) -> list[Place]:
    """The places of a name alone; also of a code such as "TX" or "US", if `codes`."""
    places, key = gazetteer(), fold(name)
    if not key:
        return []
    first, _, rest = key.partition(" ")
    spellings = [key, *(f"{word} {rest}" for word in _SPELLINGS.get(first, ()) if rest)]
    found: dict[tuple[int, int], int] = {}
    by_other_name: dict[tuple[int, int], int] = {}
    for spelling in (*spellings, f"={key}") if codes else spellings:
        for kind, row, is_usual in _rows_of(places, spelling):
            (found if is_usual else by_other_name).setdefault((kind, row), _population(places, kind, row))
    most = max([*found.values(), *by_other_name.values()], default=0)
    found |= {entry: people for entry, people in by_other_name.items() if people * _FAMOUS >= most}
    ordered = sorted(found, key=lambda entry: (-found[entry], entry))
    return [_place(places, kind, row) for kind, row in ordered]


def _rows_of(places: Gazetteer, key: str) -> Iterator[tuple[int, int, bool]]:
    """The kinds and rows of the places that have a folded name, and whether that is their usual name."""
    by_name, city_name = places.array("by_name"), places.texts("city_name")
    position = _first(len(by_name), lambda middle: fold(city_name[int(by_name[middle])]) < key)
    while position < len(by_name) and fold(city_name[int(by_name[position])]) == key:
        yield CITY, int(by_name[position]), True
        position += 1
    keys, key_place = places.texts("key"), places.array("key_place")
    position = _first(len(keys), lambda middle: keys[middle] < key)
    while position < len(keys) and keys[position] == key:
        kind, row = int(key_place[position]) >> KIND_SHIFT, int(key_place[position]) & _ROW
        yield kind, row, kind != CITY
        position += 1


def _first(length: int, is_before: Callable[[int], bool]) -> int:
    """The first position of a sorted sequence that does not come before a value."""
    low, high = 0, length
    while low < high:
        middle = (low + high) // 2
        if is_before(middle):
            low = middle + 1
        else:
            high = middle
    return low


def _population(places: Gazetteer, kind: int, row: int) -> int:
    return int(places.array(("population", "region_population", "country_population")[kind])[row])


def _place(places: Gazetteer, kind: int, row: int) -> Place:
    if kind == COUNTRY:
        code = places.texts("country_code")[row]
        return Place(code, "country", label(code))
    if kind == REGION:
        code = places.texts("region_code")[row]
        return Place(code, "region", label(code))
    code = places.code_of(row)
    return Place(code, "section" if code.count("/") == 3 else "city", label(code))


def _city_name(places: Gazetteer, city: str) -> str | None:
    row = places.row_of(int(city)) if city.isascii() and city.isdigit() else None
    return None if row is None else places.texts("city_name")[row]


def _region_row(places: Gazetteer, code: str) -> int | None:
    return _rows_by_code("region_code").get("/".join(code.split("/")[:2]))


def _region_name(places: Gazetteer, code: str, language: str | None) -> str | None:
    row = _region_row(places, code)
    if row is None:
        return None
    if language and language == _own_language(places, code[:2]) and (name := places.texts("region_own_name")[row]):
        return name
    return _in_language(places.region_languages, "region", row, language)


def _country_name(places: Gazetteer, code: str, language: str | None) -> str | None:
    row = _rows_by_code("country_code").get(code)
    return None if row is None else _in_language(places.languages, "country", row, language)


def _in_language(languages: list[str], kind: str, row: int, language: str | None) -> str | None:
    """A name in a language, else in English, which is the first one."""
    texts, count = gazetteer().texts(f"{kind}_name"), len(_rows_by_code(f"{kind}_code"))
    in_language = texts[languages.index(language) * count + row] if language in languages else ""
    return in_language or texts[row] or None


def _own_language(places: Gazetteer, country: str) -> str:
    row = _rows_by_code("country_code").get(country)
    return "" if row is None else places.texts("country_language")[row]


@cache
def _rows_by_code(kind: str) -> dict[str, int]:
    codes = gazetteer().texts(kind)
    return {codes[row]: row for row in range(len(codes))}
