"""Read Parquet files of photos (their bytes or addresses) and captions, as img2dataset reads and writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar
from urllib.parse import quote

from clipsearch.distributed.archives import ChunkPhotos
from clipsearch.distributed.storage import open_stream, prefetching, with_retries
from clipsearch.errors import ClipsearchError, ImageError, StorageError
from clipsearch.images.fetch import MAX_BYTES, fetch_image
from clipsearch.images.files import ReadLimits, require_at_most
from clipsearch.images.pool import RemoteFile
from clipsearch.transfer.parquet import compute, parquet_errors, parquet_file, pyarrow_and_parquet
from clipsearch.types import LONGEST_CAPTION, Failure, ImageFile, clean_caption

ROWS = 512
"""Rows of a chunk."""

_BYTES = {"jpg": ".jpg", "jpeg": ".jpg", "png": ".png", "webp": ".webp", "image": "", "bytes": ""}
_CAPTIONS = ("caption", "text", "txt")
_MOST_ROWS = 100_000_000
_TEXT_BATCH = 16  # rows of texts, which may be long
_PICTURE_BATCH = 1  # row: a small file can repeat a large picture in many rows
_LONGEST_URL = 2000  # characters
_LONGEST_TEXT = 8 * LONGEST_CAPTION  # characters read of any text


@dataclass(frozen=True, slots=True)
class _Columns:
    """The names of the columns that a file has."""

    data: str | None  # bytes, or a struct with bytes as in Hugging Face's data sets
    url: str | None
    caption: str | None
    key: str | None


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    data: bytes | None  # None too if the picture is too large
    size: int  # of the picture, bytes
    url: str | None
    caption: str | None
    key: str | None


@with_retries
def count_rows(path: str) -> int:
    """How many rows a Parquet file has. ClipsearchError if it is broken, or has neither pictures nor addresses."""
    with _open_parquet(path) as file:
        _columns(path, file)
        metadata = file.metadata
        rows = int(metadata.num_rows)
        if rows != sum(metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)):
            raise ClipsearchError(f"{path} contradicts itself about its number of rows")
        if not 0 <= rows <= _MOST_ROWS:
            raise ClipsearchError(f"{path} has {rows:,} rows; divide it into files of {_MOST_ROWS:,} at most")
        return rows


@dataclass(frozen=True, slots=True)
class ManifestChunk:
    """Rows `start` to `stop` of a Parquet file. If the file cannot be read, the result has a `reason` and no rows.

    A photo's path is that of the file, "/", and either its key and row number or its row number and quoted address. Its time is
    that of the file.
    """

    files: ClassVar[tuple[ImageFile, ...]] = ()  # not known before the rows are read
    archive: ImageFile
    start: int
    stop: int
    reason: str = ""

    @contextmanager
    def open(self, limits: ReadLimits) -> Iterator[ChunkPhotos]:
        """The photos, readable inside the block. If the file turns out to be damaged, it is a failure. Raises StorageError."""
        if not self.stop:
            yield ChunkPhotos(iter(()), {}, [Failure(self.archive, self.reason)])
            return
        path, max_bytes = self.archive.path, limits.max_bytes
        fetch = partial(fetch_image, max_bytes=min(max_bytes, MAX_BYTES))
        with _open_parquet(path) as file, prefetching(fetch) as read_later:
            columns = _columns(path, file)
            rows = _rows(path, file, columns, range(self.start, self.stop), max_bytes)
            photos = ChunkPhotos(iter(()))
            photos.files = self._files(rows, columns, photos, read_later, max_bytes)
            yield photos

    def _files(
        self,
        rows: Iterator[_Row],
        columns: _Columns,
        photos: ChunkPhotos,
        read_later: Callable[[str], Callable[[], bytes]],
        max_bytes: int,
    ) -> Iterator[RemoteFile]:
        try:
            for row in rows:
                load, name = _missing, f"{row.number:09d}"
                if columns.data:
                    key = (row.key or "").replace("/", "_").replace("\0", "")[:200]
                    name = f"{key}-{name}" if key else name
                    name += _BYTES[columns.data.lower()]
                    if row.data is not None:
                        load = partial(list.pop, [row.data])  # frees the bytes once they are decoded
                    elif row.size:
                        load = partial(_too_large, max_bytes, row.size)
                elif row.url and len(row.url) <= _LONGEST_URL and row.url.isprintable():
                    name, load = f"{name}-{quote(row.url, safe='')}", read_later(row.url)
                path = f"{self.archive.path}/{name}"
                if caption := clean_caption(row.caption):
                    photos.captions[path] = caption
                yield RemoteFile(path, row.size, self.archive.mtime_ns, load)
        except StorageError:
            raise
        except ClipsearchError as error:
            photos.failures.append(Failure(self.archive, str(error)))


def _missing() -> bytes:
    raise ImageError("this row has neither a picture nor the address of one")


def _too_large(max_bytes: int, size: int) -> bytes:
    require_at_most(max_bytes, size)
    return b""


def _rows(path: str, file: Any, columns: _Columns, wanted: range, max_bytes: int) -> Iterator[_Row]:
    """The rows of a range. The data of a picture larger than `max_bytes` is None."""
    groups, first, number = [], 0, None
    for group in range(file.metadata.num_row_groups):
        count = file.metadata.row_group(group).num_rows
        if first < wanted.stop and first + count > wanted.start:
            groups.append(group)
            number = first if number is None else number
        first += count
    number = number or 0
    names = [name for name in (columns.data or columns.url, columns.caption, columns.key) if name]
    with parquet_errors(path):
        for batch in (
            file.iter_batches(_PICTURE_BATCH if columns.data else _TEXT_BATCH, groups, names) if groups else ()
        ):
            if number >= wanted.stop:
                return
            if number + batch.num_rows > wanted.start:
                low, high = max(wanted.start - number, 0), min(wanted.stop - number, batch.num_rows)
                yield from _batch_rows(batch.slice(low, high - low), columns, number + low, max_bytes)
            number += batch.num_rows
        if number < wanted.stop:
            raise ClipsearchError(f"{path} has fewer rows than its metadata says")


def _batch_rows(batch: Any, columns: _Columns, number: int, max_bytes: int) -> Iterator[_Row]:
    pa, _ = pyarrow_and_parquet()

    def texts(name: str | None) -> list[str | None]:
        """Texts of any type, cut before they become Python objects."""
        if not name:
            return [None] * batch.num_rows
        plain = compute().cast(batch.column(name), pa.large_string())
        cut: list[str | None] = compute().utf8_slice_codeunits(plain, 0, _LONGEST_TEXT).to_pylist()
        return cut

    pictures: Any = None
    if columns.data:
        pictures = batch.column(columns.data)
        if pa.types.is_struct(pictures.type):
            pictures = compute().struct_field(pictures, "bytes")
        pictures = compute().cast(pictures, pa.large_binary())
    urls, captions, keys = (
        texts(name) for name in (None if columns.data else columns.url, columns.caption, columns.key)
    )
    sizes = compute().binary_length(pictures).to_pylist() if columns.data else [None] * batch.num_rows
    for at, size in enumerate(sizes):
        data = pictures[at].as_py() if size is not None and size <= max_bytes else None
        yield _Row(number + at, data, size or 0, urls[at], captions[at], keys[at])


def _columns(path: str, file: Any) -> _Columns:
    pa, _ = pyarrow_and_parquet()
    schema = file.schema_arrow
    names = {name.lower(): name for name in reversed(schema.names) if schema.names.count(name) == 1}

    def first(candidates: Any, fits: Callable[[Any], bool]) -> str | None:
        return next(
            (names[name] for name in candidates if name in names and fits(schema.field(names[name]).type)), None
        )

    def is_text(kind: Any) -> bool:
        if pa.types.is_dictionary(kind):  # pandas' categories
            return is_text(kind.value_type)
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))

    def is_data(kind: Any) -> bool:
        if pa.types.is_struct(kind):
            return kind.get_field_index("bytes") >= 0 and is_data(kind.field("bytes").type)
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))

    columns = _Columns(
        first(_BYTES, is_data), first(("url",), is_text), first(_CAPTIONS, is_text), first(("key", "__key__"), is_text)
    )
    if not columns.data and not columns.url:
        raise ClipsearchError(
            f"{path} has neither a column of pictures ({', '.join(_BYTES)}: bytes) nor one of addresses (url: text)"
        )
    return columns


@contextmanager
def _open_parquet(path: str) -> Iterator[Any]:
    """An open Parquet file."""
    with open_stream(path) as stream:
        with parquet_errors(path):
            file = parquet_file(stream)
        with file:
            yield file
