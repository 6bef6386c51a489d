"""What is known of an approximate index: approximate.json, written last, which names the file and says how good it is."""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from clipsearch._internal.atomic_files import new_file
from clipsearch._internal.untrusted_files import open_plain

Kind: TypeAlias = Literal["ivf-sq8", "ivf-pq", "ivf-rabitq", "hnsw-sq8"]
"""An inverted file (ivf) of 8-bit codes, product-quantised or RaBitQ codes, or a graph (hnsw) over 8-bit codes."""

KINDS: tuple[Kind, ...] = get_args(Kind)
INFO_FILE = "approximate.json"
FORMAT = 1
_MOST_EFFORT = 1_000_000
_MOST_CANDIDATES = 100_000  # each of a query's takes memory
_MOST_BYTES = 1 << 20  # of approximate.json; it has some thousand
_FILE = re.compile(r"[0-9a-f]{16}\.vectors")


@dataclass(frozen=True, slots=True)
class IndexShape:
    """All that decides which arrays the file has and how long they are."""

    kind: Kind
    rows: int
    dim: int
    lists: int  # parts of an inverted file; 0 for a graph
    links: int  # neighbours in all levels of a graph; 0 for an inverted file
    last_id: int  # the highest image id in it


@dataclass(frozen=True, slots=True)
class Measurement:
    """How good it is at the setting it is used with, by queries that the setting was not chosen by."""

    asked: float  # recall
    k: int  # the recalls are those of the first k
    text: float  # recall of texts, the built-in query bank
    image: float  # recall of stored images, each left out of its own answer
    text_at_100: float
    text_queries: int
    image_queries: int
    milliseconds: float  # median of a text query's search, without encoding it
    exact_milliseconds: float  # the same, searched exactly


@dataclass(frozen=True, slots=True)
class ApproximateInfo:
    """approximate.json."""

    shape: IndexShape
    file: str  # its name, beside approximate.json
    size: int  # bytes
    sha256: str
    small_crc: int  # CRC-32 of all arrays that are read when it is opened
    effort: int  # parts looked into (ivf), or candidates kept on the way (hnsw)
    candidates: int  # ids that are taken from it and scored with the stored vectors
    digest: str  # of the model
    segments: tuple[str, ...]  # sha256 of those whose images are all in it, or were gone
    samples: tuple[tuple[int, int], ...]  # (image id, its vector's checksum): whether these are the same images
    measured: Measurement
    faiss: str  # version
    made: str  # ISO 8601

    @property
    def summary(self) -> dict[str, Any]:
        """What an answer says of it, in the values that JSON has."""
        return {"kind": self.shape.kind, "k": self.measured.k, "recall": self.measured.text, "made": self.made}

    @property
    def scan_bytes(self) -> int:
        """How many bytes a search reads, about: the parts it looks into and the candidates' vectors."""
        share = (
            min(self.effort / self.shape.lists, 1.0)
            if self.shape.lists
            else min(64 * self.effort / self.shape.rows, 1.0)
        )
        return int(share * self.size) + 4 * self.shape.dim * (self.candidates + self.shape.lists)


def parts_for(rows: int) -> int:
    """How many parts to divide vectors into: then comparing a query with them costs as much as looking into some."""
    return min(2 * math.isqrt(rows), rows)


def read_info(folder: Path) -> ApproximateInfo:
    """What approximate.json in a folder says. FileNotFoundError if there is none; ValueError if clipsearch did not write it."""
    try:
        mode = os.lstat(folder).st_mode
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    if not stat.S_ISDIR(mode):
        raise ValueError("it is not a folder")
    with open_plain(folder / INFO_FILE, follow_links=False) as stream:
        data = stream.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError("its description is too long")
    try:
        return _parsed(json.loads(data))
    except (KeyError, TypeError, RecursionError, OverflowError) as error:
        raise ValueError("its description is not one that clipsearch writes") from error


def write_info(folder: Path, info: ApproximateInfo) -> None:
    """Write approximate.json, whole and on the disk before this returns."""
    with new_file(folder / INFO_FILE) as stream:
        stream.write(json.dumps({"format": FORMAT, **asdict(info)}, indent=1).encode())


def _parsed(found: Mapping[str, Any]) -> ApproximateInfo:
    if found["format"] != FORMAT:
        raise ValueError(f"it is of format {found['format']!r:.20}, and this version reads {FORMAT}")
    shape, measured = found["shape"], found["measured"]
    if shape["kind"] not in KINDS:
        raise ValueError(f"it is of a kind that this version does not know, {shape['kind']!r:.40}")
    if not _FILE.fullmatch(found["file"]):
        raise ValueError("it names a file that clipsearch never makes")
    sizes = {name: _whole(shape[name]) for name in ("rows", "dim", "lists", "links", "last_id")}
    if (
        not 0 < sizes["rows"] <= sizes["last_id"]
        or not sizes["dim"]
        or bool(sizes["lists"]) == (shape["kind"] == "hnsw-sq8")
        or sizes["lists"] > parts_for(sizes["rows"])
    ):
        raise ValueError("its description holds what clipsearch never writes")
    return ApproximateInfo(
        shape=IndexShape(shape["kind"], **sizes),
        file=found["file"],
        size=_whole(found["size"]),
        sha256=_text(found["sha256"]),
        small_crc=_whole(found["small_crc"]),
        effort=min(max(_whole(found["effort"]), 1), _MOST_EFFORT),
        candidates=min(max(_whole(found["candidates"]), 1), _MOST_CANDIDATES),
        digest=_text(found["digest"]),
        segments=tuple(map(_text, _list(found["segments"]))),
        samples=tuple((_whole(one), _whole(check)) for one, check in _list(found["samples"])),
        measured=Measurement(
            asked=_real(measured["asked"]),
            k=_whole(measured["k"]),
            text=_real(measured["text"]),
            image=_real(measured["image"]),
            text_at_100=_real(measured["text_at_100"]),
            text_queries=_whole(measured["text_queries"]),
            image_queries=_whole(measured["image_queries"]),
            milliseconds=_real(measured["milliseconds"]),
            exact_milliseconds=_real(measured["exact_milliseconds"]),
        ),
        faiss=_text(found["faiss"]),
        made=datetime.fromisoformat(_text(found["made"])).isoformat(timespec="seconds"),
    )


def _whole(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**62:
        raise ValueError("its description holds what clipsearch never writes")
    return value


def _real(value: object) -> float:
    if type(value) not in (int, float) or not math.isfinite(number := float(str(value))) or number < 0:
        raise ValueError("its description holds what clipsearch never writes")
    return number


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > 200 or not value.isprintable():
        raise ValueError("its description holds what clipsearch never writes")
    return value


def _list(value: object) -> Sequence[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value
