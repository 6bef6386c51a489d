"""Hits in a notebook: thumbnails with rank, match, score and name, in HTML that needs no other file."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

from PIL import Image

from clipsearch.images.thumbnails import thumbnails
from clipsearch.render.text import percent, printable
from clipsearch.types import Hit

MOST = 50
"""Pictures in one cell: at about 10 kB each, 500 kB of every notebook that is saved with them."""

_BOX = (200, 160)  # (width, height), pixels


def hits_html(hits: Sequence[Hit]) -> str:
    """At most MOST hits as figures, and how many more there are. Every name is escaped."""
    shown = hits[:MOST]
    pictures = thumbnails([hit.path for hit in shown], _BOX)
    figures = "".join(_figure(hit, picture) for hit, picture in zip(shown, pictures, strict=True))
    more = f"<p>and {len(hits) - MOST:,} more</p>" if len(hits) > MOST else "" if hits else "<p>no photos</p>"
    return f'<div style="display:flex;flex-wrap:wrap;gap:12px">{figures}</div>{more}'


def _figure(hit: Hit, picture: Image.Image | None) -> str:
    width, height = _BOX
    name, path = escape(printable(hit.record.file.name)), escape(printable(hit.path))
    match = "" if hit.match is None else f"{escape(percent(hit.match))}, "
    image = "cannot be read"
    if picture is not None:
        image = f'<img src="{_data_uri(picture)}" alt="{name}" style="max-width:100%;max-height:100%">'
    return (
        f'<figure title="{path}" style="margin:0;width:{width}px">'
        f'<div style="height:{height}px;display:flex;align-items:center;justify-content:center">{image}</div>'
        f'<figcaption style="overflow:hidden;text-overflow:ellipsis;white-space:nowrap">'
        f"<b>{hit.rank}</b> {match}{hit.score:.4f}<br>{name}</figcaption></figure>"
    )


def _data_uri(picture: Image.Image) -> str:
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode('ascii')}"
