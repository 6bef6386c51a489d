"""A large library for the page: thousands of photos with dates, each a file of its own, indexed in seconds."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image

from clipsearch import SearchEngine
from clipsearch.images.placeholders import placeholder
from clipsearch.store.rows import Place
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import ImageFile

PHOTOS = Path(__file__).resolve().parents[1] / "data" / "photos"
_EDGE = 800  # pixels
_FIRST_DAY = datetime(2012, 3, 1, 9)
_SPREAD = 0.4  # of the noise that is added to a photo's vector, so that no two photos have the same score


def make_library(folder: Path, count: int) -> Path:
    """Write `count` photos into a new folder, and index them by `mini`; the index's folder.

    They are the photos of data/photos again and again, each with another comment inside, so that each has its own thumbnail.
    Only the first of each is embedded; the others get its vector with some noise. Dates are spread over twelve years.
    """
    folder.mkdir(parents=True)
    originals = []
    for path in sorted(PHOTOS.iterdir()):
        if path.suffix in (".jpg", ".png", ".webp"):
            with Image.open(path) as picture:
                small = picture.convert("RGB")
            small.thumbnail((_EDGE, _EDGE))
            stream = io.BytesIO()
            small.save(stream, "JPEG", quality=82)
            (folder / f"{path.stem}.jpg").write_bytes(stream.getvalue())
            originals.append((f"{path.stem}.jpg", stream.getvalue(), placeholder(small)))
    with SearchEngine(folder / ".clipsearch") as engine:
        engine.index(str(folder))
    chance = np.random.default_rng(0)
    with CollectionWriter(folder / ".clipsearch") as collection:
        records = {record.file.name: record for record in collection.all_records()}
        ids = {name: record.image_id for name, record in records.items()}
        vectors = {name: collection.vectors([image_id])[0] for name, image_id in ids.items()}
        (root_id,) = collection.roots()
        collection.remove(list(ids.values()))
        for number in range(count):
            name, data, small_pixels = originals[int(chance.integers(len(originals)))]
            content = _with_comment(data, f"{number}")
            file_name = f"{number:06}-{name}"
            path = folder / file_name
            path.write_bytes(content)
            state = path.stat()
            noise = chance.standard_normal(len(vectors[name]))
            vector = vectors[name] + _SPREAD * noise / np.linalg.norm(noise)
            # Bursts of days, as people take photos: many on a trip, few between.
            taken = _FIRST_DAY + timedelta(days=12 * 365 * (number // 25 * 25) / count, seconds=97 * (number % 25))
            collection.add(
                Place(root_id, "", file_name),
                ImageFile(str(path), state.st_size, state.st_mtime_ns),
                replace(records[name].info, content_hash=sha256(content).hexdigest(), taken_at=taken),
                (vector / np.linalg.norm(vector)).astype(np.float32),
                placeholders=[small_pixels],
            )
        collection.commit()
    for name in ids:
        (folder / name).unlink()
    return folder / ".clipsearch"


def _with_comment(jpeg: bytes, text: str) -> bytes:
    """A JPEG with a comment after its first marker: another file with the same picture."""
    comment = text.encode()
    return jpeg[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + jpeg[2:]
