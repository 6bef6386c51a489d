"""Pictures for terminals: Kitty's and iTerm2's graphics protocols, Sixel, and coloured half-blocks.

No library does all of these: textual-image has neither iTerm2's protocol nor support for Python 3.10 and 3.11, and it queries
the terminal when it is imported. term-image asks for an old Pillow.
"""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Iterator
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clipsearch.images.thumbnails import encoded

Protocol: TypeAlias = Literal["kitty", "iterm2", "sixel", "blocks"]

HALF_BLOCK = "▀"  # the upper half, in the colour of the text; the lower one has that of the background
_CHUNK = 4096  # bytes of base64 in one command: https://sw.kovidgoyal.net/kitty/graphics-protocol
_REGISTERS = 256  # colours of a sixel picture; the successors of the VT340 have as many
_RUN = re.compile(rb"(.)\1{3,}", re.DOTALL)  # counting a shorter run saves nothing
_CUBE = np.array([0, 95, 135, 175, 215, 255])  # xterm's colours 16 to 231 are 6 x 6 x 6 of these, 232 to 255 are greys


def kitty(picture: Image.Image, columns: int | None = None, rows: int | None = None) -> str:
    """A command that draws a picture at the cursor and moves the cursor. The terminal does not answer.

    With `columns` or `rows`, the picture is that many cells wide or high and keeps its shape. Otherwise it keeps its pixels.
    """
    content = base64.b64encode(encoded(picture, "PNG", compress_level=3)).decode("ascii")
    size = "".join(f",{key}={cells}" for key, cells in (("c", columns), ("r", rows)) if cells)
    chunks = [content[start : start + _CHUNK] for start in range(0, len(content), _CHUNK)]
    parts = []
    for number, chunk in enumerate(chunks, 1):
        keys = f"a=T,f=100,q=2{size}," if number == 1 else "q=2,"
        parts.append(f"\x1b_G{keys}m={int(number < len(chunks))};{chunk}\x1b\\")
    return "".join(parts)


def iterm2(picture: Image.Image, columns: int, rows: int) -> str:
    """A command that draws a picture at the cursor, as large as fits into these cells.

    Source: https://iterm2.com/documentation-images.html.
    """
    data = encoded(picture, "JPEG", quality=88)
    content = base64.b64encode(data).decode("ascii")
    size = f"size={len(data)};width={columns};height={rows};preserveAspectRatio=1"
    return f"\x1b]1337;File=inline=1;{size}:{content}\x07"


def sixel(picture: Image.Image) -> str:
    """A device control string that draws a picture at the cursor, pixel by pixel: VT330/VT340 manual, volume 2, chapter 14."""
    reduced = picture.convert("RGB").quantize(_REGISTERS, dither=Image.Dither.FLOYDSTEINBERG)
    pixels = np.asarray(reduced)
    palette = np.array(reduced.getpalette("RGB"), np.uint8).reshape(-1, 3)
    height, width = pixels.shape
    colours = "".join(
        f"#{number};2;{';'.join(str(round(100 * value / 255)) for value in palette[number].tolist())}"
        for number in np.unique(pixels).tolist()
    )
    bands = "-".join("$".join(_band(pixels[top : top + 6])) for top in range(0, height, 6))
    return f'\x1bP0;1;0q"1;1;{width};{height}{colours}{bands}\x1b\\'


def blocks(picture: Image.Image, *, all_colours: bool) -> list[str]:
    """Lines of upper half-blocks, two pixels a cell, in 24-bit colours or in xterm's 256."""
    return [_block_line(runs, all_colours) for runs in cell_runs(picture, all_colours=all_colours)]


def cell_runs(picture: Image.Image, *, all_colours: bool) -> Iterator[list[tuple[int, int, int]]]:
    """For each line of cells of two pixels, its runs of equal cells: (upper colour, lower colour, number of cells).

    A colour is red << 16 | green << 8 | blue, or a number of xterm's 256 colours.
    """
    pixels = np.asarray(picture.convert("RGB")).astype(np.int64)
    if len(pixels) % 2:
        pixels = np.concatenate([pixels, pixels[-1:]])
    codes = (pixels @ [65536, 256, 1] if all_colours else _nearest_of_256(pixels)).tolist()
    for upper, lower in zip(codes[::2], codes[1::2], strict=True):
        yield [(*cell, len(list(same))) for cell, same in itertools.groupby(zip(upper, lower, strict=True))]


def _band(rows: NDArray[np.uint8]) -> Iterator[str]:
    """Up to six rows of pixels, uint8 (n, width), as one pass for each of their colours."""
    bits = 1 << np.arange(len(rows))
    for number in np.unique(rows).tolist():
        sixels = ((rows == number) * bits[:, None]).sum(axis=0)
        passes = (sixels + 63).astype(np.uint8).tobytes().rstrip(b"?")
        counted = _RUN.sub(lambda run: b"!%d%c" % (len(run[0]), run[1][0]), passes)
        yield f"#{number}{counted.decode('ascii')}"


def _block_line(runs: list[tuple[int, int, int]], all_colours: bool) -> str:
    parts = []
    before: tuple[int | None, int | None] = (None, None)
    for upper, lower, cells in runs:
        changed = [
            f"{ground};{_colour(code, all_colours)}"
            for ground, code, old in zip((38, 48), (upper, lower), before, strict=True)
            if code != old
        ]
        parts.append(f"\x1b[{';'.join(changed)}m{HALF_BLOCK * cells}")
        before = (upper, lower)
    return "".join(parts) + "\x1b[0m"


def _colour(code: int, all_colours: bool) -> str:
    """An SGR parameter: ISO 8613-6, 13.1.8."""
    return f"2;{code >> 16};{code >> 8 & 255};{code & 255}" if all_colours else f"5;{code}"


def _nearest_of_256(pixels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The nearest of xterm's colours 16 to 255 for colours (..., 3) of 0 to 255: in its colour cube or its grey ramp."""
    steps = np.abs(pixels[..., None] - _CUBE).argmin(axis=-1)
    grey = np.clip(np.round((pixels.mean(axis=-1) - 8) / 10), 0, 23).astype(np.int64)
    cube_error = ((_CUBE[steps] - pixels) ** 2).sum(axis=-1)
    grey_error = (((8 + 10 * grey)[..., None] - pixels) ** 2).sum(axis=-1)
    nearest: NDArray[np.int64] = np.where(grey_error < cube_error, 232 + grey, 16 + steps @ [36, 6, 1])
    return nearest
