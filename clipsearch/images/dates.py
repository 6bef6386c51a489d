"""Dates as cameras and programs write them in EXIF, XMP and IPTC. Anything else counts as absent.

Sources: EXIF 2.32 (CIPA DC-008), 4.6.5; XMP (ISO 16684-1), 8.2.1.2, which takes its dates from ISO 8601.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from clipsearch._internal.partial_dates import partial_date

_DATE = re.compile(
    r"\s*(\d{4})(?:[:\-/. ]?(\d{1,2})(?:[:\-/. ]?(\d{1,2}))?)?"
    r"(?:[ T]+(\d{1,2}):?(\d{2})(?::?(\d{1,2})(?:[.,]\d*)?)?\s*(Z|[+\-]\d{1,2}:?\d{2}|[+\-]\d{1,2})?)?(?![\d:])",
    re.IGNORECASE,
)
_ZONE = re.compile(r"\s*(?:(Z)|([+\-])(\d{1,2}):?(\d{2})?)\s*$", re.IGNORECASE)
_LAST_SECOND, _LEAP_SECOND = 59, 60


def parse_date(text: str, zone: timezone | None = None) -> datetime | None:
    """The date at the beginning of a text, by the camera's clock; with a zone if the text has one, else with `zone`.

    Fractions of a second are left out. A date without a time is the beginning of the day. One without a day or a month is a
    partial date, which has no zone. The hour 24 is midnight of the same day: Android phones have counted hours from 1 to 24.
    """
    match = _DATE.match(text)
    if not match:
        return None
    year, month, day, hour, minute, second = (int(part) if part else None for part in match.groups()[:6])
    if year is None or month == 0 or day == 0:
        return None
    hour = 0 if hour == 24 else hour or 0
    second = _LAST_SECOND if second == _LEAP_SECOND else second or 0
    try:
        if day is None and match[4] is None:
            return partial_date(year, month)
        taken_at = datetime(year, month or 1, day or 1, hour, minute or 0, second)
        return taken_at.replace(tzinfo=(parse_zone(match[7]) if match[7] else None) or zone)
    except ValueError:
        return None


def parse_zone(text: str) -> timezone | None:
    """A zone such as "+02:00", "+0200", "-3" or "Z"; None for anything else, and beyond a day."""
    match = _ZONE.match(text)
    if not match:
        return None
    if match[1]:
        return timezone.utc
    minutes = int(match[3]) * 60 + int(match[4] or 0)
    return timezone(timedelta(minutes=minutes if match[2] == "+" else -minutes)) if minutes < 24 * 60 else None
