"""Hits as a table for people, and as JSON and CSV for programs; nothing here prints."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

from clipsearch.render.text import percent, printable, short_path, to_json
from clipsearch.render.width import columns, pad, shorten
from clipsearch.types import Hit, ImageRecord

GroupBy: TypeAlias = Literal["folder", "day"]

NO_DAY = "no date"

FIELDS = (
    "rank", "score", "match", "path", "width", "height", "format", "size", "taken_at", "camera", "latitude", "longitude",
    "content_hash", "caption",
)  # fmt: skip
"""A hit's columns in CSV and in a data frame; width and height in pixels, size in bytes, places in degrees."""

_BOLD, _DIM, _GREEN, _CYAN = "1", "2", "32", "36"  # ECMA-48, select graphic rendition
_STYLES = {"#": _DIM, "score": _CYAN, "match": _GREEN, "day": _DIM, "photo": "", "caption": _DIM}
_ROOM = 16  # cells for a path or a caption, under which other columns have to go
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # OWASP, "CSV Injection"


def hits_table(
    hits: Sequence[Hit],
    relative_to: str,
    *,
    width: int | None = None,
    colours: bool = False,
    heading: bool = False,
    group_by: GroupBy | None = None,
) -> str:
    """One line a hit: rank, score, match, day, path and caption, the path as short as it can be said from a folder.

    Columns that no hit has a value for are left out. Lines take at most `width` terminal cells, path and caption being
    shortened in their middle; without a width nothing is. `colours` adds escape sequences. Groups are in the order of their
    first hits.
    """
    if not hits:
        return ""
    rows = [_row(hit, relative_to, group_by) for hit in hits]
    shown = [name for name in rows[0] if name in ("#", "score", "photo") or any(row[name] for row in rows)]
    widths = {name: max(columns(row[name]) for row in [*rows, *([{name: name}] if heading else [])]) for name in shown}
    indent = 2 if group_by else 0
    room, caption_room = 0, 0
    if width is not None:
        for spare in ("day", "match", ""):
            room = width - indent - sum(widths[name] + 2 for name in shown if name not in ("photo", "caption"))
            if room < _ROOM and spare in shown:
                shown.remove(spare)
        room = max(room, 1)
        if "caption" in shown:
            for_path = min(widths["photo"], room // 2)
            if (caption_room := room - for_path - 2) >= _ROOM:
                room = for_path
            else:
                shown.remove("caption")

    def line(row: dict[str, str], *, dim: bool = False) -> str:
        cells = []
        for name in shown:
            text = row[name]
            if name == "photo":
                text = text if width is None else shorten(text, room)
                text = (
                    pad(text, widths[name] if width is None else room)
                    if "caption" in shown and row["caption"]
                    else text
                )
            elif name == "caption":
                if not text:
                    continue
                text = text if width is None else shorten(text, caption_room)
            elif name == "day":
                text = pad(text, widths[name])
            else:
                text = " " * (widths[name] - columns(text)) + text
            cells.append(_styled(text, _DIM if dim else _STYLES[name], colours))
        return " " * indent + "  ".join(cells) + "\n"

    lines = [line({name: name for name in shown}, dim=True)] if heading else []
    if group_by is None:
        return "".join(lines + [line(row) for row in rows])
    groups: dict[str | None, list[str]] = {}
    for hit, row in zip(hits, rows, strict=True):
        groups.setdefault(group_of(hit, group_by), []).append(line(row))
    for group, members in groups.items():
        title = _title(group, relative_to, group_by)
        lines.append(_styled(title if width is None else shorten(title, width), _BOLD, colours) + "\n")
        lines += members
    return "".join(lines)


def hits_json(
    hits: Sequence[Hit],
    query: str,
    model: str,
    index: str,
    *,
    group_by: GroupBy | None = None,
    explanation: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """{"query", "model", "index", "hits": [hit_object, ...]}, and "explanation" if there is one. Keys are only ever added."""
    objects = [hit_object(hit, group_by) for hit in hits]
    return {
        "query": query,
        "model": model,
        "index": index,
        "hits": objects,
        **({} if explanation is None else {"explanation": explanation}),
    }


def hits_jsonl(hits: Sequence[Hit], query: str, *, group_by: GroupBy | None = None) -> str:
    """One JSON object a line: "query" and the keys of hit_object."""
    return "".join(to_json({"query": query, **hit_object(hit, group_by)}) for hit in hits)


def hits_csv(hits: Sequence[Hit], query: str, *, group_by: GroupBy | None = None, heading: bool = True) -> str:
    """Rows of "query", FIELDS and, where asked for, "group", as in RFC 4180 but with plain newlines; texts are quoted.

    A spreadsheet would take some texts for a formula. Paths begin with a slash or a drive, so this concerns the query, and
    camera and caption, which are a stranger's: such a text gets an apostrophe before it. Bytes of names that are
    not UTF-8 become escapes, which cannot be told from a name that has them: JSON and -0 are exact.
    """
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    group = () if group_by is None else ("group",)
    if heading:
        writer.writerow(("query", *FIELDS, *group))
    for hit in hits:
        row = hit_row(hit)
        row["taken_at"] = row["taken_at"] and row["taken_at"].isoformat()
        row["score"] = round(hit.score, 6)
        row["match"] = hit.match if hit.match is None else round(hit.match, 6)
        values = [query, *row.values(), *(group_of(hit, name) for name in (group_by,) if name)]
        writer.writerow([_harmless(value) for value in values])
    return text.getvalue().encode("utf-8", "backslashreplace").decode("utf-8")


def hit_object(hit: Hit, group_by: GroupBy | None = None) -> dict[str, Any]:
    """A hit in the values that JSON has; with "group" where hits are grouped: a folder's path, or a day, or None."""
    return {
        "rank": hit.rank,
        "score": round(hit.score, 6),
        "match": None if hit.match is None else round(hit.match, 6),
        **record_object(hit.record),
        **({} if group_by is None else {"group": group_of(hit, group_by)}),
    }


def record_object(record: ImageRecord) -> dict[str, Any]:
    """A photo of the index in the values that JSON has; with "caption" where it has one."""
    info = record.info
    return {
        "id": record.image_id,
        "path": record.file.path,
        "width": info.width,
        "height": info.height,
        "format": info.format,
        "size": record.file.size,
        "taken_at": info.taken_at.isoformat() if info.taken_at else None,
        "camera": info.camera,
        "gps": list(info.gps) if info.gps else None,
        "content_hash": info.content_hash,
        **({} if info.caption is None else {"caption": info.caption}),
    }


def hit_row(hit: Hit) -> dict[str, Any]:
    """A hit as FIELDS and their values, flat and exact."""
    info = hit.record.info
    latitude, longitude = info.gps or (None, None)
    values = (
        hit.rank, hit.score, hit.match, hit.path, info.width, info.height, info.format, hit.record.file.size, info.taken_at,
        info.camera, latitude, longitude, info.content_hash, info.caption,
    )  # fmt: skip
    return dict(zip(FIELDS, values, strict=True))


def data_frame_columns(hits: Iterable[Hit]) -> dict[str, list[Any]]:
    """FIELDS, each with the values of all hits."""
    rows = [hit_row(hit) for hit in hits]
    return {name: [row[name] for row in rows] for name in FIELDS}


def group_of(hit: Hit, group_by: GroupBy) -> str | None:
    """The group a hit is in: its folder's path, or the day it was taken (2024-07-15) where that is known."""
    if group_by == "folder":
        return os.path.dirname(hit.path)
    return _day(hit) or None


def _row(hit: Hit, relative_to: str, group_by: GroupBy | None) -> dict[str, str]:
    """What a table says of a hit, without what the heading of its group says already."""
    path = hit.record.file.name if group_by == "folder" else short_path(hit.path, relative_to)
    return {
        "#": str(hit.rank),
        "score": f"{hit.score:7.4f}",
        "match": "" if hit.match is None else percent(hit.match),
        "day": "" if group_by == "day" else _day(hit),
        "photo": printable(path),
        "caption": printable(hit.record.info.caption or ""),
    }


def _day(hit: Hit) -> str:
    taken_at = hit.record.info.taken_at
    return taken_at.date().isoformat() if taken_at else ""


def _title(group: str | None, relative_to: str, group_by: GroupBy) -> str:
    if group is None:
        return NO_DAY
    if group_by == "day":
        return group
    return "." if group == relative_to else printable(short_path(group, relative_to))


def _styled(text: str, style: str, colours: bool) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if colours and style and text else text


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
