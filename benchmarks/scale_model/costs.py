"""The cost of a number of photos, computed from measured constants. Each formula is in one place."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scale_model.constants import Constants, Gpu

_ID_BYTES = 8
_FULL_BYTES = 256 * 1024**2  # of a segment's vectors: clipsearch.store.merge.FULL_BYTES
_FAN_IN = 8  # clipsearch.store.merge.FAN_IN
_BLOCK = 16_384  # photos of a commit
HOUR = 3600.0


def vector_bytes(photos: float, dim: int) -> float:
    """Of float32 vectors and their ids, on disk."""
    return photos * (4 * dim + _ID_BYTES)


def compact_bytes(photos: float, dim: int) -> float:
    """Of the 8-bit copies, which an exact scan reads."""
    return photos * dim


def catalog_bytes(constants: Constants, photos: float, captions: bool) -> float:
    """Of the SQLite catalog with its indexes."""
    return photos * (constants.catalog_bytes + captions * constants.caption_bytes)


def index_bytes(constants: Constants, photos: float, dim: int, captions: bool = False) -> float:
    """Of an index folder."""
    return vector_bytes(photos, dim) + compact_bytes(photos, dim) + catalog_bytes(constants, photos, captions)


def scan_rate(constants: Constants) -> float:
    """Bytes of codes a second: each core scans its own segments, up to the memory's limit."""
    return min(constants.cores * constants.scan_rate, constants.read_rate)


def candidates(constants: Constants, photos: float) -> float:
    """How many vectors are scored again. With more photos, more are within the codes' error of the tenth best."""
    return float(constants.candidates * photos**constants.candidates_power)


def warm_query(constants: Constants, photos: float, dim: int, memory: float | None = None) -> float:
    """Seconds of an exact query in a process that has already encoded the text and read the index.

    `memory` is in bytes; by default, this machine's. If codes and vectors together do not fit into it, every candidate's vector
    comes from the disk. If the codes alone do not fit, they come from the disk each time as well: a cache that is too small
    keeps nothing of the scan's beginning.
    """
    memory = constants.memory if memory is None else memory
    codes = compact_bytes(photos, dim)
    rate = scan_rate(constants) if codes <= memory else min(constants.disk_rate, scan_rate(constants))
    seconds = constants.scan_fixed_s + codes / rate
    if codes + vector_bytes(photos, dim) > memory:
        seconds += candidates(constants, photos) * constants.disk_fault_s
    return seconds


def cold_query(constants: Constants, photos: float, dim: int) -> float:
    """Seconds of `clipsearch query` as a whole process, while the system still has the index in its cache."""
    touched = compact_bytes(photos, dim) / (constants.cores * constants.touch_rate)
    opened = constants.open_s if photos >= _BLOCK else 0.0
    return constants.process_s + opened + touched + warm_query(constants, photos, dim)


def first_query(constants: Constants, photos: float, dim: int) -> float:
    """Seconds of such a process after a restart of the machine: nothing is cached, and the codes come from the disk."""
    read = compact_bytes(photos, dim) / constants.disk_rate + candidates(constants, photos) * constants.disk_fault_s
    return constants.process_s + constants.open_s + max(read, warm_query(constants, photos, dim))


def query_memory(constants: Constants, photos: float, dim: int) -> tuple[float, float]:
    """The most resident bytes of such a process: mapped files, and other memory (ids count twice: faiss's and numpy's)."""
    return constants.process_mapped + compact_bytes(photos, dim), constants.process_anonymous + 2 * _ID_BYTES * photos


def writes(photos: float, dim: int) -> float:
    """How many times each vector is written until its segment is full: its commit, and one merge for each tier."""
    rows_full = _FULL_BYTES / 2 / (4 * dim)
    tiers = math.ceil(max(0.0, math.log(rows_full / min(_BLOCK, max(photos, 1)), _FAN_IN)))
    return 1 + tiers


@dataclass(frozen=True, slots=True)
class Embedding:
    """The cost of embedding, in hours of one core or one GPU, and how many cores keep a GPU busy."""

    core_hours: float  # decoding and a ViT-B/32 in int8, on CPUs alone
    decode_core_hours: float  # beside GPUs
    gpu_hours: dict[str, float]
    cores_for_one_gpu: dict[str, float]


def embedding(constants: Constants, photos: float, megapixels: float, gpus: tuple[Gpu, ...]) -> Embedding:
    """The cost for photos of some megapixels: linear between 1 and 12, and constant outside that range."""
    share = (min(max(megapixels, 1.0), 12.0) - 1) / 11
    decode = constants.decode_1mp + share * (constants.decode_12mp - constants.decode_1mp)
    return Embedding(
        photos * (decode + constants.model_b32) / constants.efficiency / HOUR,
        photos * decode / constants.efficiency / HOUR,
        {gpu.name: photos / gpu.rate / HOUR for gpu in gpus},
        {gpu.name: gpu.rate * decode / constants.efficiency for gpu in gpus},
    )


@dataclass(frozen=True, slots=True)
class Costs:
    """Everything for one number of photos; bytes, seconds, hours."""

    photos: int
    dim: int
    embedding: Embedding
    vector_bytes: float
    compact_bytes: float
    catalog_bytes: float
    thumbnail_bytes: float
    index_bytes: float
    written_bytes: float  # of vectors, merges and 8-bit copies included
    mapped_bytes: float  # of a query's process
    anonymous_bytes: float
    warm_s: float
    warm_s_if_memory: float  # if all of it fits into memory
    cold_s: float
    first_s: float
    queries_a_second: float  # answered 64 at a time, if the vectors fit into memory
    filter_s: float  # a filter that leaves two thirds
    names_s: float  # the first `--name` with a glob
    add_hours: float  # of one writer
    walk_s: float  # of `index` if nothing has changed
    plan_bytes: float  # of memory, if all files are new and below one root
    machines: int  # machines like this, so that the codes fill at most half of their memory
    photo_bytes: float  # bytes that embedding reads, over the network or from disks


def costs(
    constants: Constants, photos: int, dim: int, *, megapixels: float, photo_bytes: float, captions: bool,
    gpus: tuple[Gpu, ...],
) -> Costs:  # fmt: skip
    """The whole table for a number of photos."""
    mapped, anonymous = query_memory(constants, photos, dim)
    compact = compact_bytes(photos, dim)
    return Costs(
        photos, dim, embedding(constants, photos, megapixels, gpus), vector_bytes(photos, dim), compact,
        catalog_bytes(constants, photos, captions), photos * constants.thumbnail_bytes,
        index_bytes(constants, photos, dim, captions), writes(photos, dim) * vector_bytes(photos, dim) + compact,
        mapped, anonymous,
        warm_query(constants, photos, dim), warm_query(constants, photos, dim, math.inf), cold_query(constants, photos, dim),
        first_query(constants, photos, dim), 64 / (photos * constants.batch_s_per_vector), photos * 2 / 3 * constants.filter_s,
        photos * constants.names_s, photos * constants.add_s / HOUR, photos * constants.walk_s, photos * constants.plan_bytes,
        math.ceil(compact / (constants.memory / 2)), photos * photo_bytes,
    )  # fmt: skip
