"""The constants of the model; their units and sources are in `benchmarks/scale_constants.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parents[1] / "scale_constants.json"


@dataclass(frozen=True, slots=True)
class Constants:
    """Measured on one machine with `cores` cores, in seconds, bytes and bytes a second. No GPU was measured."""

    cores: int
    memory: float
    process_s: float  # the whole of `clipsearch query` over 1,000 photos
    process_anonymous: float  # its memory beyond mapped files
    process_mapped: float  # its memory of mapped files: libraries and the text encoder
    open_s: float  # extra for such a process from 16,384 photos on: the code that reads compact copies
    touch_rate: float  # bytes a second, one core: the first look at a cached, mapped file
    scan_fixed_s: float  # of a query in a process that has already encoded the text
    scan_rate: float  # bytes of 8-bit codes a second, one core
    read_rate: float  # bytes a second of memory, all cores: the limit
    batch_s_per_vector: float  # for each stored vector, all of 64 queries together
    disk_rate: float  # bytes a second read in order from the disk, not cached
    disk_fault_s: float  # one page of a mapped file at a random place, not cached
    candidates: (
        float  # vectors scored again in float64 for a query for 10 photos: this times photos ** candidates_power
    )
    candidates_power: float
    catalog_bytes: float  # a photo, format 5, without a caption
    catalog_bytes_2: float  # a photo without date, camera and place, format 2, as in the index of ten million
    caption_bytes: float  # extra for a caption of Flickr8k's length
    thumbnail_bytes: float  # one of 256 px
    decode_12mp: float  # core-seconds a photo
    decode_1mp: float
    model_b32: float  # core-seconds a photo, ViT-B/32 for 256 px in int8
    efficiency: float  # share of the speed of decoding and model alone that a run reaches
    add_s: float  # a photo, catalog and segment, without embedding it
    walk_s: float  # a known, unchanged file
    plan_bytes: float  # of memory for a new file, until it is indexed
    filter_s: float  # for each photo that a filter leaves, if it leaves most
    names_s: float  # a photo, for the first `--name` with a glob


@dataclass(frozen=True, slots=True)
class Point:
    """A measurement that the model was not fitted to."""

    what: str  # a key of validation.PREDICTIONS
    photos: int
    value: float  # in the prediction's unit: seconds or bytes
    source: str


@dataclass(frozen=True, slots=True)
class Gpu:
    """A published rate, not measured here."""

    name: str
    rate: float  # photos a second on one GPU; the source says whether of the model alone or of the whole
    source: str


@dataclass(frozen=True, slots=True)
class Figures:
    """The file's content."""

    constants: Constants
    sources: dict[str, str]  # of each constant
    points: tuple[Point, ...]
    gpus: tuple[Gpu, ...]
    service: dict[
        str, tuple[float, ...]
    ]  # times of warm queries divided by the usual time: "quiet", alone, and "busy", beside other work


def load(path: Path = FILE) -> Figures:
    """Read the file. Raises ValueError if a constant is missing, has no source or is not above zero."""
    data: dict[str, Any] = json.loads(path.read_text("utf-8"))
    entries = data["constants"]
    names = {constant.name for constant in fields(Constants)}
    if set(entries) != names:
        raise ValueError(f"{path}: constants that are missing or unknown: {sorted(set(entries) ^ names)}")
    for name, entry in entries.items():
        if not entry["source"] or not entry["value"] > 0:
            raise ValueError(f"{path}: {name} needs a value above zero and a source")
    return Figures(
        Constants(**{name: entry["value"] for name, entry in entries.items()}),
        {name: entry["source"] for name, entry in entries.items()},
        tuple(Point(**point) for point in data["points"]),
        tuple(Gpu(**gpu) for gpu in data["gpus"]),
        {name: tuple(values) for name, values in data["service"].items()},
    )
