"""Files elsewhere, through fsspec: listed, read, written. The only user of fsspec, which is an extra."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Any, TypeVar

from clipsearch._internal.atomic_files import put_in_place, sync_file
from clipsearch._internal.paths import SCHEMES, is_remote, is_remote_folder
from clipsearch.errors import ClipsearchError, ImageError, StorageError, one_line
from clipsearch.images.files import require_at_most
from clipsearch.images.formats import is_image_name
from clipsearch.indexing.walk import Listing, WalkRules
from clipsearch.types import ImageFile

NOT_ALLOWED = "reading it is not allowed"
"""The reason of a file that this machine has no right to."""

_ATTEMPTS = 3
_PAUSE = 1.0  # seconds before the second attempt, and twice as long before the third
_BLOCK = 1 << 20
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "created")
_T = TypeVar("_T")
_TAGS = ("ETag", "etag", "blob_id", "md5Hash", "content_md5")


def plain_url(url: str) -> str:
    """A URL of storage as an index keeps it. ClipsearchError where it is none that can be read."""
    url = url.rstrip("/")
    if not is_remote_folder(url):
        raise ClipsearchError(
            f"{url} cannot be read: give a folder as SCHEME://BUCKET/FOLDER, with a scheme of {', '.join(SCHEMES)}"
        )
    return url


def expand(path: str) -> list[str]:
    """The files that a URL with * or ? in its last part means; any other path is itself. ClipsearchError for none."""
    folder, _, pattern = path.rpartition("/")
    if not is_remote(path) or not {"*", "?"} & set(pattern):
        return [path]
    names = [name for name in names_in(plain_url(folder)) if fnmatchcase(name, pattern)]
    if not names:
        raise ClipsearchError(f"there is no {path}")
    return [f"{folder}/{name}" for name in names]


def file_at(path: str) -> ImageFile:
    """A file's size and time, on this machine or elsewhere. ClipsearchError where it is not there."""
    file = find_file(path)
    if file is None:
        raise ClipsearchError(f"there is no {path}")
    return file


def find_file(path: str) -> ImageFile | None:
    """A file's size and time, on this machine or elsewhere; None where it is not there. StorageError."""
    if not is_remote(path):
        try:
            state = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {error.strerror or error}") from error
        return ImageFile(path, state.st_size, state.st_mtime_ns)
    files, inside = _files(path)
    try:
        files.invalidate_cache()
        entry = files.info(inside)
        return None if entry["type"] == "directory" else ImageFile(path, *_state(entry))
    except FileNotFoundError:
        return None
    except Exception as error:  # each storage raises errors of its own
        raise _unreachable(path, error) from error


def list_remote(root: str, rules: WalkRules, under: str = "") -> Iterator[Listing]:
    """What `list_images` says of a folder on this machine, of one elsewhere. Photos are told by their names alone.

    The time of a file is the storage's, or where it keeps none, a number made of its tag of the content.
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
            yield Listing(folder, path, {}, error=one_line(error) or type(error).__name__)
            continue
        states: dict[str, tuple[int, int]] = {}
        folders: list[str] = []
        others = 0
        for entry in entries:
            full = str(entry["name"]).rstrip("/")
            name = full.rpartition("/")[2]
            if full == inside.rstrip("/") or name in ("", ".", "..") or "\0" in name:
                continue
            if entry["type"] == "directory":
                if not rules.skips_folder(name, inside.rstrip("/")):
                    folders.append(f"{folder}/{name}" if folder else name)
            elif not rules.skips_file(name):
                if is_image_name(name):
                    states[name] = _state(entry)
                else:
                    others += 1
        yield Listing(folder, path, states, others)
        stack.extend(sorted(folders, reverse=True))


def read_remote(file: ImageFile, max_bytes: int) -> bytes:
    """The bytes of a file elsewhere, as it was when listed. ImageError where there is no such file any more, or it is too big.

    StorageError where the storage cannot be reached, again and again: that is not the file's fault.
    """
    require_at_most(max_bytes, file.size)
    if not file.size:
        return b""
    files, inside = _files(file.path)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            data: bytes = files.cat_file(inside, start=0, end=file.size + 1)
            break
        except FileNotFoundError as error:
            raise ImageError("there is no such file any more", "access") from error
        except PermissionError as error:
            raise ImageError(NOT_ALLOWED, "access") from error
        except Exception as error:
            if attempt == _ATTEMPTS:
                raise _unreachable(file.path, error) from error
            time.sleep(_PAUSE * attempt)
    if len(data) != file.size:
        raise ImageError("changed while it was read", "access")
    return data


def patiently(attempt: Callable[[], _T]) -> _T:
    """What a call gives that is made again, a few times, where a storage cannot be reached. StorageError."""
    for number in range(1, _ATTEMPTS):
        try:
            return attempt()
        except StorageError:
            time.sleep(_PAUSE * number)
    return attempt()


def open_whole(path: str) -> IO[bytes]:
    """A file to read anywhere in; one elsewhere is first copied to a nameless file on this machine. StorageError, OSError."""
    if not is_remote(path):
        return open(path, "rb")
    copy = tempfile.TemporaryFile()  # noqa: SIM115
    try:
        with open_stream(path) as source:
            while block := source.read(_BLOCK):
                copy.write(block)
    except BaseException as error:
        copy.close()
        if isinstance(error, Exception) and not isinstance(error, ClipsearchError):
            raise _unreachable(path, error) from error
        raise
    copy.seek(0)
    return copy


def open_stream(path: str) -> IO[bytes]:
    """A file to read some of, piece by piece. StorageError, OSError."""
    if not is_remote(path):
        return open(path, "rb")
    files, inside = _files(path)
    try:
        stream: IO[bytes] = files.open(inside, "rb")
    except Exception as error:
        raise _unreachable(path, error) from error
    return stream


def put_file(source: IO[bytes], folder: str, name: str) -> None:
    """Write what a stream has into a folder, under a name that is there only once it is whole. StorageError, OSError."""
    if not is_remote(folder):
        os.makedirs(folder, exist_ok=True)
        partial = Path(folder, f".{name[:32]}-{secrets.token_hex(4)}.partial")
        try:
            with partial.open("xb") as writer:
                shutil.copyfileobj(source, writer, _BLOCK)
                writer.flush()
                sync_file(writer.fileno())
            put_in_place(partial, Path(folder, name))
        finally:
            partial.unlink(missing_ok=True)
        return
    files, inside = _files(folder)
    with tempfile.TemporaryDirectory(prefix="clipsearch-part-") as scratch:  # storages want a file with a name
        copy = Path(scratch, "part")
        with copy.open("xb") as writer:
            shutil.copyfileobj(source, writer, _BLOCK)
        try:
            files.put_file(os.fspath(copy), f"{inside}/{name}")
        except Exception as error:
            raise _unreachable(f"{folder}/{name}", error) from error


def names_in(folder: str) -> list[str]:
    """The names of the files in a folder; none where it is not there. StorageError."""
    if not is_remote(folder):
        path = Path(folder)
        return sorted(entry.name for entry in path.iterdir() if entry.is_file()) if path.is_dir() else []
    files, inside = _files(folder)
    try:
        files.invalidate_cache()
        return sorted(str(entry["name"]).rpartition("/")[2] for entry in files.ls(inside, detail=True))
    except FileNotFoundError:
        return []
    except Exception as error:
        raise _unreachable(folder, error) from error


def remove_file(folder: str, name: str) -> None:
    """Remove a file, if it is there. StorageError, OSError."""
    if not is_remote(folder):
        Path(folder, name).unlink(missing_ok=True)
        return
    files, inside = _files(folder)
    try:
        files.rm_file(f"{inside}/{name}")
    except FileNotFoundError:
        return
    except Exception as error:
        raise _unreachable(f"{folder}/{name}", error) from error


def sha256_of(stream: IO[bytes]) -> str:
    """The sha256 of all that a stream holds, hexadecimal; it is at its beginning afterwards."""
    total = hashlib.sha256()
    while block := stream.read(_BLOCK):
        total.update(block)
    stream.seek(0)
    return total.hexdigest()


def _state(entry: dict[str, Any]) -> tuple[int, int]:
    """Size in bytes, and time in nanoseconds, of a file as a storage describes it."""
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
    tag = next((str(entry[key]) for key in _TAGS if entry.get(key)), "")
    return size, int.from_bytes(hashlib.sha256(tag.encode()).digest()[:8], "big") >> 1 if tag else 0


def _files(url: str) -> tuple[Any, str]:
    """A file system, and what it calls a URL's place."""
    try:
        import fsspec
    except ImportError as error:
        raise ClipsearchError("this needs fsspec: pip install 'clipsearch[ray]'") from error
    try:
        files, inside = fsspec.url_to_fs(url)
    except ImportError as error:  # fsspec names the package
        raise ClipsearchError(f"{url} cannot be read: {error}") from error
    except Exception as error:
        raise _unreachable(url, error) from error
    return files, str(inside).rstrip("/")


def _unreachable(path: str, error: Exception) -> StorageError:
    return StorageError(f"{path} cannot be reached: {one_line(error) or type(error).__name__}")
