"""Parquet files of photos: their bytes, or the addresses they are at, and captions, as img2dataset reads and writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any
from urllib.parse import quote

from clipsearch.addresses import is_remote
from clipsearch.distributed.storage import open_stream
from clipsearch.errors import ClipsearchError, ImageError, StorageError, one_line
from clipsearch.images.fetch import MAX_BYTES, fetch_image
from clipsearch.images.files import ReadLimits, require_at_most
from clipsearch.images.pool import FileElsewhere
from clipsearch.schema import ImageFile, clean_caption
from clipsearch.transfer.parquet import broken_parquet, pyarrow_and_parquet

ROWS = 512
"""Of a chunk."""

_BYTES = {"jpg": ".jpg", "jpeg": ".jpg", "png": ".png", "webp": ".webp", "image": "", "bytes": ""}
_CAPTIONS = ("caption", "text", "txt")
_AT_ONCE = 16  # addresses asked, or their pictures waiting: at most 0.8 GB
_BATCH = 64  # rows
_LONGEST_URL = 2000  # characters


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which columns a file has for what, by their own names."""

    data: str | None  # bytes, or as in Hugging Face's data sets a struct that has them
    url: str | None
    caption: str | None
    key: str | None


def count_rows(path: str) -> int:
    """How many rows a Parquet file has. ClipsearchError where it is none, or has neither pictures nor addresses."""
    with _reading(path) as file:
        _columns(path, file)
        return int(file.metadata.num_rows)


@contextmanager
def open_rows(
    manifest: ImageFile, start: int, stop: int, limits: ReadLimits
) -> Iterator[tuple[Iterator[FileElsewhere], dict[str, str]]]:
    """The photos of some rows, in order, and captions by their paths, as far as rows have been taken.

    A photo's path is the file's with "/" and its key and its number among the rows, or its quoted address, behind it; its time
    is the file's.
    """
    captions: dict[str, str] = {}
    with (
        _reading(manifest.path) as file,
        ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="clipsearch-fetch") as threads,
    ):
        columns = _columns(manifest.path, file)
        fetching = _Fetching(threads, limits.max_bytes)
        try:
            yield (
                _files(manifest, _rows(manifest.path, file, columns, start, stop), columns, captions, fetching, limits),
                captions,
            )
        finally:
            fetching.stop()
            threads.shutdown(cancel_futures=True)


class _Fetching:
    """Fetches the pictures of rows ahead of those who take them, some at a time, in the order asked for.

    Who takes one that is not begun begins it. So nobody waits for anything but a picture, whichever are taken, in any order.
    """

    def __init__(self, threads: ThreadPoolExecutor, max_bytes: int) -> None:
        self._threads = threads
        self._max_bytes = min(max_bytes, MAX_BYTES)
        self._lock = Lock()
        self._waiting: dict[int, str] = {}  # row → address
        self._begun: dict[int, Future[bytes]] = {}  # and not taken

    def later(self, row: int, url: str) -> Callable[[], bytes]:
        """Have a picture fetched; what waits for it and gives it, once."""
        with self._lock:
            self._waiting[row] = url
            self._begin_some()
        return lambda: self._taken(row)

    def stop(self) -> None:
        """Begin no more."""
        with self._lock:
            self._waiting.clear()

    def _taken(self, row: int) -> bytes:
        with self._lock:
            if row in self._waiting:
                self._begin(row)
            future = self._begun.get(row)
        if future is None:
            raise ImageError("stopped")
        try:
            return future.result()
        finally:
            with self._lock:
                del self._begun[row]
                self._begin_some()

    def _begin_some(self) -> None:
        while self._waiting and len(self._begun) < _AT_ONCE:
            self._begin(next(iter(self._waiting)))

    def _begin(self, row: int) -> None:
        self._begun[row] = self._threads.submit(fetch_image, self._waiting.pop(row), max_bytes=self._max_bytes)


def _files(
    manifest: ImageFile, rows: Iterator[tuple[int, dict[str, Any]]], columns: _Columns, captions: dict[str, str],
    fetching: _Fetching, limits: ReadLimits,
) -> Iterator[FileElsewhere]:  # fmt: skip
    for number, row in rows:
        size, load, name = 0, _nothing, f"{number:09d}"
        if columns.data:
            data = row[columns.data]
            data = data.get("bytes") if isinstance(data, dict) else data
            key = str(row[columns.key]).replace("/", "_").replace("\0", "")[:200] if columns.key else ""
            name = f"{key}-{name}{_BYTES[columns.data.lower()]}" if key else f"{name}{_BYTES[columns.data.lower()]}"
            if isinstance(data, bytes):
                size, load = len(data), _giver(data, limits.max_bytes)
        elif columns.url:
            url = row[columns.url]
            if isinstance(url, str) and 0 < len(url) <= _LONGEST_URL and url.isprintable():
                name, load = f"{number:09d}-{quote(url, safe='')}", fetching.later(number, url)
        path = f"{manifest.path}/{name}"
        if columns.caption and (caption := clean_caption(row[columns.caption])):
            captions[path] = caption
        yield FileElsewhere(path, size, manifest.mtime_ns, load)


def _nothing() -> bytes:
    raise ImageError("this row has no picture and no address of one")


def _giver(data: bytes, max_bytes: int) -> Callable[[], bytes]:
    def give() -> bytes:
        require_at_most(max_bytes, len(data))
        return data

    return give


def _rows(path: str, file: Any, columns: _Columns, start: int, stop: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each row of a range with its number."""
    groups, first, begins = [], 0, None
    for group in range(file.metadata.num_row_groups):
        count = file.metadata.row_group(group).num_rows
        if first < stop and first + count > start:
            groups.append(group)
            begins = first if begins is None else begins
        first += count
    number = begins or 0
    wanted = [columns.data or columns.url, columns.caption, columns.key]
    with _our_words(path):
        for batch in file.iter_batches(_BATCH, groups, [name for name in wanted if name]) if groups else ():
            if number >= stop:
                return
            if number + batch.num_rows > start:
                low, high = max(start - number, 0), min(stop - number, batch.num_rows)
                yield from enumerate(batch.slice(low, high - low).to_pylist(), number + low)
            number += batch.num_rows


def _columns(path: str, file: Any) -> _Columns:
    pa, _ = pyarrow_and_parquet()
    schema = file.schema_arrow
    names = {name.lower(): name for name in reversed(schema.names)}

    def first(candidates: Any, fits: Callable[[Any], bool]) -> str | None:
        return next(
            (names[name] for name in candidates if name in names and fits(schema.field(names[name]).type)), None
        )

    def is_text(kind: Any) -> bool:
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))

    def is_data(kind: Any) -> bool:
        if pa.types.is_struct(kind):
            return kind.get_field_index("bytes") >= 0 and is_data(kind.field("bytes").type)
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

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
            file = pq.ParquetFile(stream, pre_buffer=False, page_checksum_verification=True)
        with file:
            yield file


@contextmanager
def _our_words(path: str) -> Iterator[None]:
    """Whatever pyarrow says of broken files is a ClipsearchError."""
    try:
        yield
    except broken_parquet() as error:
        said = one_line(error)
        if is_remote(path) and isinstance(error, OSError):
            raise StorageError(f"{path} cannot be read: {said}") from error
        raise ClipsearchError(f"{path} is not a Parquet file that can be read: {said}") from error
