"""Temporary trouble while photos change: some photos cannot be read for a while, and processes are killed or stopped.

After each run, a photo with an unchanged file must still be in the index. When the trouble is over, one run without flags must
make the index agree with the folder. If a file has crashed three times, that run needs --retry.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clipsearch.encoders.base import Encoder, ModelSpec
from clipsearch.images import pool
from clipsearch.images.files import ReadLimits
from clipsearch.indexing.apply import apply_sync
from clipsearch.indexing.plan import SyncOptions, plan_sync
from clipsearch.indexing.retries import MOST_ATTEMPTS
from clipsearch.indexing.walk import WalkRules
from clipsearch.store.collection import Collection
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import Embeddings, Failure, Fingerprint, PixelSpec
from torture_lab.checking import Loss

_PHOTOS, _TURNS, _SIDE = 24, 4, 16
_FOLDERS = ("", "trip", "trip/day 2", "ünï")
_PATIENCE = 120  # seconds; a run usually takes about one
_SECONDS = 1.0  # seconds that decoding may take, so that a run soon gives up a stopped decoder
_ERRORS = (errno.EIO, errno.EACCES, errno.EPERM, errno.ETIMEDOUT, errno.ENOMEM)


class MeanColour(Encoder):
    """Embed pictures as their mean colour, so that a vector can be compared with its file."""

    def __init__(self) -> None:
        pixels = PixelSpec(None, (_SIDE, _SIDE), None, 3, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
        self.spec = ModelSpec(Fingerprint("colour", "", "digest of colour", 4), pixels, 8, 10.0)

    def embed_pixels(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, 3, height, width) to (n, 4)."""
        means = pixels.mean(axis=(2, 3))
        return np.concatenate([means, np.full((len(means), 1), 0.1)], axis=1).astype(np.float32)

    def embed_texts(self, texts: list[str]) -> NDArray[np.float32]:
        """Not used here."""
        raise NotImplementedError


@dataclass(slots=True)
class World:
    """A folder of photos, its index, and the expected content of both."""

    root: Path
    chance: Random
    colours: dict[str, tuple[int, int, int]] = field(default_factory=dict)  # by sha256 of a file
    indexed: dict[str, str] = field(default_factory=dict)  # name → sha256 of the indexed content
    made: int = 0

    @property
    def photos(self) -> Path:
        """The folder of the photos."""
        return self.root / "photos"

    @property
    def index(self) -> Path:
        """The index folder."""
        return self.root / "photos" / ".clipsearch"

    def there(self) -> dict[str, str]:
        """Name → sha256 of the photos in the folder."""
        photos = (path for path in self.photos.rglob("*.jpg") if ".clipsearch" not in path.parts)
        return {path.relative_to(self.photos).as_posix(): _sha256(path.read_bytes()) for path in photos}

    def write(self, name: str) -> None:
        """Write a photo with its own colour in one step, as programs do."""
        red, green, blue = (self.chance.randrange(80, 256) for _ in range(3))
        colour = red, green, blue
        path = self.photos / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.new("RGB", (24, 18), colour)
        exif = image.getexif()
        exif[0x010E] = str(self.made)
        self.made += 1
        image.save(self.root / "new.jpg", exif=exif)
        self.colours[_sha256((self.root / "new.jpg").read_bytes())] = colour
        (self.root / "new.jpg").replace(path)

    def change(self) -> None:
        """Change photos as people do between two runs."""
        names = sorted(self.there())
        for name in self.chance.sample(names, 8):
            path = self.photos / name
            action = self.chance.choice(("write", "write", "touch", "touch", "touch", "rename", "delete", "copy"))
            if action == "write":
                self.write(name)
            elif action == "touch":
                os.utime(path, ns=(0, self.chance.randrange(1 << 60)))
            elif action == "rename":
                path.rename(path.with_name(f"renamed {self.made} {path.name[-20:]}"))
            elif action == "copy":
                shutil.copyfile(path, path.with_name(f"copy {self.made} {path.name[-20:]}"))
            elif len(names) > _PHOTOS // 2:
                path.unlink()
            self.made += 1
        for _ in range(3):
            self.write(f"{self.chance.choice(_FOLDERS)}/{self.made:04}.jpg".lstrip("/"))


def run(root: Path, chance: Random) -> tuple[int, int, str]:
    """Run a round: the number of unreadable files, the number of checked states, and a description."""
    shutil.rmtree(root, ignore_errors=True)
    world = World(root, chance)
    for number in range(_PHOTOS):
        world.write(f"{chance.choice(_FOLDERS)}/{number:02}.jpg".lstrip("/"))
    _index(world, {})
    _check(world, whole=True)
    failed, notes = 0, []
    for _ in range(_TURNS):
        world.change()
        trouble = _trouble(world)
        failed += _index(world, trouble)
        _check(world, whole=False)
        notes.append(trouble["kind"])
    _index(world, {})
    if any(failure.attempts >= MOST_ATTEMPTS for failure in _state(world)[1].values()):
        _index(world, {"retry": True})
    _check(world, whole=True)
    return failed, _TURNS + 2, ", ".join(notes)


def _trouble(world: World) -> dict[str, Any]:
    chance = world.chance
    kind = chance.choice(("open", "read", "crash", "memory", "kill decoders", "stop decoders", "stop all", "kill all"))
    names = sorted(world.there())
    chosen = names if chance.random() < 0.3 else chance.sample(names, chance.randint(1, len(names) // 2))
    return {
        "kind": kind,
        "names": chosen,
        "number": chance.choice(_ERRORS),
        "paranoid": chance.random() < 0.5,
        "at": chance.uniform(0.1, 1.5),
        "seconds": _SECONDS if kind == "stop decoders" else 30.0,
    }


def _index(world: World, trouble: dict[str, Any]) -> int:
    """Run an indexer in its own process, under some trouble; the number of files that it could not read."""
    command = [sys.executable, "-m", "torture_lab.trouble", str(world.photos), str(world.index), json.dumps(trouble)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    kind = trouble.get("kind", "")
    if kind.startswith(("kill", "stop")):
        time.sleep(trouble["at"])
        for _ in range(5 if "decoders" in kind else 1):
            for pid in _decoders(process.pid) if "decoders" in kind else [process.pid]:
                _signal(pid, signal.SIGKILL if kind.startswith("kill") else signal.SIGSTOP)
            time.sleep(0.2)
        if kind == "stop all":
            time.sleep(1.5)
            _signal(process.pid, signal.SIGCONT)
    output, errors = process.communicate(timeout=_PATIENCE)
    if kind == "kill all" and process.returncode == -signal.SIGKILL:
        return 0
    if process.returncode:
        # If every decoder is killed at its start, a run may end. It must report that, and lose nothing.
        if kind == "kill decoders" and "no process that decodes photos can run" in errors:
            return 0
        raise Loss(f"a run under {trouble} ended with {process.returncode}: {errors[-2000:]}")
    return int(json.loads(output)["failed"])


def _check(world: World, *, whole: bool) -> None:
    there = world.there()
    indexed, failures, vectors = _state(world)
    for name, digest in there.items():
        if world.indexed.get(name) == digest and name not in indexed:
            raise Loss(f"{name} was in the index, and has not changed, and is not there any more")
    for name, digest in indexed.items():
        if not np.allclose(vectors[name], _expected(world.colours[digest]), atol=0.02):
            raise Loss(f"{name} has a vector that is not that of its content")
    if whole and (indexed != there or failures):
        missing, surplus = there.items() - indexed.items(), indexed.items() - there.items()
        raise Loss(f"the trouble is over: missing {missing}, surplus {surplus}, failures {failures}")
    if not whole and (gone := [name for name in failures if name in world.indexed and not failures[name].kept]):
        changed = [name for name in gone if there.get(name) == world.indexed[name]]
        if changed:
            raise Loss(f"{changed} could not be read for a moment, and have lost their rows")
    world.indexed = indexed


def _state(world: World) -> tuple[dict[str, str], dict[str, Failure], dict[str, NDArray[np.float32]]]:
    """By name: the sha256 of the indexed content, the failures, and the vectors."""
    indexed: dict[str, str] = {}
    vectors: dict[str, NDArray[np.float32]] = {}

    def name_of(path: str) -> str:
        return Path(path).relative_to(world.photos).as_posix()

    with closing(Collection(world.index)) as collection:
        for records, some in collection.scan():
            for record, vector in zip(records, some, strict=True):
                indexed[name_of(record.file.path)] = record.info.content_hash
                vectors[name_of(record.file.path)] = vector
        return indexed, {name_of(failure.file.path): failure for failure in collection.failures()}, vectors


def _expected(colour: tuple[int, int, int]) -> Embeddings:
    values = np.array([*(value / 255 for value in colour), 0.1], np.float32)
    unit: Embeddings = values / np.linalg.norm(values)
    return unit


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _decoders(pid: int) -> Iterator[int]:
    """The processes that a run has started."""
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            yield from map(int, (task / "children").read_text().split())
    except OSError:
        return


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


# -- in the process that indexes


@contextmanager
def _armed(trouble: dict[str, Any]) -> Iterator[None]:
    """Make the chosen files fail, here and in decoders."""
    kind, names = trouble.get("kind", ""), tuple(trouble.get("names", ()))
    launch = pool._LAUNCH
    if kind in ("open", "read"):
        there = f"names, number = {names!r}, {trouble['number']!r}\n{_patch(kind)}"
        exec(there, {})
        pool._LAUNCH = f"{there}\n{launch}"
    elif kind in ("crash", "memory"):
        action = "os.kill(os.getpid(), 9)" if kind == "crash" else "(_ for _ in ()).throw(MemoryError())"
        hit = f"zlib.crc32(data) % 100 < {66 * trouble['at']}"
        pool._LAUNCH = (
            "import os, zlib, clipsearch.images.worker as w; decode = w.decode_pictures; "
            f"w.decode_pictures = lambda data, *rest: ({action}) if {hit} else decode(data, *rest)\n{launch}"
        )
    try:
        yield
    finally:
        pool._LAUNCH = launch


def _patch(kind: str) -> str:
    """Code that makes `os.open` refuse files by their names, or cuts their content short."""
    if kind == "open":
        return (
            "import os\nreal = os.open\n"
            "def refused(path, *rest, names=names, number=number, real=real, os=os, **options):\n"
            "    if str(path).endswith(names): raise OSError(number, os.strerror(number))\n"
            "    return real(path, *rest, **options)\n"
            "os.open = refused"
        )
    return (
        "import io, os, clipsearch.images.files as files\nreal, paths = os.open, {}\n"
        "def remembered(path, *rest, **options):\n"
        "    descriptor = real(path, *rest, **options)\n"
        "    paths[descriptor] = str(path)\n"
        "    return descriptor\n"
        "class Torn(io.FileIO):\n"
        "    def read(self, size=-1):\n"
        "        raise OSError(number, os.strerror(number))\n"
        "def opened(descriptor, mode):\n"
        "    torn = paths.get(descriptor, '').endswith(names)\n"
        "    return Torn(descriptor, 'rb') if torn else open(descriptor, mode)\n"
        "os.open, files.open = remembered, opened"
    )


def main(photos: str, index: str, trouble: dict[str, Any]) -> None:
    """Bring an index up to date, once."""
    limits = ReadLimits(seconds=trouble.get("seconds", 30.0))
    if trouble.get("kind") == "stop decoders":  # a test need not wait as long as a person
        pool._START_TIMEOUT, pool._READ_TIMEOUT = 10.0, _SECONDS
    encoder = MeanColour()
    with _armed(trouble), CollectionWriter(index) as collection:
        collection.require(encoder.spec.fingerprint)
        root_id = collection.add_root(photos, {})
        options = SyncOptions(
            paranoid=trouble.get("paranoid", False),
            retry=trouble.get("retry", False),
            jobs=2,
            batch_size=4,
            limits=limits,
        )
        plan = plan_sync(collection, photos, root_id, WalkRules(), options)
        report = apply_sync(collection, [plan], lambda: encoder, options)
    print(json.dumps({"failed": report.failed}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
