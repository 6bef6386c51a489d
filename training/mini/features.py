"""Cached activations: every photo, in several random views, as the trunk's last 9 x 9 x 208 map in float16."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from PIL import Image, ImageFilter, ImageOps
from tqdm import tqdm

from mini.vision import IMAGE_SIZE, PIXEL_MEAN, PIXEL_SCALE, Floats

MAP_SHAPE = (208, 9, 9)
CROP_AREA = (0.45, 1.0)
CROP_RATIO = (3 / 4, 4 / 3)
CHUNK = 50


@dataclass(frozen=True)
class Photo:
    """One row of Flickr8k, or a stamp."""

    path: Path
    split: str
    captions: tuple[str, ...]
    backdrops: tuple[Path, ...] = ()  # of a stamp, which shows only the thing itself


def read_flickr8k(folder: Path) -> list[Photo]:
    """All 8,091 rows of `captions.jsonl`, in file order."""
    rows = [json.loads(line) for line in (folder / "captions.jsonl").read_text("utf-8").splitlines()]
    return [Photo(folder / "images" / row["image"], row["split"], tuple(row["captions"])) for row in rows]


def read_image(path: Path, mode: str = "RGB") -> Image.Image:
    """A file's pixels."""
    with Image.open(path) as opened:
        return opened.convert(mode)


def to_pixels(image: Image.Image, size: int = IMAGE_SIZE) -> Floats:
    """Squash to the model's square and normalise: float32 (3, size, size)."""
    small = image.resize((size, size), Image.Resampling.BICUBIC)
    return ((np.asarray(small, np.float32) - PIXEL_MEAN) / PIXEL_SCALE).transpose(2, 0, 1)


def random_view(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A random crop of random area and aspect ratio, mirrored half of the time (as in Inception training, 1409.4842)."""
    area = image.width * image.height * rng.uniform(*CROP_AREA)
    ratio = math.exp(rng.uniform(math.log(CROP_RATIO[0]), math.log(CROP_RATIO[1])))
    width = min(image.width, round(math.sqrt(area * ratio)))
    height = min(image.height, round(math.sqrt(area / ratio)))
    left = int(rng.integers(0, image.width - width + 1))
    top = int(rng.integers(0, image.height - height + 1))
    view = image.crop((left, top, left + width, top + height))
    return ImageOps.mirror(view) if rng.random() < 0.5 else view


def place(stamp: Image.Image, backdrop: Image.Image | None, rng: np.random.Generator) -> Image.Image:
    """A stamp on a blurred backdrop, or whole on white: RGB, square."""
    stamp = stamp.crop(stamp.getbbox())
    side = 320
    share = 0.9 if backdrop is None else rng.uniform(0.55, 0.95)
    scale = side * share / max(stamp.size)
    size = max(1, round(stamp.width * scale)), max(1, round(stamp.height * scale))
    stamp = stamp.resize(size, Image.Resampling.BICUBIC)
    if backdrop is None:
        scene = Image.new("RGB", (side, side), "white")
        corner = (side - stamp.width) // 2, (side - stamp.height) // 2
    else:
        scene = ImageOps.fit(backdrop, (side, side)).filter(ImageFilter.GaussianBlur(rng.uniform(2, 10)))
        corner = int(rng.integers(0, side - stamp.width + 1)), int(rng.integers(0, side - stamp.height + 1))
    scene.paste(stamp, corner, stamp)
    return ImageOps.mirror(scene) if backdrop is not None and rng.random() < 0.5 else scene


def load_pixels(photo: Photo, view: int) -> Floats:
    """View 0 is the whole photo; any other number seeds a random view of its own."""
    rng = np.random.default_rng([view, *photo.path.name.encode()])
    if not photo.backdrops:
        image = read_image(photo.path)
        return to_pixels(random_view(image, rng) if view else image)
    behind = photo.backdrops[view % len(photo.backdrops)]
    backdrop = random_view(read_image(behind), rng) if view else None
    return to_pixels(place(read_image(photo.path, "RGBA"), backdrop, rng))


def session(path: Path, threads: int = 1) -> ort.InferenceSession:
    """A CPU session that computes the same on every processor."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.x64quantprecision", "1")
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def extract(model: Path, photos: Sequence[Photo], view: int, out: Path) -> None:
    """Write the maps of one view of `photos` to `out`, float16 (n, 208, 9, 9); does nothing if the file exists."""
    if out.exists():
        return
    runner = session(model)
    maps = np.empty((len(photos), *MAP_SHAPE), np.float16)

    def work(start: int) -> None:
        pixels = np.stack([load_pixels(photo, view) for photo in photos[start : start + CHUNK]])
        maps[start : start + CHUNK] = runner.run(["mid"], {"pixel_values": pixels})[0]

    starts = range(0, len(photos), CHUNK)
    with ThreadPoolExecutor(2) as pool:
        list(tqdm(pool.map(work, starts), total=len(starts), desc=out.name))
    partial = out.with_suffix(".part.npy")
    np.save(partial, maps)
    partial.rename(out)
