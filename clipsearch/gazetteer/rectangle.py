"""The largest cities in a part of a map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clipsearch.gazetteer.data import UNITS_A_DEGREE, gazetteer

_COLUMNS, _ROWS = 8, 6
_MANY, _LARGE = 10_000, 100_000  # of so many cities, only those with so many inhabitants are looked at
_OF_A_CELL = 4  # the most cities of one of the cells that a rectangle is divided into


@dataclass(frozen=True, slots=True)
class MapName:
    """A city, as a map has it: its middle in degrees, and how many live there, 0 if that is not known."""

    name: str
    latitude: float
    longitude: float
    population: int


def largest_within(south: float, west: float, north: float, east: float, most: int) -> list[MapName]:
    """The largest cities and sections of cities in a rectangle (degrees), `most` of them at most, the largest first.

    They are spread over it: a crowded part has no more than its share. If `west` is above `east`, it crosses the date line.
    """
    places = gazetteer()
    latitude, longitude = places.array("latitude"), places.array("longitude")
    low, high = (round(edge * UNITS_A_DEGREE) for edge in (south, north))
    left, right = (round(edge * UNITS_A_DEGREE) for edge in (west, east))
    beside = (longitude >= left) & (longitude <= right) if left <= right else (longitude >= left) | (longitude <= right)
    rows = np.flatnonzero((latitude >= low) & (latitude <= high) & beside)
    if len(rows) > _MANY:
        rows = rows[places.array("population")[rows] >= _LARGE]
    population = places.array("population")[rows].astype(np.int64)
    width, turn = right - left if left <= right else right - left + 360 * UNITS_A_DEGREE, 360 * UNITS_A_DEGREE
    column = (longitude[rows].astype(np.int64) - left) % turn * _COLUMNS // (width + 1)
    row = (latitude[rows].astype(np.int64) - low) * _ROWS // (high - low + 1)
    cell = row * _COLUMNS + column
    order = np.lexsort((rows, -population, cell))
    first = np.searchsorted(cell[order], cell[order])  # of each cell, where it begins in the order
    kept = order[np.arange(len(order)) - first < _OF_A_CELL]
    kept = kept[np.lexsort((rows[kept], -population[kept]))][:most]
    names = places.texts("city_name")
    return [
        MapName(
            names[int(rows[place])],
            int(latitude[rows[place]]) / UNITS_A_DEGREE,
            int(longitude[rows[place]]) / UNITS_A_DEGREE,
            int(population[place]),
        )
        for place in kept.tolist()
    ]
