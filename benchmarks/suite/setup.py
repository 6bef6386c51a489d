"""The data of the cases, made once and kept in a work folder: a checkpoint, photos, and indexes of any size."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clipsearch import load_encoder
from clipsearch.encoders.base import Encoder, normalise
from suite import peers, synthetic
from suite.siglip import make_siglip

ROOT = Path(__file__).resolve().parents[2]
KEPT = Path(os.environ.get("CLIPSEARCH_BENCH", "~/.cache/clipsearch-bench")).expanduser()
"""Where install_peers.sh puts the peers, and what the cases need is kept."""

SIZES = {"12 MP": (4000, 3000), "1 MP": (1152, 864)}
QUERY = "a dog"
_GRAIN = 6  # standard deviation of the noise laid on enlarged photos, of 255: a 12-megapixel JPEG then has 3.5 MB, as a phone's


def add_folders(parser: argparse.ArgumentParser) -> None:
    """Add the options for the folders of a Setup."""
    parser.add_argument("--work", type=Path, default=KEPT / "work", help="for photos and indexes, which are kept")
    parser.add_argument(
        "--shared", type=Path, default=ROOT.parent / "shared", help="embeddings and the checkpoint tool"
    )


@dataclass(frozen=True)
class Setup:
    """The folders of all data, and how much of it to use."""

    shared: Path
    peer_dir: Path
    work: Path
    repeats: int
    photos: int  # how many of 12 megapixels; twice as many of 1 megapixel

    @cached_property
    def checkpoint(self) -> Path:
        """A ViT-B/32 for 256 px with random weights: the size that rclip uses."""
        folder = self.work / "checkpoint"
        if not (folder / "config.json").exists():
            tool = str(self.shared / "tools" / "make_clip_checkpoint.py")
            argv = [sys.executable, tool, str(folder), "--image-size", "256"]
            subprocess.run(argv, check=True, capture_output=True)
        return folder

    @cached_property
    def clip(self) -> Path:
        """A ViT-B/32 for 224 px with random weights: the size of OpenAI's."""
        folder = self.work / "clip"
        if not (folder / "config.json").exists():
            tool = str(self.shared / "tools" / "make_clip_checkpoint.py")
            subprocess.run([sys.executable, tool, str(folder)], check=True, capture_output=True)
        return folder

    @cached_property
    def siglip(self) -> Path:
        """A checkpoint of SigLIP 2's shape, B/32 for 256 px, with random weights."""
        folder = self.work / "siglip"
        return folder if (folder / "config.json").exists() else make_siglip(folder)

    @cached_property
    def real(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Real CLIP vectors of pictures and of texts."""
        return synthetic.real_embeddings(self.shared)

    @cached_property
    def encoder(self) -> Encoder:
        """Our encoder of the checkpoint in fp32; indexing chooses its precision."""
        return load_encoder(self.checkpoint)

    def has(self, peer: str) -> bool:
        """Whether a peer can be run."""
        return peers.is_ready(self.peer_dir, peer)

    def clipsearch(self, *arguments: str | Path) -> dict[str, Any]:
        """Our command as keyword arguments of Popen."""
        return {"args": [sys.executable, "-m", "clipsearch", *map(str, arguments)], "env": peers.environment()}

    def photo_folder(self, kind: str) -> Path:
        """JPEGs of a size: photos of data/photos enlarged, with grain, and each with its own bytes behind the picture."""
        folder = self.work / kind.replace(" ", "")
        count = self.photos * (1 if kind == "12 MP" else 2)
        folder.mkdir(parents=True, exist_ok=True)
        originals = sorted((ROOT / "data" / "photos").glob("*.jpg"))[:16]
        grain = np.random.default_rng(0).normal(0, _GRAIN, (SIZES[kind][1], SIZES[kind][0], 1)).astype(np.float32)
        for number in range(min(count, len(originals))):
            path = folder / f"{number:05d}.jpg"
            if not path.exists():
                with Image.open(originals[number]) as image:
                    large = image.convert("RGB").resize(SIZES[kind], Image.Resampling.BICUBIC)
                noisy = np.asarray(large, np.float32) + np.roll(grain, 37 * number, axis=1)
                Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(path, quality=90)
        for number in range(len(originals), count):
            path = folder / f"{number:05d}.jpg"
            if not path.exists():
                # The bytes behind the picture give each file another content and size. Files of equal sizes would be hashed
                # once more.
                path.write_bytes((folder / f"{number % len(originals):05d}.jpg").read_bytes() + bytes(number))
        for path in sorted(folder.glob("*.jpg"))[count:]:
            path.unlink()
        return folder

    def many_photos(self, count: int) -> Path:
        """JPEGs of 1 megapixel, each with its own bytes behind the picture."""
        folder = self.work / f"1MP-{count}"
        folder.mkdir(parents=True, exist_ok=True)
        originals = [path.read_bytes() for path in sorted(self.photo_folder("1 MP").glob("*.jpg"))[:16]]
        for number in range(count):
            path = folder / f"{number:05d}.jpg"
            if not path.exists():
                path.write_bytes(originals[number % len(originals)] + bytes(number))
        return folder

    def vectors(self, count: int) -> NDArray[np.float32]:
        """`count` unit vectors around real ones, (count, 512), memory-mapped."""
        mapped: NDArray[np.float32] = np.load(self.vectors_file(count), mmap_mode="r")
        return mapped

    def vectors_file(self, count: int) -> Path:
        """The same as a .npy file."""
        path = self.work / f"vectors-{count}.npy"
        if not path.exists():
            partial = path.with_suffix(".partial")
            out = np.lib.format.open_memmap(partial, "w+", np.float32, (count, 512))
            row = 0
            for block in synthetic.scattered(self.real[0], count):
                out[row : row + len(block)] = block
                row += len(block)
            out.flush()
            partial.rename(path)
        return path

    def index(self, count: int) -> Path:
        """Our index of a number of vectors."""
        folder = self.work / f"index-{count}"
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)  # half of one
            blocks = synthetic.scattered(self.real[0], count)
            synthetic.fill(folder, self.work / "nowhere", self.encoder.spec.fingerprint, blocks)
            (folder / "complete").touch()
        return folder

    def described_index(self, count: int) -> Path:
        """The same index with keywords, names, titles, descriptions, stars and places."""
        folder = self.work / f"described-index-{count}"
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)  # half of one
            blocks = synthetic.scattered(self.real[0], count)
            photos, fingerprint = self.work / "nowhere", self.encoder.spec.fingerprint
            synthetic.fill(folder, photos, fingerprint, blocks, facts_of=synthetic.described)
            (folder / "complete").touch()
        return folder

    def index_by(self, model: Path | str, count: int) -> Path:
        """Our index of random vectors by any model."""
        folder = self.work / f"index-{Path(model).name}-{count}"
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)  # half of one
            fingerprint = load_encoder(model).spec.fingerprint
            real = normalise(np.random.default_rng(0).standard_normal((1000, fingerprint.dim)))
            synthetic.fill(folder, self.work / "nowhere", fingerprint, synthetic.scattered(real, count))
            (folder / "complete").touch()
        return folder

    def rclip_home(self, count: int) -> Path:
        """Rclip's index of the same vectors."""
        home = self.work / f"rclip-{count}"
        peers.prepare_rclip(self.peer_dir, self.checkpoint, home)
        if count and not (home / "complete").exists():
            peers.fill_rclip(home, self.work / "nowhere", synthetic.names(count), self.vectors(count))
            (home / "complete").touch()
        return home

    def transformers_index(self, count: int) -> Path:
        """The loop's index of the same vectors."""
        out = self.work / f"transformers-{count}.npy"
        if not out.exists():
            peers.fill_transformers(out, self.work / "nowhere", synthetic.names(count), self.vectors(count))
        return out
