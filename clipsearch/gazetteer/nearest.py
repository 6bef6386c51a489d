"""From coordinates to the code of a place: that of the nearest city."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from clipsearch.gazetteer.data import BANDS_A_DEGREE, UNITS_A_DEGREE, Gazetteer, gazetteer

CITY_KM = 100.0
"""A photo is from the nearest city if that is at most so far away."""
COUNTRY_KM = 300.0
"""A photo farther from any city is still from a country, if all cities within this distance belong to it."""
_EARTH_KM = 6371.0088  # mean radius, IUGG
_KM_A_DEGREE = _EARTH_KM * math.pi / 180
_REACHES = (5.0, 25.0, CITY_KM)  # km: cities are looked for nearby first
_CELLS_A_DEGREE = 16  # points in one cell are looked up together


@lru_cache(maxsize=4_096)  # photos are often taken where the one before was
def nearest(latitude: float, longitude: float) -> str | None:
    """The code of the place at a point (degrees, WGS 84): that of the nearest city, "FR/11/2988507".

    The code of a section of a city has its own id behind that of the city. A point more than CITY_KM from any city has only
    the code of a country. It is None if that is unclear: no city within COUNTRY_KM, or cities of several countries.
    ValueError if a coordinate is out of range.
    """
    return nearest_many([latitude], [longitude])[0]


def place_of(gps: tuple[float, float] | None) -> str | None:
    """The code of the place at (latitude, longitude); None without a point, or if a coordinate is out of range."""
    if gps is None or not (abs(gps[0]) <= 90 and abs(gps[1]) <= 180):
        return None
    return nearest(*gps)


def nearest_many(latitudes: Sequence[float], longitudes: Sequence[float]) -> list[str | None]:
    """The code of each point, as `nearest` has it. Points that are close together are looked up together."""
    places = gazetteer()
    latitude, longitude = np.asarray(latitudes, np.float64), np.asarray(longitudes, np.float64)
    if not (np.all(np.abs(latitude) <= 90) and np.all(np.abs(longitude) <= 180)):  # also false for NaN
        raise ValueError("latitudes go from -90 to 90 degrees, longitudes from -180 to 180")
    if len(latitude) == 1:
        return _of_group(places, latitude, longitude)
    cells = np.floor(latitude * _CELLS_A_DEGREE).astype(np.int64) * 8192 + np.floor(longitude * _CELLS_A_DEGREE).astype(
        np.int64
    )
    order = np.argsort(cells, kind="stable")
    codes: list[str | None] = [None] * len(latitude)
    for group in np.split(order, np.flatnonzero(np.diff(cells[order])) + 1):
        if len(group):
            of_group = _of_group(places, latitude[group], longitude[group])
            for number, code in zip(group.tolist(), of_group, strict=True):
                codes[number] = code
    return codes


def _of_group(places: Gazetteer, latitude: NDArray[np.float64], longitude: NDArray[np.float64]) -> list[str | None]:
    """The codes of points that are close together."""
    codes: list[str | None] = [None] * len(latitude)
    box = float(latitude.min()), float(latitude.max()), float(longitude.min()), float(longitude.max())
    points, cities = _unit_vectors(latitude, longitude), _cities()
    left = list(range(len(latitude)))
    for reach in _REACHES:
        cosine, row = np.full(len(left), -1.0), np.zeros(len(left), np.int64)
        for rows in _rows_around(places, box, reach):
            cosines = points @ cities[rows].T
            best = cosines.argmax(axis=1)
            highest = cosines[np.arange(len(left)), best]
            closer = highest > cosine
            cosine[closer], row[closer] = highest[closer], best[closer] + rows.start
        near = cosine >= math.cos(reach / _EARTH_KM)
        for number in np.flatnonzero(near).tolist():
            codes[left[number]] = places.code_of(int(row[number]))
        left = [number for number, is_near in zip(left, near.tolist(), strict=True) if not is_near]
        if not left:
            return codes
        points = points[~near]
    for number, point in zip(left, points, strict=True):
        codes[number] = _only_country(places, point, _rows_around(places, box, COUNTRY_KM))
    return codes


def _unit_vectors(latitude: NDArray[np.float64], longitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points on a sphere as float64, (n, 3)."""
    a, b = np.radians(latitude), np.radians(longitude)
    vectors = np.empty((len(a), 3))
    vectors[:, 0], vectors[:, 1], vectors[:, 2] = np.cos(a) * np.cos(b), np.cos(a) * np.sin(b), np.sin(a)
    return vectors


@cache
def _cities() -> NDArray[np.float64]:
    """The unit vectors of all cities."""
    places = gazetteer()
    return _unit_vectors(places.array("latitude") / UNITS_A_DEGREE, places.array("longitude") / UNITS_A_DEGREE)


def _rows_around(places: Gazetteer, box: tuple[float, float, float, float], km: float) -> list[slice]:
    """The rows of all cities that may be so near to a point between south and north, west and east."""
    reach = km / _KM_A_DEGREE * 1.001  # degrees, with room for rounding
    south, north, west, east = box[0] - reach, box[1] + reach, box[2], box[3]
    highest = max(abs(south), abs(north))
    if highest < 89:
        # How far a circle reaches sideways, where the meridians are closest.
        sideways = math.degrees(math.asin(min(1.0, math.sin(math.radians(reach)) / math.cos(math.radians(highest)))))
        west, east = west - sideways, east + sideways
    if highest >= 89 or east - west >= 360:
        parts = [(-180.0, 180.0)]
    elif west < -180:
        parts = [(west + 360, 180.0), (-180.0, east)]
    elif east > 180:
        parts = [(west, 180.0), (-180.0, east - 360)]
    else:
        parts = [(west, east)]
    longitudes = places.array("longitude")
    first = max(0, math.floor((south + 90) * BANDS_A_DEGREE))
    last = min(len(places.band) - 2, math.floor((north + 90) * BANDS_A_DEGREE))
    slices = []
    for band in range(first, last + 1):
        start, end = places.band[band], places.band[band + 1]
        for left, right in parts:
            low = bisect_left(longitudes, math.floor(left * UNITS_A_DEGREE), start, end)
            high = bisect_right(longitudes, math.ceil(right * UNITS_A_DEGREE), low, end)
            if low < high:
                slices.append(slice(low, high))
    return slices


def _only_country(places: Gazetteer, point: NDArray[np.float64], slices: list[slice]) -> str | None:
    """The country of all cities that are at most COUNTRY_KM away; None if there are several countries, or no cities."""
    region_of, cities = places.array("region"), _cities()
    near = [region_of[rows][cities[rows] @ point >= math.cos(COUNTRY_KM / _EARTH_KM)] for rows in slices]
    regions = np.unique(np.concatenate(near)).tolist() if near else []
    countries = {places.texts("region_code")[region][:2] for region in regions}
    return countries.pop() if len(countries) == 1 else None
