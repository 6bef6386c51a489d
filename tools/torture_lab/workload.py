"""A sequence of commits chosen by a seed, the states it passes through, and the child process that carries it out."""

from __future__ import annotations

import os
import random
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clipsearch.errors import ClipsearchError, CollectionError
from clipsearch.indexing import roots
from clipsearch.store import merge, segments
from clipsearch.store.collection import Collection
from clipsearch.store.repair import repair
from clipsearch.store.rows import Place
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import Fingerprint, ImageFile, ImageInfo, Moment
from torture_lab.faults import Fault

DIM = 16
PICTURES = 1, 1, 1, 5
"""A file's number of pictures, by its version."""
_FOLDERS = ("", "trip", "trip/day 2", "ünï")

State: TypeAlias = dict[str, int]
"""A photo's path below the root → which version of its content is there."""


@dataclass(frozen=True, slots=True)
class Step:
    """The changes of one commit."""

    adds: dict[str, int]
    removes: tuple[str, ...]
    forget: str | None  # a folder, whole


def plan(seed: int, count: int, *, films: bool = True) -> list[Step]:
    """Steps that add, replace, remove and forget; the same for the same seed. Without `films`, each file has one picture."""
    chance, known, version, steps = random.Random(seed), set[str](), 0, []
    for number in range(count):
        adds: dict[str, int] = {}
        for _ in range(chance.randint(1, 14)):
            folder = chance.choice(_FOLDERS)
            version += 1
            while not films and pictures_of(version) > 1:
                version += 1
            adds[f"{folder}/{chance.randrange(40):02}.jpg".lstrip("/")] = version
        going = sorted(known - adds.keys())
        removes = tuple(chance.sample(going, min(len(going), chance.choice((0, 0, 1, 4)))))
        forget = chance.choice(_FOLDERS[1:]) if number % 5 == 4 else None
        steps.append(Step(adds, removes, forget))
        known = set(after(dict.fromkeys(known, 0), steps[-1]))
    return steps


def after(state: State, step: Step) -> State:
    """The state that a step leads to."""
    kept = {
        name: version
        for name, version in state.items()
        if name not in step.removes and not (step.forget and name.startswith(f"{step.forget}/"))
    }
    return kept | step.adds


def states(steps: list[Step], first: State | None = None) -> list[State]:
    """The state before the first step, and after each."""
    reached = [first or {}]
    for step in steps:
        reached.append(after(reached[-1], step))
    return reached


def pictures_of(version: int) -> int:
    """How many pictures the file of a version has."""
    return PICTURES[version % len(PICTURES)]


def vectors_of(name: str, version: int) -> NDArray[np.float32]:
    """The unit vectors (n, DIM) of the pictures in a file's version."""
    chance = np.random.default_rng([zlib.crc32(name.encode()), version])
    values = chance.standard_normal((pictures_of(version), DIM))
    units: NDArray[np.float32] = (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)
    return units


def fingerprint() -> Fingerprint:
    """The model that the vectors claim to come from."""
    return Fingerprint("torture", "", "digest", DIM)


def apply(collection: Collection, step: Step) -> None:
    """Stage a step and commit it. A second call makes no change."""
    ((root_id, root),) = collection.roots().items()
    if step.forget:
        try:
            roots.forget(collection, os.path.join(root, step.forget))
        except CollectionError:
            raise
        except ClipsearchError:
            pass  # it was forgotten before
    for name in step.removes:
        collection.discard(place_of(root_id, name))
    for name, version in step.adds.items():
        file, vectors = ImageFile(os.path.join(root, name), version, version), vectors_of(name, version)
        moments = tuple(Moment("second", float(number)) for number in range(len(vectors))) if len(vectors) > 1 else ()
        info = ImageInfo(version, 1, "JPEG", f"{version:08x}", moments=moments)
        collection.add(place_of(root_id, name), file, info, vectors)
    collection.commit()


def place_of(root_id: int, name: str) -> Place:
    """The place of a photo, in the catalog's form."""
    folder, _, last = name.rpartition("/")
    return Place(root_id, folder, last)


@contextmanager
def small_tiers() -> Iterator[None]:
    """Merge and write compact copies after a few commits, as a large index does after many."""
    before = merge.FAN_IN, merge.SMALLEST_TIER, segments.COMPACT_ROWS
    merge.FAN_IN, merge.SMALLEST_TIER, segments.COMPACT_ROWS = 3, 8, 48
    try:
        yield
    finally:
        merge.FAN_IN, merge.SMALLEST_TIER, segments.COMPACT_ROWS = before


def opened(folder: Path) -> Collection:
    """Open the index for writing, with its model and its root."""
    collection = CollectionWriter(folder)
    try:
        collection.require(fingerprint())
        collection.add_root(str(folder.parent), {})
        collection.commit()
    except BaseException:
        collection.close()
        raise
    return collection


@dataclass(frozen=True, slots=True)
class Job:
    """The job of a child process."""

    folder: Path
    steps: list[Step]
    start: int = 0  # the steps before it are done
    mends: bool = False  # repair first
    fault: Fault = field(default_factory=Fault)
    tries: int = 1  # how often a step that fails is tried again, in the same process
    user: int | None = None  # the index is converted to this format first
    largest: int | None = None  # maximum size of a file, in bytes


def work(job: Job, line: Connection, go: Connection) -> None:
    """Carry out a job in its own process, and report progress on the line: `ACK n`, `ERROR type: words`, `END`."""
    os.nice(5)
    _restrict(job)

    def say(text: str) -> None:
        os.writev(line.fileno(), [f"{text}\n".encode()])  # not `write`, because faults are injected there

    say("READY")
    go.recv_bytes()
    try:
        with small_tiers(), job.fault.armed(say):
            _carry_out(job, say)
        say("END")
    except Exception as error:
        kind = "told" if isinstance(error, (ClipsearchError, OSError)) else "raw"
        say(f"ERROR {kind} {type(error).__name__}: {error}".replace("\n", " "))
    finally:
        sys.stderr.flush()
        os._exit(0)


def _carry_out(job: Job, say: Any) -> None:
    if job.mends:
        repair(job.folder)
        say("MENDED")
    with opened(job.folder) as collection:
        for number in range(job.start, len(job.steps)):
            for attempt in range(1, job.tries + 1):
                try:
                    apply(collection, job.steps[number])
                    break
                except (ClipsearchError, OSError):
                    if attempt == job.tries:
                        raise
            say(f"ACK {number + 1}")


def _restrict(job: Job) -> None:
    if job.largest is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (job.largest, job.largest))
    if job.user is not None:
        os.setgid(job.user)
        os.setuid(job.user)
