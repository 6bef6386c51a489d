"""Copies of photos, links to them, pages of them. Only --force overwrites, and no shell is used to open a photo."""

from __future__ import annotations

import contextlib
import filecmp
import os
import re
import shutil
import stat
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from clipsearch._internal.file_names import safe_name
from clipsearch._internal.paths import is_elsewhere
from clipsearch._internal.programs import started
from clipsearch._internal.windows import opened_as, plain
from clipsearch.cli.command import OUTPUT, FilePath, flag, option
from clipsearch.cli.output import note, remark
from clipsearch.errors import ClipsearchError
from clipsearch.render.text import counted
from clipsearch.types import Failure

if TYPE_CHECKING:
    from clipsearch.render.gallery import Gallery

html_option = option("--html", "FILE", "Write a page to browse, as one .html file.", OUTPUT, type=FilePath())


def force_option(flags: str) -> Any:
    """--force, for these options."""
    return flag("--force", f"Let {flags} replace a file.", OUTPUT)


def check_html(path: str | None, force: bool) -> None:
    """QueryError if the page could not be written, before anything is computed for it."""
    if path is not None:
        from clipsearch.render.gallery import check_gallery

        check_gallery(path, force=force)


def write_html(gallery: Gallery, path: str, force: bool, gone: Collection[str] = ()) -> Sequence[Failure]:
    """Write the page, and say so; also if it has no room for some photos. Returns the photos that could not be read.

    `gone` is for `note_unread`.
    """
    from clipsearch.render.gallery import MOST, save_gallery

    failures: list[Failure] = []
    left = save_gallery(gallery, path, force=force, on_failure=failures.append)
    remark(f"wrote {path}" + (f", with the first {MOST:,} photos" if left else ""))
    note_unread(failures, sum(len(section.cards) for section in gallery.sections) - left, path, gone)
    return failures


def note_unread(failures: Sequence[Failure], count: int, path: str, gone: Collection[str] = ()) -> None:
    """Say that some of `count` photos are missing in a file that was made of them, and why the first one is.

    The reason is left out if it is that a photo is `gone`, which another message says.
    """
    if failures:
        reasons = [f"{failure.file.path}: {failure.reason}" for failure in failures if failure.file.path not in gone]
        example = "" if not reasons else f"; {'' if len(failures) == 1 else 'one is '}{reasons[0]}"
        note(f"{len(failures):,} of {counted(count, 'photo')} could not be read for {path}{example}")


def put_into(folder: str, paths: Iterable[str], *, link: bool) -> tuple[int, int, list[tuple[str, str]]]:
    """Copy photos into a folder, or link to them from there, as 0001-name.jpg and so on.

    Returns how many; how many were left out because the folder had a file of the same content, or a link to the same file,
    before; and (path, reason) of the others. Numbers continue after the highest one in the folder, so that no file is
    overwritten. The folder is made for the first file. Links are absolute. ClipsearchError if it cannot be made or read.
    """
    from clipsearch.images.files import ELSEWHERE

    with _naming(folder):
        before = os.listdir(folder) if os.path.lexists(folder) else []

    def make() -> None:
        with _naming(folder):
            os.makedirs(folder, exist_ok=True)

    number = _highest_number(before)
    known = _Known(os.path.join(folder, name) for name in before)
    done, there, failures = 0, 0, []
    for path in paths:
        target = os.path.join(folder, f"{number + 1:04}-{safe_name(path)}")
        try:
            info = os.stat(opened_as(path))
            if not stat.S_ISREG(info.st_mode):
                raise OSError("not a regular file")
            if known.has_link_to(path) if link else known.has_copy_of(path, info.st_size):
                there += 1
                continue
            number += 1
            if link:
                make()
                os.symlink(path, target)  # noqa: PTH211
            else:
                _copy(opened_as(path), target, make)
            done += 1
        except OSError as error:
            failures.append((path, ELSEWHERE if is_elsewhere(path) else error.strerror or str(error)))
    return done, there, failures


@contextlib.contextmanager
def _naming(folder: str) -> Iterator[None]:
    """Raise ClipsearchError, which names the folder, for an OSError."""
    try:
        yield
    except OSError as error:
        raise ClipsearchError(f"cannot put photos into {folder}: {error.strerror or error}") from error


class _Known:
    """What was in a folder before photos came: copies of files, by size and content, and links."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._by_size: dict[int, list[str]] = {}
        self._targets: set[str] = set()
        for path in paths:
            with contextlib.suppress(OSError):
                if os.path.islink(path):
                    self._targets.add(os.readlink(path))
                elif stat.S_ISREG((info := os.stat(path)).st_mode):
                    self._by_size.setdefault(info.st_size, []).append(path)

    def has_link_to(self, path: str) -> bool:
        return path in self._targets

    def has_copy_of(self, path: str, size: int) -> bool:
        return any(filecmp.cmp(opened_as(path), copy, shallow=False) for copy in self._by_size.get(size, ()))


def open_in_viewer(path: str) -> None:
    """Show a file in the system's own viewer, without waiting for it to close.

    ClipsearchError if the file is gone, or no program can show it.
    """
    from clipsearch.images.files import ELSEWHERE

    if is_elsewhere(path):
        raise ClipsearchError(f"{path} is {ELSEWHERE}, so it cannot be opened")
    if not os.path.exists(path):
        raise ClipsearchError(f"{path} is gone, so it cannot be opened")
    if sys.platform == "win32":
        try:
            os.startfile(plain(path))  # noqa: S606
        except OSError as error:
            raise ClipsearchError(f"no program can show {path}: {error.strerror or error}") from error
    else:
        _open_by_program(path)


def _open_by_program(path: str) -> None:
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    program = shutil.which(opener)
    if not program:
        raise ClipsearchError(
            f"no program can show {path}: there is no {opener} here (on Linux, it comes with xdg-utils)"
        )
    if status := started([program, os.path.abspath(path)]):
        raise ClipsearchError(f"{opener} could not open {path} (its exit status is {status}); is there a desktop?")


def _highest_number(names: Iterable[str]) -> int:
    numbers = (re.match(r"([0-9]{4,9})-", name) for name in names)
    return max((int(match[1]) for match in numbers if match), default=0)


def _copy(source: str, target: str, make_folder: Callable[[], None]) -> None:
    with open(source, "rb") as reader, contextlib.ExitStack() as stack:
        make_folder()
        writer = stack.enter_context(open(target, "xb"))
        try:
            shutil.copyfileobj(reader, writer, 1024 * 1024)
        except BaseException:
            os.unlink(target)
            raise
    with contextlib.suppress(OSError):  # some file systems keep neither times nor rights
        shutil.copystat(source, target)
