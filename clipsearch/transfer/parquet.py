"""Parquet files of embeddings. Only this module imports pyarrow, which is an extra."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.paths import IN_UTF8, is_remote
from clipsearch.errors import ClipsearchError, StorageError, one_line
from clipsearch.transfer.fields import EMBEDDING, PHOTO_FIELDS, EmbeddingReader, Row, model_fields, row_of, stated_model
from clipsearch.transfer.formats import Block, json_object
from clipsearch.types import Fingerprint

_METADATA = b"clipsearch"  # key in the schema's metadata: a JSON object of MODEL_FIELDS
_PATH_BYTES = "path_bytes"  # the path if it is not UTF-8; `path` then has U+FFFD in its place
_BUFFER = 1024**2  # bytes read ahead of a column; without it, all of the column in a row group


def write_parquet(path: Path, blocks: Iterable[Block], fingerprint: Fingerprint) -> None:
    """Write a table of PHOTO_FIELDS, `path_bytes` and `embedding`, with MODEL_FIELDS as metadata.

    Each block becomes a row group. `embedding` is a fixed-size list of float32. ClipsearchError if pyarrow is not installed.
    """
    pa, pq = pyarrow_and_parquet()
    schema = photo_schema(fingerprint, {_PATH_BYTES: pa.binary()})
    names = [*PHOTO_FIELDS, _PATH_BYTES]
    values = f"{EMBEDDING}.list.element"
    with pq.ParquetWriter(
        os.fspath(path),
        schema,
        use_dictionary=["format", "camera"],
        write_statistics=[*PHOTO_FIELDS],
        write_page_checksum=True,
        compression={**dict.fromkeys(names, "zstd"), values: "none"},
    ) as out:
        for rows, vectors in blocks:
            for row in rows:
                _split_path(row)
            columns = [pa.array([row[name] for row in rows], schema.field(name).type) for name in names]
            flat = pa.array(np.ascontiguousarray(vectors).reshape(-1))
            columns.append(pa.FixedSizeListArray.from_arrays(flat, fingerprint.dim))
            out.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=len(rows))


def photo_schema(fingerprint: Fingerprint, others: dict[str, Any]) -> Any:
    """The Arrow schema of PHOTO_FIELDS, other columns (name → type) and `embedding`, with MODEL_FIELDS as metadata."""
    pa, _ = pyarrow_and_parquet()
    texts, integers, numbers = pa.string(), pa.int64(), pa.float64()
    types = [texts, *[integers] * 4, *[texts] * 4, numbers, numbers, texts, texts, numbers]
    types += [*[texts] * 5, integers, texts, texts]  # of FACT_FIELDS
    columns = dict(zip(PHOTO_FIELDS, types, strict=True)) | others
    columns[EMBEDDING] = pa.list_(pa.float32(), fingerprint.dim)
    return pa.schema(columns.items(), metadata={_METADATA: json.dumps(model_fields(fingerprint)).encode()})


class ParquetReader(EmbeddingReader):
    """A Parquet file with a column `path` (text or bytes) and one `embedding` (lists of floats, all of one length)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with opened(self.path) as file:
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
        if not self.rows:
            self.dim, self.stated = 0, None
            return
        self.stated = schema_model(schema, str(path))
        self.dim = kind.list_size if pa.types.is_fixed_size_list(kind) else self._first_length()
        if not self.dim:
            raise ClipsearchError(f"{path}: row 1 has an embedding without values")

    def blocks(self) -> Iterator[tuple[list[Row], NDArray[Any]]]:
        """See EmbeddingReader."""
        number = 1
        with opened(self.path) as file:
            for batch in file.iter_batches(batch_size=self.block_rows, columns=self._columns):
                vectors = self._vectors(batch.column(EMBEDDING), number)
                values = batch.drop_columns([EMBEDDING]).to_pylist()
                rows = [row_of(number + at, _joined_path(value), str(self.path)) for at, value in enumerate(values)]
                yield rows, vectors
                number += len(rows)

    def _vectors(self, column: Any, number: int) -> NDArray[Any]:
        """A batch's embeddings (n, dim); the first is that of row `number`."""
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
        with opened(self.path) as file:
            for batch in file.iter_batches(batch_size=1, columns=[EMBEDDING]):
                return len(batch.column(EMBEDDING)[0].as_py() or ())
        return 0


def schema_model(schema: Any, where: str) -> Fingerprint | None:
    """The model in the metadata of `photo_schema`, if it is there. ClipsearchError if it makes no sense."""
    model = (schema.metadata or {}).get(_METADATA)
    return stated_model(json_object(model, f"{where}: its metadata makes no sense"), where) if model else None


@contextmanager
def opened(source: Path | IO[bytes], name: str = "") -> Iterator[Any]:
    """A Parquet file, open. A stream needs a name for messages. ClipsearchError if the file is broken."""
    with parquet_errors(name or str(source)), parquet_file(source) as file:
        yield file


def parquet_file(source: Path | IO[bytes]) -> Any:
    """A `pyarrow.parquet.ParquetFile` that reads little ahead and verifies checksums."""
    _, pq = pyarrow_and_parquet()
    return pq.ParquetFile(source, buffer_size=_BUFFER, pre_buffer=False, page_checksum_verification=True)


@contextmanager
def parquet_errors(name: str) -> Iterator[None]:
    """Turn pyarrow's errors about broken files into ClipsearchError, and those of a remote storage into StorageError."""
    pa, _ = pyarrow_and_parquet()
    try:
        yield
    except ClipsearchError:
        raise
    except Exception as error:
        is_broken = isinstance(error, (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError))
        if is_remote(name) and (isinstance(error, OSError) or not is_broken):  # each storage has its own errors
            raise StorageError(f"{name} cannot be read: {one_line(error)}") from error
        if not is_broken:
            raise
        raise ClipsearchError(f"{name} is not a Parquet file that can be read: {one_line(error)}") from error


def _split_path(row: dict[str, Any]) -> None:
    """Give a row a path that is UTF-8, and `path_bytes` if its own is not."""
    raw = row["path"].encode(*IN_UTF8)
    readable = raw.decode("utf-8", "replace")
    row[_PATH_BYTES] = None if readable == row["path"] else raw
    row["path"] = readable


def _joined_path(row: dict[str, Any]) -> dict[str, Any]:
    """Undo `_split_path`."""
    raw = row.pop(_PATH_BYTES, None) or row["path"]
    return {**row, "path": raw.decode(*IN_UTF8) if isinstance(raw, bytes) else raw}


def compute() -> Any:
    """`pyarrow.compute`. Call `pyarrow_and_parquet` first."""
    import pyarrow.compute

    return pyarrow.compute


def pyarrow_and_parquet() -> tuple[Any, Any]:
    """`pyarrow` and `pyarrow.parquet`. ClipsearchError if they are not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ClipsearchError(
            "Parquet files need pyarrow, which is not installed: pip install 'clipsearch[parquet]'. The formats npy and jsonl "
            "need nothing"
        ) from error
    return pyarrow, pyarrow.parquet
