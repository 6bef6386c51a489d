"""Files of embeddings as rows and vectors, block by block. Nothing in them is trusted, and nothing pickled is ever loaded."""

from __future__ import annotations

import itertools
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from clipsearch.errors import ClipsearchError
from clipsearch.transfer.fields import EMBEDDING, MODEL_FIELDS, Row, row_of, stated_model
from clipsearch.types import Fingerprint

_LONGEST_LINE = 4 * 1024**2  # bytes; an embedding of 65,536 values takes 1.4 MB
_BLOCK_BYTES = 16 * 1024**2


class Source(ABC):
    """A file of embeddings whose beginning has been read and makes sense."""

    path: Path
    stated: Fingerprint | None  # the model that the file says it is from
    dim: int
    rows: int | None  # None where only reading it to the end can tell

    @abstractmethod
    def blocks(self) -> Iterator[tuple[list[Row], NDArray[Any]]]:
        """All rows, some at a time, with their vectors, floating-point (n, dim). ClipsearchError where one makes no sense."""

    @property
    def block_rows(self) -> int:
        """How many rows make a block."""
        return max(1, min(1024, _BLOCK_BYTES // (8 * self.dim)))


def open_source(path: Path) -> Source:
    """A .npy (with its .jsonl beside it), .jsonl or .parquet file; ClipsearchError where it is none."""
    if not path.is_file():
        raise ClipsearchError(f"there is no file {path}")
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return NpySource(path)
    if suffix == ".jsonl":
        return JsonlSource(path)
    if suffix == ".parquet":
        from clipsearch.transfer.parquet import ParquetSource

        return ParquetSource(path)
    raise ClipsearchError(f"{path}: import reads .npy (with its .jsonl beside it), .jsonl and .parquet files")


class NpySource(Source):
    """Vectors in a .npy file, float16, float32 or float64 (n, dim), and a .jsonl of the same name with their rows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines = path.with_suffix(".jsonl")
        if not self._lines.is_file():
            raise ClipsearchError(f"{path} needs {self._lines} beside it, which says a row's photo on each line")
        with open(path, "rb") as stream:
            self._dtype, (self.rows, self.dim) = self._header(stream)
            self._start = stream.tell()
        size = path.stat().st_size - self._start
        if size != self.rows * self.dim * self._dtype.itemsize:
            raise ClipsearchError(
                f"{path} holds {size:,} bytes of vectors, and {self.rows:,} x {self.dim:,} of {self._dtype} are "
                f"{self.rows * self.dim * self._dtype.itemsize:,}"
            )
        self.stated = _stated(self._lines)

    def blocks(self) -> Iterator[tuple[list[Row], NDArray[Any]]]:
        """As Source has it."""
        lines = _objects(self._lines)
        with open(self.path, "rb") as stream:
            for start in range(0, self._count, self.block_rows):
                count = min(self.block_rows, self._count - start)
                stream.seek(self._start + start * self.dim * self._dtype.itemsize)
                values = np.fromfile(stream, self._dtype, count * self.dim)
                if len(values) != count * self.dim:
                    raise ClipsearchError(f"{self.path} was cut short while it was read")
                rows = [
                    _row(number, value, self._lines, self.stated) for number, value in itertools.islice(lines, count)
                ]
                if len(rows) < count:
                    raise ClipsearchError(
                        f"{self._lines} has {start + len(rows):,} lines, and {self.path.name} {self.rows:,} rows"
                    )
                yield rows, values.reshape(count, self.dim)
        if next(lines, None):
            raise ClipsearchError(f"{self._lines} has more lines than {self.path.name} has rows ({self.rows:,})")

    @property
    def _count(self) -> int:
        assert self.rows is not None
        return self.rows

    def _header(self, stream: BinaryIO) -> tuple[np.dtype[Any], tuple[int, int]]:
        try:
            version = np.lib.format.read_magic(stream)
            read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
            shape, fortran_order, dtype = read(stream)
        except Exception as error:  # a header is Python's own syntax, and its parsers raise anything at all
            raise ClipsearchError(f"{self.path} is not a .npy file that can be read") from error
        if dtype.kind != "f" or dtype.itemsize not in (2, 4, 8):
            raise ClipsearchError(f"{self.path} holds {dtype}; embeddings are float32, or float16 or float64")
        if len(shape) != 2 or shape[1] < 1 or shape[0] < 0:
            raise ClipsearchError(f"{self.path} has the shape {shape}; embeddings are (rows, values)")
        if not shape[0]:
            raise ClipsearchError(f"{self.path} holds no rows")
        if fortran_order and min(shape) > 1:
            raise ClipsearchError(f"{self.path} is stored by columns; save numpy.ascontiguousarray(...) of it")
        return dtype, (int(shape[0]), int(shape[1]))


class JsonlSource(Source):
    """A JSON object a line, with "path" and "embedding", a list of numbers."""

    rows = None

    def __init__(self, path: Path) -> None:
        self.path = path
        for number, value in _objects(path):
            if EMBEDDING not in value and path.with_suffix(".npy").is_file():
                raise ClipsearchError(f"{path} has the rows of {path.with_suffix('.npy').name}; import that")
            self.dim = len(_numbers(number, value, path))
            break
        else:
            raise ClipsearchError(f"{path} holds no rows")
        self.stated = _stated(path)

    def blocks(self) -> Iterator[tuple[list[Row], NDArray[Any]]]:
        """As Source has it."""
        rows: list[Row] = []
        vectors = np.empty((self.block_rows, self.dim))
        for number, value in _objects(self.path):
            numbers = _numbers(number, value, self.path)
            if len(numbers) != self.dim:
                raise ClipsearchError(f"{self.path}: row {number:,} has {len(numbers):,} values, others {self.dim:,}")
            try:
                vectors[len(rows)] = numbers
            except OverflowError:
                vectors[len(rows)] = math.inf  # which is then told as such
            rows.append(_row(number, value, self.path, self.stated))
            if len(rows) == self.block_rows:
                yield rows, vectors
                rows, vectors = [], np.empty_like(vectors)
        if rows:
            yield rows, vectors[: len(rows)]


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(row number, object) of each line."""
    with open(path, "rb") as stream:
        number = 0
        while line := stream.readline(_LONGEST_LINE + 1):
            number += 1
            if len(line) > _LONGEST_LINE:
                raise ClipsearchError(f"{path}: row {number:,} is longer than {_LONGEST_LINE:,} bytes")
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                value = None
            if not isinstance(value, dict):
                raise ClipsearchError(f"{path}: row {number:,} is not a JSON object")
            yield number, value


def _numbers(number: int, value: dict[str, Any], path: Path) -> list[float]:
    numbers = value.get(EMBEDDING)
    if not isinstance(numbers, list) or not numbers or not set(map(type, numbers)) <= {int, float}:
        raise ClipsearchError(f'{path}: row {number:,} has no "{EMBEDDING}" that is a list of numbers')
    return numbers


def _row(number: int, value: dict[str, Any], path: Path, stated: Fingerprint | None) -> Row:
    digest = stated.digest if stated else None
    if value.get("model_digest") != digest or (stated and value.get("precision") != stated.precision):
        raise ClipsearchError(
            f"{path}: row {number:,} is from another model than row 1; import each model's rows alone"
        )
    return row_of(number, value, str(path))


def _stated(path: Path) -> Fingerprint | None:
    """The model that the first line says the rows are from."""
    for _, value in _objects(path):
        return stated_model({name: value.get(name) for name in MODEL_FIELDS}, str(path))
    return None
