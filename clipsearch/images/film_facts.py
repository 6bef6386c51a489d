"""What a film's container says of it besides the pictures: its format, time, camera and place. Malformed tags count as absent.

Keys: Apple's QuickTime metadata, Android's, and the names that FFmpeg gives to other containers' tags.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import IO

from clipsearch.images import exif
from clipsearch.images.boxes import boxes
from clipsearch.images.embedded import XMP_BOX
from clipsearch.images.facts import Facts, own_description, stars, stars_of_percent, unique
from clipsearch.images.xmp_facts import MAX_BYTES
from clipsearch.types import clean_caption

_MOST_BOXES = 10_000  # two a fragment: more than an hour of fragments of a second
_HEADER_BYTES = 64 * 1024  # of other containers, in which the codec is named
_MOVIE_BOX_BYTES = 1024**2  # of the box that describes the tracks; what names a track's codec stands near its beginning
_MOST_MOVIE_BYTES = 64 * 1024**2  # of the same box, if user data are looked for in it
_SAMPLES = re.compile(rb"stsd.{12}([ -~]{4})", re.DOTALL)
_ENCODINGS = {"avi": re.compile(rb"vids([ -~]{4})"), "matroska": re.compile(rb"V_([A-Z0-9/_]{2,30})")}
_NOT_PICTURES = re.compile(
    r"mp4a|enca|twos|sowt|lpcm|in24|alac|samr|sawb|[ae]c-3|Opus|\.mp3|tx3g|text|tmcd|mett|mebx|rtp |c608|wvtt|stpp|gpmd"
)

_SEGMENT = b"\x18\x53\x80\x67"  # of Matroska: the element that holds the film
_SIZE_BEFORE = 8  # bytes of an AVI file that its size does not count

_CREATION_KEYS = ("com.apple.quicktime.creationdate", "date", "creation_time", "WM/EncodingTime")
_MAKE_KEYS = ("com.apple.quicktime.make", "com.android.manufacturer", "make")
_MODEL_KEYS = ("com.apple.quicktime.model", "com.android.model", "model")
_PLACE_KEYS = ("com.apple.quicktime.location.ISO6709", "location", "location-eng", "xyz")

_TITLE_KEYS = ("com.apple.quicktime.title", "com.apple.quicktime.displayname", "title")
_DESCRIPTION_KEYS = (
    "com.apple.quicktime.description",
    "description",
    "synopsis",
    "com.apple.quicktime.comment",
    "comment",
)
_KEYWORD_KEYS = ("com.apple.quicktime.keywords", "keywords", "WM/Category")
_RATING_KEYS, _PERCENT_KEYS = ("com.apple.quicktime.rating.user",), ("WM/SharedUserRating",)

_TIME = re.compile(r"\s*(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.\d+)?\s*(Z|[+-]\d\d:?\d\d)?")
_FIRST_YEAR = 1904  # QuickTime counts seconds from here, Unix from 1970: both stand for an unknown time
_UNIX_YEAR = 1970
_COORDINATES = re.compile(r"([+-]\d+(?:\.\d*)?)([+-]\d+(?:\.\d*)?)")


def format_of(demuxer: str, head: bytes) -> str:
    """The name of a film's format, by its demuxer and brand: "MP4", "MOV", "MKV", ..."""
    if demuxer == "mov":
        brand = head[8:12] if head[4:8] == b"ftyp" else b"qt  "
        if brand == b"qt  ":
            return "MOV"
        if brand[:3] in (b"3gp", b"3gg", b"3g2", b"3ge"):
            return "3GP"
        return "M4V" if brand[:3] == b"M4V" else "MP4"
    if demuxer == "matroska":
        return "WEBM" if b"webm" in head[:64] else "MKV"
    return {"avi": "AVI", "asf": "WMV", "mpeg": "MPEG"}.get(demuxer, "MTS")


def is_cut(file: IO[bytes], demuxer: str, size: int) -> bool:
    """Whether the end of a film of `size` bytes is missing, as its container states sizes. Not every container does."""
    if demuxer == "mov":
        return any(end > size for _, _, end in _movie_boxes(file))
    file.seek(0)
    head = file.read(_HEADER_BYTES)
    if demuxer == "avi":
        return int.from_bytes(head[4:8], "little") + _SIZE_BEFORE > size + 1
    segment = head.find(_SEGMENT) + len(_SEGMENT) if demuxer == "matroska" and _SEGMENT in head else len(head)
    if segment >= len(head) or not head[segment]:
        return False
    length = 9 - head[segment].bit_length()  # of the number, in bytes: by the zeros before its first one
    number = int.from_bytes(head[segment : segment + length], "big") - (1 << 7 * length)
    is_known = number != (1 << 7 * length) - 1
    return is_known and segment + length + number > size


def codec_tag(file: IO[bytes], demuxer: str) -> str:
    """The container's own name of the codec of the video track, such as "avc1"; "" if it is not found."""
    file.seek(0)
    if demuxer in _ENCODINGS:
        found = _ENCODINGS[demuxer].findall(file.read(_HEADER_BYTES))
    elif demuxer == "mov":
        found = _SAMPLES.findall(_movie_box(file))
    else:
        found = []
    names = [name.decode("ascii").strip() for name in found]
    return next((name for name in names if not _NOT_PICTURES.match(name)), "")


def _movie_box(file: IO[bytes]) -> bytes:
    """The beginning of the box that describes the tracks of an MP4 or QuickTime film."""
    for kind, start, _ in _movie_boxes(file):
        if kind == b"moov":
            file.seek(start)
            return file.read(_MOVIE_BOX_BYTES)
    return b""


def _movie_boxes(file: IO[bytes]) -> Iterator[tuple[bytes, int, int]]:
    """(type, start of the content, stated end) of the boxes of an MP4 or QuickTime film: ISO 14496-12."""
    start = 0
    for _ in range(_MOST_BOXES):
        file.seek(start)
        head = file.read(16)
        size, before = int.from_bytes(head[:4], "big"), 8
        if size == 1:
            size, before = int.from_bytes(head[8:], "big"), 16
        if size < before or (start + size) >> 62:
            return
        yield head[4:8], start + before, start + size
        start += size


def capture_time(*tags: Mapping[str, str]) -> datetime | None:
    """When the film was made: with the camera's zone if the container has it, otherwise in UTC, which containers keep."""
    for key in _CREATION_KEYS:
        for mapping in tags:
            if taken_at := _time(mapping.get(key, "")):
                return taken_at
    return None


def camera(*tags: Mapping[str, str]) -> str | None:
    """The camera's maker and model as one name."""
    return exif.camera({exif.MAKE: _first(tags, _MAKE_KEYS), exif.MODEL: _first(tags, _MODEL_KEYS)})


def position(*tags: Mapping[str, str]) -> tuple[float, float] | None:
    """(latitude, longitude) in degrees, from the notation of ISO 6709; None for (0, 0) too, which means "unknown"."""
    match = _COORDINATES.match(_first(tags, _PLACE_KEYS).strip())
    if not match:
        return None
    latitude, longitude = _degrees(match[1], 2), _degrees(match[2], 3)
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
        return None
    return (latitude, longitude) if latitude or longitude else None


def facts(*tags: Mapping[str, str]) -> Facts:
    """What the container's tags say, whatever the case of their names. iTunes' "rating" is left out: it is for ages."""
    folded = tuple({key.lower(): value for key, value in mapping.items()} for mapping in tags)

    def value(keys: tuple[str, ...]) -> str:
        return _first(folded, tuple(key.lower() for key in keys))

    rating = stars(value(_RATING_KEYS))
    return Facts(
        "container",
        taken_at=capture_time(*tags),
        camera=camera(*tags),
        gps=position(*tags),
        title=own_description(clean_caption(value(_TITLE_KEYS))),
        description=own_description(clean_caption(value(_DESCRIPTION_KEYS))),
        keywords=unique(re.split("[,;]", value(_KEYWORD_KEYS))),
        rating=rating if rating is not None else stars_of_percent(value(_PERCENT_KEYS)),
    )


def xmp_packets(file: IO[bytes], demuxer: str) -> tuple[bytes, ...]:
    """The XMP packets of an MP4 or QuickTime film: in a box of type uuid, or in XMP_ in the user data: XMP part 3, 1.1.4."""
    found = []
    for kind, start, end in _movie_boxes(file) if demuxer == "mov" else ():
        if kind == b"uuid" and end - start <= MAX_BYTES:
            file.seek(start)
            if file.read(len(XMP_BOX)) == XMP_BOX:
                found.append(file.read(end - start - len(XMP_BOX)))
        elif kind == b"moov" and end - start <= _MOST_MOVIE_BYTES:
            file.seek(start)
            content = file.read(end - start)
            for box, inside, after in boxes(content, 0, len(content)):
                if box == b"udta":
                    found += [content[at:to] for name, at, to in boxes(content, inside, after) if name == b"XMP_"]
    return tuple(found)


def _first(tags: tuple[Mapping[str, str], ...], keys: tuple[str, ...]) -> str:
    """The first value that is not empty."""
    return next((mapping[key] for key in keys for mapping in tags if mapping.get(key)), "")


def _time(text: str) -> datetime | None:
    match = _TIME.match(text)
    if not match:
        return None
    zone = match[7] or "Z"
    offset = "+00:00" if zone == "Z" else f"{zone[:3]}:{zone[-2:]}"
    try:
        taken_at = datetime.fromisoformat("{}-{}-{}T{}:{}:{}".format(*match.groups()[:6]) + offset)
    except ValueError:
        return None
    if taken_at.year <= _FIRST_YEAR or (taken_at.year == _UNIX_YEAR and taken_at.timetuple().tm_yday == 1):
        return None
    return taken_at.replace(tzinfo=timezone.utc) if zone == "Z" else taken_at


def _degrees(text: str, digits: int) -> float | None:
    """Degrees from ±D.D, ±DM.M or ±DMS.S. `digits` is how many digits whole degrees have: 2 or 3."""
    sign, number = -1 if text[0] == "-" else 1, text[1:]
    whole = len(number.partition(".")[0])
    value = float(number)
    if whole >= digits + 4:
        value = value // 10000 + value // 100 % 100 / 60 + value % 100 / 3600
    elif whole >= digits + 2:
        value = value // 100 + value % 100 / 60
    return round(sign * value, 7) if math.isfinite(value) else None
