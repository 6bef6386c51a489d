"""Records and vectors into npy, jsonl and csv files, block by block. Parquet is in parquet.py."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np

from clipsearch.transfer.fields import EMBEDDING, MODEL_FIELDS, PHOTO_FIELDS, model_fields
from clipsearch.types import Embeddings, Fingerprint

Block: TypeAlias = tuple[list[dict[str, Any]], Embeddings]
"""PHOTO_FIELDS of some images, and their unit vectors (n, dim)."""


def write_npy(paths: Sequence[Path], blocks: Iterable[Block], fingerprint: Fingerprint) -> int:
    """A .npy file of float32 (n, dim), little-endian, and a .jsonl with PHOTO_FIELDS and MODEL_FIELDS in its order; n.

    The npy format is that of NEP 1, version 1.0: `numpy.load(path, mmap_mode="r")` reads it.
    """
    npy, jsonl = paths
    model = model_fields(fingerprint)
    count = 0
    with open(npy, "wb") as vectors_out, open(jsonl, "wb") as rows_out:
        _npy_header(vectors_out, count, fingerprint.dim)
        start = vectors_out.tell()
        for rows, vectors in blocks:
            vectors_out.write(np.ascontiguousarray(vectors, "<f4").data)
            rows_out.writelines(_json({**row, **model}) + b"\n" for row in rows)
            count += len(rows)
        vectors_out.seek(0)
        _npy_header(vectors_out, count, fingerprint.dim)
        assert vectors_out.tell() == start  # numpy leaves room in a header for a growing number of rows
    return count


def write_jsonl(path: Path, blocks: Iterable[Block], fingerprint: Fingerprint) -> int:
    """A JSON object a line: PHOTO_FIELDS, MODEL_FIELDS and "embedding", numbers that are the float32 exactly; how many."""
    model = model_fields(fingerprint)
    count = 0
    with open(path, "wb") as out:
        for rows, vectors in blocks:
            for row, embedding in zip(rows, _numbers(vectors), strict=True):
                head = _json({**row, **model})[:-1]
                out.write(b'%s, "%s": %s}\n' % (head, EMBEDDING.encode(), embedding.encode()))
            count += len(rows)
    return count


def write_csv(path: Path, blocks: Iterable[Block], fingerprint: Fingerprint, embeddings: bool) -> int:
    """A table with a header: PHOTO_FIELDS and MODEL_FIELDS, and with `embeddings` a column of JSON lists; how many rows.

    UTF-8, but bytes of a path that are not stay as they are: read it with `errors="surrogateescape"`.
    """
    model = model_fields(fingerprint)
    count = 0
    with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="") as out:
        table = csv.writer(out, lineterminator="\n")
        table.writerow([*PHOTO_FIELDS, *MODEL_FIELDS, *([EMBEDDING] if embeddings else [])])
        for rows, vectors in blocks:
            numbers = ([text] for text in _numbers(vectors)) if embeddings else itertools.repeat(list[str]())
            for row, last in zip(rows, numbers, strict=False):
                table.writerow([*row.values(), *model.values(), *last])
            count += len(rows)
    return count


def _npy_header(stream: BinaryIO, count: int, dim: int) -> None:
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": (count, dim)})


def _numbers(vectors: Embeddings) -> Iterator[str]:
    """Each vector as a JSON list.

    Nine digits name a float32 exactly, also when they are read as a double first: they are at most 5e-9 of the value away from
    it, and the nearest other float32 begins at 2.9e-8 of it (IEEE 754; the subnormal are written in full).
    """
    nine = "[" + ", ".join(["%.9g"] * vectors.shape[1]) + "]"
    smallest = np.finfo(np.float32).tiny
    for vector in vectors:
        awkward = (np.abs(vector) < smallest) & (
            (vector != 0) | np.signbit(vector)
        )  # "-0" would be read as the integer 0
        yield json.dumps(vector.tolist()) if awkward.any() else nine % tuple(vector.tolist())


def _json(value: dict[str, Any]) -> bytes:
    """JSON in UTF-8, where bytes of a path that are not UTF-8 become the escapes that json.loads() undoes."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace")
