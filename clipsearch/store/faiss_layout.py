"""How faiss lays out the files that segments writes, to hold one against it before faiss allocates what a header asks for.

From faiss's impl/index_write.cpp: `write_index` for IndexIDMap, IndexFlat and IndexScalarQuantizer. All little-endian.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.untrusted_files import open_plain

# Name, dim, rows, two numbers without a meaning, whether it is trained, metric.
_HEADER = struct.Struct("<4siqqqBi")
_LENGTH = struct.Struct("<q")
# Type, range statistic and its argument, dim, bytes a row, how many numbers it was trained to.
_QUANTIZER = struct.Struct("<iifqqq")
_TRAINED_TO = 2
_INNER_PRODUCT = 0
_UNIFORM_8_BITS = 2

MAPPED_FROM = 1 << 20
"""Bytes from which a file is mapped, not read: a mapping keeps a descriptor, and there may be many small segments."""


def require_flat(path: Path, dim: int, rows: int) -> None:
    """Raise ValueError unless a file is, by its headers and length, an IndexIDMap over an IndexFlatIP of that shape.

    `rows` below 0: any number of them. OSError where it cannot be read; nothing is followed that is not a file.
    """
    with open_plain(path, follow_links=False) as stream:
        size = os.fstat(stream.fileno()).st_size
        outer, inner = (_HEADER.unpack(_exactly(stream.read(_HEADER.size), _HEADER.size)) for _ in range(2))
        (values,) = _LENGTH.unpack(_exactly(stream.read(_LENGTH.size), _LENGTH.size))
        rows = inner[2] if rows < 0 else rows
        _require("its kind", (outer[0], inner[0]), (b"IxMp", b"IxFI"))
        _require("its metric", (outer[6], inner[6]), (_INNER_PRODUCT, _INNER_PRODUCT))
        _require("(rows, dim)", ((outer[2], outer[1]), (inner[2], inner[1])), ((rows, dim), (rows, dim)))
        _require("its values", values, rows * dim)
        ids = 2 * _HEADER.size + _LENGTH.size + 4 * rows * dim
        if (
            rows < 0 or size < ids + _LENGTH.size + 8 * rows
        ):  # bytes behind it would do no harm, and repair can do with them
            raise ValueError("it is too short")
        stream.seek(ids)
        _require("its ids", _LENGTH.unpack(stream.read(_LENGTH.size))[0], rows)


def require_compact(path: Path, dim: int, rows: int) -> None:
    """Raise ValueError unless a file is an IndexScalarQuantizer of that shape, of one byte a value. OSError as above."""
    with open_plain(path, follow_links=False) as stream:
        size = os.fstat(stream.fileno()).st_size
        kind, found_dim, found_rows, *_, metric = _HEADER.unpack(_exactly(stream.read(_HEADER.size), _HEADER.size))
        how, _, _, sq_dim, code_size, trained = _QUANTIZER.unpack(
            _exactly(stream.read(_QUANTIZER.size), _QUANTIZER.size)
        )
        _require("its kind", (kind, metric, how), (b"IxSQ", _INNER_PRODUCT, _UNIFORM_8_BITS))
        _require("its shape", (found_rows, found_dim, sq_dim, code_size), (rows, dim, dim, dim))
        _require("its training", trained, _TRAINED_TO)
        stream.seek(4 * _TRAINED_TO, os.SEEK_CUR)
        _require("its codes", _LENGTH.unpack(_exactly(stream.read(_LENGTH.size), _LENGTH.size))[0], rows * dim)
        _require("its length", size, stream.tell() + rows * dim)


def content(path: Path) -> NDArray[np.uint8]:
    """A file's bytes (n,), read-only; those of a large one are mapped for as long as the array is there. Errors as above."""
    with open_plain(path, follow_links=False) as stream:
        if os.fstat(stream.fileno()).st_size < MAPPED_FROM:
            return np.frombuffer(stream.read(), np.uint8)
        return np.frombuffer(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)


def _exactly(data: bytes, length: int) -> bytes:
    if len(data) != length:
        raise ValueError("it is too short")
    return data


def _require(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise ValueError(f"{what} should be {expected} and is {found}")
