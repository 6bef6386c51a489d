"""Names of places, without a network: which city is nearest, what it is called, and where a name is.

A code such as "FR/11/2988507" stands for a country (ISO 3166-1), a region (GeoNames' admin1) and a city (GeoNames' id). A
section of a city has its own id behind that. A beginning of a code stands for all places within: "FR/11" is a region, "FR" a
country.
The file is opened when it is first needed. Its data are from GeoNames (CC BY 4.0) and Unicode CLDR; see SOURCES.md beside it.
"""

from clipsearch.gazetteer.data import VERSION
from clipsearch.gazetteer.nearest import CITY_KM, COUNTRY_KM, nearest, nearest_many, place_of
from clipsearch.gazetteer.place_names import (
    Place,
    PlaceName,
    find,
    label,
    names,
    names_one_slip_away,
    near_spellings,
    texts,
)
from clipsearch.gazetteer.rectangle import MapName, largest_within

__all__ = [
    "CITY_KM",
    "COUNTRY_KM",
    "VERSION",
    "MapName",
    "Place",
    "PlaceName",
    "find",
    "label",
    "largest_within",
    "names",
    "names_one_slip_away",
    "near_spellings",
    "nearest",
    "nearest_many",
    "place_of",
    "texts",
]
