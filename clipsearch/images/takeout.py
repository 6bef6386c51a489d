"""The JSON file that Google Takeout puts beside each photo of Google Photos."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from clipsearch._internal.untrusted_files import parse_json
from clipsearch.images.facts import Facts, coordinates, unique
from clipsearch.types import clean_caption

MAX_BYTES = 1_000_000
"""The largest JSON file that is read. Takeout's have some hundred to some thousand bytes."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_EARLIEST, _LATEST = -5_000_000_000, 5_000_000_000  # seconds: the years 1811 and 2128


def read_takeout(content: bytes) -> Facts | None:
    """The facts in a JSON file of Takeout: the date in UTC, the place, the description and the people.

    Its "title" is the photo's file name, and is not taken. None for JSON of other programs; ValueError if it is not JSON.
    """
    values = parse_json(content)
    if not isinstance(values, dict) or not ("photoTakenTime" in values or "geoData" in values):
        return None
    people = values.get("people")
    names = (person.get("name") for person in people if isinstance(person, dict)) if isinstance(people, list) else ()
    return Facts(
        "takeout",
        taken_at=_time(values.get("photoTakenTime")),
        gps=_place(values.get("geoData")) or _place(values.get("geoDataExif")),
        description=clean_caption(values.get("description")),
        people=unique(names),
    )


def _time(value: Any) -> datetime | None:
    """The date of {"timestamp": "1706692500"}, seconds since 1970. 0 stands for an unknown time."""
    try:
        seconds = int(value["timestamp"])
    except (TypeError, ValueError, KeyError, OverflowError):
        return None
    return _EPOCH + timedelta(seconds=seconds) if seconds and _EARLIEST < seconds < _LATEST else None


def _place(value: Any) -> tuple[float, float] | None:
    try:
        return coordinates(float(value["latitude"]), float(value["longitude"]))
    except (TypeError, ValueError, KeyError, OverflowError):
        return None
