"""What the machine has to offer."""

from __future__ import annotations

import os
import sys


def cores() -> int:
    """How many cores this process may use."""
    count = os.cpu_count() or 1
    if sys.platform == "linux":
        count = len(os.sched_getaffinity(0))
    return count
