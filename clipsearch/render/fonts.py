"""Fonts for text in pictures.

Pillow has one scalable font, which draws little beyond ASCII, not even an accented e. Other text is drawn with the system's
fonts. Characters that no font has become the font's sign for a missing character, a box.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TypeAlias

from PIL import ImageFont

from clipsearch.render.text import printable

Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont

_LINUX = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "NotoSansCJK-Regular.ttc")
_LINUX_ASIAN = ("DroidSansFallbackFull.ttf", "wqy-microhei.ttc", "wqy-zenhei.ttc", "FreeSans.ttf")
_MACOS = ("Arial Unicode.ttf", "Hiragino Sans GB.ttc", "AppleSDGothicNeo.ttc", "Helvetica.ttc")
_WINDOWS = ("segoeui.ttf", "msyh.ttc", "msgothic.ttc", "malgun.ttf", "arial.ttf")
_SYSTEM_FONTS = (*_LINUX, *_LINUX_ASIAN, *_MACOS, *_WINDOWS)
_JOINERS = re.compile(
    "[\u200c\u200d\ufe00-\ufe0f\U000e0020-\U000e007f]"
)  # what they join, as in emoji, no font here has
_NOT_A_CHARACTER = "\U0010ffff"  # so every font draws its sign for a missing character


def drawable(text: str) -> str:
    """Text on one line, without the invisible characters that join emoji. Other invisible ones are escaped."""
    return printable(_JOINERS.sub("", text))


def choose_font(text: str, size: int) -> Font:
    """The first font that can draw a `drawable` text. Otherwise the font with most of it, which draws boxes for the rest."""
    best: tuple[int, Font] | None = None
    for name in (None, *_SYSTEM_FONTS):
        font = _load(name, size)
        if font is None:
            continue
        missing = sum(not _draws(name, character) for character in set(text))
        if not missing:
            return font
        if best is None or missing < best[0]:
            best = missing, font
    assert best  # Pillow's own font always loads
    return best[1]


def fit(text: str, size: int, width: float) -> tuple[Font, str]:
    """A font and the text in at most `width` pixels: its middle is cut out if it is longer."""
    font = choose_font(text, size)
    ellipsis = "…" if _can_draw(font, "…") else "..."
    keep = len(text)
    shown = text
    while keep > 2 and font.getlength(shown) > width:
        keep -= 1
        head = keep // 3
        shown = text[:head].rstrip() + ellipsis + text[len(text) - (keep - head) :].lstrip()
    return font, shown


@lru_cache(128)
def _load(name: str | None, size: int) -> Font | None:
    try:
        return ImageFont.load_default(size) if name is None else ImageFont.truetype(name, size)
    except OSError:
        return None


@lru_cache(8192)
def _draws(name: str | None, character: str) -> bool:
    font = _load(name, 24)
    return font is not None and (character == " " or _can_draw(font, character))


def _can_draw(font: Font, character: str) -> bool:
    drawn, missing = font.getmask(character), font.getmask(_NOT_A_CHARACTER)
    return (drawn.size, bytes(drawn)) != (missing.size, bytes(missing))
