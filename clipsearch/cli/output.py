"""What several commands print alike."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable


def print_paths(paths: Iterable[str], end: bytes) -> None:
    """Paths alone on standard output, byte for byte as the file system has them."""
    sys.stdout.buffer.write(b"".join(os.fsencode(path) + end for path in paths))
    sys.stdout.buffer.flush()
