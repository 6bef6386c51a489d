"""Read an XMP packet, as it is inside photos and in sidecars, from bytes that may be broken or hostile.

Sources: XMP (ISO 16684-1), the metadata working group's regions, IPTC's extension schema, and what Lightroom, digiKam,
darktable and Windows write beside these.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias
from xml.parsers import expat

from clipsearch.images import exif
from clipsearch.images.dates import parse_date
from clipsearch.images.facts import Facts, coordinates, own_description, short_text, stars, stars_of_percent, unique
from clipsearch.types import DateSource, clean_caption

MAX_BYTES = 8_000_000
"""The largest packet that is read."""

_MOST_ELEMENTS = 200_000
_DEEPEST = 64
_PROLOGUE = re.compile(rb"[^<]*")
_FORBIDDEN = re.compile(
    r"&#(?:x0*(?:[0-8bcef]|1[0-9a-f])|0*(?:[0-8]|1[124-9]|2\d|3[01]));|[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XML = "http://www.w3.org/XML/1998/namespace"
_DC, _EXIF, _XMP = "http://purl.org/dc/elements/1.1/", "http://ns.adobe.com/exif/1.0/", "http://ns.adobe.com/xap/1.0/"
_TIFF, _PHOTOSHOP = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/photoshop/1.0/"
_LIGHTROOM, _DIGIKAM = "http://ns.adobe.com/lightroom/1.0/", "http://www.digikam.org/ns/1.0/"
_DARKTABLE, _IPTC_EXT = "http://darktable.sf.net/", "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_MICROSOFT = ("http://ns.microsoft.com/photo/1.0/", "http://ns.microsoft.com/photo/1.0")
_MP, _MPRI = "http://ns.microsoft.com/photo/1.2/", "http://ns.microsoft.com/photo/1.2/t/RegionInfo#"
_MPREG, _REGIONS = "http://ns.microsoft.com/photo/1.2/t/Region#", "http://www.metadataworkinggroup.com/schemas/regions/"

_LISTS = (f"{_RDF} Alt", f"{_RDF} Bag", f"{_RDF} Seq")
_DATES = (f"{_EXIF} DateTimeOriginal", f"{_EXIF} DateTimeDigitized", f"{_PHOTOSHOP} DateCreated", f"{_XMP} CreateDate")
_TITLES = (f"{_DC} title", f"{_PHOTOSHOP} Headline")
_DESCRIPTIONS = (f"{_DC} description", f"{_TIFF} ImageDescription")
_FLAT_KEYWORDS = (f"{_DC} subject",)
_KEYWORD_PATHS = {  # a list of paths, and what separates their levels
    f"{_LIGHTROOM} hierarchicalSubject": "|",
    f"{_DIGIKAM} TagsList": "/",
    **{f"{name} LastKeywordXMP": "/" for name in _MICROSOFT},
}
_COLOURS = ("Red", "Yellow", "Green", "Blue", "Purple")  # darktable's numbers of its labels
_POSITION = re.compile(
    r"\s*([+-]?\d{1,3}(?:\.\d+)?)(?:,(\d{1,2}(?:\.\d+)?))?(?:,(\d{1,2}(?:\.\d+)?))?\s*([NSEW])?\s*", re.I
)


def read_xmp(content: bytes, source: DateSource) -> Facts:
    """The facts in a packet. ValueError if it is not XMP, too large, or has a DOCTYPE, which XMP never has."""
    properties = _Properties(_parse(content))
    return Facts(
        source,
        taken_at=_taken_at(properties),
        gps=_gps(properties),
        camera=exif.camera(
            {exif.MAKE: properties.first(f"{_TIFF} Make"), exif.MODEL: properties.first(f"{_TIFF} Model")}
        ),
        title=_text(properties, _TITLES),
        description=_text(properties, _DESCRIPTIONS),
        keywords=unique(_keywords(properties)),
        people=unique(_people(properties)),
        rating=_rating(properties),
        label=_label(properties),
    )


# -- facts


def _taken_at(properties: _Properties) -> datetime | None:
    for name in _DATES:
        for text in properties.texts(name):
            if taken_at := parse_date(text):
                return taken_at
    return None


def _gps(properties: _Properties) -> tuple[float, float] | None:
    latitude = _degrees(properties.first(f"{_EXIF} GPSLatitude"), properties.first(f"{_EXIF} GPSLatitudeRef"))
    longitude = _degrees(properties.first(f"{_EXIF} GPSLongitude"), properties.first(f"{_EXIF} GPSLongitudeRef"))
    return coordinates(latitude, longitude)


def _degrees(text: str, reference: str) -> float | None:
    """Degrees from XMP's notations "48,51.5N" and "48,51,30N", or from a decimal number."""
    match = _POSITION.fullmatch(text)
    if not match:
        return None
    whole = float(match[1])
    value = abs(whole) + float(match[2] or 0) / 60 + float(match[3] or 0) / 3600
    is_negative = (match[4] or reference).strip().upper() in ("S", "W") or math.copysign(1, whole) < 0
    return -value if is_negative else value


def _text(properties: _Properties, names: tuple[str, ...]) -> str | None:
    texts = (own_description(clean_caption(text)) for name in names for text in properties.texts(name))
    return next((text for text in texts if text), None)


def _keywords(properties: _Properties) -> Iterator[str]:
    for name in _FLAT_KEYWORDS:
        yield from properties.texts(name)
    for name, separator in _KEYWORD_PATHS.items():
        for path in properties.texts(name):
            yield from path.split(separator)


def _people(properties: _Properties) -> Iterator[str]:
    yield from properties.texts(f"{_IPTC_EXT} PersonInImage")
    for person in properties.structures(f"{_IPTC_EXT} PersonInImageWDetails"):
        yield from person.texts(f"{_IPTC_EXT} PersonName")
    for regions in properties.structures(f"{_REGIONS} Regions"):
        for region in regions.structures(f"{_REGIONS} RegionList"):
            if region.first(f"{_REGIONS} Type") in ("", "Face"):  # others are pets, bar codes and points of focus
                yield region.first(f"{_REGIONS} Name")
    for regions in properties.structures(f"{_MP} RegionInfo"):
        for region in regions.structures(f"{_MPRI} Regions"):
            yield region.first(f"{_MPREG} PersonDisplayName")


def _rating(properties: _Properties) -> int | None:
    rating = stars(properties.first(f"{_XMP} Rating"))
    percent = (stars_of_percent(properties.first(f"{name} Rating")) for name in _MICROSOFT)
    return rating if rating is not None else next((found for found in percent if found is not None), None)


def _label(properties: _Properties) -> str | None:
    number = properties.first(f"{_DARKTABLE} colorlabels")
    colour = _COLOURS[int(number)] if re.fullmatch("[0-4]", number) else None
    return short_text(properties.first(f"{_XMP} Label")) or colour


# -- RDF


@dataclass(slots=True)
class _Element:
    name: str  # "namespace name"
    attributes: dict[str, str]
    children: list[_Element] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)  # of its text

    def items(self) -> list[_Element] | None:
        """The items of the list inside, of an Alt the default language first; None if there is no list inside."""
        for child in self.children:
            if child.name in _LISTS:
                items = [item for item in child.children if item.name == f"{_RDF} li"]
                is_alternative = child.name == _LISTS[0]
                return sorted(items, key=_Element.is_translation) if is_alternative else items
        return None

    def is_translation(self) -> bool:
        """Whether this alternative is in another language than the default one."""
        return self.attributes.get(f"{_XML} lang", "x-default").lower() != "x-default"

    def text(self) -> str:
        """Its text, or if it has qualifiers, the text that they belong to."""
        text = "".join(self.pieces).strip()
        if not text and self.children:
            values = [value for name, value in _Properties([self]).all() if name == f"{_RDF} value"]
            text = next((value if isinstance(value, str) else value.text() for value in values), "")
        return text


_Value: TypeAlias = "str | _Element"


class _Properties:
    """The properties of some elements, written as attributes or as elements."""

    def __init__(self, elements: list[_Element]) -> None:
        self._values: dict[str, list[_Value]] = {}
        waiting = list(reversed(elements))
        while waiting:
            element = waiting.pop()
            for name, text in element.attributes.items():
                if not name.startswith((f"{_RDF} ", f"{_XML} ")) or name == f"{_RDF} value":
                    self._values.setdefault(name, []).append(text)
            for child in element.children:
                if child.name == f"{_RDF} Description":
                    waiting.append(child)
                else:
                    self._values.setdefault(child.name, []).append(child)

    def all(self) -> Iterator[tuple[str, _Value]]:
        """(name, value) of each property."""
        for name, values in self._values.items():
            for value in values:
                yield name, value

    def texts(self, name: str) -> Iterator[str]:
        """A property's texts: its value, or the items of its list."""
        for value in self._values.get(name, ()):
            if isinstance(value, str):
                yield value.strip()
            else:
                items = value.items()
                yield from (item.text() for item in items) if items is not None else (value.text(),)

    def first(self, name: str) -> str:
        """A property's first text that is not empty; "" if there is none."""
        return next((text for text in self.texts(name) if text), "")

    def structures(self, name: str) -> Iterator[_Properties]:
        """The properties of a property's value, or of each item of its list."""
        for value in self._values.get(name, ()):
            if not isinstance(value, str):
                items = value.items()
                yield from (_Properties([item]) for item in ([value] if items is None else items))


# -- XML


def _parse(content: bytes) -> list[_Element]:
    """The descriptions of a packet. ValueError if it has none."""
    if len(content) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES // 1_000_000} MB")
    start = 0 if content.startswith((b"\xff\xfe", b"\xfe\xff")) else _end_of_prologue(content)
    reader = _Reader()
    if not reader.read(content[start:]):  # some programs write bytes that XML or UTF-8 does not allow
        reader = _Reader("utf-8")
        mended = _FORBIDDEN.sub("", content[start:].decode("utf-8", "replace")).encode()
        if not reader.read(mended):
            raise ValueError(f"it is no XML that can be read ({reader.problem})")
    descriptions = [child for element in reader.elements if element.name == f"{_RDF} RDF" for child in element.children]
    if not any(element.name == f"{_RDF} RDF" for element in reader.elements):
        raise ValueError("it holds no XMP")
    return descriptions


def _end_of_prologue(content: bytes) -> int:
    match = _PROLOGUE.match(content)
    return match.end() if match else 0


class _Reader:
    """Builds elements by expat. No entity is expanded, because a DOCTYPE is refused."""

    def __init__(self, encoding: str | None = None) -> None:
        self.elements: list[_Element] = []  # the root, and those named rdf:RDF
        self.problem = ""
        self._stack: list[_Element] = []
        self._count = 0
        self._parser = parser = expat.ParserCreate(encoding, namespace_separator=" ")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters

    def read(self, content: bytes) -> bool:
        """Whether the root element could be read to its end. What follows it does not matter."""
        try:
            self._parser.Parse(content, True)
        except expat.ExpatError as error:
            self.problem = str(error)
        return bool(self.elements) and not self._stack

    def _doctype(self, *_: object) -> None:
        raise ValueError("it has a DOCTYPE, which XMP never has")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > _MOST_ELEMENTS or len(self._stack) >= _DEEPEST:
            raise ValueError("it has too many elements, or too many inside each other")
        element = _Element(name, attributes)
        if self._stack:
            self._stack[-1].children.append(element)
        if not self._stack or name == f"{_RDF} RDF":
            self.elements.append(element)
        self._stack.append(element)

    def _end(self, name: str) -> None:
        self._stack.pop()

    def _characters(self, text: str) -> None:
        if self._stack:
            self._stack[-1].pieces.append(text)
