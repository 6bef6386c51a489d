"""The few EXIF fields that a search needs: time, camera, position and texts. Malformed fields count as absent.

Tag numbers: EXIF 2.32 (CIPA DC-008), tables 4 to 15.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from clipsearch.images.dates import parse_date, parse_zone
from clipsearch.images.facts import Facts, own_description, stars, stars_of_percent, unique
from clipsearch.types import clean_caption

EXIF_IFD, GPS_IFD = 0x8769, 0x8825
MAKE, MODEL, DATE_TIME = 0x010F, 0x0110, 0x0132
DATE_TIME_ORIGINAL, DATE_TIME_DIGITIZED = 0x9003, 0x9004
OFFSET, OFFSET_ORIGINAL, OFFSET_DIGITIZED = 0x9010, 0x9011, 0x9012  # zones, one for each of the three times
DESCRIPTION, RATING, RATING_PERCENT = 0x010E, 0x4746, 0x4749
XP_TITLE, XP_COMMENT, XP_KEYWORDS = 0x9C9B, 0x9C9C, 0x9C9E  # Windows'
LATITUDE_REF, LATITUDE, LONGITUDE_REF, LONGITUDE = 1, 2, 3, 4

_MAX_TEXT = 200  # characters of a camera's name


def capture_time(main: Mapping[int, Any], exif: Mapping[int, Any]) -> datetime | None:
    """When the photo was taken, by the camera's clock; with a zone only if the camera wrote one for that time."""
    return taken_time(exif) or change_time(main, exif)


def taken_time(exif: Mapping[int, Any]) -> datetime | None:
    """When the photo was taken, or else digitised."""
    return _time(exif.get(DATE_TIME_ORIGINAL), exif.get(OFFSET_ORIGINAL)) or _time(
        exif.get(DATE_TIME_DIGITIZED), exif.get(OFFSET_DIGITIZED)
    )


def change_time(main: Mapping[int, Any], exif: Mapping[int, Any]) -> datetime | None:
    """When the file was changed. A camera that writes no other time means the time when the photo was taken."""
    return _time(main.get(DATE_TIME), exif.get(OFFSET))


def _time(value: Any, offset: Any) -> datetime | None:
    return parse_date(_text(value), parse_zone(_text(offset)))


def texts(main: Mapping[int, Any]) -> Facts:
    """The title, the description, the keywords and the rating, as cameras and Windows write them."""
    rating = stars(main.get(RATING))
    return Facts(
        "exif",
        title=own_description(clean_caption(_windows_text(main.get(XP_TITLE)))),
        description=own_description(clean_caption(_long_text(main.get(DESCRIPTION))))
        or own_description(clean_caption(_windows_text(main.get(XP_COMMENT)))),
        keywords=unique(_windows_text(main.get(XP_KEYWORDS)).split(";")),
        rating=rating if rating is not None else stars_of_percent(main.get(RATING_PERCENT)),
    )


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


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in value.split("\0")[0]).split())[:_MAX_TEXT]


def _long_text(value: Any) -> str:
    """A text of any length. EXIF allows ASCII only, but programs write UTF-8, which Pillow gives as Latin-1."""
    data = value.encode("latin-1", "replace") if isinstance(value, str) else value
    if not isinstance(data, bytes):
        return ""
    data = data.split(b"\0")[0]
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _windows_text(value: Any) -> str:
    """A text of Windows' own tags: UTF-16, as bytes or as a tuple of their values."""
    if isinstance(value, tuple):
        value = bytes(byte for byte in value if isinstance(byte, int) and 0 <= byte < 256)
    return value.decode("utf-16-le", "replace").split("\0")[0] if isinstance(value, bytes) else ""


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
