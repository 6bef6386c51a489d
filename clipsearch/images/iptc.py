"""IPTC's older facts about a photo, before XMP: IIM (Information Interchange Model) 4.2, and where Photoshop keeps it."""

from __future__ import annotations

from collections.abc import Iterator

from clipsearch.images.dates import parse_date
from clipsearch.images.facts import Facts, own_description, unique
from clipsearch.types import clean_caption

IPTC_RESOURCE = 0x0404
"""The number of Photoshop's resource that holds IIM."""

_MARKER = 0x1C
_MOST_DATASETS = 10_000
_MOST_RESOURCES = 4096
_UTF_8 = b"\x1b%G"
_CHARSET = (1, 90)
_TITLES = ((2, 5), (2, 105))  # object name, headline
_DESCRIPTION, _KEYWORD = (2, 120), (2, 25)
_CREATED, _DIGITIZED = ((2, 55), (2, 60)), ((2, 62), (2, 63))  # a date and a time each


def read_iptc(data: bytes) -> Facts:
    """The facts in some IIM records. What is broken counts as absent."""
    values: dict[tuple[int, int], list[bytes]] = {}
    for number, value in _datasets(data):
        values.setdefault(number, []).append(value)
    is_utf_8 = _UTF_8 in values.get(_CHARSET, ())

    def texts(number: tuple[int, int]) -> list[str]:
        return [_decode(value, is_utf_8) for value in values.get(number, ())]

    pairs = (pair for pair in (_CREATED, _DIGITIZED) if texts(pair[0]))
    dates = (parse_date(" ".join([*texts(date)[:1], *texts(time)[:1]])) for date, time in pairs)
    titles = (own_description(clean_caption(text)) for number in _TITLES for text in texts(number))
    descriptions = (own_description(clean_caption(text)) for text in texts(_DESCRIPTION))
    return Facts(
        "iptc",
        taken_at=next((date for date in dates if date), None),
        title=next((title for title in titles if title), None),
        description=next((description for description in descriptions if description), None),
        keywords=unique(texts(_KEYWORD)),
    )


def resource(data: bytes, number: int) -> bytes:
    """One of Photoshop's resources, as they stand in a JPEG or a TIFF; empty if it is absent."""
    at = 0
    for _ in range(_MOST_RESOURCES):
        if at + 12 > len(data) or data[at : at + 4] != b"8BIM":
            break
        name = data[at + 6] + 1
        start = at + 6 + name + name % 2 + 4
        length = int.from_bytes(data[start - 4 : start], "big")
        if int.from_bytes(data[at + 4 : at + 6], "big") == number:
            return data[start : start + length]
        at = start + length + length % 2
    return b""


def _datasets(data: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    """((record, number), value) of each dataset: IIM 4.2, chapter 1."""
    at = data.find(bytes([_MARKER]))
    for _ in range(_MOST_DATASETS):
        if at < 0 or at + 5 > len(data) or data[at] != _MARKER:
            return
        length, start = int.from_bytes(data[at + 3 : at + 5], "big"), at + 5
        if length & 0x8000:  # an extended dataset: the length of its length
            more = length & 0x7FFF
            if more > 4:
                return
            length, start = int.from_bytes(data[start : start + more], "big"), start + more
        if start + length > len(data):
            return
        yield (data[at + 1], data[at + 2]), data[start : start + length]
        at = start + length


def _decode(value: bytes, is_utf_8: bool) -> str:
    """A text: in UTF-8 if it says so or can be that, else in Windows' Latin-1."""
    try:
        return value.decode("utf-8", "replace" if is_utf_8 else "strict")
    except UnicodeDecodeError:
        return value.decode("cp1252", "replace")
