"""Hits on a contact sheet: thumbnails in rows, with rank, match, score and name under each."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from clipsearch._internal.atomic_files import require_suffix
from clipsearch.errors import ClipsearchError, QueryError
from clipsearch.images.outputs import replacing_outputs, require_output
from clipsearch.images.own_pictures import mark
from clipsearch.images.thumbnails import each_thumbnail
from clipsearch.render.fonts import choose_font, drawable, fit
from clipsearch.render.text import match_and_score, printable, titled
from clipsearch.types import Failure, Hit

SUFFIXES = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".pdf": "PDF"}

MOST = 400
"""Hits on a sheet that is one picture, which then has 40 million pixels. A PDF has pages and no such limit."""

_PAPER, _TILE, _INK, _FAINT = "#ffffff", "#f0f0f0", "#1a1a1a", "#767676"


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of a sheet, in pixels. A cell is a tile with the picture, and two lines of text under it."""

    columns: int
    rows: int
    tile: tuple[int, int]  # (width, height)
    gap: int
    margin: int
    text: int  # font size

    @property
    def caption(self) -> int:
        """The height of the two lines under a tile."""
        return round(3.1 * self.text)

    @property
    def title(self) -> int:
        """The height of the title line."""
        return round(2.6 * self.text)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the sheet."""
        width = 2 * self.margin + self.columns * (self.tile[0] + self.gap) - self.gap
        height = 2 * self.margin + self.title + self.rows * (self.tile[1] + self.caption + self.gap) - self.gap
        return width, height


A4 = Layout(columns=4, rows=5, tile=(354, 322), gap=26, margin=80, text=24)
"""A sheet for a page of 1,654 x 2,339 pixels, which is A4 at 200 dpi."""

_A4_SIZE = (1654, 2339)
_A4_RESOLUTION = 200.0


def one_sheet(count: int) -> Layout:
    """The layout of one picture with `count` hits, about as wide as it is high or wider."""
    columns = max(1, min(count, max(3, math.ceil(math.sqrt(count * 1.15)))))
    return Layout(columns, math.ceil(count / columns), tile=(280, 240), gap=20, margin=36, text=17)


def check_sheet(path: str | os.PathLike[str], *, force: bool) -> None:
    """QueryError if a contact sheet cannot be written: an unknown suffix, no folder, a photo, or a file that exists."""
    path = Path(path)
    require_suffix(path, SUFFIXES, "a contact sheet must be a .jpg, .png or .pdf file")
    require_output(path, force=force)


def save_contact_sheet(
    hits: Sequence[Hit],
    path: str | os.PathLike[str],
    title: str,
    *,
    force: bool = False,
    on_failure: Callable[[Failure], object] = lambda failure: None,
) -> int:
    """Write hits to a JPEG, a PNG or a PDF of A4 pages, by the suffix; returns the number of pages.

    An existing file is replaced only with `force`, a photo never. A photo that cannot be read becomes an empty tile, and
    `on_failure` gets the reason. ClipsearchError if the file cannot be written, or there are no hits. QueryError for a name
    that `check_sheet` refuses, or more than MOST hits for one picture.
    """
    check_sheet(path, force=force)
    kind = SUFFIXES[Path(path).suffix.lower()]
    if not hits:
        raise ClipsearchError("no photo was found, so there is nothing to put on a contact sheet")
    if kind != "PDF" and len(hits) > MOST:
        raise QueryError(f"one picture has room for {MOST} photos, not {len(hits)}; write a .pdf, which has pages")
    with replacing_outputs([Path(path)], force=force) as (unfinished,):
        if kind == "PDF":
            return _save_pdf(draw_sheets(hits, title, A4, on_failure), unfinished, title)
        (sheet,) = draw_sheets(hits, title, one_sheet(len(hits)), on_failure)
        sheet.save(unfinished, kind, quality=90, optimize=True, **mark(kind))
        return 1


def draw_sheets(
    hits: Sequence[Hit],
    title: str,
    layout: Layout,
    on_failure: Callable[[Failure], object] = lambda failure: None,
) -> Iterator[Image.Image]:
    """The sheets, one after another. Photos are read when their sheet is drawn; `on_failure` gets those that cannot be read."""
    room = layout.columns * layout.rows
    pages = math.ceil(len(hits) / room)
    for page in range(pages):
        shown = hits[page * room : (page + 1) * room]
        pictures: list[Image.Image | None] = []
        for outcome in each_thumbnail([hit.record for hit in shown], layout.tile):
            if isinstance(outcome, Failure):
                on_failure(outcome)
            pictures.append(None if isinstance(outcome, Failure) else outcome)
        yield _draw(shown, pictures, title, f"{page + 1} / {pages}" if pages > 1 else "", layout)


def _draw(
    hits: Sequence[Hit], pictures: Sequence[Image.Image | None], title: str, page: str, layout: Layout
) -> Image.Image:
    sheet = Image.new("RGB", layout.size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    size, left, right = layout.text, layout.margin, layout.size[0] - layout.margin
    page_font = choose_font(page, size)
    page_width = page_font.getlength(page)
    font, text = fit(drawable(title), round(1.25 * size), right - left - page_width - size)
    draw.text((left, layout.margin + 1.3 * size), text, _INK, font, anchor="ls")
    draw.text((right, layout.margin + 1.3 * size), page, _FAINT, page_font, anchor="rs")
    for place, (hit, picture) in enumerate(zip(hits, pictures, strict=True)):
        row, column = divmod(place, layout.columns)
        x = left + column * (layout.tile[0] + layout.gap)
        y = layout.margin + layout.title + row * (layout.tile[1] + layout.caption + layout.gap)
        _draw_cell(sheet, draw, hit, picture, (x, y), layout)
    return sheet


def _draw_cell(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    hit: Hit,
    picture: Image.Image | None,
    corner: tuple[int, int],
    layout: Layout,
) -> None:
    x, y = corner
    width, height = layout.tile
    size = layout.text
    draw.rectangle((x, y, x + width - 1, y + height - 1), _TILE)
    if picture is None:
        font, text = fit("cannot be read", size, width)
        draw.text((x + width / 2, y + height / 2), text, _FAINT, font, anchor="mm")
    else:
        sheet.paste(picture, (x + (width - picture.width) // 2, y + (height - picture.height) // 2))
    first = y + height + 1.35 * size
    rank = str(hit.rank)
    font = choose_font(rank, size)
    draw.text((x, first), rank, _INK, font, anchor="ls", stroke_width=size / 40, stroke_fill=_INK)
    worth = "   ".join(match_and_score(hit))
    font = choose_font(worth, size)
    draw.text((x + width, first), worth, _FAINT, font, anchor="rs")
    font, name = fit(titled(drawable(hit.record.file.name), hit), size, width)
    draw.text((x, first + 1.4 * size), name, _INK, font, anchor="ls")


def _save_pdf(sheets: Iterable[Image.Image], path: Path, title: str) -> int:
    pages = 0
    for sheet in sheets:
        page = Image.new("RGB", _A4_SIZE, _PAPER)
        page.paste(sheet)
        page.save(path, "PDF", resolution=_A4_RESOLUTION, quality=90, append=pages > 0, title=printable(title))
        pages += 1
    return pages
