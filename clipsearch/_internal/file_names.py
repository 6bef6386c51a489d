"""File names that every file system takes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from unicodedata import normalize

_LONGEST = 240  # bytes of a file name with its number; file systems take 255
_FORBIDDEN = frozenset('<>:"/\\|?*')  # in a name on Windows, and on drives that Windows reads too


def safe_name(path: str) -> str:
    """The last part of a path as a name that every file system takes and no program misreads. It keeps its suffix."""
    name = os.path.basename(path)
    name = "".join(c if c.isprintable() and c not in _FORBIDDEN else "_" for c in name).rstrip(" .")
    stem, suffix = os.path.splitext(name)
    room = _LONGEST - 10 - len(suffix[:20].encode())
    return stem.encode()[:room].decode(errors="ignore") + suffix[:20] or "photo"


def distinct_names(paths: Iterable[str]) -> list[str]:
    """A name for each path, in order: its `safe_name`, with a number behind it if the name is taken: "beach (2).jpg".

    Names that differ only in the case of letters are the same to some file systems.
    """
    taken: set[str] = set()
    numbers: dict[str, int] = {}
    names = []
    for path in paths:
        name = first = safe_name(path)
        stem, suffix = os.path.splitext(first)
        while _folded(name) in taken:
            numbers[_folded(first)] = number = numbers.get(_folded(first), 1) + 1
            name = f"{stem} ({number}){suffix}"
        taken.add(_folded(name))
        names.append(name)
    return names


def _folded(name: str) -> str:
    return normalize("NFC", name).casefold()
