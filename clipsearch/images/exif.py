"""The few EXIF fields that a search needs: time, camera and position. Malformed fields count as absent.

Tag numbers: EXIF 2.32 (CIPA DC-008), tables 4 to 15.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from clipsearch.images.dates import parse_date, parse_zone

EXIF_IFD, GPS_IFD = 0x8769, 0x8825
MAKE, MODEL, DATE_TIME = 0x010F, 0x0110, 0x0132
DATE_TIME_ORIGINAL, DATE_TIME_DIGITIZED = 0x9003, 0x9004
OFFSET, OFFSET_ORIGINAL, OFFSET_DIGITIZED = 0x9010, 0x9011, 0x9012  # zones, one for each of the three times
LATITUDE_REF, LATITUDE, LONGITUDE_REF, LONGITUDE = 1, 2, 3, 4

_DEFAULTS = re.compile(
    r"olympus digital camera|om system(?: digital camera)?|sony dsc|default|dcim\\.*|exif[_ ]jpeg.*|screenshot|untitled|dsc"
    r"|(?:konica minolta |minolta |konica |kodak |samsung |nikon |casio |ricoh |pentax |sanyo )?digital ?(?:still ?)?camera"
    r"|created (?:with|by|in) (?:the )?gimp.*|user comments?|<?unknown>?|<?none>?|null|my beautiful picture|[\W_]*",
    re.IGNORECASE,
)
"""What cameras and programs write in place of a description, without being asked."""

_MAX_TEXT = 200  # characters of a camera's name


def capture_time(main: Mapping[int, Any], exif: Mapping[int, Any]) -> datetime | None:
    """When the photo was taken, by the camera's clock; with a zone only if the camera wrote one for that time."""
    for value, offset in (
        (exif.get(DATE_TIME_ORIGINAL), OFFSET_ORIGINAL),
        (exif.get(DATE_TIME_DIGITIZED), OFFSET_DIGITIZED),
        (main.get(DATE_TIME), OFFSET),
    ):
        if taken_at := parse_date(_text(value), parse_zone(_text(exif.get(offset)))):
            return taken_at
    return None


def camera(main: Mapping[int, Any]) -> str | None:
    """Maker and model as one name, without repeating the maker: "Canon EOS 5D", not "Canon Canon EOS 5D"."""
    make, model = _text(main.get(MAKE)), _text(main.get(MODEL))
    if not model:
        return make or None
    if not make or model.lower().startswith(make.split()[0].lower()):
        return model
    return f"{make} {model}"


def position(gps: Mapping[int, Any]) -> tuple[float, float] | None:
    """(latitude, longitude) in degrees, WGS 84; south and west are negative. None for (0, 0) too, which means "unknown"."""
    latitude = _degrees(gps.get(LATITUDE), _text(gps.get(LATITUDE_REF)), "S", 90)
    longitude = _degrees(gps.get(LONGITUDE), _text(gps.get(LONGITUDE_REF)), "W", 180)
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):
        return None
    return latitude, longitude


def own_description(text: str | None) -> str | None:
    """A description, or None if a camera or a program wrote it by itself, such as "OLYMPUS DIGITAL CAMERA"."""
    return text if text and not _DEFAULTS.fullmatch(text) else None


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in value.split("\0")[0]).split())[:_MAX_TEXT]


def _degrees(value: Any, reference: str, negative: str, limit: int) -> float | None:
    try:
        parts = [float(part) for part in value]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if not parts or not all(math.isfinite(part) for part in parts):
        return None
    degrees = sum(part / (1, 60, 3600)[i] for i, part in enumerate(parts[:3]))
    if abs(degrees) > limit:
        return None
    return round(-degrees if reference.upper().startswith(negative) else degrees, 7)
