"""Dates in the names that phones, messengers and programs give to photos, films and screenshots.

Eight digits alone may be a counter or a number of another kind. They count as a date only after a prefix such as "IMG_", or
before a time. A date whose parts are separated, year first, always counts.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime, timezone

from clipsearch.images.facts import Facts

_YEAR, _MONTH, _DAY = r"((?:19|20)\d\d)", r"(0[1-9]|1[0-2])", r"(0[1-9]|[12]\d|3[01])"
_CLOCK = r"([01]\d|2[0-4])"
_SEPARATED = re.compile(rf"(?<!\d){_YEAR}([-_.]){_MONTH}\2{_DAY}(?!\d)")
_COMPACT = re.compile(rf"(?<!\d){_YEAR}{_MONTH}{_DAY}(?:(?=\d{{6}})|(?!\d))")
_WORDS = (
    r"(?:at|um|[àa]|om|a las|às|alle|kl\.?|klo|o|в|kello)"  # "Screenshot 2024-01-31 at 10.15.00", in several languages
)
_TIME = re.compile(
    rf"(?:[ _T,-]+(?:{_WORDS}[ _]+)?)?{_CLOCK}([.:\-_ ]?)([0-5]\d)\2([0-5]\d)(?:[.,\-_ ]?\d{{3}})?(?!\d)"
    r"(?:[ \u00a0\u202f_]*([ap])\.?[ \u00a0\u202f]?m\b)?",
    re.IGNORECASE,
)
_SHORT_TIME = re.compile(rf"[ _T,-]+(?:{_WORDS}[ _]+)?{_CLOCK}[.:h]([0-5]\d)(?!\d)", re.IGNORECASE)
_PREFIX = re.compile(
    r"(?:^|[^a-z])(?:img|vid|stk|aud|ptt|doc|pxl|mvimg|pano|burst|wp|win|dji|mov|mvi|trim|scan|photo|foto|picture|image|video"
    r"|screenshot|screen|signal|snapseed|collage|inshot)[-_ ]?$",
    re.IGNORECASE,
)
_LONGEST_NAME = 1000  # characters; file systems allow 255


def facts_in_name(name: str) -> Facts:
    """What a file's name says about the photo: its date, if it has one."""
    return Facts("name", taken_at=date_in_name(name))


def date_in_name(name: str) -> datetime | None:
    """The date in a file's name, by the device's clock; None if the name has no date, or one that no calendar has.

    A date without a time is the beginning of the day. Pixel phones name photos by UTC, so these dates have that zone.
    """
    name = unicodedata.normalize("NFC", name[:_LONGEST_NAME])  # macOS takes "à" apart
    for match in _SEPARATED.finditer(name):
        year, _, month, day = match.groups()
        if taken_at := _date(year, month, day, _time(name, match.end())):
            return taken_at
    for match in _COMPACT.finditer(name):
        time = _time(name, match.end())
        before, after = name[: match.start()], name[match.end() :]
        if (time or (_PREFIX.search(before) and not after[:1].isdigit())) and (
            taken_at := _date(match[1], match[2], match[3], time)
        ):
            return taken_at.replace(tzinfo=timezone.utc) if time and before.upper().endswith("PXL_") else taken_at
    return None


def _date(year: str, month: str, day: str, time: tuple[int, int, int] | None) -> datetime | None:
    try:
        return datetime(int(year), int(month), int(day), *(time or (0, 0, 0)))
    except ValueError:
        return None


def _time(name: str, at: int) -> tuple[int, int, int] | None:
    """(hour, minute, second) that follow a date in a name."""
    if match := _TIME.match(name, at):
        hour = int(match[1]) % 24
        if match[5] and match[2] and 1 <= hour <= 12:  # "20240131_121500 am Fluss" is no time of the morning
            hour = hour % 12 + (12 if match[5].lower() == "p" else 0)
        return hour, int(match[3]), int(match[4])
    if match := _SHORT_TIME.match(name, at):
        return int(match[1]) % 24, int(match[2]), 0
    return None
