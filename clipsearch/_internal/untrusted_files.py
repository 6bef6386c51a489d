"""Files that others may have written: only plain ones that are small enough are read, so none hangs or fills memory."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

from clipsearch.errors import one_line

_LINK = "it is a symbolic link, which is not followed"


def open_plain(path: Path, *, follow_links: bool = True) -> BinaryIO:
    """Open a file for reading. ValueError for a pipe, a device or a folder, and for a link unless `follow_links`; OSError."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
    if not follow_links:
        flags |= getattr(os, "O_NOFOLLOW", 0)
        if not hasattr(os, "O_NOFOLLOW") and stat.S_ISLNK(os.lstat(path).st_mode):  # Windows has no such flag
            raise ValueError(_LINK)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno == errno.ELOOP and not follow_links:
            raise ValueError(_LINK) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError("it is not a file, but a folder, a pipe or a device")
    return os.fdopen(descriptor, "rb")


def read_plain(path: Path, max_bytes: int, *, follow_links: bool = True) -> bytes:
    """A file's bytes. ValueError if it is larger, or not a plain file; OSError if it cannot be read."""
    with open_plain(path, follow_links=follow_links) as stream:
        data = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ValueError(f"it is larger than {max_bytes:,} bytes")
    return data


def why(error: Exception) -> str:
    """What was wrong with a file, in a few words for a message."""
    return (isinstance(error, OSError) and error.strerror) or one_line(error) or type(error).__name__


def parse_json(text: str | bytes) -> Any:
    """A JSON value. ValueError for anything else, also for lists in lists in lists beyond what Python can follow."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def read_json(path: Path, max_bytes: int, *, follow_links: bool = True) -> Any:
    """The JSON value in a file. ValueError or OSError as the functions above raise them."""
    return parse_json(read_plain(path, max_bytes, follow_links=follow_links))
