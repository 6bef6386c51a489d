"""Text in double quotes within a longer text, as in `a "no dogs" sign`: it is searched as it is, so nothing is read in it."""

from __future__ import annotations

import re

_QUOTED = re.compile(
    r'(?<!\w)"[^"]*"(?!\w)'  # in 5" the sign stands for inches
    "|[\u201c\u201d\u201e][^\u201c\u201d]*[\u201c\u201d]|\u00ab[^\u00bb]*\u00bb|\u00bb[^\u00ab]*\u00ab"
)
_FIRST, _LAST = 0xE000, 0xF8FF  # characters for private use, which are no letters
_RUNS = re.compile(r"([\ue000-\uf8ff])\1*")


def masked(text: str) -> tuple[str, dict[str, str]]:
    """A text of the same length with a run of one character for each part in quotes, and the part of each character."""
    parts: dict[str, str] = {}
    signs = (sign for sign in map(chr, range(_FIRST, _LAST + 1)) if sign not in text)

    def mask(match: re.Match[str]) -> str:
        if (sign := next(signs, None)) is None:
            return match[0]
        parts[sign] = match[0]
        return sign * len(match[0])

    return _QUOTED.sub(mask, text), parts


def unmasked(text: str, parts: dict[str, str]) -> str:
    """The parts in quotes again, in any piece of a text that has the runs whole."""
    return _RUNS.sub(lambda run: parts.get(run[1], run[0]), text) if parts else text
