"""One writer at a time. The system releases the lock when the process ends, however it ends."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from clipsearch._internal.untrusted_files import open_plain, read_json
from clipsearch.errors import CollectionBusy, CollectionError

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> None:
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # far behind the text, so that others can still read it
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise error if error.errno else BlockingIOError(errno.EAGAIN, "locked") from error  # Wine gives no reason

    _try_beside_others = _try_lock
else:
    import fcntl

    def _try_lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _try_beside_others(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)


_TAKEN = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)

RUN_AGAIN = "run this again once it has finished"
"""What to do about a lock, for those who do not wait for it."""

OnBusy: TypeAlias = Callable[[CollectionBusy], bool]
"""Called with the error each time that the lock is taken; True to try again."""


_GLANCE = 0.02  # seconds; `is_written` has the lock for much less
_PATIENCE = 5.0  # seconds to wait for another writer of a small file, which needs milliseconds


class WriterLock:
    """Held from construction until `release`. CollectionBusy, which names the holder, if another process holds it.

    `on_busy` is called first, and may wait.
    """

    def __init__(self, path: Path, on_busy: OnBusy | None = None) -> None:
        self._descriptor = _lock(path, on_busy)
        while _is_removed(self._descriptor, path):  # an index without photos was taken back meanwhile, with its lock
            os.close(self._descriptor)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = _lock(path, on_busy)
        since = datetime.now().astimezone().isoformat(timespec="seconds")
        about = json.dumps({"pid": os.getpid(), "since": since}).ljust(64).encode()
        with contextlib.suppress(OSError):  # on a full disk, others see no pid, but photos can still be removed
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, about)
            os.ftruncate(self._descriptor, len(about))

    def release(self) -> None:
        """Let the next writer in."""
        os.close(self._descriptor)


def _lock(path: Path, on_busy: OnBusy | None) -> int:
    """A descriptor of the file at a path, which this process has locked."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)  # the target of a link would be emptied
    descriptor = os.open(path, flags, 0o644)
    is_first = True
    try:
        while True:
            try:
                _try_lock(descriptor)
                return descriptor
            except OSError as error:
                if error.errno not in _TAKEN:  # a file system without locks
                    raise
                if is_first:  # it may be only looked at
                    is_first = False
                    time.sleep(_GLANCE)
                    continue
                busy = CollectionBusy(
                    f"another process is writing to the index in {path.parent}{_holder(path)}; searching still works; "
                    f"{RUN_AGAIN}"
                )
                if not (on_busy and on_busy(busy)):
                    raise busy from error
    except BaseException:
        os.close(descriptor)
        raise


def is_written(folder: Path) -> bool:
    """Whether a process is writing to the index in a folder; False if that cannot be known."""
    try:
        with open_plain(folder / "writer.lock", follow_links=False) as lock:
            _try_beside_others(lock.fileno())
            return False
    except OSError as error:
        return error.errno in _TAKEN
    except ValueError:
        return False


def _is_removed(descriptor: int, path: Path) -> bool:
    """Whether an open file has been removed, and its path perhaps given to another one."""
    file = os.fstat(descriptor)
    if file.st_nlink:
        return False
    try:
        return not os.path.samestat(file, os.stat(path))  # some file systems count no links
    except FileNotFoundError:
        return True


@contextlib.contextmanager
def telling_unwritable(folder: Path, *, is_new: bool) -> Iterator[None]:
    """Raise CollectionError, with what to do, if an index folder cannot be written to. A new index may be elsewhere."""
    try:
        yield
    except OSError as error:
        reason = f"cannot write an index at {folder}: {error.strerror or error}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise CollectionError(f"{reason}. Free some space, and run this again") from error
        another = ", or name another one with `index`" if is_new else ""
        raise CollectionError(f"{reason}. Make the folder writable{another}") from error


def _holder(path: Path) -> str:
    try:
        about = read_json(path, 1000)
        return f" (pid {int(about['pid'])} since {about['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


@contextlib.contextmanager
def locked_briefly(file: Path) -> Iterator[None]:
    """Keep other programs from changing a small file. CollectionBusy if one of them does so for long."""
    end = time.monotonic() + _PATIENCE

    def wait(busy: CollectionBusy) -> bool:
        time.sleep(0.01)
        return time.monotonic() < end

    lock = WriterLock(file.with_suffix(".lock"), wait)
    try:
        yield
    finally:
        lock.release()
