"""How much room a text takes on a terminal, and how to make it take less."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable


def columns(text: str) -> int:
    """How many terminal cells a printable text takes: two for wide East Asian characters, none for marks upon others."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def pad(text: str, width: int) -> str:
    """The text with spaces after it, up to a width in terminal cells."""
    return text + " " * (width - columns(text))


def shorten(text: str, width: int) -> str:
    """The text in at most `width` terminal cells: its beginning, an ellipsis, and its end, which says more in a path."""
    if columns(text) <= width:
        return text
    if width < 1:
        return ""
    head = (width - 1) // 3
    start = _as_many_as_fit(text, head)
    end = _as_many_as_fit(reversed(text), width - 1 - head)[::-1]
    while end and not _cells(end[0]):  # a mark whose character was cut off would go onto the ellipsis
        end = end[1:]
    return f"{start}…{end}"


def _as_many_as_fit(characters: Iterable[str], width: int) -> str:
    taken = []
    for character in characters:
        width -= _cells(character)
        if width < 0:
            break
        taken.append(character)
    return "".join(taken)


def _cells(character: str) -> int:
    # U+1160 to U+11FF are the vowels and finals of decomposed Hangul, as macOS writes names: drawn onto the initial.
    if unicodedata.category(character) in ("Mn", "Me", "Cf") or "\u1160" <= character <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
