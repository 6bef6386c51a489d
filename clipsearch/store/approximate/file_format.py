"""The file of an approximate index: plain arrays one after another, at offsets that follow from its shape alone.

Nothing in the file says how much memory to take or where to read, and faiss never parses it. A damaged or hostile file can only
hold wrong numbers.
"""

from __future__ import annotations

import errno
import math
import mmap
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.atomic_files import sync_file
from clipsearch._internal.untrusted_files import open_plain
from clipsearch.store.approximate.info import ApproximateInfo, IndexShape

Arrays: TypeAlias = Mapping[str, NDArray[Any]]

_ALIGNED = 64  # bytes
_LARGE = frozenset({"entries", "codes", "ids", "neighbours"})  # left on the disk until they are needed
ID_BYTES = 8
CODES = 256
"""Values of a product quantiser's code. Each is learned from at least one photo."""


def code_bytes(shape: IndexShape) -> int:
    """Bytes of one vector's code."""
    if shape.kind == "ivf-pq":
        return shape.dim // 8  # eight values become one of 256
    if shape.kind == "ivf-rabitq":
        return (shape.dim + 7) // 8 + 8  # a bit for each value, and two floats
    return shape.dim


def array_types(shape: IndexShape) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Each array's name → (numpy type, shape), in the order of the file."""
    covered: tuple[str, tuple[int, ...]] = ("u1", (shape.last_id // 8 + 1,))  # a bit for each id, from 0 on
    if shape.kind == "hnsw-sq8":
        return {
            "codes": ("u1", (shape.rows, shape.dim)),
            "ids": ("<i8", (shape.rows,)),
            "neighbours": ("<i4", (shape.links,)),
            "levels": ("<i4", (shape.rows,)),
            "entry": ("<i8", (1,)),  # the row at which a search begins
            "trained": ("<f4", (2, shape.dim)),
            "covered": covered,
        }
    trained = {"ivf-sq8": (2, shape.dim), "ivf-pq": (CODES, shape.dim), "ivf-rabitq": (shape.dim, shape.dim)}
    return {
        "entries": ("u1", (shape.rows * (code_bytes(shape) + ID_BYTES),)),  # for each part: its codes, then its ids
        "sizes": ("<i8", (shape.lists,)),
        "centroids": ("<f4", (shape.lists, shape.dim)),
        "trained": ("<f4", trained[shape.kind]),
        "covered": covered,
    }


def file_size(shape: IndexShape) -> int:
    """Bytes of the whole file."""
    return _places(shape)[1]


@contextmanager
def writing(path: Path, shape: IndexShape) -> Iterator[Arrays]:
    """The arrays of a new file, all zero, to be filled; on the disk afterwards. On an error, the file is deleted."""
    places, size = _places(shape)
    try:
        with path.open("x+b") as stream:
            _reserve(stream.fileno(), size)
            mapped = mmap.mmap(stream.fileno(), size)  # closed when the last of its arrays is gone
            yield _views(mapped, places)
            mapped.flush()
            sync_file(stream.fileno())
    except BaseException:
        with suppress(OSError):  # Windows keeps it while it is mapped; a later run deletes it
            path.unlink()
        raise


def opened(folder: Path, info: ApproximateInfo) -> tuple[Arrays, mmap.mmap]:
    """A file's arrays, and the mapping for reading that they are in. ValueError if the file does not fit `info`."""
    places, size = _places(info.shape)
    with open_plain(folder / info.file, follow_links=False) as stream:
        length = os.fstat(stream.fileno()).st_size
        if not length == size == info.size:
            raise ValueError(f"its file is {length:,} bytes long and should be {size:,}")
        mapped = mmap.mmap(stream.fileno(), size, access=mmap.ACCESS_READ)
    arrays = _views(mapped, places)
    if small_crc(arrays) != info.small_crc:
        raise ValueError("its file is not as it was written")
    return arrays, mapped


def small_crc(arrays: Arrays) -> int:
    """CRC-32 of the arrays that are read whole when the file is opened."""
    total = 0
    for name, array in arrays.items():
        if name not in _LARGE:
            total = zlib.crc32(np.ascontiguousarray(array).data, total)
    return total


def _places(shape: IndexShape) -> tuple[dict[str, tuple[int, str, tuple[int, ...]]], int]:
    places, end = {}, 0
    for name, (kind, dims) in array_types(shape).items():
        places[name] = (end, kind, dims)
        length = np.dtype(kind).itemsize * math.prod(dims)  # Python's integers do not overflow
        end += -(-length // _ALIGNED) * _ALIGNED
    return places, end


def _views(mapped: mmap.mmap, places: dict[str, tuple[int, str, tuple[int, ...]]]) -> dict[str, NDArray[Any]]:
    return {
        name: np.frombuffer(mapped, kind, math.prod(dims), start).reshape(dims)
        for name, (start, kind, dims) in places.items()
    }


def _reserve(descriptor: int, size: int) -> None:
    """Take the space now: writing to a mapped page on a full disk would end the process."""
    try:
        if allocate := getattr(os, "posix_fallocate", None):  # macOS and Windows do not have it
            allocate(descriptor, 0, size)
            return
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise
    zeros = bytes(1 << 20)
    for start in range(0, size, len(zeros)):
        os.write(descriptor, zeros[: size - start])
