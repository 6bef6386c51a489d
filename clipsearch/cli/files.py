"""What is done with photos that were found: copied, linked, opened. Never overwriting, and never through a shell."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterable

from clipsearch._internal.paths import is_elsewhere
from clipsearch._internal.windows import opened_as, plain
from clipsearch.errors import ClipsearchError
from clipsearch.images.files import ELSEWHERE

_LONGEST = 240  # bytes of a file name with its number; file systems take 255
_FORBIDDEN = frozenset('<>:"/\\|?*')  # in a name on Windows, and on drives that Windows reads too
_PATIENCE = 2.0  # seconds in which an opener that cannot do it says so


def put_into(folder: str, paths: Iterable[str], *, link: bool) -> tuple[int, list[tuple[str, str]]]:
    """Copy photos into a folder, or link to them from there, as 0001-name.jpg and so on.

    Returns how many, and (path, reason) of the others. Numbers go on after the highest one in the folder, so that nothing there
    is ever overwritten. Links say absolute paths. ClipsearchError where the folder cannot be made or read.
    """
    try:
        os.makedirs(folder, exist_ok=True)
        number = _highest_number(os.listdir(folder))
    except OSError as error:
        raise ClipsearchError(f"cannot put photos into {folder}: {error.strerror or error}") from error
    done, failures = 0, []
    for path in paths:
        number += 1
        target = os.path.join(folder, f"{number:04}-{safe_name(path)}")
        try:
            if not stat.S_ISREG(os.stat(opened_as(path)).st_mode):
                raise OSError("not a regular file")
            if link:
                os.symlink(path, target)  # noqa: PTH211
            else:
                _copy(opened_as(path), target)
            done += 1
        except OSError as error:
            failures.append((path, ELSEWHERE if is_elsewhere(path) else error.strerror or str(error)))
    return done, failures


def safe_name(path: str) -> str:
    """The last part of a path as a name that every file system takes and no program misreads; with its suffix."""
    name = os.path.basename(path)
    name = "".join(c if c.isprintable() and c not in _FORBIDDEN else "_" for c in name).rstrip(" .")
    stem, suffix = os.path.splitext(name)
    room = _LONGEST - 10 - len(suffix[:20].encode())
    return stem.encode()[:room].decode(errors="ignore") + suffix[:20] or "photo"


def open_in_viewer(path: str) -> None:
    """Show a file in the system's own viewer, and do not wait until it is closed.

    ClipsearchError where the file is gone, or nothing can show it.
    """
    if is_elsewhere(path):
        raise ClipsearchError(f"{path} is {ELSEWHERE}, so it cannot be opened")
    if not os.path.exists(path):
        raise ClipsearchError(f"{path} is gone, so it cannot be opened")
    if sys.platform == "win32":
        try:
            os.startfile(plain(path))  # noqa: S606
        except OSError as error:
            raise ClipsearchError(f"nothing can show {path}: {error.strerror or error}") from error
    else:
        _open_by_program(path)


def _open_by_program(path: str) -> None:
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    program = shutil.which(opener)
    if not program:
        raise ClipsearchError(f"nothing can show {path}: there is no {opener} here (on Linux, it comes with xdg-utils)")
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        [program, os.path.abspath(path)], stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
    )
    try:
        status = process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        return  # some openers last as long as their viewer
    if status:
        raise ClipsearchError(f"{opener} could not open {path} (its exit status is {status}); is there a desktop?")


def _highest_number(names: Iterable[str]) -> int:
    found = (re.match(r"([0-9]{4,9})-", name) for name in names)
    return max((int(match[1]) for match in found if match), default=0)


def _copy(source: str, target: str) -> None:
    with open(source, "rb") as reader, open(target, "xb") as writer:
        try:
            shutil.copyfileobj(reader, writer, 1024 * 1024)
        except BaseException:
            os.unlink(target)
            raise
    with contextlib.suppress(OSError):  # some file systems keep neither times nor rights
        shutil.copystat(source, target)
