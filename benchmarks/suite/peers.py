"""The peers of clipsearch: rclip and the plain transformers loop. clip-retrieval is not measured; the reason is here.

`peer_dir` is the folder that benchmarks/install_peers.sh fills. Functions that run a peer return a Command and time nothing. No
peer touches the network: rclip finds its models where it would have downloaded them, and the Hugging Face
libraries are told to stay offline.

    prepare_rclip(peers, checkpoint, home)                  # once: its ONNX files, from the same weights
    subprocess.run(**rclip_index(peers, home, photos).popen)   # a whole process
    subprocess.run(**rclip_query(peers, home, photos, "a dog").popen)

    fill_rclip(home, folder, names, vectors)                # an index of any size, without embedding anything
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import os
import sqlite3
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

HERE = Path(__file__).resolve().parent
DIM = 512
CHUNK = 4096

# The files that rclip 3.3.0 looks for in its data folder, and its database there.
RCLIP_MODELS = "ViT-B-32-256-datacomp_s34b_b86k"
RCLIP_TOKENIZER = "tokenizer/bpe_simple_vocab_16e6.txt.gz"
RCLIP_DATABASE = "db.sqlite3"
RCLIP_DATABASE_VERSION = 4
RCLIP_SCHEMA = """
CREATE TABLE images (id INTEGER PRIMARY KEY, deleted BOOLEAN, filepath TEXT NOT NULL UNIQUE, modified_at DATETIME NOT NULL,
                     size INTEGER NOT NULL, vector BLOB NOT NULL, indexing BOOLEAN, hash TEXT);
CREATE TABLE db_version (version INTEGER);
"""
RCLIP_INDEXES = """
CREATE UNIQUE INDEX existing_images ON images(filepath) WHERE deleted IS NULL;
CREATE INDEX hash_index ON images(hash) WHERE deleted IS NULL;
"""


@dataclass(frozen=True)
class Command:
    """One process to run and time, from start to end."""

    argv: list[str]
    env: dict[str, str]
    cwd: Path | None = None  # rclip searches the folder it is started in

    @property
    def popen(self) -> dict[str, Any]:
        """The same as keyword arguments of subprocess.run and Popen."""
        return {"args": self.argv, "env": self.env, "cwd": self.cwd}


def environment(**extra: str) -> dict[str, str]:
    """The environment of this process without its Python paths, offline, with `extra`.

    Compiled modules are kept: an installed package has them, but clipsearch may run from a clone.
    """
    ours = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return kept | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PYTHONUNBUFFERED": "1"} | extra


def is_ready(peer_dir: Path, peer: str) -> bool:
    """Whether install_peers.sh made this peer's environment to the end."""
    return (peer_dir / peer / ".ready").exists()


def version(peer_dir: Path, peer: str, package: str | None = None) -> str:
    """The version of a peer's package, or of another package in its environment."""
    code = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"
    argv = [_python(peer_dir, peer), "-c", code, package or peer]
    return subprocess.run(argv, env=environment(), check=True, capture_output=True, text=True).stdout.strip()


def run_script(peer_dir: Path, peer: str, script: Path, *arguments: str | Path) -> Command:
    """One of our scripts in a peer's environment."""
    return Command([_python(peer_dir, peer), str(script), *map(str, arguments)], environment())


def _python(peer_dir: Path, peer: str) -> str:
    return str(peer_dir.resolve() / peer / "bin" / "python")


# rclip


def rclip_data(home: Path) -> Path:
    """Where rclip keeps its models and its database under `home`."""
    return home.resolve() / "rclip"


def _rclip_environment(home: Path) -> dict[str, str]:
    return environment(HOME=str(home.resolve()), RCLIP_DATADIR=str(rclip_data(home)))


def prepare_rclip(peer_dir: Path, checkpoint_dir: Path, home: Path, *, int8: bool = False) -> None:
    """Put rclip's model files, made from a 256 px CLIP checkpoint, where rclip under `home` looks for them.

    Both towers are fp32, or with `int8` the image tower dynamic int8: versions of rclip's conversion script differ in that.
    The ONNX files (600 MB) are exported once per checkpoint, into `peer_dir`, and linked from every home.
    """
    weights = (checkpoint_dir / "model.safetensors").resolve()
    stat = weights.stat()
    key = hashlib.sha256(f"{weights}\0{stat.st_size}\0{stat.st_mtime_ns}".encode()).hexdigest()[:12]
    models = peer_dir.resolve() / "rclip-models" / (f"{key}-int8" if int8 else key)
    if not models.exists():
        building = models.with_suffix(".building")
        script, checkpoint = str(HERE / "export_rclip.py"), str(checkpoint_dir.resolve())
        argv = [_python(peer_dir, "export"), script, checkpoint, str(building), *(["--int8"] if int8 else [])]
        done = subprocess.run(argv, env=environment(), capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"rclip's ONNX files could not be exported:\n{done.stderr[-2000:]}")
        building.rename(models)

    data = rclip_data(home)
    tokenizer = data / RCLIP_TOKENIZER
    tokenizer.parent.mkdir(parents=True, exist_ok=True)
    merges = (checkpoint_dir / "merges.txt").read_bytes()  # after one line of header, the merges that rclip reads
    tokenizer.write_bytes(gzip.compress(merges, mtime=0))
    link = data / RCLIP_MODELS
    link.unlink(missing_ok=True)
    link.symlink_to(models, target_is_directory=True)


def rclip_index(peer_dir: Path, home: Path, photos: Path) -> Command:
    """Bring rclip's index of a folder up to date.

    rclip has no command that only indexes: the process ends with one text query, about as long as `rclip_query` on this index.
    """
    argv = [str(peer_dir.resolve() / "rclip/bin/rclip"), "--filepath-only", "--top", "1", "photo"]
    return Command(argv, _rclip_environment(home), photos.resolve())


def rclip_query(peer_dir: Path, home: Path, photos: Path, text: str) -> Command:
    """Ask rclip for the ten best, without its search for changed files. It prints a header and ten lines of score and path."""
    argv = [str(peer_dir.resolve() / "rclip/bin/rclip"), "--no-indexing", text]
    return Command(argv, _rclip_environment(home), photos.resolve())


def fill_rclip(home: Path, photos_folder: Path, names: Iterable[str], vectors: npt.NDArray[np.float32]) -> Path:
    """Write rclip's database with one row per name, as rclip 3.3.0 itself writes it, and return its path.

    Names are relative to `photos_folder`. The folder is made, since rclip starts in it; the photos need not exist. `vectors`
    are (n, 512) unit rows and may be a memory map: rows are streamed, and memory does not grow with n.
    """
    if vectors.ndim != 2 or vectors.shape[1] != DIM or vectors.dtype != np.float32:
        raise ValueError(f"rclip stores (n, {DIM}) float32, not {vectors.shape} {vectors.dtype}")
    photos_folder.mkdir(parents=True, exist_ok=True)
    path = rclip_data(home) / RCLIP_DATABASE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.executescript(RCLIP_SCHEMA)
        connection.execute("INSERT INTO db_version(version) VALUES (?)", (RCLIP_DATABASE_VERSION,))
        connection.executemany(
            "INSERT INTO images(filepath, modified_at, size, vector, hash) VALUES (?, ?, ?, ?, ?)",
            _rclip_rows(str(photos_folder.resolve()), names, vectors),
        )
        connection.commit()
        connection.executescript(RCLIP_INDEXES)
        (count,) = connection.execute("SELECT count(*) FROM images").fetchone()
    finally:
        connection.close()
    if count != len(vectors):
        raise ValueError(f"{count} names for {len(vectors)} vectors")
    return path


def _rclip_rows(
    folder: str, names: Iterable[str], vectors: npt.NDArray[np.float32]
) -> Iterator[tuple[str, float, int, bytes, str]]:
    remaining = iter(names)
    for start in range(0, len(vectors), CHUNK):
        chunk = np.ascontiguousarray(vectors[start : start + CHUNK], dtype="<f4")
        if not np.allclose(np.linalg.norm(chunk, axis=1), 1, atol=1e-3):
            raise ValueError(f"rows {start} to {start + len(chunk)} are not unit vectors")
        for row, name in enumerate(itertools.islice(remaining, len(chunk)), start):
            filepath = os.path.join(folder, name)
            digest = hashlib.sha256(filepath.encode()).hexdigest()
            yield filepath, 1_700_000_000.5 + row, 100_000 + row, chunk[row - start].tobytes(), digest
    if next(remaining, None) is not None:
        raise ValueError(f"more names than the {len(vectors)} vectors")


# transformers


def transformers_paths(index: Path) -> Path:
    """The list of paths that belongs to an array of embeddings."""
    return index.with_suffix(".json")


def transformers_index(peer_dir: Path, checkpoint: Path, photos: Path, out: Path) -> Command:
    """Embed a folder one image after another, as tutorials do, into `out` (.npy) and a list of paths beside it."""
    return _transformers(peer_dir, "index", checkpoint, photos, out)


def transformers_query(peer_dir: Path, checkpoint: Path, index: Path, text: str) -> Command:
    """Load the model, the array and the paths, and print the ten best."""
    return _transformers(peer_dir, "query", checkpoint, index, text)


def _transformers(peer_dir: Path, action: str, checkpoint: Path, *rest: Path | str) -> Command:
    places = [str(item.resolve()) if isinstance(item, Path) else item for item in (checkpoint, *rest)]
    argv = [_python(peer_dir, "transformers"), str(HERE / "transformers_loop.py"), action, *places]
    return Command(argv, environment())


def fill_transformers(out: Path, photos_folder: Path, names: Iterable[str], vectors: npt.NDArray[np.float32]) -> Path:
    """Write the files of `transformers_index` from given embeddings, and return `out` (.npy)."""
    folder = str(photos_folder.resolve())
    out.parent.mkdir(parents=True, exist_ok=True)
    np.save(out, vectors)
    transformers_paths(out).write_text(json.dumps([os.path.join(folder, name) for name in names]))
    return out


# clip-retrieval


def clip_retrieval_reason(peer_dir: Path) -> str:
    """Why clip-retrieval is not measured, in one sentence."""
    failed = peer_dir / "clip-retrieval.failed"
    if failed.exists():
        lines = failed.read_text(errors="replace").strip().splitlines()
        return f"clip-retrieval could not be installed here: {lines[-1] if lines else 'no reason was given'}"
    if not is_ready(peer_dir, "clip-retrieval"):
        return "clip-retrieval was not installed; run benchmarks/install_peers.sh"
    return (
        "clip-retrieval's one query command, `filter`, always downloads OpenAI's ViT-B/32, so it cannot be asked with the"
        " same weights or offline"
    )
