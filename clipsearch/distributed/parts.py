"""Parts: immutable Parquet files, each with all that came of one chunk, under a name that says whose and with which bytes."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, Any, get_args

import numpy as np

from clipsearch.distributed.storage import names_in, open_whole, put_file, remove_file, sha256_of
from clipsearch.errors import Cause, ClipsearchError, ModelMismatch, one_line
from clipsearch.indexing.pipeline import Embedded
from clipsearch.store.vectors import is_unit
from clipsearch.transfer.fields import EMBEDDING, PHOTO_FIELDS, model_fields, photo_fields, row_of, stated_model
from clipsearch.transfer.parquet import broken_parquet, pyarrow_and_parquet
from clipsearch.types import Failure, Fingerprint, ImageFile, ImageRecord, clean_caption

_NAME = re.compile(r"([0-9a-f]{32})-([0-9a-f]{64})\.parquet")
_UNFINISHED = re.compile(r"\.([0-9a-f]{32})-[0-9a-f]{8}\.partial")  # as storage.put_file names what it is at
_METADATA = b"clipsearch"
_ROWS = 512  # of a row group
_LONGEST_REASON = 1000


@dataclass(frozen=True, slots=True)
class Part:
    """One part by its name: of which chunk it is, and what its bytes are."""

    chunk: str
    sha256: str

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.chunk}-{self.sha256}.parquet"


@dataclass(frozen=True, slots=True)
class Written:
    """What a worker says of a part that it has made."""

    part: Part
    rows: int
    failed: int


def find_parts(folder: str) -> list[Part]:
    """The parts in a folder. StorageError."""
    found = (_NAME.fullmatch(name) for name in names_in(folder))
    return [Part(match[1], match[2]) for match in found if match]


def is_whole(folder: str, part: Part) -> bool:
    """Whether a part is there with the bytes that its name says. StorageError, OSError."""
    try:
        with open_whole(f"{folder}/{part.name}") as stream:
            return sha256_of(stream) == part.sha256
    except FileNotFoundError:
        return False


def remove_unfinished(folder: str, chunks: set[str] | None) -> None:
    """Remove what workers that were killed have left of the parts of these chunks, or of all. StorageError, OSError."""
    for name in names_in(folder):
        found = _UNFINISHED.fullmatch(name)
        if found and (chunks is None or found[1] in chunks):
            remove_file(folder, name)


def remove_part(folder: str, part: Part) -> None:
    """Remove a part. StorageError, OSError."""
    remove_file(folder, part.name)


def write_part(
    folder: str,
    chunk: str,
    outcomes: Iterable[Embedded | Failure],
    captions: Mapping[str, str],
    fingerprint: Fingerprint,
) -> Written:
    """Write what came of a chunk. It is there once it is whole; memory does not grow with it. StorageError, OSError."""
    pa, pq = pyarrow_and_parquet()
    schema = _schema(pa, fingerprint)
    rows = failed = 0
    with tempfile.TemporaryFile() as stream:  # without a name: nothing of it is left if this process is killed
        with pq.ParquetWriter(
            stream, schema, compression="zstd", write_page_checksum=True, use_dictionary=["format", "camera"]
        ) as out:
            for some in _some(outcomes):
                values = [_values(outcome, captions) for outcome in some]
                out.write_table(pa.Table.from_pylist(values, schema=schema), row_group_size=_ROWS)
                rows += len(some)
                failed += sum(isinstance(outcome, Failure) for outcome in some)
        stream.seek(0)
        part = Part(chunk, sha256_of(stream))
        put_file(stream, folder, part.name)
    return Written(part, rows, failed)


def read_files(folder: str, part: Part) -> Iterator[ImageFile]:
    """The files that a part is about, in its order, unproven. ClipsearchError where it is not what its name says."""
    with _open(folder, part) as file:
        for batch in file.iter_batches(_ROWS, columns=["path", "size", "mtime_ns"]):
            for row in batch.to_pylist():
                yield ImageFile(os.fsdecode(row["path"]), int(row["size"]), int(row["mtime_ns"]))


def read_part(folder: str, part: Part, fingerprint: Fingerprint) -> Iterator[list[Embedded | Failure]]:
    """What came of a chunk, in its order, some at a time.

    ClipsearchError where the part is not what its name says, or holds what no worker writes; ModelMismatch where another model
    made it, or the same in another precision.
    """
    where = f"{folder}/{part.name}"
    with _open(folder, part) as file:
        stated = stated_model(_metadata(file.schema_arrow.metadata), where)
        if stated is None or _identity(stated) != _identity(fingerprint):
            raise ModelMismatch(f"{where} is not by the model {fingerprint.model!r} of this index")
        if not file.schema_arrow.equals(_schema(pyarrow_and_parquet()[0], fingerprint), check_metadata=False):
            raise ClipsearchError(f"{where} has other columns than clipsearch writes")
        number = 1
        for batch in file.iter_batches(_ROWS):
            yield [_outcome(number + at, row, where) for at, row in enumerate(batch.to_pylist())]
            number += batch.num_rows


@contextmanager
def _open(folder: str, part: Part) -> Iterator[Any]:
    """A part's file whose bytes are what its name says."""
    _, pq = pyarrow_and_parquet()
    where = f"{folder}/{part.name}"
    with _there(where) as stream:
        if sha256_of(stream) != part.sha256:
            raise ClipsearchError(
                f"{where} is damaged; delete it and run this again: its photos are then embedded again"
            )
        try:
            file = pq.ParquetFile(stream, pre_buffer=False)
        except broken_parquet() as error:
            raise ClipsearchError(f"{where} is no part: {one_line(error)}") from error
        yield file


def _there(where: str) -> IO[bytes]:
    try:
        return open_whole(where)
    except FileNotFoundError as error:
        raise ClipsearchError(
            f"{where} was there and is not any more; run this again: it is then made again"
        ) from error


def _schema(pa: Any, fingerprint: Fingerprint) -> Any:
    texts, integers = pa.string(), pa.int64()
    types = [pa.binary(), *[integers] * 4, *[texts] * 4, pa.float64(), pa.float64()]
    fields = [pa.field(name, kind) for name, kind in zip(PHOTO_FIELDS, types, strict=False)]
    fields += [pa.field("caption", texts), pa.field("reason", texts), pa.field("cause", texts)]
    fields.append(pa.field(EMBEDDING, pa.list_(pa.float32(), fingerprint.dim)))
    return pa.schema(fields, metadata={_METADATA: json.dumps(model_fields(fingerprint)).encode()})


def _some(outcomes: Iterable[Embedded | Failure]) -> Iterator[list[Embedded | Failure]]:
    some: list[Embedded | Failure] = []
    for outcome in outcomes:
        some.append(outcome)
        if len(some) == _ROWS:
            yield some
            some = []
    if some:
        yield some


def _values(outcome: Embedded | Failure, captions: Mapping[str, str]) -> dict[str, Any]:
    """An outcome as a row. A photo equal to one before it in the chunk may have no embedding of its own."""
    file = outcome.file
    if isinstance(outcome, Failure):
        reason = outcome.reason[:_LONGEST_REASON].encode("utf-8", "replace").decode()
        return {
            "path": os.fsencode(file.path),
            "size": file.size,
            "mtime_ns": file.mtime_ns,
            "reason": reason,
            "cause": outcome.cause,
        }
    values = photo_fields(ImageRecord(0, file, outcome.info))
    values |= {"path": os.fsencode(file.path), "caption": captions.get(file.path), EMBEDDING: outcome.vector}
    return values


def _outcome(number: int, values: dict[str, Any], where: str) -> Embedded | Failure:
    path, size, mtime_ns = os.fsdecode(values["path"] or b""), values["size"], values["mtime_ns"]
    if type(size) is not int or type(mtime_ns) is not int or size < 0:
        raise ClipsearchError(f"{where}: row {number:,} says nothing of its file")
    file = ImageFile(path, size, mtime_ns)
    if values["reason"] is not None:
        if values["cause"] not in get_args(Cause):
            raise ClipsearchError(f"{where}: row {number:,} does not say why its file cannot be read")
        return Failure(file, values["reason"], values["cause"])
    info = row_of(number, {**values, "path": path}, where).info
    if info is None:
        raise ClipsearchError(f"{where}: row {number:,} does not say what its picture is")
    info = replace(info, caption=clean_caption(values["caption"]))
    if values[EMBEDDING] is None:
        return Embedded(file, info, None)
    vector = np.array(values[EMBEDDING], np.float32)
    if not is_unit(vector):
        raise ClipsearchError(f"{where}: row {number:,} has an embedding that is no unit vector")
    return Embedded(file, info, vector)


def _identity(fingerprint: Fingerprint) -> tuple[str, int, str | None]:
    return fingerprint.digest, fingerprint.dim, fingerprint.precision


def _metadata(metadata: Mapping[bytes, bytes] | None) -> dict[str, Any]:
    try:
        said = json.loads((metadata or {})[_METADATA])
    except (KeyError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
