"""When a file that could not be read is worth another attempt."""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from importlib import metadata
from typing import Any

from clipsearch.images.files import ReadLimits

MOST_ATTEMPTS = 3
"""Runs that try a file which made the decoder crash, take too long or use too much memory."""

_DECODERS = ("pillow", "pillow-heif")
_LIMIT_OF = {
    "pixels": "max_pixels",
    "bytes": "max_bytes",
    "time": "seconds",
    "memory": "memory",
    "crash": "memory",
    "content": "memory",  # libraries that get no memory often say that a file is broken
}
_REPEATED = ("crash", "memory", "time")

IN_THE_FILE = ("content", "pixels", "bytes")
"""Causes that lie in the file: it can be read, and is not what is indexed."""


def circumstances(limits: ReadLimits) -> str:
    """What decides, besides the file itself, whether it can be read: limits and decoders, as JSON to keep beside a failure."""
    return json.dumps({**_in_force(limits), "decoders": _decoders()}, sort_keys=True)


def is_due(cause: str, attempts: int, before: str, limits: ReadLimits) -> bool:
    """Whether a file that has not changed since it failed is tried again.

    It is if its bytes could not be had at all, if a limit that it broke has been raised, if decoders have been installed or
    changed, or if it may be that the machine was to blame and MOST_ATTEMPTS is not reached. `before` is what `circumstances`
    gave when it failed; for failures of which nothing is known, it is empty, and they are tried once more.
    """
    then = _parsed(before)
    if cause == "access" or then is None or then.get("decoders") != _decoders():
        return True
    limit = _LIMIT_OF.get(cause)
    if limit and not then[limit] >= _in_force(limits)[limit]:
        return True
    return cause in _REPEATED and attempts < MOST_ATTEMPTS


def _in_force(limits: ReadLimits) -> dict[str, float]:
    """The limits that decoders have here: their memory may be limited from outside as well (`ulimit -v`)."""
    values = limits.to_json()
    if sys.platform != "win32":
        import resource

        outside = resource.getrlimit(resource.RLIMIT_AS)
        values["memory"] = min([values["memory"], *(limit for limit in outside if limit >= 0)])
    return values


@lru_cache
def _decoders() -> str:
    """The decoders that are installed, with their versions."""
    return ", ".join(f"{name} {_version(name)}" for name in _DECODERS)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


@lru_cache(1024)
def _parsed(before: str) -> dict[str, Any] | None:
    """Stored circumstances; None where they are not what `circumstances` writes."""
    try:
        values = json.loads(before)
        return values if all(isinstance(values[limit], (int, float)) for limit in _LIMIT_OF.values()) else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
