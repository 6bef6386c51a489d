"""Warnings that name the line of the program that called clipsearch, not one of clipsearch itself."""

from __future__ import annotations

import sys
import warnings
from types import FrameType

from clipsearch.errors import ClipsearchWarning

_INSIDE = (__name__.partition(".")[0], "contextlib", "functools")
"""Modules whose code is not the caller's: the package, and what calls its functions for it."""


def warn(message: str) -> None:
    """Issue a ClipsearchWarning for the nearest caller outside the package."""
    frame: FrameType | None = sys._getframe(1)
    level = 2
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _INSIDE:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, ClipsearchWarning, stacklevel=level)
