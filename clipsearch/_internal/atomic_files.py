"""Files that appear whole or not at all, and replace others only when told to."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from clipsearch._internal.windows import is_in_use
from clipsearch.errors import ClipsearchError, QueryError, one_line

fcntl: Any = None
with contextlib.suppress(ImportError):  # Windows has none
    import fcntl

_NOT_KNOWN = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY)
_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds between attempts: a virus scanner has a new file open for a moment."""


@contextmanager
def replacing(targets: Sequence[Path], *, force: bool) -> Iterator[list[Path]]:
    """Paths beside some targets to write to. If the block succeeds, they get the targets' names, the first one last.

    If it fails, they are removed. A target that exists is an error unless `force`. While the first target exists, the others
    are from the same run. ClipsearchError if they cannot be written, QueryError if that is the fault of their names.
    """
    for target in targets:
        require_free(target, force=force)
    partial = [
        target.with_name(f".{target.name[:50]}.{os.getpid()}-{number}.partial") for number, target in enumerate(targets)
    ]
    try:
        with _naming(targets, partial):
            yield partial
        for path, target in zip(partial, targets, strict=True):
            require_free(target, force=force)
            with _naming([target], [path, target]):
                _to_disk(path)
        with _naming(targets, [*partial, *targets]):
            if force and len(targets) > 1:
                targets[0].unlink(missing_ok=True)
            for path, target in reversed(list(zip(partial, targets, strict=True))):
                if not force:
                    _reserve(target)
                put_in_place(path, target)
    finally:
        for path in partial:
            with contextlib.suppress(OSError):
                path.unlink()


def keep_if_possible(path: Path, content: bytes) -> None:
    """Write a file, and its folder, that can be made again: if it cannot be written, it is left as it was."""
    with contextlib.suppress(OSError, ClipsearchError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing([path], force=True) as (unfinished,):
            unfinished.write_bytes(content)


@contextmanager
def _naming(targets: Sequence[Path], files: Sequence[Path]) -> Iterator[None]:
    """Raise ClipsearchError, which names the targets, if an OSError is about one of these files.

    An error in writing to an open file (a full disk, a quota) names no file.
    """
    try:
        yield
    except OSError as error:
        if error.filename not in (None, *map(os.fspath, files)):
            raise
        raise cannot_write(" and ".join(map(str, targets)), error) from error


def cannot_write(target: str, error: OSError) -> ClipsearchError:
    """An error that says what could not be written, why, and what to do. What was there before has to be unchanged."""
    reason = os.strerror(error.errno) if error.errno else one_line(error)
    return ClipsearchError(
        f"cannot write {target}: {reason}. What was there before is unchanged; make room and check the permissions there, or "
        "choose another place"
    )


def put_in_place(finished: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Give a finished file its name, in place of the file that has it.

    Windows refuses that while a program has one of the two open. It is tried again for two seconds; then PermissionError.
    """
    for pause in _PAUSES:
        try:
            os.replace(finished, target)
            return
        except PermissionError as error:
            if not is_in_use(error):
                raise
        time.sleep(pause)
    os.replace(finished, target)


def require_suffix(target: Path, suffixes: Collection[str], need: str) -> None:
    """QueryError, with what is needed, if the name of a file has another suffix, or a folder has the name."""
    if target.suffix.lower() not in suffixes:
        _require_no_folder(target)
        raise QueryError(f"{need}; rename {target.name}")


def _require_no_folder(target: Path) -> None:
    if target.is_dir():
        raise QueryError(f"{target} is a folder; name a file")


def require_free(target: Path, *, force: bool) -> None:
    """QueryError if a file cannot get this name: a folder or (unless `force`) a file has it, or its folder is missing."""
    _require_no_folder(target)
    if not target.absolute().parent.is_dir():
        raise QueryError(f"there is no folder {target.absolute().parent}")
    if not force and os.path.lexists(target):  # also a link that leads nowhere
        raise _there_already(target)


def _reserve(target: Path) -> None:
    """Make an empty file of that name, so that a file made by another process a moment ago is not overwritten."""
    try:
        target.open("xb").close()
    except FileExistsError:
        raise _there_already(target) from None


def _there_already(target: Path) -> QueryError:
    return QueryError(f"{target} is there already; `force=True` replaces it")


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A stream to write to. At the end of the block, the file has its name and is on the disk, and replaces what had the name.

    If the block fails, what was there stays.
    """
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    with partial.open("xb") as stream:  # never through a link that lay there
        yield stream
        stream.flush()
        sync_file(stream.fileno())
    put_in_place(partial, path)
    sync_folder(path.parent)


def sync_file(descriptor: int) -> None:
    """Return once what was written to an open file is on the disk.

    On macOS, fsync leaves it in the drive's own memory, which a power cut empties. F_FULLFSYNC does not, but some network
    drives do not know it.
    """
    command = getattr(fcntl, "F_FULLFSYNC", None)
    if command is not None:
        try:
            fcntl.fcntl(descriptor, command)
            return
        except OSError as error:
            if error.errno not in _NOT_KNOWN:
                raise
    os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Make a rename in a folder durable, if the system can sync folders."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        sync_file(descriptor)
    finally:
        os.close(descriptor)


def _to_disk(path: Path) -> None:
    with open(path, "rb+") as stream:
        sync_file(stream.fileno())
