"""File systems that hold no files, such as /proc, /sys and /dev. Reading in them can change the machine, or never end."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from clipsearch._internal.windows import opened_as

_MOUNTS = Path("/proc/self/mountinfo")  # Linux: the mounted file systems, one a line
_ESCAPED = re.compile(rb"\\([0-3][0-7]{2})")  # a blank and the like in the path of a mount
_DEVICES = "/dev"  # on macOS and the BSDs, too; in containers it is a tmpfs, which its type does not give away

# fmt: off
_TYPES = frozenset(
    {
        "binder", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "cpuset", "debugfs", "devpts", "devtmpfs",
        "efivarfs", "functionfs", "fusectl", "hugetlbfs", "mqueue", "nfsd", "nsfs", "openpromfs", "proc", "pstore",
        "resctrl", "rpc_pipefs", "securityfs", "selinuxfs", "smackfs", "sysfs", "tracefs", "usbfs", "xenfs"
    }
)
# fmt: on


def system_devices() -> frozenset[int]:
    """The device numbers (`st_dev`) of the file systems that hold no files; empty on Windows.

    Network disks, FUSE and memory disks are not among them: people keep photos there.
    """
    devices: set[int] = set()
    if sys.platform != "win32":
        devices.update(device for device, _ in _system_mounts())
        try:
            devices.add(os.stat(_DEVICES).st_dev)
            devices.discard(os.stat("/").st_dev)
        except OSError:
            pass
    return frozenset(devices)


def system_folder_below(folder: str) -> str:
    """The first mount below a folder that holds no real files, such as /proc for /; "" without one."""
    above = os.path.join(os.path.realpath(folder), "")
    return next((path for _, path in _system_mounts() if path.startswith(above)), "")


def _system_mounts() -> list[tuple[int, str]]:
    """The device and the folder of each mounted file system that holds no files. Only Linux lists them."""
    found: list[tuple[int, str]] = []
    try:
        mounts = _MOUNTS.read_bytes().splitlines()
    except OSError:  # not Linux, or /proc is not there
        mounts = []
    for line in mounts:
        mount, _, source = line.partition(b" - ")
        try:
            fields = mount.split()
            major, minor = map(int, fields[2].split(b":"))
            if sys.platform != "win32" and source.split()[0].decode("ascii", "replace") in _TYPES:
                found.append((os.makedev(major, minor), os.fsdecode(_ESCAPED.sub(_character, fields[4]))))
        except (IndexError, ValueError, OverflowError):
            continue
    return found


def _character(escaped: re.Match[bytes]) -> bytes:
    return bytes([int(escaped[1], 8)])


def is_system_folder(path: str, system: frozenset[int] | None = None) -> bool:
    """Whether a path is in a file system that holds no files; `system` are these. A path that cannot be looked at is not."""
    try:
        return os.stat(opened_as(path)).st_dev in (system_devices() if system is None else system)
    except (OSError, ValueError):  # a name with NUL, which a crafted index may have
        return False
