"""Thumbnails on disk, named by the photo's content, the size and how they are made, so that indexes and runs share them."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from clipsearch._internal.atomic_files import put_in_place

MOST_BYTES = 1_000_000_000
_KEPT = 0.9  # the share of MOST_BYTES that is left after the oldest files were removed
_STALE = 3600.0  # seconds after which the time of the last use is recorded again


class ThumbnailCache:
    """A folder of at most `most_bytes`; the least recently used files are removed first. For many threads and processes.

    Errors on disk are ignored: the thumbnail is then made again.
    """

    def __init__(self, folder: Path | None = None, most_bytes: int = MOST_BYTES) -> None:
        self.folder = folder or Path(platformdirs.user_cache_dir("clipsearch", appauthor=False)) / "thumbnails"
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._size: int | None = None

    @property
    def size(self) -> int:
        """Bytes of all files."""
        with self._lock:
            if self._size is None:
                self._size = sum(size for _, size, _ in self._files())
            return self._size

    @property
    def has_room(self) -> bool:
        """Whether more can be kept without removing others soon."""
        return self.size < self._most_bytes * _KEPT

    def has(self, name: str) -> bool:
        """Whether `get` would find a thumbnail. Its time of last use stays."""
        return self._path(name).is_file()

    def get(self, name: str) -> bytes | None:
        """A thumbnail, or None. Names are hexadecimal digests with a suffix."""
        path = self._path(name)
        try:
            data = path.read_bytes()
            if time.time() - path.stat().st_mtime > _STALE:
                os.utime(path)
        except OSError:
            return None
        return data or None

    def put(self, name: str, data: bytes) -> None:
        """Keep a thumbnail, whole or not at all.

        `atomic_files.replacing` would wait for the disk each time. A thumbnail that a power cut loses is made again.
        """
        path = self._path(name)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor, unfinished = tempfile.mkstemp(suffix=".partial", dir=path.parent)
            try:
                with open(descriptor, "wb") as stream:
                    stream.write(data)
                put_in_place(unfinished, path)
            except OSError:
                os.unlink(unfinished)
                raise
            with self._lock:
                if self._size is not None:
                    self._size += len(data)
            if self.size > self._most_bytes:
                self._shrink()

    def _path(self, name: str) -> Path:
        return self.folder / name[:2] / name

    def _files(self) -> Iterator[tuple[float, int, str]]:
        """(time of last use, bytes, path) of every file."""
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = os.path.join(folder, name)
                with contextlib.suppress(OSError):
                    state = os.stat(path)
                    yield state.st_mtime, state.st_size, path

    def _shrink(self) -> None:
        with self._lock:
            files = sorted(self._files())
            self._size = sum(size for _, size, _ in files)
            for _, size, path in files:
                if self._size <= self._most_bytes * _KEPT:
                    break
                with contextlib.suppress(OSError):
                    os.unlink(path)
                    self._size -= size
