"""Hits in a notebook: thumbnails with rank, match, score and name, in self-contained HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from PIL import Image

from clipsearch.images.thumbnails import jpeg_data_url, thumbnails
from clipsearch.render.text import match_and_score, printable, titled
from clipsearch.types import Hit

MOST = 50
"""Pictures in one cell. They take about 10 kB each, so 500 kB in a saved notebook."""

_BOX = (200, 160)  # (width, height), pixels


def hits_html(hits: Sequence[Hit]) -> str:
    """At most MOST hits as figures, then the number of other hits. Names are escaped."""
    shown = hits[:MOST]
    pictures = thumbnails([hit.record for hit in shown], _BOX)
    figures = "".join(_figure(hit, picture) for hit, picture in zip(shown, pictures, strict=True))
    more = f"<p>and {len(hits) - MOST:,} more</p>" if len(hits) > MOST else "" if hits else "<p>no photos</p>"
    return f'<div style="display:flex;flex-wrap:wrap;gap:12px">{figures}</div>{more}'


def _figure(hit: Hit, picture: Image.Image | None) -> str:
    width, height = _BOX
    name, path = escape(titled(hit.record.file.name, hit)), escape(printable(hit.path))
    image = "cannot be read"
    if picture is not None:
        image = f'<img src="{jpeg_data_url(picture)}" alt="{name}" style="max-width:100%;max-height:100%">'
    return (
        f'<figure title="{path}" style="margin:0;width:{width}px">'
        f'<div style="height:{height}px;display:flex;align-items:center;justify-content:center">{image}</div>'
        f'<figcaption style="overflow:hidden;text-overflow:ellipsis;white-space:nowrap">'
        f"<b>{hit.rank}</b> {escape(', '.join(match_and_score(hit)))}<br>{name}</figcaption></figure>"
    )
