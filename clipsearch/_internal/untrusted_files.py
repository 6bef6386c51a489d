"""Files that others may have written: only plain ones that are small enough are read, so none hangs or fills memory."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

from clipsearch.errors import one_line


def open_plain(path: Path) -> BinaryIO:
    """A file for reading, also behind links. ValueError for a pipe, a device or a folder; OSError as open() raises it."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError("it is not a file, but a folder, a pipe or a device")
    return os.fdopen(descriptor, "rb")


def read_plain(path: Path, max_bytes: int) -> bytes:
    """A file's bytes. ValueError if it is larger, or not a plain file; OSError if it cannot be read."""
    with open_plain(path) as stream:
        data = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ValueError(f"it is larger than {max_bytes:,} bytes")
    return data


def why(error: Exception) -> str:
    """What was wrong with a file, in a few words for a message."""
    return (isinstance(error, OSError) and error.strerror) or one_line(error)


def parse_json(text: str | bytes) -> Any:
    """A JSON value. ValueError for anything else, also for lists in lists in lists beyond what Python can follow."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def read_json(path: Path, max_bytes: int) -> Any:
    """The JSON value in a file. ValueError or OSError as the functions above raise them."""
    return parse_json(read_plain(path, max_bytes))
