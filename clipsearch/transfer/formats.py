"""The formats npy, jsonl and csv: writing all three, and reading the first two. Parquet is in `parquet`.

Nothing in a file is trusted, and nothing pickled is ever loaded.
"""

from __future__ import annotations

import csv
import itertools
import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.untrusted_files import parse_json
from clipsearch.errors import ClipsearchError
from clipsearch.render.json_output import json_line
from clipsearch.transfer.fields import (
    EMBEDDING,
    MODEL_FIELDS,
    PHOTO_FIELDS,
    EmbeddingReader,
    Row,
    model_fields,
    row_of,
    stated_model,
)
from clipsearch.types import Embeddings, Fingerprint

_MAX_LINE = 4 * 1024**2  # bytes; an embedding of 65,536 values takes 1.4 MB

Block: TypeAlias = tuple[list[dict[str, Any]], Embeddings]
"""PHOTO_FIELDS of some images, and their unit vectors (n, dim)."""


def write_npy(npy: Path, jsonl: Path, blocks: Iterable[Block], fingerprint: Fingerprint) -> None:
    """Write a .npy file of float32 (n, dim), little-endian, and a .jsonl with PHOTO_FIELDS and MODEL_FIELDS of its rows.

    The npy format is that of NEP 1, version 1.0: `numpy.load(path, mmap_mode="r")` reads it.
    """
    model = model_fields(fingerprint)
    count = 0
    with open(npy, "wb") as vectors_out, open(jsonl, "wb") as rows_out:
        _write_npy_header(vectors_out, count, fingerprint.dim)
        start = vectors_out.tell()
        for rows, vectors in blocks:
            vectors_out.write(np.ascontiguousarray(vectors, "<f4").data)
            rows_out.writelines(json_line({**row, **model}).encode() for row in rows)
            count += len(rows)
        vectors_out.seek(0)
        _write_npy_header(vectors_out, count, fingerprint.dim)
        assert vectors_out.tell() == start  # numpy leaves room in a header for a growing number of rows


def write_jsonl(path: Path, blocks: Iterable[Block], fingerprint: Fingerprint) -> None:
    """Write a JSON object per line: PHOTO_FIELDS, MODEL_FIELDS and "embedding", whose numbers are exactly the float32."""
    model = model_fields(fingerprint)
    with open(path, "wb") as out:
        for rows, vectors in blocks:
            for row, embedding in zip(rows, _json_lists(vectors), strict=True):
                photo = json_line({**row, **model}).removesuffix("}\n")
                out.write(f'{photo}, "{EMBEDDING}": {embedding}}}\n'.encode())


def write_csv(path: Path, blocks: Iterable[Block], fingerprint: Fingerprint, embeddings: bool) -> None:
    """Write a table with a header: PHOTO_FIELDS, MODEL_FIELDS and, with `embeddings`, a column of JSON lists.

    The file is UTF-8, but bytes of a path that are not stay as they are: read it with
    `errors="surrogateescape"`.
    """
    model = model_fields(fingerprint)
    with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="") as out:
        table = csv.writer(out, lineterminator="\n")
        table.writerow([*PHOTO_FIELDS, *MODEL_FIELDS, *([EMBEDDING] if embeddings else [])])
        for rows, vectors in blocks:
            columns = ([text] for text in _json_lists(vectors)) if embeddings else itertools.repeat(list[str]())
            table.writerows([*row.values(), *model.values(), *last] for row, last in zip(rows, columns, strict=False))


def _write_npy_header(stream: BinaryIO, count: int, dim: int) -> None:
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": (count, dim)})


def _json_lists(vectors: Embeddings) -> Iterator[str]:
    """Each vector as a JSON list.

    Nine digits identify a float32, even if they are read as a double first: they differ from it by at most 5e-9 of its value,
    and the nearest other float32 begins at 2.9e-8 of it (IEEE 754). Subnormal numbers are written in full.
    """
    nine_digits = "[" + ", ".join(["%.9g"] * vectors.shape[1]) + "]"
    smallest = np.finfo(np.float32).tiny
    for vector in vectors:
        # "-0" would be read as the integer 0
        in_full = (np.abs(vector) < smallest) & ((vector != 0) | np.signbit(vector))
        yield json.dumps(vector.tolist()) if in_full.any() else nine_digits % tuple(vector.tolist())


class NpyReader(EmbeddingReader):
    """Vectors in a .npy file, float16, float32 or float64 (n, dim), and a .jsonl of the same name with their rows."""

    rows: int

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines = path.with_suffix(".jsonl")
        if not self._lines.is_file():
            raise ClipsearchError(f"{path} needs {self._lines} beside it, which describes a row's photo on each line")
        with open(path, "rb") as stream:
            self._dtype, (self.rows, self.dim) = self._header(stream)
            self._start = stream.tell()
        size = path.stat().st_size - self._start
        expected = self.rows * self.dim * self._dtype.itemsize
        if size != expected:
            raise ClipsearchError(
                f"{path} holds {size:,} bytes of vectors, and {self.rows:,} x {self.dim:,} of {self._dtype} are {expected:,}"
            )
        number, first = next(_objects(self._lines), (0, {}))
        if number and not self.rows:
            raise ClipsearchError(f"{self._lines} has more lines than {path.name} has rows (0)")
        self.stated = stated_model(first, str(self._lines))

    def blocks(self) -> Iterator[tuple[list[Row], NDArray[Any]]]:
        """See EmbeddingReader."""
        lines = _objects(self._lines)
        with open(self.path, "rb") as stream:
            for start in range(0, self.rows, self.block_rows):
                count = min(self.block_rows, self.rows - start)
                stream.seek(self._start + start * self.dim * self._dtype.itemsize)
                values = np.fromfile(stream, self._dtype, count * self.dim)
                if len(values) != count * self.dim:
                    raise ClipsearchError(f"{self.path} was cut short while it was read")
                block = itertools.islice(lines, count)
                rows = [_row(number, value, self._lines, self.stated) for number, value in block]
                if len(rows) < count:
                    raise ClipsearchError(
                        f"{self._lines} has {start + len(rows):,} lines, and {self.path.name} {self.rows:,} rows"
                    )
                yield rows, values.reshape(count, self.dim)
        if next(lines, None):
            raise ClipsearchError(f"{self._lines} has more lines than {self.path.name} has rows ({self.rows:,})")

    def _header(self, stream: BinaryIO) -> tuple[np.dtype[Any], tuple[int, int]]:
        try:
            version = np.lib.format.read_magic(stream)
            read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
            shape, fortran_order, dtype = read(stream)
        except Exception as error:  # a header is Python syntax, and its parsers raise anything at all
            raise ClipsearchError(f"{self.path} is not a .npy file that can be read") from error
        if dtype.kind != "f" or dtype.itemsize not in (2, 4, 8):
            raise ClipsearchError(f"{self.path} holds {dtype}; embeddings are float32, float16 or float64")
        if len(shape) != 2 or shape[1] < 1 or shape[0] < 0:
            raise ClipsearchError(f"{self.path} has the shape {shape}; embeddings are (rows, values)")
        if fortran_order and min(shape) > 1:
            raise ClipsearchError(f"{self.path} is stored by columns; save numpy.ascontiguousarray(...) of it")
        return dtype, (int(shape[0]), int(shape[1]))


class JsonlReader(EmbeddingReader):
    """A JSON object per line, with "path" and "embedding", a list of numbers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = None
        number, value = next(_objects(path), (0, {}))
        if not number:
            self.rows, self.dim, self.stated = 0, 0, None
            return
        if EMBEDDING not in value and path.with_suffix(".npy").is_file():
            raise ClipsearchError(f"{path} has the rows of {path.with_suffix('.npy').name}; import that")
        self.dim = len(_numbers(number, value, path))
        self.stated = stated_model(value, str(path))

    def blocks(self) -> Iterator[tuple[list[Row], NDArray[Any]]]:
        """See EmbeddingReader."""
        rows: list[Row] = []
        vectors = np.empty((self.block_rows, self.dim))
        for number, value in _objects(self.path):
            numbers = _numbers(number, value, self.path)
            if len(numbers) != self.dim:
                raise ClipsearchError(f"{self.path}: row {number:,} has {len(numbers):,} values, others {self.dim:,}")
            try:
                vectors[len(rows)] = numbers
            except OverflowError:
                vectors[len(rows)] = math.inf  # which is refused later
            rows.append(_row(number, value, self.path, self.stated))
            if len(rows) == self.block_rows:
                yield rows, vectors
                rows, vectors = [], np.empty_like(vectors)
        if rows:
            yield rows, vectors[: len(rows)]


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(row number, object) of each line."""
    with open(path, "rb") as stream:
        for number in itertools.count(1):
            line = stream.readline(_MAX_LINE + 1)
            if not line:
                return
            if len(line) > _MAX_LINE:
                raise ClipsearchError(f"{path}: row {number:,} is longer than {_MAX_LINE:,} bytes")
            yield number, json_object(line, f"{path}: row {number:,} is not a JSON object")


def json_object(text: bytes, problem: str) -> dict[str, Any]:
    """A JSON object. ClipsearchError with `problem` for anything else."""
    try:
        value = parse_json(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ClipsearchError(problem)
    return value


def _numbers(number: int, value: dict[str, Any], path: Path) -> list[float]:
    numbers = value.get(EMBEDDING)
    if not isinstance(numbers, list) or not numbers or not set(map(type, numbers)) <= {int, float}:
        raise ClipsearchError(f'{path}: row {number:,} has no "{EMBEDDING}" that is a list of numbers')
    return numbers


def _row(number: int, value: dict[str, Any], path: Path, stated: Fingerprint | None) -> Row:
    digest = stated.digest if stated else None
    if value.get("model_digest") != digest or (stated and value.get("precision") != stated.precision):
        raise ClipsearchError(
            f"{path}: row {number:,} is from another model than row 1; import each model's rows separately"
        )
    return row_of(number, value, str(path))
