"""The width of text in a terminal, and shortening text to a width.

The library wcwidth would do the measuring; importing it takes 25 ms, which every query with a name beyond ASCII would pay.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable


def columns(text: str) -> int:
    """The terminal cells of a printable text: two for wide East Asian characters, none for combining marks."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def pad(text: str, width: int) -> str:
    """The text, filled up with spaces to a width in terminal cells."""
    return text + " " * (width - columns(text))


def shorten(text: str, width: int) -> str:
    """The text in at most `width` terminal cells: its beginning, an ellipsis, and more of its end, the name in a path."""
    if columns(text) <= width:
        return text
    if width < 1:
        return ""
    head = (width - 1) // 3
    start = _fitting(text, head)
    end = _fitting(reversed(text), width - 1 - head)[::-1]
    while end and not _cells(end[0]):  # a combining mark would join the ellipsis
        end = end[1:]
    return f"{start}…{end}"


def _fitting(characters: Iterable[str], width: int) -> str:
    kept = []
    for character in characters:
        width -= _cells(character)
        if width < 0:
            break
        kept.append(character)
    return "".join(kept)


def _cells(character: str) -> int:
    # U+1160 to U+11FF: vowels and finals of decomposed Hangul, which macOS writes. They are drawn onto the initial.
    if unicodedata.category(character) in ("Mn", "Me", "Cf") or "\u1160" <= character <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
