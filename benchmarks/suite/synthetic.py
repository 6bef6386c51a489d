"""Big indexes to search: unit vectors scattered around real CLIP embeddings, in our own index and in the peers'."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipsearch.encoders.base import normalise
from clipsearch.store.rows import Place
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import Fingerprint, ImageFile, ImageInfo

BLOCK = 16384
_GOLDEN = 0.618033988749895
_KEYWORDS, _PEOPLE, _WORDS, _CITIES = 5_000, 500, 30_000, 9_000  # how many different ones there are
_SYLLABLES = tuple(first + second for first in "bdfgklmnprstvz" for second in ("a", "e", "i", "o", "u", "ei", "au"))
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
        gps=(number * _GOLDEN % 1 * 180 - 90, number * 0.7548776662466927 % 1 * 360 - 180),
    )


def described(number: int) -> ImageInfo:
    """Those facts and what photo managers write: every second photo has 3 keywords, every fifth 1 or 2 names.

    Every tenth has a title of 4 words, another tenth a description of 12, every fourth 1 to 4 stars, and every hundredth 5.
    Every second was taken in a city. Few keywords, names, words and cities are common and most are rare, as in real libraries:
    the n-th has a share of about 1/n.
    """

    def drawn(most: int, turn: int) -> int:
        """A number below `most`, small ones more often."""
        return int(most ** ((number + 1) * _GOLDEN * (turn + 1) % 1)) - 1

    return replace(
        facts(number),
        keywords=tuple({word(drawn(_KEYWORDS, turn)).capitalize() for turn in range(3)}) if number % 2 else (),
        people=tuple({name(drawn(_PEOPLE, 10 + turn)) for turn in range(1 + number % 2)}) if number % 5 == 0 else (),
        title=" ".join(word(drawn(_WORDS, 20 + turn)) for turn in range(4)) if number % 10 == 3 else None,
        description=" ".join(word(drawn(_WORDS, 20 + turn)) for turn in range(12)) if number % 10 == 7 else None,
        rating=5 if number % 100 == 1 else 1 + number // 4 % 4 if number % 4 == 0 else None,
        place=city(drawn(_CITIES, 40)) if number % 2 == 0 else None,
    )


def city(number: int) -> str:
    """The code of a city, as a gazetteer has them: country, region, city."""
    return f"{number % 90:02}/{number % 900:03}/{number + 1_000_000}"


def word(number: int) -> str:
    """A word of its own for each number: two to four syllables."""
    syllables = [_SYLLABLES[number % len(_SYLLABLES)]]
    while number := number // len(_SYLLABLES):
        syllables.append(_SYLLABLES[number % len(_SYLLABLES)])
    return "".join([*syllables, "n"] if len(syllables) > 1 else [*syllables, "re"])


def name(number: int) -> str:
    """The full name of a person."""
    return f"{word(number * 7 % 300).capitalize()} {word(1000 + number).capitalize()}"


def fill(
    index: Path,
    photos: Path,
    fingerprint: Fingerprint,
    blocks: Iterator[NDArray[np.float32]],
    start: int = 0,
    facts_of: Callable[[int], ImageInfo] = facts,
) -> None:
    """Add vectors to our index as if photos of those names had been indexed, through the collection itself."""
    with CollectionWriter(index) as collection:
        collection.require(fingerprint)
        root_id = collection.add_root(str(photos), {})
        number = start
        for block in blocks:
            for name, vector in zip(names(len(block), number), block, strict=True):
                folder, _, file = name.rpartition("/")
                image = ImageFile(str(photos / name), number, 0)
                collection.add(Place(root_id, folder, file), image, facts_of(number), vector)
                number += 1
            collection.commit()
