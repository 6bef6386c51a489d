"""What Windows does with files that other systems do not: names that are devices, long paths, junctions, files in use."""

from __future__ import annotations

import ntpath
import os

HERE = os.name == "nt"
"""Whether this is Windows; tests set it."""

RESERVED = "Windows takes this name for a device or another file; rename it on the system that made it"

IN_USE = (5, 32, 33, 1224)
"""ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION and ERROR_USER_MAPPED_FILE: some program has it open."""

_LONGEST = 247  # characters of a folder's path: MAX_PATH less what a short name in it needs
_MOUNT_POINT = 0xA0000003  # IO_REPARSE_TAG_MOUNT_POINT
_PREFIX = "\\\\?\\"
_DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"]
    + [f"{port}{digit}" for port in ("COM", "LPT") for digit in "123456789¹²³"]
)


def is_reserved(name: str) -> bool:
    """Whether opening a file of this name opens a device, which may never end, or the file of a shorter name.

    See "Naming Files, Paths, and Namespaces" in Microsoft's documentation of Win32.
    """
    return name[-1:] in (".", " ") or name.partition(".")[0].partition(":")[0].rstrip(" ").upper() in _DEVICES


def is_misread(path: str) -> bool:
    """Whether this is Windows, and it would open something other than the file of this path."""
    return HERE and not path.startswith(_PREFIX) and is_reserved(ntpath.basename(path))


def opened_as(path: str) -> str:
    """An absolute path as the system takes it: on Windows, a long or reserved one needs a prefix."""
    if not HERE or path.startswith(_PREFIX) or (len(path) <= _LONGEST and not is_reserved(ntpath.basename(path))):
        return path
    path = ntpath.normpath(path)
    return f"{_PREFIX}UNC{path[1:]}" if path.startswith("\\\\") else _PREFIX + path


def plain(path: str) -> str:
    """A path of Windows without the prefix of its extended form, which other programs do not know."""
    if path.upper().startswith(f"{_PREFIX}UNC\\"):
        return f"\\{path[len(_PREFIX) + 3 :]}"
    return path.removeprefix(_PREFIX)


def is_junction(path: str) -> bool:
    """Whether this is Windows, and a folder is a link to another one. A mounted drive is not a junction.

    A folder that cannot be read is not one either; listing it gives the error.
    """
    try:
        if not HERE or getattr(os.lstat(path), "st_reparse_tag", 0) != _MOUNT_POINT:
            return False
        return not os.readlink(path).lower().startswith(f"{_PREFIX}volume{{")
    except OSError:
        return False


def is_in_use(error: OSError) -> bool:
    """Whether Windows refused something because a program has the file open."""
    return getattr(error, "winerror", None) in IN_USE
