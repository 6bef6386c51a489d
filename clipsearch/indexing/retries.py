"""Decide when a file that could not be read is tried again."""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from importlib import metadata
from typing import Any

from clipsearch.images.files import ReadLimits

MOST_ATTEMPTS = 3
"""How many runs try a file that makes the decoder crash, time out or run out of memory."""

_DECODERS = ("pillow", "pillow-heif")
_LIMIT_OF = {
    "pixels": "max_pixels",
    "bytes": "max_bytes",
    "time": "seconds",
    "memory": "memory",
    "crash": "memory",
    "content": "memory",  # without memory, libraries often call a file broken
}
_REPEATED = ("crash", "memory", "time")

IN_THE_FILE = ("content", "pixels", "bytes")
"""Causes that lie in the file: it was read, and is not the photo that is indexed."""


def circumstances(limits: ReadLimits) -> str:
    """The limits and decoders of this run, as JSON to store with a failure: another run with others may succeed."""
    return json.dumps({**_in_force(limits), "decoders": _decoders()}, sort_keys=True)


def is_due(cause: str, attempts: int, before: str, limits: ReadLimits) -> bool:
    """Whether a file that failed and has not changed since is tried again.

    It is tried again if its bytes could not be read, if a limit that it exceeded is higher now, if decoders were installed or
    changed, or if the machine may have been to blame and it was tried less than MOST_ATTEMPTS times. `before` is the
    `circumstances` of the failure. It is empty for failures of old indexes, which are tried once more.
    """
    then = _parsed(before)
    if cause == "access" or then is None or then.get("decoders") != _decoders():
        return True
    limit = _LIMIT_OF.get(cause)
    if limit and not then[limit] >= _in_force(limits)[limit]:
        return True
    return cause in _REPEATED and attempts < MOST_ATTEMPTS


def _in_force(limits: ReadLimits) -> dict[str, float]:
    """The limits that hold for decoders here: `ulimit -v` may limit their memory further."""
    values = limits.to_json()
    if sys.platform != "win32":
        import resource

        outside = resource.getrlimit(resource.RLIMIT_AS)
        values["memory"] = min([values["memory"], *(limit for limit in outside if limit >= 0)])
    return values


@lru_cache
def _decoders() -> str:
    """The installed decoders and their versions."""
    return ", ".join(f"{name} {_version(name)}" for name in _DECODERS)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


@lru_cache(1024)
def _parsed(before: str) -> dict[str, Any] | None:
    """Stored circumstances; None if `circumstances` did not write them."""
    try:
        values = json.loads(before)
        return values if all(isinstance(values[limit], (int, float)) for limit in _LIMIT_OF.values()) else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
