"""Parts: immutable Parquet files with the outcomes of one chunk each. The name says which chunk, and the hash of the bytes."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np

from clipsearch._internal.checksums import stream_sha256
from clipsearch.distributed.storage import names_in, open_whole, put_file, remove_file
from clipsearch.errors import Cause, ClipsearchError, ModelMismatch
from clipsearch.images.own_pictures import OwnPicture
from clipsearch.indexing.pipeline import Embedded
from clipsearch.store.rows import checked_moments
from clipsearch.store.vectors import is_unit
from clipsearch.transfer.fields import EMBEDDING, photo_fields, row_of
from clipsearch.transfer.parquet import opened, photo_schema, pyarrow_and_parquet, schema_model
from clipsearch.types import Failure, Fingerprint, ImageFile, ImageRecord, Moment, clean_caption

_NAME = re.compile(r"([0-9a-f]{32})-([0-9a-f]{64})\.parquet")
_UNFINISHED = re.compile(r"\.([0-9a-f]{32})-[0-9a-f]{8}\.partial")  # as storage.put_file names unfinished files
_PICTURES = 512  # of a row group, or the pictures of one file
_LATER = "later_embeddings"  # the vectors of a file's pictures after the first, one behind the other
_LONGEST_REASON = 1000
_OWN = "own"  # the cause of a row of a picture that clipsearch has made


@dataclass(frozen=True, slots=True)
class Part:
    """A part, as its file name describes it."""

    chunk: str
    sha256: str

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{self.chunk}-{self.sha256}.parquet"


@dataclass(frozen=True, slots=True)
class WrittenPart:
    """A part that a worker has written, and how many files it has."""

    part: Part
    rows: int
    failed: int


def find_parts(folder: str) -> list[Part]:
    """The parts in a folder. Raises StorageError."""
    matches = (_NAME.fullmatch(name) for name in names_in(folder))
    return [Part(match[1], match[2]) for match in matches if match]


def is_whole(folder: str, part: Part) -> bool:
    """Whether a part is there with the bytes that its name promises. Raises StorageError and OSError."""
    try:
        with open_whole(f"{folder}/{part.name}") as stream:
            return stream_sha256(stream) == part.sha256
    except FileNotFoundError:
        return False


def remove_parts(folder: str, chunks: set[str] | None) -> None:
    """Remove all parts of these chunks, or of all chunks, and what killed workers left. Raises StorageError and OSError."""
    for name in names_in(folder):
        match = _NAME.fullmatch(name) or _UNFINISHED.fullmatch(name)
        if match and (chunks is None or match[1] in chunks):
            remove_file(folder, name)


def write_part(
    folder: str,
    chunk: str,
    outcomes: Iterable[Embedded | Failure | OwnPicture],
    captions: Mapping[str, str],
    fingerprint: Fingerprint,
) -> WrittenPart:
    """Write the outcomes of a chunk, atomically and in constant memory. Raises StorageError and OSError."""
    pa, pq = pyarrow_and_parquet()
    schema = _schema(fingerprint)
    rows = failed = 0
    with tempfile.TemporaryFile() as stream:  # nameless, so that a killed process leaves nothing
        with pq.ParquetWriter(
            stream, schema, compression="zstd", write_page_checksum=True, use_dictionary=["format", "camera"]
        ) as out:
            for batch in _batches(outcomes):
                values = [_row_values(outcome, captions) for outcome in batch]
                out.write_table(pa.Table.from_pylist(values, schema=schema), row_group_size=len(batch))
                rows += len(batch)
                failed += sum(isinstance(outcome, Failure) for outcome in batch)
        stream.seek(0)
        part = Part(chunk, stream_sha256(stream))
        put_file(stream, folder, part.name)
    return WrittenPart(part, rows, failed)


def read_files(folder: str, part: Part) -> Iterator[ImageFile]:
    """The files of a part, in its order, not validated. Raises ClipsearchError if its bytes do not match its name."""
    with _open(folder, part) as file:
        for batch in file.iter_batches(_PICTURES, columns=["path", "size", "mtime_ns"]):
            for row in batch.to_pylist():
                yield ImageFile(os.fsdecode(row["path"]), int(row["size"]), int(row["mtime_ns"]))


def read_part(folder: str, part: Part, fingerprint: Fingerprint) -> Iterator[list[Embedded | Failure | OwnPicture]]:
    """The outcomes of a part in batches, in its order.

    Raises ClipsearchError if its bytes do not match its name or are not what a worker writes, and ModelMismatch if another
    model made it, or the same model in another precision.
    """
    where = f"{folder}/{part.name}"
    with _open(folder, part) as file:
        stated = schema_model(file.schema_arrow, where)
        if stated is None or not stated.is_same(fingerprint):
            raise ModelMismatch(f"{where} is not by the model {fingerprint.model!r} of this index")
        if not file.schema_arrow.equals(_schema(fingerprint), check_metadata=False):
            raise ClipsearchError(f"{where} has other columns than clipsearch writes")
        number = 1
        for group in range(file.num_row_groups):  # a batch never has more films than were written together
            for batch in file.iter_batches(_PICTURES, [group]):
                yield [_outcome(number + at, row, where) for at, row in enumerate(batch.to_pylist())]
                number += batch.num_rows


@contextmanager
def _open(folder: str, part: Part) -> Iterator[Any]:
    """A part's Parquet file. Raises ClipsearchError unless its bytes match its name."""
    where = f"{folder}/{part.name}"
    try:
        stream = open_whole(where)
    except FileNotFoundError as error:
        raise ClipsearchError(f"{where} has been deleted meanwhile. Run this again to make it again") from error
    with stream:
        if stream_sha256(stream) != part.sha256:
            raise ClipsearchError(
                f"{where} is damaged. Delete it and run this again; its photos are then embedded again"
            )
        with opened(stream, where) as file:
            yield file


def _schema(fingerprint: Fingerprint) -> Any:
    pa, _ = pyarrow_and_parquet()
    several = {"moment_at": pa.list_(pa.float64()), _LATER: pa.list_(pa.float32())}  # of a file with several pictures
    return photo_schema(fingerprint, {"path": pa.binary(), "reason": pa.string(), "cause": pa.string(), **several})


def _batches(
    outcomes: Iterable[Embedded | Failure | OwnPicture],
) -> Iterator[list[Embedded | Failure | OwnPicture]]:
    """The outcomes of files, as many as have _PICTURES pictures at a time."""
    batch: list[Embedded | Failure | OwnPicture] = []
    pictures = 0
    for outcome in outcomes:
        batch.append(outcome)
        pictures += len(outcome.info.moments) or 1 if isinstance(outcome, Embedded) else 1
        if pictures >= _PICTURES:
            yield batch
            batch, pictures = [], 0
    if batch:
        yield batch


def _row_values(outcome: Embedded | Failure | OwnPicture, captions: Mapping[str, str]) -> dict[str, Any]:
    """An outcome as a row. A photo with the content of an earlier one in the chunk may have no embedding."""
    file = outcome.file
    values: dict[str, Any]
    if isinstance(outcome, OwnPicture):
        values = {"size": file.size, "mtime_ns": file.mtime_ns, "cause": _OWN}
    elif isinstance(outcome, Failure):
        reason = outcome.reason[:_LONGEST_REASON].encode("utf-8", "replace").decode()
        values = {"size": file.size, "mtime_ns": file.mtime_ns, "reason": reason, "cause": outcome.cause}
    else:
        values = photo_fields(ImageRecord(0, file, outcome.info))
        cause = "incomplete" if outcome.info.incomplete else None
        values |= {"caption": captions.get(file.path), "cause": cause}
        if outcome.vectors is not None:
            values |= {EMBEDDING: outcome.vectors[0], _LATER: outcome.vectors[1:].reshape(-1)}
        if moments := outcome.info.moments:
            values |= {"moment_unit": moments[0].unit, "moment_at": [moment.at for moment in moments]}
    return values | {"path": os.fsencode(file.path)}


def _outcome(number: int, values: dict[str, Any], where: str) -> Embedded | Failure | OwnPicture:
    path, size, mtime_ns = os.fsdecode(values["path"] or b""), values["size"], values["mtime_ns"]
    if type(size) is not int or type(mtime_ns) is not int or size < 0:
        raise ClipsearchError(f"{where}: row {number:,} does not describe its file")
    file = ImageFile(path, size, mtime_ns)
    if values["reason"] is not None:
        if values["cause"] not in get_args(Cause):
            raise ClipsearchError(f"{where}: row {number:,} does not say why its file cannot be read")
        return Failure(file, values["reason"], values["cause"])
    if values["cause"] == _OWN:
        return OwnPicture(file)
    info = row_of(number, {**values, "path": path, "moment_unit": None, "moment_at": None}, where).info
    if info is None:
        raise ClipsearchError(f"{where}: row {number:,} does not say what its picture is")
    moments: tuple[Moment, ...] = ()
    if values["moment_unit"] is not None or values["moment_at"] is not None:
        try:
            moments = checked_moments(values["moment_unit"], values["moment_at"] or ())
        except ValueError as error:
            raise ClipsearchError(f"{where}: row {number:,} has moments that make no sense") from error
    caption, incomplete = clean_caption(values["caption"]), values["cause"] == "incomplete"
    info = replace(info, caption=caption, incomplete=incomplete, moments=moments)
    if values[EMBEDDING] is None:
        return Embedded(file, info, None)
    first, later = np.array(values[EMBEDDING], np.float32), np.array(values[_LATER] or (), np.float32)
    if len(first) * max(0, len(moments) - 1) != len(later):
        raise ClipsearchError(f"{where}: row {number:,} does not have an embedding for each of its pictures")
    vectors = np.concatenate([first, later]).reshape(-1, len(first))
    if not all(map(is_unit, vectors)):
        raise ClipsearchError(f"{where}: row {number:,} has an embedding that is not a unit vector")
    return Embedded(file, info, vectors)
