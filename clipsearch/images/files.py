"""Read a file's bytes within limits. Does not import Pillow; decoding is in `reader`."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from clipsearch._internal.arguments import require_number, require_whole
from clipsearch._internal.cancel import CancelToken
from clipsearch._internal.paths import is_elsewhere, is_gone, missing_folder
from clipsearch._internal.windows import RESERVED, is_misread, opened_as
from clipsearch.errors import ImageError
from clipsearch.images.file_types import is_video_name
from clipsearch.types import ImageFile

FAR = 1 << 63
"""Times and sizes are below this, the limit of SQLite's integers. A file may claim a time in the year 2300, which is above."""

_BLOCK = 8 * 1024**2  # bytes read at once

INCOMPLETE = "incomplete: the file ends before the picture does; it is indexed as far as it goes"
"""The reason in the Failure of a photo that is indexed, although its end is missing."""

ELSEWHERE = "not a file on this machine: it is in storage elsewhere, or inside an archive"


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """What reading and decoding one file may cost. A file beyond a limit is a failure."""

    max_pixels: int = 160_000_000  # decoded; a JPEG that is shrunk while decoding counts as shrunk
    max_bytes: int = 512 * 1024**2
    seconds: float = 30.0  # of decoding; enforced by images.pool
    memory: int = 4 * 1024**3  # bytes of a decoding process; enforced by images.memory

    def __post_init__(self) -> None:
        """QueryError for what is not a number, or too small."""
        for name in ("max_pixels", "max_bytes", "memory"):
            require_whole(name, getattr(self, name), 1)
        require_number("seconds", self.seconds, 0)


def require_at_most(max_bytes: int, size: int) -> None:
    """Raise ImageError if a file of this size, in bytes, is too big."""
    if size > max_bytes:
        raise ImageError(f"larger than {max_bytes / 1024**2:.0f} MiB ({size / 1024**2:.0f} MiB)", "bytes")


def require_few_pixels(
    width: int, height: int, limits: ReadLimits, decoded: int | None = None, bytes_per_pixel: int = 4
) -> None:
    """Raise ImageError if a picture of this size has too many pixels. `decoded` is how many are decoded of it, if not all.

    `bytes_per_pixel` is the least that decoding takes. Pillow keeps RGB in four bytes. If the picture does not fit into the
    memory, the reason says so, because a higher limit of pixels would not help.
    """
    pixels = width * height if decoded is None else decoded
    if pixels <= limits.max_pixels:
        return
    if pixels * bytes_per_pixel > limits.memory:
        raise ImageError(f"{width} x {height} pixels need more memory than the fixed limit for one file", "pixels")
    raise ImageError(
        f"{width} x {height} pixels are more than the {limits.max_pixels / 1e6:.0f} million allowed", "pixels"
    )


def clamped(time_ns: int) -> int:
    """A file's time in nanoseconds, limited to what is stored and compared."""
    return min(max(time_ns, 1 - FAR), FAR - 1)


def open_regular(path: str) -> tuple[IO[bytes], os.stat_result]:
    """A regular file, opened for reading, and its state. Raises ImageError if it is something else, or cannot be opened."""
    if is_misread(path):
        raise ImageError(RESERVED)
    try:
        descriptor = os.open(opened_as(path), os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        stream = open(descriptor, "rb")  # noqa: SIM115  # the caller closes it
        state = os.fstat(descriptor)
    except IsADirectoryError as error:
        raise ImageError("a folder, and not a picture") from error
    except OSError as error:
        raise access_error(path, error) from error
    if not stat.S_ISREG(state.st_mode):
        stream.close()
        raise ImageError("not a regular file")
    return stream, state


def access_error(path: str, error: OSError) -> ImageError:
    """The ImageError for a file whose bytes the system does not give."""
    return ImageError(ELSEWHERE if is_elsewhere(path) else error.strerror or str(error), "access")


def why_gone(path: str) -> str:
    """Why a photo is gone, and what to do, in words that name no folder above the missing one; "" if it is not gone."""
    if not is_gone(path):
        return ""
    if folder := os.path.basename(missing_folder(path)):
        return f"the folder {folder} is away; mount its drive"
    return "it is not there any more, or its drive is not connected"


def read_bytes(
    path: str | os.PathLike[str], max_bytes: int, on_block: Callable[[], None] = lambda: None
) -> tuple[bytes, ImageFile]:
    """A regular file's bytes, and its size and time as read. `on_block` is called after every few megabytes.

    Raises ImageError if the file cannot be read, changes meanwhile or is too big.
    """
    blocks: list[bytes] = []

    def take(block: bytes) -> None:
        blocks.append(block)
        on_block()

    file = _read_blocks(os.fspath(path), max_bytes, take)
    return blocks[0] if len(blocks) == 1 else b"".join(blocks), file


def read_start(path: str | os.PathLike[str], count: int) -> tuple[bytes, ImageFile]:
    """The first `count` bytes of a regular file, and its size and time. Raises ImageError if the file cannot be read."""
    name = os.fspath(path)
    stream, state = open_regular(name)
    with stream:
        try:
            data = stream.read(count)
        except OSError as error:
            raise access_error(name, error) from error
    return data, ImageFile(name, state.st_size, clamped(state.st_mtime_ns))


def content_hash(
    path: str | os.PathLike[str], max_bytes: int, cancel: CancelToken | None = None
) -> tuple[str, ImageFile]:
    """A file's sha256, hexadecimal, and the file as it was when read. Films may be of any size.

    Raises ImageError if the file cannot be read, changes meanwhile or is too big, and Cancelled.
    """
    name, digest = os.fspath(path), hashlib.sha256()

    def take(block: bytes) -> None:
        digest.update(block)
        if cancel:
            cancel.check()

    file = _read_blocks(name, FAR if is_video_name(name) else max_bytes, take)
    return digest.hexdigest(), file


def _read_blocks(name: str, max_bytes: int, take: Callable[[bytes], None]) -> ImageFile:
    """Give a file's blocks, one after the other, to `take`; the file as it was when read. Raises ImageError as `read_bytes`."""
    try:
        stream, before = open_regular(name)
        with stream:
            require_at_most(max_bytes, before.st_size)
            size, length = min(_BLOCK, before.st_size + 1), 0
            while length <= max_bytes and (block := stream.read(size)):
                length += len(block)
                take(block)
            after = os.fstat(stream.fileno())
    except OSError as error:
        raise access_error(name, error) from error
    if (after.st_size, after.st_mtime_ns) != (length, before.st_mtime_ns):
        raise ImageError("changed while it was read", "access")
    return ImageFile(name, after.st_size, clamped(after.st_mtime_ns))
