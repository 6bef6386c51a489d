"""Decide when a file that could not be read is tried again."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from functools import lru_cache
from importlib import metadata
from typing import Any

from clipsearch.images.files import ReadLimits
from clipsearch.store.rows import KnownFailure

MOST_ATTEMPTS = 3
"""How many runs try a file that makes the decoder crash, time out or run out of memory."""

_LIMIT_OF = {
    "pixels": "max_pixels",
    "bytes": "max_bytes",
    "time": "seconds",
    "memory": "memory",
    "crash": "memory",
    "content": "memory",  # without memory, libraries often call a file broken
}
_DECODERS = ("av", "pillow", "pillow-heif", "pillow-jxl-plugin", "rawpy")
_REPEATED = ("crash", "memory", "time")

IN_THE_FILE = ("content", "pixels", "bytes")
"""Causes that lie in the file: it was read, and is not the photo that is indexed."""


def circumstances(limits: ReadLimits) -> str:
    """The limits and decoders of this run, as JSON to store with a failure: another run with others may succeed."""
    return json.dumps({**_in_force(limits), "decoders": _decoders()}, sort_keys=True)


def is_due(failure: KnownFailure, limits: ReadLimits) -> bool:
    """Whether a file that failed and has not changed since is tried again.

    It is tried again if its bytes could not be read, if a limit that it exceeded is higher now, if decoders were installed or
    changed, or if the machine may have been to blame and it was tried less than MOST_ATTEMPTS times. Failures of old indexes,
    without circumstances, are tried once more.
    """
    then = _parsed(failure.tried_with)
    if failure.cause == "access" or then is None or then.get("decoders") != _decoders():
        return True
    limit = _LIMIT_OF.get(failure.cause)
    if limit and not then[limit] >= _in_force(limits)[limit]:
        return True
    return failure.cause in _REPEATED and failure.attempts < MOST_ATTEMPTS


def _in_force(limits: ReadLimits) -> dict[str, float]:
    """The limits that hold for decoders here: `ulimit -v` may limit their memory further."""
    values = asdict(limits)
    if sys.platform != "win32":
        import resource

        outside = resource.getrlimit(resource.RLIMIT_AS)
        values["memory"] = min([values["memory"], *(limit for limit in outside if limit >= 0)])
    return values


@lru_cache
def _decoders() -> str:
    """The installed decoders and their versions."""
    versions = []
    for name in _DECODERS:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            versions.append(f"{name} not installed")
    return ", ".join(versions)


@lru_cache(1024)
def _parsed(before: str) -> dict[str, Any] | None:
    """Stored circumstances; None if `circumstances` did not write them."""
    try:
        values = json.loads(before)
        return values if all(isinstance(values[limit], (int, float)) for limit in _LIMIT_OF.values()) else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
