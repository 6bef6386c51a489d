"""How long the gazetteer takes: places of points, one by one and together, and places of names; in CPU time.

python benchmarks/measure_places.py
"""

from __future__ import annotations

import time

import numpy as np

from clipsearch.gazetteer import find, nearest, nearest_many
from clipsearch.gazetteer.data import FILE, UNITS_A_DEGREE, gazetteer

SPOTS, POINTS = 3_000, 200_000
SPREAD = 0.02  # degrees around a spot, where photos are taken
NAMES = ("Paris", "München", "Springfield, Illinois", "東京")


def main() -> None:
    """Print microseconds, each measured once, after the file was opened."""
    places, chance = gazetteer(), np.random.default_rng(0)
    spots = chance.integers(0, len(places.array("id")), SPOTS)
    latitude, longitude = (places.array(name)[spots] / UNITS_A_DEGREE for name in ("latitude", "longitude"))
    photos = chance.integers(0, SPOTS, POINTS)
    latitudes = np.clip(latitude[photos] + chance.normal(0, SPREAD, POINTS), -90, 90).tolist()
    longitudes = np.clip(longitude[photos] + chance.normal(0, SPREAD, POINTS), -180, 180).tolist()
    nearest(0.0, 0.0)
    find("Rome")

    start = time.process_time()
    for point in zip(latitudes[:SPOTS], longitudes[:SPOTS], strict=True):
        nearest(*point)
    one_by_one = time.process_time() - start

    start = time.process_time()
    nearest_many(latitudes, longitudes)
    together = time.process_time() - start

    start = time.process_time()
    for name in NAMES * 25:
        find(name)
    by_name = time.process_time() - start
    print(f"a point alone: {1e6 * one_by_one / SPOTS:.0f} us")
    print(f"a point of {POINTS:,} around {SPOTS:,} spots: {1e6 * together / POINTS:.1f} us")
    print(f"a name: {1e6 * by_name / 25 / len(NAMES):.0f} us")
    print(f"the file: {FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
