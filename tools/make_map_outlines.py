"""Make the fine outlines of the page's map: `python tools/make_map_outlines.py countries-10m.json`.

The input is Natural Earth's countries (public domain, naturalearthdata.com), 1:10m, as TopoJSON: that of the npm package
world-atlas 2.0.2 (`npm pack world-atlas`).
The output is clipsearch/server/static/map-outlines.bin, of lines that are read one after the other:

    1 for a ring of land or 0 for a border of countries, the number of points, and for each point two differences

The first point of a line is a difference to (0, 0). Numbers are integers of LEB128, and differences are zigzag. Units are
UNITS_A_DEGREE, longitude and then latitude. A ring that crosses the 180th meridian goes on beyond it.
"""

from __future__ import annotations

import heapq
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

UNITS_A_DEGREE = 400
SMALLEST_TRIANGLE = (
    0.0001  # square degrees; a point that makes a smaller one with its neighbours is left out (Visvalingam)
)
SMALLEST_ISLAND = 0.0004  # square degrees
OUT = Path(__file__).parents[1] / "clipsearch" / "server" / "static" / "map-outlines.bin"

Point = tuple[float, float]


def main() -> None:
    """Read the countries and write the outlines."""
    topology = json.loads(Path(sys.argv[1]).read_text())
    arcs = [simplified(arc) for arc in decoded(topology)]
    data = bytearray()
    rings = [
        ring
        for ring in (unwrapped(joined(arcs, ring)) for ring in rings_of(topology["objects"]["land"]))
        if is_large(ring)
    ]
    for ring in rings:
        put(data, 1, ring)
    borders = [arcs[number] for number in shared_arcs(topology["objects"]["countries"])]
    for border in borders:
        put(data, 0, unwrapped(border))
    OUT.write_bytes(data)
    points = sum(map(len, rings)), sum(map(len, borders))
    print(f"{len(rings)} rings and {len(borders)} borders, {points[0]} and {points[1]} points, {len(data)} bytes")


def decoded(topology: dict) -> Iterator[list[Point]]:
    """The arcs in degrees."""
    (scale_x, scale_y), (left, bottom) = topology["transform"]["scale"], topology["transform"]["translate"]
    for arc in topology["arcs"]:
        x = y = 0
        points = []
        for dx, dy in arc:
            x, y = x + dx, y + dy
            points.append((x * scale_x + left, y * scale_y + bottom))
        yield points


def simplified(line: list[Point]) -> list[Point]:
    """A line without points that hardly change its shape. Its ends stay."""
    before, after = list(range(-1, len(line) - 1)), list(range(1, len(line) + 1))

    def area(place: int) -> float:
        (ax, ay), (bx, by), (cx, cy) = line[before[place]], line[place], line[after[place]]
        return abs((bx - ax) * (cy - ay) - (cx - ax) * (by - ay)) / 2

    areas = {place: area(place) for place in range(1, len(line) - 1)}
    heap = [(size, place) for place, size in areas.items()]
    heapq.heapify(heap)
    while heap:
        size, place = heapq.heappop(heap)
        if areas.get(place) != size:
            continue
        if size >= SMALLEST_TRIANGLE:
            break
        del areas[place]
        after[before[place]], before[after[place]] = after[place], before[place]
        for other in (before[place], after[place]):
            if other in areas:
                areas[other] = max(size, area(other))
                heapq.heappush(heap, (areas[other], other))
    return [line[0], *(line[place] for place in sorted(areas)), line[-1]]


def rings_of(thing: dict) -> Iterator[list[int]]:
    """The rings of a geometry, as numbers of arcs."""
    if thing["type"] == "GeometryCollection":
        for geometry in thing["geometries"]:
            yield from rings_of(geometry)
    elif thing["type"] == "Polygon":
        yield from thing["arcs"]
    elif thing["type"] == "MultiPolygon":
        for polygon in thing["arcs"]:
            yield from polygon


def joined(arcs: list[list[Point]], numbers: list[int]) -> list[Point]:
    """Arcs, one after the other; the complement of a number is the arc from its end."""
    points: list[Point] = []
    for number in numbers:
        arc = arcs[number] if number >= 0 else arcs[~number][::-1]
        points += arc[1:] if points else arc
    return points


def shared_arcs(countries: dict) -> list[int]:
    """The arcs that two countries have in common."""
    counts = Counter(number if number >= 0 else ~number for ring in rings_of(countries) for number in ring)
    return sorted(number for number, count in counts.items() if count > 1)


def unwrapped(points: list[Point]) -> list[Point]:
    """A line without jumps at the 180th meridian. Around the South Pole it is closed below the map."""
    turn, last, whole = 0, points[0][0], []
    for x, y in points:
        turn += 360 * round((last - x) / 360)
        whole.append((x + turn, y))
        last = x
    if abs(whole[-1][0] - whole[0][0]) > 180:
        whole += [(whole[-1][0], -89.0), (whole[0][0], -89.0)]
    return whole


def is_large(ring: list[Point]) -> bool:
    """Whether a ring is larger than the smallest island."""
    area = sum(ax * by - bx * ay for (ax, ay), (bx, by) in zip(ring, ring[1:] + ring[:1], strict=True)) / 2
    return abs(area) >= SMALLEST_ISLAND


def put(data: bytearray, kind: int, points: list[Point]) -> None:
    """Append a line."""
    whole = [(round(x * UNITS_A_DEGREE), round(y * UNITS_A_DEGREE)) for x, y in points]
    whole = [point for place, point in enumerate(whole) if place == 0 or point != whole[place - 1]]
    for number in (kind, len(whole)):
        put_number(data, number)
    last = (0, 0)
    for x, y in whole:
        for difference in (x - last[0], y - last[1]):
            put_number(data, difference * 2 if difference >= 0 else -difference * 2 - 1)
        last = x, y


def put_number(data: bytearray, number: int) -> None:
    """Append a number."""
    while number > 127:
        data.append(number & 127 | 128)
        number >>= 7
    data.append(number)


if __name__ == "__main__":
    main()
