"""Big indexes to search: unit vectors scattered around real CLIP embeddings, in our own index and in the peers'."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipsearch.encoders.base import normalise
from clipsearch.schema import Fingerprint, ImageFile, ImageInfo
from clipsearch.store.catalog import Place
from clipsearch.store.collection import Collection

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
                content = f"{number:064x}"
                info = ImageInfo(width=4000, height=3000, format="JPEG", content_hash=content)
                collection.add(Place(root_id, folder, file), ImageFile(str(photos / name), number, 0), info, vector)
                number += 1
            collection.commit()
