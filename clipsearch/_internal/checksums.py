"""Checksums of files and streams."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import IO


def file_sha256(path: Path, check: Callable[[], None] | None = None) -> str:
    """A file's sha256, hexadecimal. `check` is called now and then, and may raise."""
    with path.open("rb") as stream:
        return stream_sha256(stream, check)


def stream_sha256(stream: IO[bytes], check: Callable[[], None] | None = None) -> str:
    """The sha256 of a stream from here to its end, hexadecimal. Afterwards it is at its beginning."""
    total = hashlib.sha256()
    while block := stream.read(1 << 20):
        total.update(block)
        if check:
            check()
    stream.seek(0)
    return total.hexdigest()
