"""Whether a path leads to a file on this machine, into an archive on it, or to storage elsewhere."""

from __future__ import annotations

import errno
import os
import re
import sys

SCHEMES = ("abfs", "abfss", "az", "gcs", "gs", "hf", "memory", "s3", "s3a")
"""Storage elsewhere whose folders an index may have, by the scheme of its URLs."""

NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
"""Errors that say there is no such file. After any other error, it may exist."""

TAR, MANIFEST = ".tar", ".parquet"
"""What the names of archives end with, in small letters."""

IN_UTF8 = "utf-8", sys.getfilesystemencodeerrors()
"""How an index stores texts and names, whatever the locale. Bytes of names that are not UTF-8 are lone surrogates."""

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://")  # of two letters or more: one is a drive of Windows'
_PLACE = re.compile(r"[a-z0-9]+://[^\0/]+(/[^\0/]+)*")


def is_remote(path: str) -> bool:
    """Whether it is a URL."""
    return _SCHEME.match(path) is not None


def is_remote_folder(path: str) -> bool:
    """Whether it is a URL that an index may have as a folder: of a known scheme, and as plain as clipsearch writes it."""
    scheme = _SCHEME.match(path)
    return bool(scheme and scheme[1] in SCHEMES and _PLACE.fullmatch(path) and not {".", ".."} & set(path.split("/")))


def is_elsewhere(path: str) -> bool:
    """Whether a photo is not a file on this machine, but behind a URL or inside an archive."""
    if is_remote(path):
        return True
    above = os.path.dirname(path)
    while above and not os.path.lexists(above) and above != os.path.dirname(above):
        above = os.path.dirname(above)
    return os.path.isfile(above)


def as_utf8(path: str) -> str:
    """A path, or a part of one, as its bytes read in UTF-8: so it is the same text in every locale.

    Elsewhere, a path is what its bytes are in the encoding of the locale. A text that this encoding lacks stays as it is.
    """
    try:
        return os.fsencode(path).decode(*IN_UTF8)
    except UnicodeEncodeError:
        return path


def from_utf8(text: str) -> str:
    """The path that `as_utf8` made this text of."""
    try:
        return os.fsdecode(text.encode(*IN_UTF8))
    except UnicodeError:  # no path: another program wrote the text
        return text


def is_possible(path: str | bytes) -> bool:
    """Whether a file of this machine can have a path: the encoding of the locale has its characters."""
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return isinstance(path, str) and is_remote(path)
    return True


def identity(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """Which file or folder a path leads to now: another one of its name has another identity. None if nothing is there."""
    try:
        state = os.stat(path)
    except OSError:
        return None
    return state.st_dev, state.st_ino


def missing_folder(path: str) -> str:
    """The highest folder of a path that does not exist; "" if the folder that the path is in is there."""
    missing, folder = "", os.path.dirname(path)
    while not os.path.lexists(folder) and os.path.dirname(folder) != folder:
        missing, folder = folder, os.path.dirname(folder)
    return missing


def is_gone(path: str) -> bool:
    """Whether a photo that was on this machine is gone. False if it is elsewhere, or if an error leaves it open."""
    try:
        os.lstat(path)
    except OSError as error:
        return error.errno in NOT_THERE and not is_elsewhere(path)
    return False
