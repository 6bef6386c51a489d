"""The processor."""

from __future__ import annotations

import os


def cores() -> int:
    """How many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # which macOS and Windows lack
    return len(affinity(0)) if affinity else os.cpu_count() or 1
