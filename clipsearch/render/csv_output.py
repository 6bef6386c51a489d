"""Hits in columns: as CSV, and for a data frame."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from clipsearch.render.grouping import GroupBy
from clipsearch.render.json_output import hit_to_json, utf8
from clipsearch.render.text import with_bytes_escaped
from clipsearch.types import Hit

FIELDS = (
    *("rank", "score", "match", "path", "width", "height", "format", "size", "taken_at", "camera"),
    *("latitude", "longitude", "content_hash", "caption", "moment"),
    *("title", "description", "keywords", "people", "rating", "label", "text", "taken_from", "place"),
)
"""The columns: width and height in pixels, size in bytes, latitude and longitude in degrees.

The moment is one text: "second 42.1" or "page 3". Keywords and people are joined by "; ", and the place has its names. The page
writes the same columns (`static/download.js`). New ones come last.
"""

COUNTS = ("rank", "width", "height", "size")
"""The columns of a data frame that are int64. Every hit has them."""

FLOATS = ("score", "match", "latitude", "longitude", "rating")
"""The columns of a data frame that are float64, also if no hit has a value."""

_LISTS = ("keywords", "people")

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # OWASP, "CSV Injection"


def hits_csv(hits: Sequence[Hit], query: str, *, group_by: GroupBy | None = None, heading: bool = True) -> str:
    """Rows of "query", FIELDS and, with `group_by`, "group": RFC 4180 with plain newlines; texts are quoted.

    A spreadsheet takes some texts for formulas. Paths are safe, since they begin with a slash or a drive. Other texts, such as
    the query, the camera and the title, get an apostrophe in front if they look like a formula. Bytes of names that are not
    UTF-8 become escapes, which cannot be told from names that contain the escape; JSON and -0 are exact.
    """
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    columns = FIELDS if group_by is None else (*FIELDS, "group")
    if heading:
        writer.writerow(("query", *columns))
    for hit in hits:
        row = _flat(hit_to_json(hit, group_by))
        writer.writerow([_harmless(value) for value in (query, *(row.get(name) for name in columns))])
    return utf8(with_bytes_escaped(text.getvalue()))


def data_frame_columns(hits: Iterable[Hit]) -> dict[str, list[Any]]:
    """FIELDS, each with the exact values of all hits; `taken_at` as datetimes by the camera's clock, without a zone."""
    rows = [
        {**_flat(hit_to_json(hit, exact=True)), "taken_at": _by_the_clock(hit.record.info.taken_at)} for hit in hits
    ]
    return {name: [row.get(name) for row in rows] for name in FIELDS}


def _by_the_clock(when: datetime | None) -> datetime | None:
    return when and when.replace(tzinfo=None)


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """A hit's JSON with the two parts of "gps" as values of their own; the moment, the place and each list as one text."""
    latitude, longitude = values["gps"] or (None, None)
    moment = values.get("moment")
    text = f"{moment['unit']} {moment['at']:.10g}" if moment else None
    texts = {name: "; ".join(values[name]) for name in _LISTS if name in values} | {"moment": text}
    if place := values.get("place"):
        from clipsearch.gazetteer import label  # few photos have a place

        texts["place"] = label(place["code"])
    return {**values, "latitude": latitude, "longitude": longitude, **texts}


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
