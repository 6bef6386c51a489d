"""Parquet files of embeddings. The only module that imports pyarrow, which is an extra."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsearch.errors import ClipsearchError, one_line
from clipsearch.transfer.fields import EMBEDDING, PHOTO_FIELDS, Row, model_fields, row_of, stated_model
from clipsearch.transfer.readers import Source
from clipsearch.transfer.writers import Block
from clipsearch.types import Fingerprint

_METADATA = b"clipsearch"  # key in the schema's metadata: a JSON object of MODEL_FIELDS
_PATH_BYTES = "path_bytes"  # the path where it is not UTF-8; `path` then has U+FFFD in those places
_BUFFER = 1024**2  # bytes read ahead of a column


def write_parquet(path: Path, blocks: Iterable[Block], fingerprint: Fingerprint) -> int:
    """A table of PHOTO_FIELDS, `path_bytes` and `embedding`, a row group a block; MODEL_FIELDS are its metadata. How many rows.

    `embedding` is a fixed-size list of float32. ClipsearchError where pyarrow is not installed.
    """
    pa, pq = pyarrow_and_parquet()
    texts, integers = pa.string(), pa.int64()
    types = dict(
        zip(PHOTO_FIELDS, [texts, *[integers] * 4, *[texts] * 4, pa.float64(), pa.float64(), texts], strict=True)
    )
    fields = [pa.field(name, kind) for name, kind in types.items()]
    fields += [pa.field(_PATH_BYTES, pa.binary()), pa.field(EMBEDDING, pa.list_(pa.float32(), fingerprint.dim))]
    schema = pa.schema(fields, metadata={_METADATA: json.dumps(model_fields(fingerprint)).encode()})
    values = f"{EMBEDDING}.list.element"
    count = 0
    with pq.ParquetWriter(
        os.fspath(path),
        schema,
        use_dictionary=["format", "camera"],
        write_statistics=[*types],
        write_page_checksum=True,
        compression={**dict.fromkeys([*types, _PATH_BYTES], "zstd"), values: "none"},
    ) as out:
        for rows, vectors in blocks:
            for row in rows:
                _split_path(row)
            columns = [pa.array([row[name] for row in rows], kind) for name, kind in types.items()]
            columns.append(pa.array([row[_PATH_BYTES] for row in rows], pa.binary()))
            flat = pa.array(np.ascontiguousarray(vectors).reshape(-1))
            columns.append(pa.FixedSizeListArray.from_arrays(flat, fingerprint.dim))
            out.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=len(rows))
            count += len(rows)
    return count


class ParquetSource(Source):
    """A Parquet file with a column `path` (text or bytes) and one `embedding` (lists of floats, all of one length)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._reading() as file:
            schema, self.rows = file.schema_arrow, file.metadata.num_rows
            for name in ("path", EMBEDDING):
                if schema.names.count(name) != 1:
                    raise ClipsearchError(f"{path} has no column {name!r}, or several")
            self._columns = [name for name in (*PHOTO_FIELDS, _PATH_BYTES, EMBEDDING) if schema.names.count(name) == 1]
            pa, _ = pyarrow_and_parquet()
            kind = schema.field(EMBEDDING).type
            lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
            if not lists or not pa.types.is_floating(kind.value_type):
                raise ClipsearchError(f"{path}: the column {EMBEDDING!r} has the type {kind}, not lists of floats")
            said = (schema.metadata or {}).get(_METADATA)
        if not self.rows:
            raise ClipsearchError(f"{path} holds no rows")
        self.stated = stated_model(self._object(said), str(path)) if said else None
        self.dim = kind.list_size if pa.types.is_fixed_size_list(kind) else self._first_length()
        if not self.dim:
            raise ClipsearchError(f"{path}: row 1 has an embedding without values")

    def blocks(self) -> Iterator[tuple[list[Row], NDArray[Any]]]:
        """As Source has it."""
        number = 1
        with self._reading() as file:
            for batch in file.iter_batches(batch_size=self.block_rows, columns=self._columns):
                vectors = self._vectors(batch.column(EMBEDDING), number)
                values = batch.drop_columns([EMBEDDING]).to_pylist()
                rows = [row_of(number + at, _joined_path(value), str(self.path)) for at, value in enumerate(values)]
                yield rows, vectors
                number += len(rows)

    def _vectors(self, column: Any, number: int) -> NDArray[Any]:
        """A batch's embeddings (n, dim) whose first is row `number`."""
        if column.null_count:
            at = column.is_valid().to_pylist().index(False)
            raise ClipsearchError(f"{self.path}: row {number + at:,} has no embedding")
        lengths = column.value_lengths().to_pylist()
        for at, length in enumerate(lengths):
            if length != self.dim:
                raise ClipsearchError(f"{self.path}: row {number + at:,} has {length:,} values, others {self.dim:,}")
        values = column.flatten()
        if values.null_count:
            at = values.is_valid().to_pylist().index(False) // self.dim
            raise ClipsearchError(f"{self.path}: row {number + at:,} has an embedding with a value missing")
        vectors: NDArray[Any] = values.to_numpy(zero_copy_only=False).reshape(len(lengths), self.dim)
        return vectors

    def _first_length(self) -> int:
        with self._reading() as file:
            for batch in file.iter_batches(batch_size=1, columns=[EMBEDDING]):
                return len(batch.column(EMBEDDING)[0].as_py() or ())
        return 0

    def _reading(self) -> _Reading:
        return _Reading(self.path)

    def _object(self, text: bytes) -> dict[str, Any]:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise ClipsearchError(f"{self.path}: cannot make sense of its metadata")
        return value


class _Reading:
    """A Parquet file, open. Whatever pyarrow says of broken ones is a ClipsearchError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Any = None

    def __enter__(self) -> Any:
        _, pq = pyarrow_and_parquet()
        try:
            self._file = pq.ParquetFile(
                os.fspath(self._path), buffer_size=_BUFFER, pre_buffer=False, page_checksum_verification=True
            )
        except broken_parquet() as error:
            raise self._in_our_words(error) from error
        return self._file

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if self._file:
            self._file.close()
        if isinstance(error, broken_parquet()):
            raise self._in_our_words(error) from error

    def _in_our_words(self, error: BaseException) -> ClipsearchError:
        return ClipsearchError(f"{self._path} is not a Parquet file that can be read: {one_line(error)}")


def _split_path(row: dict[str, Any]) -> None:
    """Give a row `path_bytes` where its path is not UTF-8, and a path that is."""
    raw = os.fsencode(row["path"])
    readable = raw.decode("utf-8", "replace")
    row[_PATH_BYTES] = None if readable == row["path"] else raw
    row["path"] = readable


def _joined_path(row: dict[str, Any]) -> dict[str, Any]:
    """Undo `_split_path`."""
    raw = row.pop(_PATH_BYTES, None) or row["path"]
    return {**row, "path": os.fsdecode(raw) if isinstance(raw, bytes) else raw}


def broken_parquet() -> tuple[type[BaseException], ...]:
    """What pyarrow raises where a file is not what it says."""
    return (pyarrow_and_parquet()[0].ArrowException, OSError, ValueError, OverflowError, MemoryError)


def compute() -> Any:
    """`pyarrow.compute`, where `pyarrow_and_parquet` found it."""
    import pyarrow.compute

    return pyarrow.compute


def pyarrow_and_parquet() -> tuple[Any, Any]:
    """`pyarrow` and `pyarrow.parquet`. ClipsearchError where they are not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ClipsearchError(
            "Parquet files need pyarrow, which is not installed: pip install 'clipsearch[parquet]'. The formats npy and jsonl "
            "need nothing"
        ) from error
    return pyarrow, pyarrow.parquet
