"""Photos counted by year, camera, folder, keyword and the like, from the catalog alone."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Literal, TypeAlias, get_args

from clipsearch._internal.arguments import listed, require_one_of, require_whole
from clipsearch.conditions import Condition, Known, all_of
from clipsearch.indexing.texts import TextCounts, count_texts, reads_text
from clipsearch.store.collection import Collection
from clipsearch.store.image_table import Totals

By: TypeAlias = Literal[
    "year", "month", "camera", "folder", "format", "orientation", "megapixels", "keyword", "person", "rating", "source",
    "place", "region", "country",
]  # fmt: skip

ALL_BY: tuple[By, ...] = get_args(By)
USUAL_BY: tuple[By, ...] = ("year", "camera", "folder", "format")

_IN_ORDER = ("year", "month", "megapixels", "rating")  # sorted by value; all others have the most frequent value first
_MEGAPIXELS = (1, 2, 5, 10, 20, 50)


@dataclass(frozen=True, slots=True)
class ValueCount:
    """The number of photos with a value: "2024", "2024-07", a camera, an absolute folder, "JPEG", "portrait", "5 to 10 MP".

    Keywords and people are as one of the photos has them: upper and lower case are one value. A rating is "-1" (rejected) or
    "1" to "5" (0 stars is unrated), and a source is a DateSource. A place is a city, "Paris, Île-de-France, France"; countries
    are named in English.
    """

    value: str
    images: int


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Photos counted by one property.

    `counts` are in the order of time or size, ratings the best first, or else the most frequent first, and then at most `top`.
    The `other_values` left out have `other_images` photos together; `unknown` photos lack the property. A photo with several
    keywords or people counts for each of them.
    """

    by: By
    counts: tuple[ValueCount, ...]
    other_values: int
    other_images: int
    unknown: int


@dataclass(frozen=True, slots=True)
class Stats(Totals):
    """What is in a collection: its totals, and counts by value."""

    texts_read: int  # photos in which text was looked for (`index --ocr`); 0 if the index does not read text
    with_text: int  # of them, those that hold some
    breakdowns: tuple[Breakdown, ...]


def count_photos(
    collection: Collection,
    by: By | Sequence[By] = USUAL_BY,
    condition: Condition | None = None,
    *,
    top: int = 10,
    depth: int = 1,
) -> Stats:
    """Count the photos that meet a condition, or all.

    Folders are counted `depth` levels below each indexed folder (0: the indexed folders themselves), including everything
    below them. Photos above that level count for the folder they are in. All counts are of one committed state.
    """
    by = _checked(by, top, depth)
    with collection.reading():
        totals = collection.totals(condition)
        breakdowns = tuple(_breakdown(collection, prop, condition, totals.images, top, depth) for prop in by)
        texts = count_texts(collection, condition) if reads_text(collection) else TextCounts(0, 0)
        return Stats(**asdict(totals), texts_read=texts.read, with_text=texts.with_text, breakdowns=breakdowns)


def count_values(
    collection: Collection, by: By | Sequence[By], condition: Condition | None = None, *, top: int = 10, depth: int = 1
) -> tuple[int, dict[By, tuple[ValueCount, ...]]]:
    """How many photos meet a condition, or are there, and how many of them have each value: the counts of `count_photos`.

    It is faster, since it neither counts the photos without a value nor computes totals.
    """
    by = _checked(by, top, depth)
    with collection.reading():
        shown = {prop: _shown(prop, _counts(collection, prop, condition, depth), top)[0] for prop in by}
        return collection.count_of(condition), {prop: _value_counts(pairs) for prop, pairs in shown.items()}


def _checked(by: By | Sequence[By], top: int, depth: int) -> Sequence[By]:
    """The properties to count by, also if one is given alone. QueryError for a value that makes no sense."""
    require_whole("top", top, 1)
    require_whole("depth", depth, 0)
    properties: Sequence[By] = listed(by)
    for name in properties:
        require_one_of("by", name, ALL_BY)
    return properties


def _breakdown(
    collection: Collection, by: By, condition: Condition | None, images: int, top: int, depth: int
) -> Breakdown:
    counts = _counts(collection, by, condition, depth)
    if by == "keyword" or by == "person":
        known = collection.count_of(all_of([Known(by), *([condition] if condition else [])])) if counts else 0
    else:
        known = sum(counts.values())
    shown, rest = _shown(by, counts, top)
    return Breakdown(by, _value_counts(shown), len(rest), sum(count for _, count in rest), images - known)


def _counts(collection: Collection, by: By, condition: Condition | None, depth: int) -> dict[str, int]:
    """How many of the photos that meet a condition have each value."""
    if by == "folder":
        return _by_folder(collection, condition, depth)
    if by == "orientation" or by == "megapixels":
        shapes = collection.count_by("shape", condition)
        name = _orientation if by == "orientation" else _megapixels
        return _sum_by_value((name(width, height), count) for width, height, count in shapes)
    if by == "rating":  # 0 stars is unrated
        return {str(stars): count for stars, count in collection.count_by(by, condition) if stars}
    if by == "place" or by == "region" or by == "country":
        return _sum_by_value((_place_name(code, by), count) for code, count in collection.count_by("place", condition))
    return dict(collection.count_by(by, condition))


def _shown(by: By, counts: dict[str, int], top: int) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Values with their counts in the order of a Breakdown: those that it has, and the others."""
    if by == "megapixels":
        ordered = [(name, counts[name]) for name in _MEGAPIXEL_NAMES if name in counts]
    elif by == "rating":
        ordered = sorted(counts.items(), key=lambda item: int(item[0]), reverse=True)
    elif by in _IN_ORDER:
        ordered = sorted(counts.items())
    else:
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    count = len(ordered) if by in _IN_ORDER else top
    return ordered[:count], ordered[count:]


def _value_counts(pairs: Iterable[tuple[str, int]]) -> tuple[ValueCount, ...]:
    return tuple(ValueCount(value, images) for value, images in pairs)


def _by_folder(collection: Collection, condition: Condition | None, depth: int) -> dict[str, int]:
    roots = collection.roots()
    rows = collection.count_by("folder", condition)
    return _sum_by_value(
        (os.path.join(roots[root_id], *(part for part in os.fsdecode(folder).split("/")[:depth] if part)), count)
        for root_id, folder, count in rows
    )


def _place_name(code: str, by: Literal["place", "region", "country"]) -> str:
    """The name of the city, the region or the country of a place; a code that is not known stays as it is."""
    from clipsearch.gazetteer import names  # few indexes need it

    whole = "/".join(code.split("/")[: {"country": 1, "region": 2, "place": 3}[by]])
    return str(names(whole)) or whole


def _sum_by_value(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for value, count in pairs:
        counts[value] += count
    return dict(counts)


def _orientation(width: int, height: int) -> str:
    return "landscape" if width > height else "portrait" if width < height else "square"


_MEGAPIXEL_NAMES = (
    f"under {_MEGAPIXELS[0]} MP",
    *(f"{low} to {high} MP" for low, high in pairwise(_MEGAPIXELS)),
    f"{_MEGAPIXELS[-1]} MP and more",
)


def _megapixels(width: int, height: int) -> str:
    return _MEGAPIXEL_NAMES[bisect_right(_MEGAPIXELS, width * height / 1e6)]
