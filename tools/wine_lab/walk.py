"""The steps of a user on Windows, in folders with awkward names. Each command's exit status and first hits are checked.

It is run by Windows' own Python (`tools/wine.py walk` does so under Wine):

    python walk.py --photos FOLDER --work C:\\somewhere [--share \\\\server\\share] [--own-share \\\\server\\other]

`work` is emptied; `share` is a network path at which it is found as well; `own-share` is emptied too, and walked itself.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np

from clipsearch.store.collection import Collection
from clipsearch.store.rows import Place
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import ImageFile, ImageInfo

PHOTOS = ("clock.jpg", "fighter-jet.jpg", "giraffe.jpg", "honeybee.jpg", "kitten.jpg")
LATER = "coffee.jpg"
VECTORS = 21_000
_PATIENCE = 300  # seconds; an emulated machine may be slow
_LETTERS = "Фото 写真 ü"


def clipsearch(*arguments: str, status: int = 0) -> str:
    """A command's standard output. Raises AssertionError with its messages if the exit status is not as expected."""
    done = subprocess.run(_command(*arguments), capture_output=True, timeout=2 * _PATIENCE, stdin=subprocess.DEVNULL)
    output, errors = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    if done.returncode != status:
        raise AssertionError(f"{' '.join(arguments)}: exit status {done.returncode}, not {status}\n{output}{errors}")
    return output + errors if status else output


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "clipsearch", *arguments]


class Server:
    """`clipsearch serve` on a free port of 127.0.0.1. Use as a context manager."""

    def __init__(self, index: str) -> None:
        command = _command("serve", "--index", index, "--port", "0", "--no-open")
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self._process.stdout
        self.address = self._process.stdout.readline().decode().strip()
        if not self.address:
            raise AssertionError(f"the server of {index} has ended: {clipsearch('status', '--index', index, status=4)}")

    def first_hit(self, query: str) -> str:
        """The name of the best photo."""
        with urllib.request.urlopen(
            f"{self.address}api/search?q={urllib.parse.quote(query)}", timeout=_PATIENCE
        ) as answer:
            return _name(json.load(answer)["hits"][0]["path"])

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()


def _name(path: str) -> str:
    return path.rpartition("\\")[2]


def first_hit(index: str, query: str) -> str:
    """The name of the best photo, by the command line."""
    return _name(clipsearch("query", query, "--paths", "-k", "1", "--index", index).splitlines()[0])


def until(what: Callable[[], bool], said: str) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + _PATIENCE
    while not what():
        if time.monotonic() > end:
            raise AssertionError(f"waited {_PATIENCE} s in vain until {said}")
        time.sleep(0.5)


def _say(text: str) -> None:
    print(f"  ok  {text}", flush=True)


class Walk:
    """The commands, one after another, on a folder of photos of its own."""

    def __init__(self, source: Path, folder: str) -> None:
        self.source, self.folder, self.index = source, folder, os.path.join(folder, ".clipsearch")

    def all(self) -> None:
        """Every step."""
        print(self.folder, flush=True)
        Path(self.folder).mkdir(parents=True, exist_ok=True)
        for name in PHOTOS:
            shutil.copy(self.source / name, self.folder)
        for step in (self._index_and_query, self._watch, self._serve, self._repair, self._export, self._label):
            step()

    def _index_and_query(self) -> None:
        output = clipsearch("index", self.folder, "--model", "mini")
        assert f"{len(PHOTOS)} added" in output, output
        assert "1 failed" not in output
        again = clipsearch("index", self.folder)
        assert f"{len(PHOTOS)} unchanged" in again, again
        assert first_hit(self.index, "a honeybee") == "honeybee.jpg"
        assert first_hit(self.folder, "a fighter jet") == "fighter-jet.jpg"
        clipsearch("verify", "--index", self.index)
        _say(f"index: {output.splitlines()[0]}; query, verify")

    def _watch(self) -> None:
        command = _command("index", self.folder, "--watch")
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(5)
            shutil.copyfile(self.source / LATER, os.path.join(self.folder, LATER))
            until(lambda: self._count() == len(PHOTOS) + 1, "a new photo is in the index")
        finally:
            process.kill()
            process.wait()
        assert first_hit(self.index, "a cup of coffee") == LATER
        _say("index --watch: a new photo is found, and the process is killed")

    def _count(self) -> int:
        with Collection(self.index) as collection:
            return len(collection)

    def _serve(self) -> None:
        with Server(self.index) as server:
            assert server.first_hit("a giraffe") == "giraffe.jpg"
            Path(self.folder, LATER).unlink()
            assert "1 removed" in clipsearch("index", self.folder)
            assert server.first_hit("a cup of coffee") != LATER
        _say("serve: answers over HTTP, also after another process has changed the index")

    def _repair(self) -> None:
        with Server(self.index) as server:
            assert server.first_hit("a kitten") == "kitten.jpg"
            with sqlite3.connect(os.path.join(self.index, "catalog.sqlite")) as database:
                database.execute("UPDATE images SET name = x'6f74686572' WHERE image_id = 1")
            database.close()
            refusal = clipsearch("repair", "--index", self.index, status=1)
            assert "another program has the damaged catalog open" in refusal, refusal
        clipsearch("repair", "--index", self.index)
        clipsearch("verify", "--index", self.index)
        assert "1 added" in clipsearch("index", self.folder)
        assert self._count() == len(PHOTOS)
        _say("repair: put off beside an open reader, and done after it; the lost photo is indexed again")

    def _export(self) -> None:
        out = os.path.join(self.folder, "out ü.npy")
        clipsearch("export", out, "--index", self.index)
        vectors = np.load(out)
        assert vectors.shape[0] == len(PHOTOS), vectors.shape
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        output = clipsearch("import", out, "--index", self.index)
        assert self._count() == len(PHOTOS)
        _say(f"export, and import of it: {output.strip().splitlines()[0] if output.strip() else 'nothing new'}")

    def _label(self) -> None:
        options = ["--label", "a honeybee", "--label", "a fighter jet", "--write-sidecar", "--min-match", "0.5"]
        clipsearch("label", *options, "--index", self.index)
        sidecar = Path(self.folder, "honeybee.jpg.xmp").read_text("utf-8")
        assert "a honeybee" in sidecar
        _say("label --write-sidecar")


def optimize(index: str) -> None:
    """An approximate index over many vectors, made twice, the second time while a server has the first one open."""
    random = np.random.default_rng(0)
    with CollectionWriter(index) as collection:
        fingerprint = collection.fingerprint
        assert fingerprint
        centres = random.standard_normal((60, fingerprint.dim))[random.integers(0, 60, VECTORS)]
        vectors = (centres + random.standard_normal(centres.shape)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        root_id, root = next(iter(collection.roots().items()))
        for number, vector in enumerate(vectors):
            info = ImageInfo(1, 1, "JPEG", f"{number:064x}")
            file = ImageFile(f"{root}\\synthetic\\{number}.jpg", 1, 1)
            collection.add(Place(root_id, "synthetic", f"{number}.jpg"), file, info, vector)
        collection.commit()
    approximate = Path(index, "approximate")
    clipsearch("optimize", "--recall", "0.8", "--force", "--kind", "ivf-sq8", "--kind", "ivf-pq", "--index", index)
    (first,) = approximate.glob("*.vectors")
    with Server(index) as server:
        assert server.first_hit("a honeybee") == "honeybee.jpg"
        clipsearch("optimize", "--recall", "0.8", "--force", "--kind", "ivf-sq8", "--index", index)
        assert server.first_hit("a honeybee") == "honeybee.jpg"
    clipsearch("verify", "--index", index)
    assert first_hit(index, "a honeybee") == "honeybee.jpg"
    clipsearch("optimize", "--remove", "--index", index)
    assert not first.exists()
    print(
        f"  ok  optimize: {VECTORS:,} vectors, twice, the second time beside an open reader; and --remove", flush=True
    )


def awkward_names(source: Path, folder: str) -> None:
    """Devices, a long path and a junction."""
    print(folder, flush=True)
    literal = f"\\\\?\\{folder}"
    deep = "\\".join([literal, *["long" * 12] * 6])
    Path(deep).mkdir(parents=True)
    shutil.copyfile(source / "kitten.jpg", f"{deep}\\kitten.jpg")
    devices = ("con.jpg", "nul.png", "com1.jpg")
    for name in devices:
        shutil.copyfile(source / "clock.jpg", f"{literal}\\{name}")
    shutil.copyfile(source / "honeybee.jpg", f"{literal}\\honeybee.jpg")
    made = subprocess.run(
        ["cmd", "/c", "mklink", "/J", f"{folder}\\junction", f"{folder}\\{'long' * 12}"], capture_output=True
    )
    output = clipsearch("index", folder, "--model", "mini", status=3)
    assert "2 added" in output, output
    failures = clipsearch("failures", "--index", folder)
    assert all(name in failures for name in devices), failures
    assert first_hit(folder, "a kitten") == "kitten.jpg"
    junction = "a junction is not entered" if made.returncode == 0 else "junctions cannot be made here"
    _say(f"index: {len(devices)} devices are failures, a path of {len(deep) + 7} characters is read, {junction}")


def main() -> None:
    """Walk through all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--share")
    parser.add_argument("--own-share")
    arguments = parser.parse_args()
    os.environ.update(PYTHONUTF8="1", HF_HUB_OFFLINE="1")
    shutil.rmtree(f"\\\\?\\{arguments.work}", ignore_errors=True)
    local = os.path.join(arguments.work, _LETTERS)
    Walk(arguments.photos, local).all()
    optimize(os.path.join(local, ".clipsearch"))
    Walk(arguments.photos, f"\\\\?\\{os.path.join(arguments.work, 'prefixed')}").all()
    if arguments.share:
        Walk(arguments.photos, os.path.join(arguments.share, f"shared {_LETTERS}")).all()
    if arguments.own_share:
        for path in Path(arguments.own_share).iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        Walk(arguments.photos, arguments.own_share).all()
    awkward_names(arguments.photos, os.path.join(arguments.work, "awkward"))
    print("all is well", flush=True)


if __name__ == "__main__":
    main()
