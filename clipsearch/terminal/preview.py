"""Hits as pictures on a terminal: tiles side by side, with rank, score, match and path under each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from PIL import Image

from clipsearch.images.thumbnails import each_thumbnail
from clipsearch.render.text import match_and_score, pad, printable, short_path, short_title, shorten, titled
from clipsearch.terminal.graphics import Protocol, blocks, iterm2, kitty, sixel
from clipsearch.types import Failure, Hit

_NARROWEST = {"kitty": 28, "iterm2": 28, "sixel": 28, "blocks": 38}  # cells, of several tiles side by side
_WIDEST = 72  # cells, of a single tile
_GAP = 2  # cells between tiles
_UNKNOWN_CELL = (8, 16)  # pixels, if the terminal does not tell: small, so that pictures do not overlap


@dataclass(frozen=True, slots=True)
class Screen:
    """A terminal: its protocol, its width in cells, the (width, height) of a cell in pixels, whether it has 24-bit colours."""

    protocol: Protocol
    width: int
    cell: tuple[int, int] | None = None
    all_colours: bool = True


def preview(
    hits: Sequence[Hit],
    relative_to: str,
    screen: Screen,
    on_failure: Callable[[Failure], object] = lambda failure: None,
) -> Iterator[str]:
    """A text for each row of tiles, as soon as its photos are read.

    If a photo cannot be read, its tile says why, and `on_failure` gets the reason.
    """
    across = max(1, min(len(hits), (screen.width + _GAP) // (_NARROWEST[screen.protocol] + _GAP)))
    width = max(1, min(_WIDEST, (screen.width - _GAP * (across - 1)) // across))
    rows = max(1, round(width * 0.75 / 2))  # a tile is 4 by 3, of cells that are twice as high as wide
    cell = screen.cell or _UNKNOWN_CELL
    box = (width, 2 * rows) if screen.protocol == "blocks" else (width * cell[0], rows * cell[1])
    thumbnails = each_thumbnail([hit.record for hit in hits], box)
    for start in range(0, len(hits), across):
        pictures = list(islice(thumbnails, across))
        for picture in pictures:
            if isinstance(picture, Failure):
                on_failure(picture)
        readable = [None if isinstance(picture, Failure) else picture for picture in pictures]
        draw = _as_lines if screen.protocol == "blocks" else _as_graphics
        text = draw(readable, width, rows, screen)
        in_row = zip(hits[start : start + across], pictures, strict=True)
        captions = [_caption(hit, picture, relative_to, width) for hit, picture in in_row]
        for line in zip(*captions, strict=True):
            text += (" " * _GAP).join(pad(shorten(part, width), width) for part in line).rstrip() + "\n"
        yield text + "\n"


def _as_lines(pictures: Sequence[Image.Image | None], width: int, rows: int, screen: Screen) -> str:
    """Pictures of half-blocks side by side, each in the middle of its tile, directly above its caption."""
    tiles = []
    for picture in pictures:
        lines = [] if picture is None else blocks(picture, all_colours=screen.all_colours)
        used = picture.width if picture else 0
        left = (width - used) // 2
        right = width - left - used
        tiles.append([" " * width] * (rows - len(lines)) + [" " * left + line + " " * right for line in lines])
    return "".join((" " * _GAP).join(line) + "\n" for line in zip(*tiles, strict=True))


def _as_graphics(pictures: Sequence[Image.Image | None], width: int, rows: int, screen: Screen) -> str:
    """Pictures side by side, in rows that are made first, so that nothing scrolls. The cursor returns after each picture."""
    text = "\n" * rows + f"\x1b[{rows}A"
    for place, picture in enumerate(pictures):
        if picture is not None:
            right = place * (width + _GAP)
            text += "\x1b7" + (f"\x1b[{right}C" if right else "") + _drawn(picture, width, rows, screen) + "\x1b8"
    return text + f"\x1b[{rows}B\r"


def _drawn(picture: Image.Image, width: int, rows: int, screen: Screen) -> str:
    if screen.protocol == "sixel":
        return sixel(picture)
    if screen.protocol == "iterm2":
        return iterm2(picture, width, rows)
    cell = screen.cell or _UNKNOWN_CELL
    wide = picture.width * rows * cell[1] >= picture.height * width * cell[0]
    return kitty(picture, columns=width) if wide else kitty(picture, rows=rows)


def _caption(hit: Hit, picture: Image.Image | Failure, relative_to: str, width: int) -> tuple[str, str]:
    """Two lines: how well the photo fits, and where it is, with the file's name at any width."""
    path = short_path(hit.path, relative_to)
    if isinstance(picture, Failure):
        return f"{hit.rank}  cannot be read", f"{titled(path, hit)}: {printable(picture.reason)}"
    where = short_title(printable(path), hit.record.moment, len(hit.others), width)
    return "  ".join([str(hit.rank), *reversed(match_and_score(hit))]), where
