"""Checksums of files and streams."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import IO


def file_sha256(path: Path) -> str:
    """A file's sha256, hexadecimal."""
    with path.open("rb") as stream:
        return stream_sha256(stream)


def stream_sha256(stream: IO[bytes]) -> str:
    """The sha256 of a stream from here to its end, hexadecimal. Afterwards it is at its beginning."""
    total = hashlib.sha256()
    while block := stream.read(1 << 20):
        total.update(block)
    stream.seek(0)
    return total.hexdigest()
