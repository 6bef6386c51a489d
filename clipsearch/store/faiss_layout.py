"""The layout of the faiss files that `segments` writes. Files are checked before faiss allocates what a header asks for.

From faiss's impl/index_write.cpp: `write_index` for IndexIDMap, IndexFlat and IndexScalarQuantizer. All little-endian.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.untrusted_files import open_plain

# Name, dim, rows, two unused numbers, whether it is trained, metric.
_HEADER = struct.Struct("<4siqqqBi")
_LENGTH = struct.Struct("<q")
# Type, range statistic and its argument, dim, bytes per row, how many numbers it was trained to.
_QUANTIZER = struct.Struct("<iifqqq")
_TRAINED_TO = 2
_INNER_PRODUCT = 0
_UNIFORM_8_BITS = 2

MAPPED_FROM = 1 << 20
"""Files of at least this many bytes are mapped. Smaller ones are read, because a mapping keeps a descriptor."""


def require_flat(path: Path, dim: int, rows: int) -> None:
    """Raise ValueError unless a file's headers and length are those of an IndexIDMap over an IndexFlatIP of that shape.

    Negative `rows` accept any number. OSError if it cannot be read; only a plain file is opened.
    """
    with open_plain(path, follow_links=False) as stream:
        size = os.fstat(stream.fileno()).st_size
        outer, inner = _read(stream, _HEADER), _read(stream, _HEADER)
        (values,) = _read(stream, _LENGTH)
        rows = inner[2] if rows < 0 else rows
        _require("its kind", (outer[0], inner[0]), (b"IxMp", b"IxFI"))
        _require("its metric", (outer[6], inner[6]), (_INNER_PRODUCT, _INNER_PRODUCT))
        _require("(rows, dim)", ((outer[2], outer[1]), (inner[2], inner[1])), ((rows, dim), (rows, dim)))
        _require("its values", values, rows * dim)
        ids = stream.tell() + 4 * rows * dim
        # Bytes after the end do no harm, and a repair can use such a file.
        if rows < 0 or size < ids + _LENGTH.size + 8 * rows:
            raise ValueError("it is too short")
        stream.seek(ids)
        _require("its ids", _read(stream, _LENGTH), (rows,))


def require_compact(path: Path, dim: int, rows: int) -> None:
    """Raise ValueError unless a file is an IndexScalarQuantizer of that shape, with one byte per value. OSError as above."""
    with open_plain(path, follow_links=False) as stream:
        size = os.fstat(stream.fileno()).st_size
        kind, file_dim, file_rows, *_, metric = _read(stream, _HEADER)
        quantizer, _, _, quantizer_dim, code_size, trained = _read(stream, _QUANTIZER)
        _require("its kind", (kind, metric, quantizer), (b"IxSQ", _INNER_PRODUCT, _UNIFORM_8_BITS))
        _require("its shape", (file_rows, file_dim, quantizer_dim, code_size), (rows, dim, dim, dim))
        _require("its training", trained, _TRAINED_TO)
        stream.seek(4 * _TRAINED_TO, os.SEEK_CUR)
        _require("its codes", _read(stream, _LENGTH), (rows * dim,))
        _require("its length", size, stream.tell() + rows * dim)


def content(path: Path) -> NDArray[np.uint8]:
    """A file's bytes (n,), read-only. A large file stays mapped as long as the array lives. OSError or ValueError as above."""
    with open_plain(path, follow_links=False) as stream:
        if os.fstat(stream.fileno()).st_size < MAPPED_FROM:
            return np.frombuffer(stream.read(), np.uint8)
        return np.frombuffer(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)


def _read(stream: BinaryIO, form: struct.Struct) -> tuple[Any, ...]:
    data = stream.read(form.size)
    if len(data) != form.size:
        raise ValueError("it is too short")
    return form.unpack(data)


def _require(name: str, value: object, expected: object) -> None:
    if value != expected:
        raise ValueError(f"{name} should be {expected} and is {value}")
