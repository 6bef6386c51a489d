"""List, read and write files in remote storage through fsspec. Only this module imports fsspec."""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from fnmatch import fnmatchcase
from functools import partial, wraps
from pathlib import Path
from threading import Lock
from typing import IO, Any, ParamSpec, TypeVar

from clipsearch._internal.atomic_files import put_in_place, sync_file
from clipsearch._internal.commands import INDEX_FOLDER
from clipsearch._internal.paths import SCHEMES, is_remote, is_remote_folder
from clipsearch.errors import ClipsearchError, ImageError, QueryError, StorageError, one_line
from clipsearch.images.file_types import is_image_name
from clipsearch.images.files import require_at_most
from clipsearch.indexing.default_excludes import NO_MEDIA
from clipsearch.indexing.walk import Listing, WalkRules
from clipsearch.types import ImageFile, SkipReason

logger = logging.getLogger(__name__)

NOT_ALLOWED = "reading it is not allowed"
"""The failure of a file that this machine may not read."""

AT_ONCE = 16
"""Pictures that `prefetching` reads, or has read and not handed over, at any time."""

_ATTEMPTS = 3
_PAUSE = 1.0  # seconds before the second attempt; twice as long before the third
_BLOCK = 1 << 20
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "created")
_CONTENT_TAGS = ("ETag", "etag", "blob_id", "md5Hash", "content_md5")

_P = ParamSpec("_P")
Result = TypeVar("Result")
Source = TypeVar("Source")


def with_retries(function: Callable[_P, Result]) -> Callable[_P, Result]:
    """Make a function start again, a few times, while it raises StorageError."""

    @wraps(function)
    def persistent(*arguments: _P.args, **options: _P.kwargs) -> Result:
        for attempt in range(1, _ATTEMPTS):
            try:
                return function(*arguments, **options)
            except StorageError as error:
                logger.info("attempt %d failed: %s", attempt, error)
                time.sleep(_PAUSE * attempt)
        return function(*arguments, **options)

    return persistent


def plain_url(url: str) -> str:
    """A URL of remote storage as an index keeps it. QueryError if it cannot be read."""
    url = url.rstrip("/")
    if not is_remote_folder(url):
        raise QueryError(
            f"{url} cannot be read. Give a folder as SCHEME://BUCKET/FOLDER, with a scheme of {', '.join(SCHEMES)}"
        )
    return url


def expand(path: str) -> list[str]:
    """Expand * and ? in the last part of a URL; other paths stay as they are. QueryError if no file matches."""
    folder, _, pattern = path.rpartition("/")
    if not is_remote(path) or not {"*", "?"} & set(pattern):
        return [path]
    names = [name for name in names_in(plain_url(folder)) if fnmatchcase(name, pattern)]
    if not names:
        raise QueryError(f"there is no {path}")
    return [f"{folder}/{name}" for name in names]


def file_at(path: str) -> ImageFile:
    """A file's size and time, on this machine or remote. QueryError if it does not exist."""
    file = find_file(path)
    if file is None:
        raise QueryError(f"there is no {path}")
    return file


def find_file(path: str) -> ImageFile | None:
    """A file's size and time, on this machine or remote; None if it does not exist. Raises StorageError."""
    if not is_remote(path):
        try:
            state = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {error.strerror or error}") from error
        return ImageFile(path, state.st_size, state.st_mtime_ns)
    files, inside = _files(path)
    with _reaching(path), suppress(FileNotFoundError):
        files.invalidate_cache()
        entry = files.info(inside)
        return None if entry["type"] == "directory" else ImageFile(path, *_state(entry))
    return None


def list_remote(root: str, rules: WalkRules, under: str = "") -> Iterator[Listing]:
    """List every folder below a remote root, or below its folder `under`. Only names tell which files are photos.

    A file's time is that of the storage. If the storage keeps none, it is a number derived from the tag of the content.
    """
    files, base = _files(root)
    files.invalidate_cache()
    stack = [under]
    while stack:
        folder = stack.pop()
        inside, path = (f"{base}/{folder}", f"{root}/{folder}") if folder else (base, root)
        try:
            entries = files.ls(inside, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except Exception as error:
            yield Listing(folder, path, error=one_line(error))
            continue
        states: dict[str, tuple[int, int]] = {}
        folders: list[str] = []
        other_files: list[str] = []
        skipped: dict[str, SkipReason] = {}
        skipped_folders: list[str] = []
        for entry in entries:
            full = str(entry["name"]).rstrip("/")
            name = full.rpartition("/")[2]
            if full == inside.rstrip("/") or name in ("", ".", "..") or "\0" in name:
                continue
            if entry["type"] == "directory":
                why = rules.why_folder_skipped(name, inside.rstrip("/").rpartition("/")[2])
                if why is None:
                    folders.append(f"{folder}/{name}" if folder else name)
                elif name != INDEX_FOLDER:
                    skipped[name] = why
                    skipped_folders.append(name)
            elif why := rules.why_file_skipped(name):
                skipped[name] = why
            elif is_image_name(name):
                states[name] = _state(entry)
            else:
                other_files.append(name)
        if NO_MEDIA in skipped.keys() | set(other_files) and rules.defaults and folder:
            yield Listing(folder, path, skipped={"": "default"})
            continue
        yield Listing(folder, path, states, other_files, skipped=skipped, folders=frozenset(skipped_folders))
        stack.extend(sorted(folders, reverse=True))


def read_remote(file: ImageFile, max_bytes: int) -> bytes:
    """The bytes of a remote file, as it was when it was listed.

    Raises ImageError if the file is gone, has changed or is too big, and StorageError if the storage cannot be reached in
    several attempts.
    """
    require_at_most(max_bytes, file.size)
    if not file.size:
        return b""
    data = _read_whole(file)
    if len(data) != file.size:
        raise ImageError("changed while it was read", "access")
    return data


@with_retries
def _read_whole(file: ImageFile) -> bytes:
    files, inside = _files(file.path)
    with _reaching(file.path):
        try:
            data: bytes = files.cat_file(inside, start=0, end=file.size + 1)
        except FileNotFoundError as error:
            raise ImageError("there is no such file any more", "access") from error
        except PermissionError as error:
            raise ImageError(NOT_ALLOWED, "access") from error
    return data


def open_whole(path: str) -> IO[bytes]:
    """Open a file for random access; a remote one is copied to a nameless file first. Raises StorageError and OSError."""
    if not is_remote(path):
        return open(path, "rb")
    copy = tempfile.TemporaryFile()  # noqa: SIM115
    try:
        with _reaching(path), open_stream(path) as source:
            shutil.copyfileobj(source, copy, _BLOCK)
    except BaseException:
        copy.close()
        raise
    copy.seek(0)
    return copy


def open_stream(path: str) -> IO[bytes]:
    """Open a file to read parts of it. Raises StorageError and OSError."""
    if not is_remote(path):
        return open(path, "rb")
    files, inside = _files(path)
    with _reaching(path):
        stream: IO[bytes] = files.open(inside, "rb")
    return stream


@contextmanager
def prefetching(read: Callable[[Source], bytes]) -> Iterator[Callable[[Source], Callable[[], bytes]]]:
    """Read pictures ahead with threads that end with the block.

    Yields a function to which pictures are named in the order to read them, AT_ONCE of them at most. It returns a function
    that waits for the picture and returns its bytes, once. Pictures may be taken in any order: if one that is taken has not
    been started yet, the caller starts it.
    """
    waiting: dict[object, Source] = {}
    started: dict[object, Future[bytes]] = {}  # and not taken
    lock = Lock()

    def start(key: object) -> None:
        started[key] = threads.submit(read, waiting.pop(key))

    def start_next() -> None:
        while waiting and len(started) < AT_ONCE:
            start(next(iter(waiting)))

    def take(key: object) -> bytes:
        with lock:
            if key in waiting:
                start(key)
            future = started.get(key)
        if future is None:
            raise ImageError("stopped", "access")
        try:
            return future.result()
        finally:
            with lock:
                del started[key]
                start_next()

    def read_later(source: Source) -> Callable[[], bytes]:
        key = object()
        with lock:
            waiting[key] = source
            start_next()
        return partial(take, key)

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="clipsearch-read") as threads:
        try:
            yield read_later
        finally:
            with lock:
                waiting.clear()
            threads.shutdown(cancel_futures=True)


def put_file(source: IO[bytes], folder: str, name: str) -> None:
    """Write a stream to a file in a folder, atomically. Raises StorageError and OSError."""
    if not is_remote(folder):
        os.makedirs(folder, exist_ok=True)
        unfinished = Path(folder, f".{name[:32]}-{secrets.token_hex(4)}.partial")
        try:
            with unfinished.open("xb") as writer:
                shutil.copyfileobj(source, writer, _BLOCK)
                writer.flush()
                sync_file(writer.fileno())
            put_in_place(unfinished, Path(folder, name))
        finally:
            unfinished.unlink(missing_ok=True)
        return
    files, inside = _files(folder)
    with tempfile.TemporaryDirectory(prefix="clipsearch-part-") as scratch:  # fsspec uploads a file by its name
        copy = Path(scratch, "part")
        with copy.open("xb") as writer:
            shutil.copyfileobj(source, writer, _BLOCK)
        with _reaching(f"{folder}/{name}"):
            files.put_file(os.fspath(copy), f"{inside}/{name}")


def names_in(folder: str) -> list[str]:
    """The names of the files in a folder; none if it does not exist. Raises StorageError."""
    if not is_remote(folder):
        path = Path(folder)
        return sorted(entry.name for entry in path.iterdir() if entry.is_file()) if path.is_dir() else []
    files, inside = _files(folder)
    with _reaching(folder), suppress(FileNotFoundError):
        files.invalidate_cache()
        return sorted(str(entry["name"]).rpartition("/")[2] for entry in files.ls(inside, detail=True))
    return []


def remove_file(folder: str, name: str) -> None:
    """Remove a file, if it exists. Raises StorageError and OSError."""
    if not is_remote(folder):
        Path(folder, name).unlink(missing_ok=True)
        return
    files, inside = _files(folder)
    with _reaching(f"{folder}/{name}"), suppress(FileNotFoundError):
        files.rm_file(f"{inside}/{name}")


def _state(entry: dict[str, Any]) -> tuple[int, int]:
    """(size in bytes, time in nanoseconds) of a file, as its storage describes it."""
    size = int(entry.get("size") or 0)
    for key in _TIMES:
        value = entry.get(key)
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value.replace("Z", "+00:00"))
            except ValueError:
                continue
        if isinstance(value, datetime):
            return size, int(value.timestamp() * 1e9)
        if isinstance(value, (int, float)):
            return size, int(value * 1e9)
    tag = next((str(entry[key]) for key in _CONTENT_TAGS if entry.get(key)), "")
    return size, int.from_bytes(hashlib.sha256(tag.encode()).digest()[:8], "big") >> 1 if tag else 0


def _files(url: str) -> tuple[Any, str]:
    """(file system, path inside it) of a URL. Raises ClipsearchError if a package is missing, and StorageError."""
    try:
        import fsspec
    except ImportError as error:
        raise ClipsearchError("this needs fsspec: pip install 'clipsearch[ray]'") from error
    with _reaching(url):
        try:
            files, inside = fsspec.url_to_fs(url)
        except ImportError as error:  # its message names the package
            raise ClipsearchError(f"{url} cannot be read: {error}") from error
    return files, str(inside).rstrip("/")


@contextmanager
def _reaching(path: str) -> Iterator[None]:
    """Turn a storage's errors into StorageError. Each storage has its own, without a common class."""
    try:
        yield
    except ClipsearchError:
        raise
    except Exception as error:
        raise StorageError(f"{path} cannot be reached: {one_line(error)}") from error
