"""Big indexes to search: unit vectors scattered around real CLIP embeddings, in our own index and in the peers'."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipsearch.encoders.base import normalise
from clipsearch.store.collection import Collection
from clipsearch.store.rows import Place
from clipsearch.types import Fingerprint, ImageFile, ImageInfo

BLOCK = 16384
_SCATTER = 0.4  # length of the noise laid on a real unit vector: the cosine to it is then about 0.93


def real_embeddings(shared: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Real CLIP ViT-B/32 vectors of pictures and of texts, unit rows: (6616, 512) and (4648, 512)."""
    with np.load(shared / "data" / "embeddings" / "clip_b32_real.npz") as data:
        return normalise(data["image"].astype(np.float32)), normalise(data["text"].astype(np.float32))


def scattered(real: NDArray[np.float32], count: int, seed: int = 0) -> Iterator[NDArray[np.float32]]:
    """`count` unit vectors around real ones, block by block; the same for the same seed."""
    random = np.random.default_rng(seed)
    for start in range(0, count, BLOCK):
        rows = min(BLOCK, count - start)
        around = real[random.integers(0, len(real), rows)]
        noise = random.standard_normal(around.shape, np.float32) * np.float32(_SCATTER / np.sqrt(around.shape[1]))
        yield normalise(around + noise)


def names(count: int, start: int = 0) -> list[str]:
    """File names, a thousand in a folder."""
    return [f"{number // 1000:05d}/{number:08d}.jpg" for number in range(start, start + count)]


def facts(number: int) -> ImageInfo:
    """Invented facts of the photo with this number: one every ten minutes from 2005 on, all over the globe, by a few cameras.

    One in 20,000 is a HEIF of a rare camera.
    """
    rare = number % 20_000 == 7
    return ImageInfo(
        width=4000 if number % 3 else 3000,
        height=3000 if number % 3 else 4000,
        format="HEIF" if rare else "JPEG",
        content_hash=f"{number:064x}",
        taken_at=datetime(2005, 1, 1) + timedelta(minutes=10 * number),
        camera="Rare One" if rare else f"Common {number % 5}",
        gps=(number * 0.618033988749895 % 1 * 180 - 90, number * 0.7548776662466927 % 1 * 360 - 180),
    )


def fill(
    index: Path, photos: Path, fingerprint: Fingerprint, blocks: Iterator[NDArray[np.float32]], start: int = 0
) -> None:
    """Add vectors to our index as if photos of those names had been indexed, through the collection itself."""
    with Collection(index, writable=True) as collection:
        collection.require(fingerprint)
        root_id = collection.add_root(str(photos), {})
        number = start
        for block in blocks:
            for name, vector in zip(names(len(block), number), block, strict=True):
                folder, _, file = name.rpartition("/")
                image = ImageFile(str(photos / name), number, 0)
                collection.add(Place(root_id, folder, file), image, facts(number), vector)
                number += 1
            collection.commit()
