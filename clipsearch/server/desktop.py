"""The desktop in front of the user, if the server runs on the same machine: a photo's folder is shown there.

Only file managers are started, each by a command without a shell. No photo is opened by any program.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from urllib.parse import quote

from starlette.requests import Request

from clipsearch._internal.paths import is_elsewhere
from clipsearch._internal.programs import started
from clipsearch._internal.windows import plain
from clipsearch.client import is_loopback
from clipsearch.errors import ClipsearchError
from clipsearch.images.files import ELSEWHERE

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
"""Headers of proxies. Behind one, any client seems to be on this machine."""

_BUS_SECONDS = 5.0  # for a file manager that has to start first
_FILE_MANAGER = "org.freedesktop.FileManager1"
"""What the file managers of Linux desktops are called on D-Bus:
https://www.freedesktop.org/wiki/Specifications/file-manager-interface/."""


def is_in_front(request: Request) -> bool:
    """Whether a request comes from this machine, as far as the server can see."""
    return (
        request.client is not None
        and is_loopback(request.client.host)
        and not any(name in request.headers for name in _FORWARDED)
    )


def has_file_manager() -> bool:
    """Whether a folder can be shown here: there is a desktop, and a program that reaches its file manager."""
    system: str = sys.platform  # type checkers would take the rest for unreachable there
    if system in ("darwin", "win32"):
        return True
    has_display = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return has_display and any(map(shutil.which, ("dbus-send", "xdg-open")))


def show_in_folder(path: str) -> None:
    """Show the folder of a photo, with the photo selected if the file manager can do that. ClipsearchError if it cannot be."""
    if is_elsewhere(path):
        raise ClipsearchError(f"{path} is {ELSEWHERE}, so it has no folder to show")
    if not os.path.exists(path):
        raise ClipsearchError(f"{path} is gone, so its folder is not shown")
    if sys.platform == "win32":
        _select_in_explorer(os.path.abspath(plain(path)))
    elif sys.platform == "darwin":
        _open(["open", "-R", os.path.abspath(path)], path)
    elif not _select_over_bus(path):
        _open(["xdg-open", os.path.dirname(os.path.abspath(path))], path)


def _select_over_bus(path: str) -> bool:
    program = shutil.which("dbus-send")
    if program is None:
        return False
    uri = "file://" + quote(
        os.fsencode(os.path.abspath(path)), safe="/"
    )  # without commas, which would begin another file
    call = ["--session", "--print-reply", f"--dest={_FILE_MANAGER}", f"/{_FILE_MANAGER.replace('.', '/')}"]
    command = [program, *call, f"{_FILE_MANAGER}.ShowItems", f"array:string:{uri}", "string:"]
    quiet = subprocess.DEVNULL
    try:
        return not subprocess.run(command, stdin=quiet, stdout=quiet, stderr=quiet, timeout=_BUS_SECONDS).returncode
    except (OSError, subprocess.TimeoutExpired):
        return False


def _open(command: list[str], path: str) -> None:
    program = shutil.which(command[0])
    if program is None or started([program, *command[1:]]):
        raise ClipsearchError(f"no file manager can show the folder of {path}; is there a desktop?")


def _select_in_explorer(path: str) -> None:
    explorer = os.path.join(os.environ.get("SYSTEMROOT", r"C:\Windows"), "explorer.exe")
    # One text, since Explorer reads quotes its own way; no path on Windows has one. It ends with 1 even if all is well.
    subprocess.Popen(f'"{explorer}" /select,"{path}"')
