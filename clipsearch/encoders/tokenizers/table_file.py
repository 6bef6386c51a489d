"""A file that holds a table from numbers to numbers. It is mapped into memory, and a look-up reads one or two of its blocks.

Layout: 32 bytes (magic, length and CRC-32 of the header), the header (JSON), a CRC-32 for each block of 4,096 bytes, and the
blocks. Every block is checked when it is first read. So a damaged file is noticed, and no file is read as a whole.
"""

from __future__ import annotations

import json
import mmap
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.untrusted_files import open_plain, parse_json

_MAGIC = b"clipsearch table 1\n"
_START = struct.Struct("<24sII")  # magic, bytes of the header, its CRC-32
_BLOCK = 4096
_MAX_HEADER_BYTES = 4_000_000
_KEYS_PER_BUCKET = 4
_MAX_BUCKET = 64  # a file whose keys collide on purpose has larger ones, and its look-ups would be slow
_MULTIPLIER = 0x9E3779B97F4A7C15  # 2**64 divided by the golden ratio
_MASK = 2**64 - 1
_BOUNDS = struct.Struct("<II")
_ENTRY = struct.Struct("<QQ")


class DamagedTableError(ValueError):
    """A file of tables is not what was written."""


class TableFile:
    """A file of `write_tables`, opened. Raises DamagedTableError or OSError if it is damaged or cannot be read."""

    def __init__(self, path: Path) -> None:
        with open_plain(path) as stream:
            magic, length, checksum = _START.unpack(stream.read(_START.size).ljust(_START.size, b"\0"))
            if magic.rstrip(b"\0") != _MAGIC or length > _MAX_HEADER_BYTES:
                raise DamagedTableError(f"{path} is not a file of tables")
            header = stream.read(length)
            if zlib.crc32(header) != checksum:
                raise DamagedTableError(f"{path} has a damaged header")
            self.header: dict[str, Any] = parse_json(header)
            checksums = stream.read(4 * self.header["blocks"])
            if zlib.crc32(checksums) != self.header["checksum"]:
                raise DamagedTableError(f"{path} has damaged checksums")
            self._first = _whole_blocks(stream.tell()) * _BLOCK
            if stream.seek(0, 2) != self._first + self.header["blocks"] * _BLOCK:
                raise DamagedTableError(f"{path} does not have the length that its header says")
            self._map = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        self._path = path
        self._checksums = struct.unpack(f"<{self.header['blocks']}I", checksums)
        self._blocks: dict[int, bytes] = {}

    def close(self) -> None:
        """Close the file. Nothing can be read from it afterwards."""
        self._map.close()

    def table(self, name: str) -> Table:
        """One of the tables from numbers to numbers."""
        section = self.header["sections"]
        return Table(self, section[f"{name}.buckets"], section[f"{name}.entries"])

    def array(self, name: str, dtype: str) -> NDArray[Any]:
        """One of the arrays, read as a whole."""
        start, length = self.header["sections"][name]
        return np.frombuffer(self.read(start, length), dtype)

    def read(self, start: int, length: int) -> bytes:
        """Some bytes after the header. Raises DamagedTableError if their blocks are damaged."""
        first, offset = divmod(start, _BLOCK)
        if offset + length <= _BLOCK:
            return self._block(first)[offset : offset + length]
        last = (start + length - 1) // _BLOCK
        return b"".join(map(self._block, range(first, last + 1)))[offset : offset + length]

    def _block(self, number: int) -> bytes:
        block = self._blocks.get(number)
        if block is None:
            start = self._first + number * _BLOCK
            block = self._map[start : start + _BLOCK]
            if zlib.crc32(block) != self._checksums[number]:
                raise DamagedTableError(f"{self._path} has a damaged block")
            self._blocks[number] = block
        return block


class Table:
    """A table from numbers below 2**64 to such numbers, in a TableFile: buckets of a few keys each."""

    def __init__(self, file: TableFile, buckets: tuple[int, int], entries: tuple[int, int]) -> None:
        self._file = file
        self._buckets, self._entries = buckets[0], entries[0]
        self._shift = _shift(buckets[1] // 4 - 1)

    def get(self, key: int) -> int | None:
        """The value of a key, or None."""
        read = self._file.read
        bucket = ((key * _MULTIPLIER) & _MASK) >> self._shift
        start, end = _BOUNDS.unpack(read(self._buckets + 4 * bucket, 8))
        if start < end:
            entries = read(self._entries + 16 * start, 16 * (end - start))
            for candidate, value in _ENTRY.iter_unpack(entries):
                if candidate == key:
                    return int(value)
        return None


def write_tables(
    path: Path,
    header: Mapping[str, Any],
    tables: Mapping[str, tuple[NDArray[np.uint64], NDArray[np.uint64]]],
    arrays: Mapping[str, NDArray[Any]],
) -> None:
    """Write a file with a header (JSON), tables (keys, values) and little-endian arrays.

    Raises ValueError if keys are equal, or collide on purpose; OSError if the file cannot be written.
    """
    sections: dict[str, NDArray[Any]] = dict(arrays)
    for name, (keys, values) in tables.items():
        sections[f"{name}.buckets"], sections[f"{name}.entries"] = _bucketed(keys, values)
    places, data = {}, bytearray()
    for name, array in sections.items():
        places[name] = len(data), array.nbytes
        data += array.tobytes()
        data += bytes(-len(data) % _BLOCK)
    count = len(data) // _BLOCK
    checksums = np.array([zlib.crc32(data[n * _BLOCK : (n + 1) * _BLOCK]) for n in range(count)], "<u4").tobytes()
    described = {**header, "sections": places, "blocks": count, "checksum": zlib.crc32(checksums)}
    encoded = json.dumps(described).encode()
    if len(encoded) > _MAX_HEADER_BYTES:
        raise ValueError("its header is too large")
    with path.open("wb") as stream:
        stream.write(_START.pack(_MAGIC, len(encoded), zlib.crc32(encoded)))
        stream.write(encoded)
        stream.write(checksums)
        stream.write(bytes(-stream.tell() % _BLOCK))
        stream.write(data)


def _bucketed(keys: NDArray[np.uint64], values: NDArray[np.uint64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Where each bucket starts, with the end of the last one, and the entries (n, 2) in the order of their buckets."""
    buckets = 1 << max(1, (len(keys) // _KEYS_PER_BUCKET).bit_length())
    with np.errstate(over="ignore"):
        hashes = (keys * np.uint64(_MULTIPLIER)) >> np.uint64(_shift(buckets))
    order = np.argsort(hashes, kind="stable")
    bounds = np.searchsorted(hashes[order], np.arange(buckets + 1))
    if len(keys) and np.diff(bounds).max() > _MAX_BUCKET:
        raise ValueError("its keys collide")
    if len(np.unique(keys)) < len(keys):
        raise ValueError("its keys are not different")
    return bounds.astype("<u4"), np.stack([keys[order], values[order]], axis=1).astype("<u8")


def _shift(buckets: int) -> int:
    return 64 - (buckets.bit_length() - 1)


def _whole_blocks(length: int) -> int:
    return -(-length // _BLOCK)
