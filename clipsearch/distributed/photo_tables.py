"""Parquet files of photos: their bytes, or the addresses they are at, and captions, as img2dataset reads and writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

from clipsearch._internal.paths import is_remote
from clipsearch.distributed.prefetch import Ahead, reading_ahead
from clipsearch.distributed.storage import open_stream, patiently
from clipsearch.errors import ClipsearchError, ImageError, StorageError, one_line
from clipsearch.images.fetch import MAX_BYTES, fetch_image
from clipsearch.images.files import ReadLimits, require_at_most
from clipsearch.images.pool import RemoteFile
from clipsearch.transfer.parquet import broken_parquet, compute, pyarrow_and_parquet
from clipsearch.types import LONGEST_CAPTION, ImageFile, clean_caption

ROWS = 512
"""Of a chunk."""

_BYTES = {"jpg": ".jpg", "jpeg": ".jpg", "png": ".png", "webp": ".webp", "image": "", "bytes": ""}
_CAPTIONS = ("caption", "text", "txt")
_MOST_ROWS = 100_000_000
_BATCH = (
    16  # rows of texts, which may be long; of pictures one, for a small file can say the same large one in many rows
)
_BUFFER = 1 << 20  # bytes read at once, or it would be all that a group of rows has of a column
_LONGEST_URL = 2000  # characters
_LONGEST_TEXT = 8 * LONGEST_CAPTION  # of what is looked at of any text


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which columns a file has for what, by their own names."""

    data: str | None  # bytes, or as in Hugging Face's data sets a struct that has them
    url: str | None
    caption: str | None
    key: str | None


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    data: bytes | None  # None also of a picture that is too large
    size: int  # of the picture, bytes
    url: str | None
    caption: str | None
    key: str | None


def count_rows(path: str) -> int:
    """How many rows a Parquet file has. ClipsearchError where it is none, or has neither pictures nor addresses."""
    return patiently(partial(_count_rows, path))


def _count_rows(path: str) -> int:
    with _reading(path) as file:
        _columns(path, file)
        said = file.metadata
        rows = int(said.num_rows)
        if rows != sum(said.row_group(group).num_rows for group in range(said.num_row_groups)):
            raise ClipsearchError(f"{path} does not know how many rows it has")
        if not 0 <= rows <= _MOST_ROWS:
            raise ClipsearchError(
                f"{path} has {rows:,} rows, and {_MOST_ROWS:,} are read of one file at most; divide it"
            )
        return rows


@contextmanager
def open_rows(
    manifest: ImageFile, start: int, stop: int, limits: ReadLimits
) -> Iterator[tuple[Iterator[RemoteFile], dict[str, str]]]:
    """The photos of some rows, in order, and captions by their paths, as far as rows have been taken.

    A photo's path is the file's with "/" and its key and its number among the rows, or its quoted address, behind it; its time
    is the file's.
    """
    captions: dict[str, str] = {}
    fetch = partial(fetch_image, max_bytes=min(limits.max_bytes, MAX_BYTES))
    with _reading(manifest.path) as file, reading_ahead(fetch) as ahead:
        columns = _columns(manifest.path, file)
        rows = _rows(manifest.path, file, columns, range(start, stop), limits.max_bytes)
        yield _files(manifest, rows, columns, captions, ahead, limits), captions


def _files(
    manifest: ImageFile,
    rows: Iterator[_Row],
    columns: _Columns,
    captions: dict[str, str],
    ahead: Ahead[str],
    limits: ReadLimits,
) -> Iterator[RemoteFile]:
    for row in rows:
        load, name = _nothing, f"{row.number:09d}"
        if columns.data:
            key = (row.key or "").replace("/", "_").replace("\0", "")[:200]
            name = f"{key}-{name}{_BYTES[columns.data.lower()]}" if key else f"{name}{_BYTES[columns.data.lower()]}"
            if row.data is not None:
                load = partial(_given, [row.data])
            elif row.size:
                load = partial(_too_large, limits.max_bytes, row.size)
        elif row.url and len(row.url) <= _LONGEST_URL and row.url.isprintable():
            name, load = f"{row.number:09d}-{quote(row.url, safe='')}", ahead.later(row.url)
        path = f"{manifest.path}/{name}"
        if caption := clean_caption(row.caption):
            captions[path] = caption
        yield RemoteFile(path, row.size, manifest.mtime_ns, load)


def _nothing() -> bytes:
    raise ImageError("this row has no picture and no address of one")


def _too_large(max_bytes: int, size: int) -> bytes:
    require_at_most(max_bytes, size)
    return b""


def _given(held: list[bytes]) -> bytes:
    return held.pop()  # nobody keeps the bytes any longer than their decoding


def _rows(path: str, file: Any, columns: _Columns, wanted: range, max_bytes: int) -> Iterator[_Row]:
    """The rows of a range. A picture larger than `max_bytes` is left out of its row."""
    groups, first, begins = [], 0, None
    for group in range(file.metadata.num_row_groups):
        count = file.metadata.row_group(group).num_rows
        if first < wanted.stop and first + count > wanted.start:
            groups.append(group)
            begins = first if begins is None else begins
        first += count
    number = begins or 0
    names = [name for name in (columns.data or columns.url, columns.caption, columns.key) if name]
    with _our_words(path):
        for batch in file.iter_batches(1 if columns.data else _BATCH, groups, names) if groups else ():
            if number >= wanted.stop:
                return
            if number + batch.num_rows > wanted.start:
                low, high = max(wanted.start - number, 0), min(wanted.stop - number, batch.num_rows)
                yield from _some_rows(batch.slice(low, high - low), columns, number + low, max_bytes)
            number += batch.num_rows
        if number < wanted.stop:
            raise ClipsearchError(f"{path} has fewer rows than it says")


def _some_rows(batch: Any, columns: _Columns, number: int, max_bytes: int) -> Iterator[_Row]:
    pa, _ = pyarrow_and_parquet()

    def texts(name: str | None) -> list[str | None]:
        """Texts of whatever kind, as far as they are looked at; what is longer never becomes an object of Python's."""
        if not name:
            return [None] * batch.num_rows
        plain = compute().cast(batch.column(name), pa.large_string())
        found: list[str | None] = compute().utf8_slice_codeunits(plain, 0, _LONGEST_TEXT).to_pylist()
        return found

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
            f"{path} has no column of pictures ({', '.join(_BYTES)}: bytes) and none of addresses (url: text)"
        )
    return columns


@contextmanager
def _reading(path: str) -> Iterator[Any]:
    """A Parquet file, open."""
    _, pq = pyarrow_and_parquet()
    with open_stream(path) as stream:
        with _our_words(path):
            file = pq.ParquetFile(stream, buffer_size=_BUFFER, pre_buffer=False, page_checksum_verification=True)
        with file:
            yield file


@contextmanager
def _our_words(path: str) -> Iterator[None]:
    """Whatever pyarrow says of broken files is a ClipsearchError, and what a storage says of itself a StorageError."""
    try:
        yield
    except ClipsearchError:
        raise
    except Exception as error:
        said = one_line(error) or type(error).__name__
        broken = isinstance(error, broken_parquet())
        if is_remote(path) and (isinstance(error, OSError) or not broken):  # each storage raises errors of its own
            raise StorageError(f"{path} cannot be read: {said}") from error
        if not broken:
            raise
        raise ClipsearchError(f"{path} is not a Parquet file that can be read: {said}") from error
