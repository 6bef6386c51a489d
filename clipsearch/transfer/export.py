"""Exports the images of an index, or those that meet a condition, to files that other tools read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from clipsearch._internal.arguments import either, require_one_of
from clipsearch._internal.cancel import CancelToken
from clipsearch.conditions import All, Below, Condition
from clipsearch.errors import ClipsearchError, QueryError
from clipsearch.images.outputs import replacing_outputs
from clipsearch.indexing.roots import absolute
from clipsearch.store.collection import Collection
from clipsearch.transfer.fields import FORMATS, Format, photo_fields
from clipsearch.transfer.formats import Block, write_csv, write_jsonl, write_npy
from clipsearch.transfer.parquet import write_parquet
from clipsearch.types import Fingerprint, Progress

BLOCK = 4096
"""Images in a block, and in a row group of a Parquet file: 8 MB at 512 values."""


_WRITERS: dict[Format, Callable[..., None]] = {
    "npy": write_npy,
    "parquet": write_parquet,
    "csv": write_csv,
    "jsonl": write_jsonl,
}


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was written: the first file has the vectors, the second one has the rows of an .npy."""

    files: tuple[str, ...]
    format: Format
    images: int
    bytes: int
    fingerprint: Fingerprint


def export(
    collection: Collection,
    out: str | os.PathLike[str],
    format: Format | None,
    condition: Condition | None,
    relative_to: str | os.PathLike[str] | None,
    embeddings: bool,
    force: bool,
    progress: Progress | None,
    cancel: CancelToken | None,
) -> ExportReport:
    """Write the images of one committed state, by image id, with their stored unit vectors, float32: see SearchEngine.export.

    A file with several pictures has a row for each, one after the other. If no photo meets the condition, there are no rows.
    A name with another ending gets that of the format. Memory grows by eight bytes per image. Files appear once complete.
    """
    if format is not None:
        require_one_of("format", format, FORMATS)
    kind = format or _format_of(Path(out))
    first = Path(os.path.abspath(os.path.expanduser(out)))
    if first.is_dir():
        raise QueryError(f"{first} is a folder; name a file in it, such as {first / f'photos.{kind}'}")
    if first.suffix.lower() != f".{kind}":
        first = first.with_name(f"{first.name}.{kind}")
    targets = [first, first.with_suffix(".jsonl")] if kind == "npy" else [first]
    if indexed := set(collection.roots().values()).intersection(map(str, targets)):  # a Parquet file of photos
        raise QueryError(f"{indexed.pop()} holds photos of the index, and is never replaced; name another file")
    above = None if relative_to is None else absolute(relative_to)
    if above is not None:
        below = Below(above)
        condition = All((below, condition)) if condition else below
    fingerprint = collection.fingerprint
    total = len(collection.ids(condition))
    if fingerprint is None or not (total or condition):
        raise ClipsearchError(f"there are no photos in the index at {collection.folder}: nothing to export")
    done, report = 0, (cancel or CancelToken()).checked(progress)

    def blocks() -> Iterator[Block]:
        nonlocal done
        for records, vectors in collection.scan(condition, BLOCK, all_pictures=True):
            yield [photo_fields(record, above) for record in records], vectors
            done += sum(record.moment is None or record.moment == record.info.moments[0] for record in records)
            report(done, total)

    with replacing_outputs(targets, force=force) as paths:
        options = {"embeddings": embeddings} if kind == "csv" else {}
        _WRITERS[kind](*paths, blocks(), fingerprint, **options)
    size = sum(path.stat().st_size for path in targets)
    return ExportReport(tuple(map(str, targets)), kind, done, size, fingerprint)


def _format_of(out: Path) -> Format:
    for name in FORMATS:
        if out.suffix.lower() == f".{name}":
            return name
    raise QueryError(f"{out} does not end in {either([f'.{name}' for name in FORMATS])}; say which with `format`")
