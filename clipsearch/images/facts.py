"""Facts about a photo from several sources, and which of them count. Reads no files.

A date counts in the order of _DATES. Texts, the rating and the label are those of the sidecar, because a photo manager wrote
them last; otherwise those in the photo, and then of the other sources. Keywords and names are collected from all sources.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from clipsearch.types import DateSource, ImageInfo, clean_caption

MOST_KEYWORDS = 1000
"""Keywords that are kept of a photo, and as many names of people."""

LONGEST_KEYWORD = 200
"""Characters of a keyword, a name or a label that are kept."""

_DEFAULTS = re.compile(
    r"olympus digital camera|om system(?: digital camera)?|sony dsc|default|dcim\\.*|exif[_ ]jpeg.*|screenshot|untitled|dsc"
    r"|(?:konica minolta |minolta |konica |kodak |samsung |nikon |casio |ricoh |pentax |sanyo )?digital ?(?:still ?)?camera"
    r"|created (?:with|by|in) (?:the )?gimp.*|user comments?|<?unknown>?|<?none>?|null|my beautiful picture|[\W_]*",
    re.IGNORECASE,
)
"""What cameras and programs write in place of a description, without being asked."""

T = TypeVar("T")

_DATES: tuple[DateSource, ...] = ("exif", "container", "sidecar", "xmp", "iptc", "takeout", "changed", "name", "file")


@dataclass(frozen=True, slots=True)
class Facts:
    """What one source says about a photo. Texts are cleaned by `clean_caption`; lists are without repetitions."""

    source: DateSource
    taken_at: datetime | None = None  # by the camera's clock; has a zone only if the source has one
    gps: tuple[float, float] | None = None  # (latitude, longitude), degrees, WGS 84
    camera: str | None = None
    title: str | None = None
    description: str | None = None
    keywords: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    rating: int | None = None  # stars, 0 to 5; -1 for a rejected photo
    label: str | None = None

    @property
    def taken_from(self) -> DateSource | None:
        """Where the date was read; None without a date."""
        return self.source if self.taken_at else None


def complete(info: ImageInfo, *sources: Facts) -> ImageInfo:
    """A photo's facts with those of further sources. Earlier sources count more. The module says which fact wins."""
    dates = [(info.taken_at, info.taken_from or "exif"), *((facts.taken_at, facts.source) for facts in sources)]
    known = [(taken_at, source) for taken_at, source in dates if taken_at]
    taken_at, taken_from = min(known, key=lambda date: _DATES.index(date[1]), default=(None, None))
    everything: list[Facts | ImageInfo] = [info, *sources]
    sidecars = [facts for facts in sources if facts.source == "sidecar"]
    others = [facts for facts in sources if facts.source != "sidecar"]
    ordered: list[Facts | ImageInfo] = [*sidecars, info, *others]
    return replace(
        info,
        taken_at=taken_at,
        taken_from=info.taken_from if taken_at is info.taken_at else taken_from,
        gps=_first(facts.gps for facts in everything),
        camera=_first(facts.camera for facts in everything),
        title=_first(facts.title for facts in ordered),
        description=_first(facts.description for facts in ordered),
        keywords=unique(word for facts in ordered for word in facts.keywords),
        people=unique(name for facts in ordered for name in facts.people),
        rating=_first(facts.rating for facts in ordered),
        label=_first(facts.label for facts in ordered),
    )


def unique(words: Iterable[object]) -> tuple[str, ...]:
    """Keywords or names, cleaned, at most MOST_KEYWORDS, without repetitions in upper or lower case."""
    found: dict[str, str] = {}
    for word in words:
        if len(found) >= MOST_KEYWORDS:
            break
        if cleaned := short_text(word):
            found.setdefault(unicodedata.normalize("NFC", cleaned).casefold(), cleaned)
    return tuple(found.values())


def short_text(text: object) -> str | None:
    """A keyword, a name or a label: one line of at most LONGEST_KEYWORD characters; None if nothing is left."""
    cleaned = clean_caption(text)
    return cleaned[:LONGEST_KEYWORD].strip() or None if cleaned else None


def own_description(text: str | None) -> str | None:
    """A description, or None if a camera or a program wrote it by itself, such as "OLYMPUS DIGITAL CAMERA"."""
    return text if text and not _DEFAULTS.fullmatch(text) else None


def stars(value: object) -> int | None:
    """A rating as whole stars, 0 to 5, or -1 for a rejected photo; None for anything else."""
    try:
        number = float(value)  # type: ignore[arg-type]  # anything else raises
        return max(round(number), -1) if -2 < number < 5.5 else None
    except (TypeError, ValueError):
        return None


def stars_of_percent(value: object) -> int | None:
    """Windows' rating in percent, 1, 25, 50, 75 or 99, as stars: 1 to 5; 0 for none."""
    try:
        number = float(value)  # type: ignore[arg-type]  # anything else raises
    except (TypeError, ValueError):
        return None
    if not 0 <= number <= 100:
        return None
    return 0 if number < 1 else min(1 + round(number / 25), 5)


def coordinates(latitude: float | None, longitude: float | None) -> tuple[float, float] | None:
    """(latitude, longitude) in degrees; None outside the globe, and for (0, 0), which means "unknown"."""
    if latitude is None or longitude is None or not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        return None
    return (round(latitude, 7), round(longitude, 7)) if latitude or longitude else None


def _first(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value is not None), None)
