"""Advice about a file that could not be read, and how long it has failed."""

from __future__ import annotations

import math
import re
from datetime import datetime, timezone

from clipsearch.types import Failure

_CHANGED = "it is tried again when it changes"
_LEAVE_OUT = "leave it out: `clipsearch index` with --exclude and its name"
_TOO_LARGE = f"make a smaller copy of it, or {_LEAVE_OUT}"
_ADVICE: dict[str, str] = {
    "content": f"replace it with a copy that is whole, if you have one; {_CHANGED}",
    "incomplete": "replace it with a copy that is whole, if you have one",
    "pixels": "index again, if you trust it: `clipsearch index` with a higher --max-megapixels",
    "bytes": _TOO_LARGE,
    "memory": _TOO_LARGE,
    "time": "index again: `clipsearch index` with a higher --max-seconds",
    "crash": "index again: `clipsearch index` with --retry; if that does not help, save it anew with another program",
    "access": "check its drive; the next run tries it again",
}
_PERMISSION = "allow yourself to read it; the next run tries it again"
_UNREADABLE = {  # parts of reasons for which the advice of the cause would not help
    "empty file": f"restore it from a backup, or delete it; {_CHANGED}",
    "not a picture in a format": f"if it is a picture, convert it to JPEG; if not, {_LEAVE_OUT}",
    "not a film in a format": f"if it is a film, convert it to MP4 (H.264); if not, {_LEAVE_OUT}",
    "does not read this kind": "convert it to JPEG with another program",
    "holds only sound": _LEAVE_OUT,
    "does not read its video codec": "convert it to MP4 (H.264) with another program",
    "encrypted (DRM)": f"nothing helps; {_LEAVE_OUT}",
    "pixels need more memory": _TOO_LARGE,
}
_PIXELS = re.compile(r"(\d+) x (\d+) pixels")
_CHANGING = "the next run tries it again"


def advice_for(failure: Failure) -> str:
    """Advice about a failure, as the rest of a line."""
    if "pip install" in failure.reason:
        return "install that and index again"
    if failure.cause == "access" and "permission" in failure.reason.lower():
        return _PERMISSION
    if failure.cause == "access" and "changed while" in failure.reason:
        return _CHANGING
    if "; save it " in failure.reason:  # it is the advice
        return _CHANGED
    for part, advice in _UNREADABLE.items():
        if part in failure.reason:
            return advice
    if failure.cause == "pixels" and (size := _PIXELS.match(failure.reason)):
        megapixels = math.ceil(int(size[1]) * int(size[2]) / 1_000_000)
        return f"index again, if you trust it: `clipsearch index` with --max-megapixels {megapixels}"
    return _ADVICE[failure.cause]


def age_of(failure: Failure, now: datetime | None = None) -> str:
    """How long a file has failed: "today", "for 1 day", "for 12 days"; "" if that is not known."""
    if failure.since is None:
        return ""
    days = ((now or datetime.now(timezone.utc)) - failure.since).days
    return "today" if days < 1 else f"for {days:,} day{'s' if days > 1 else ''}"
