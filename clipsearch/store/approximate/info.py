"""approximate.json: what is known of an approximate index. Written last; it names the file and says how good it is."""

from __future__ import annotations

import json
import math
import os
import re
import stat
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from clipsearch._internal.atomic_files import new_file
from clipsearch._internal.untrusted_files import read_json

Kind: TypeAlias = Literal["ivf-sq8", "ivf-pq", "ivf-rabitq", "hnsw-sq8"]
"""An inverted file (ivf) of 8-bit codes, product-quantised or RaBitQ codes, or a graph (hnsw) over 8-bit codes."""

KINDS: tuple[Kind, ...] = get_args(Kind)
INFO_FILE = "approximate.json"
FORMAT = 1
_MOST_EFFORT = 1_000_000
_MOST_CANDIDATES = 100_000  # each one takes memory
_MOST_BYTES = 1 << 20  # of approximate.json, which has a few thousand
_STRANGE = "its description is not one that clipsearch writes"
_FILE = re.compile(r"[0-9a-f]{16}\.vectors")


@dataclass(frozen=True, slots=True)
class IndexShape:
    """What determines the arrays of an approximate index, and their lengths."""

    kind: Kind
    rows: int
    dim: int
    lists: int  # parts of an inverted file; 0 for a graph
    links: int  # neighbours in all levels of a graph; 0 for an inverted file
    last_id: int  # the highest image id in it


@dataclass(frozen=True, slots=True)
class Measurement:
    """How good an approximate index is at its setting, measured with queries that were not used to choose the setting."""

    asked: float  # recall
    k: int  # the recalls are those of the first k
    text: float  # recall of texts, the built-in query bank
    image: float  # recall of stored images; each is left out of its own answer
    text_at_100: float
    text_queries: int
    image_queries: int
    milliseconds: float  # median of a text query's search, without encoding it
    exact_milliseconds: float  # the same, searched exactly


@dataclass(frozen=True, slots=True)
class ApproximateInfo:
    """An approximate index and how good it is: the contents of approximate.json."""

    shape: IndexShape
    file: str  # its name, beside approximate.json
    size: int  # bytes
    sha256: str
    small_crc: int  # CRC-32 of the arrays that are read when the file is opened
    effort: int  # parts visited (ivf), or candidates kept during a search (hnsw)
    candidates: int  # ids taken from it and scored with the stored vectors
    digest: str  # of the model
    segments: tuple[str, ...]  # sha256 of the segments whose images are all in it
    samples: tuple[tuple[int, int], ...]  # (image id, its vector's checksum), to recognise the images
    measured: Measurement
    faiss: str  # version
    made: str  # ISO 8601

    @property
    def summary(self) -> dict[str, Any]:
        """What an answer says of it, as plain values."""
        return {"kind": self.shape.kind, "k": self.measured.k, "recall": self.measured.text, "made": self.made}

    @property
    def scan_bytes(self) -> int:
        """About how many bytes a search reads: the parts that it visits and the candidates' vectors."""
        lists = self.shape.lists
        share = self.effort / lists if lists else 64 * self.effort / self.shape.rows
        return int(min(share, 1.0) * self.size) + 4 * self.shape.dim * (self.candidates + lists)


def parts_for(rows: int) -> int:
    """How many parts to divide vectors into: comparing a query with all centroids then costs as much as visiting some parts."""
    return min(2 * math.isqrt(rows), rows)


def read_info(folder: Path) -> ApproximateInfo:
    """Read approximate.json in a folder. OSError if it cannot be read; ValueError if clipsearch did not write it."""
    if not stat.S_ISDIR(os.lstat(folder).st_mode):
        raise ValueError("it is not a folder")
    try:
        return _parsed(read_json(folder / INFO_FILE, _MOST_BYTES, follow_links=False))
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError(_STRANGE) from error


def write_info(folder: Path, info: ApproximateInfo) -> None:
    """Write approximate.json, whole and on the disk before this returns."""
    with new_file(folder / INFO_FILE) as stream:
        stream.write(json.dumps({"format": FORMAT, **asdict(info)}, indent=1).encode())


def _parsed(values: dict[str, Any]) -> ApproximateInfo:
    if values["format"] != FORMAT:
        raise ValueError(f"it is of format {values['format']!r:.20}, and this version reads {FORMAT}")
    kind = values["shape"]["kind"]
    if kind not in KINDS:
        raise ValueError(f"it is of a kind that this version does not know, {kind!r:.40}")
    if not _FILE.fullmatch(values["file"]):
        raise ValueError("it names a file that clipsearch never makes")
    shape = IndexShape(kind=kind, **_plain_fields(IndexShape, values["shape"]))
    if (
        not 0 < shape.rows <= shape.last_id
        or not shape.dim
        or bool(shape.lists) == (kind == "hnsw-sq8")
        or shape.lists > parts_for(shape.rows)
    ):
        raise ValueError(_STRANGE)
    info = _plain_fields(ApproximateInfo, values)
    info["effort"] = min(max(info["effort"], 1), _MOST_EFFORT)
    info["candidates"] = min(max(info["candidates"], 1), _MOST_CANDIDATES)
    info["made"] = datetime.fromisoformat(info["made"]).isoformat(timespec="seconds")
    return ApproximateInfo(
        shape=shape,
        segments=tuple(_checked("str", sha256) for sha256 in _checked("list", values["segments"])),
        samples=tuple(
            (_checked("int", image_id), _checked("int", check))
            for image_id, check in _checked("list", values["samples"])
        ),
        measured=Measurement(**_plain_fields(Measurement, values["measured"])),
        **info,
    )


def _plain_fields(record: type, values: dict[str, Any]) -> dict[str, Any]:
    """The checked values of a dataclass's fields that are numbers or texts."""
    plain = [(field.name, str(field.type)) for field in fields(record) if field.type in ("int", "float", "str")]
    return {name: _checked(kind, values[name]) for name, kind in plain}


def _checked(kind: str, value: Any) -> Any:
    """A value, if clipsearch could have written it as this kind; else ValueError."""
    if kind == "int" and type(value) is int and 0 <= value < 2**62:
        return value
    if kind == "float" and type(value) in (int, float) and math.isfinite(value) and value >= 0:
        return float(value)
    if kind == "str" and isinstance(value, str) and len(value) <= 200 and value.isprintable():
        return value
    if kind == "list" and isinstance(value, list):
        return value
    raise ValueError(_STRANGE)
