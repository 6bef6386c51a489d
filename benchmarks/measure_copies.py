"""Measure how well `clipsearch duplicates` finds copies, and how often it is wrong. Its thresholds come from this.

    python benchmarks/measure_copies.py data/photos ../shared/data/flickr8k/images --count 250 --index DIR

Photos are copied with one change each. The table gives, for each change, the share of copies that pass a test. "near": the
cosine from which embeddings alone decide. "maybe": the lower cosine from which the hash is compared. "hash": the hash, and the
details where it is not sure. "both": maybe and hash, as in `clipsearch duplicates`.

With --index, every photo of that index is compared with every other. Its photos should be originals, so that pairs that pass a
test are wrong, except those of the same bytes. Pairs with hashes that are close, or almost, are listed for a look.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from clipsearch.analysis.duplicates import MAX_DIFFERING_BITS, SURE_BITS, Details
from clipsearch.analysis.perceptual_hash import BITS, HASH_PIXELS, are_plain, differing_bits, perceptual_hashes
from clipsearch.encoders import load_encoder
from clipsearch.encoders.base import Encoder
from clipsearch.encoders.registry import copy_cosines
from clipsearch.errors import ClipsearchError, ImageError
from clipsearch.images.pool import Decoded, DecoderPool
from clipsearch.images.reader import read_image
from clipsearch.indexing.pipeline import Embedded, embed_files
from clipsearch.indexing.walk import find_images
from clipsearch.store.collection import Collection
from clipsearch.types import Embeddings, ImageFile

TESTS = ("near", "maybe", "hash", "both")
EDGE = 1024  # pixels; larger photos are scaled down to this before they are copied
NAMED_BITS = MAX_DIFFERING_BITS + 10  # pairs whose hashes are at most this far apart are listed
_ROWS = 64  # photos compared at once with all others

Change: TypeAlias = Callable[[Image.Image], Image.Image]


def _reduced(image: Image.Image, divisor: int) -> Image.Image:
    size = max(1, image.width // divisor), max(1, image.height // divisor)
    return image.resize(size, Image.Resampling.LANCZOS)


def _cropped(share: float) -> Change:
    """A change that cuts this share of the width and height off every side."""

    def change(image: Image.Image) -> Image.Image:
        x, y = round(image.width * share), round(image.height * share)
        return image.crop((x, y, image.width - x, image.height - y))

    return change


def _framed(image: Image.Image) -> Image.Image:
    return ImageOps.expand(image, border=max(2, round(min(image.size) * 0.02)), fill=(255, 255, 255))


def _marked(image: Image.Image) -> Image.Image:
    marked, (width, height) = image.copy(), image.size
    where, size = (width * 0.68, height * 0.93), max(8, round(height * 0.04))
    ImageDraw.Draw(marked).text(where, "(c) photographer 2024", fill=(255, 255, 255), font_size=size)
    return marked


CHANGES: dict[str, tuple[Change, str, dict[str, Any]]] = {
    "JPEG quality 50": (Image.Image.copy, ".jpg", {"quality": 50}),
    "JPEG quality 20": (Image.Image.copy, ".jpg", {"quality": 20}),
    "half size": (lambda image: _reduced(image, 2), ".jpg", {"quality": 92}),
    "quarter size": (lambda image: _reduced(image, 4), ".jpg", {"quality": 85}),
    "1% off every side": (_cropped(0.01), ".jpg", {"quality": 92}),
    "3% off every side": (_cropped(0.03), ".jpg", {"quality": 92}),
    "5% off every side": (_cropped(0.05), ".jpg", {"quality": 92}),
    "10% off every side": (_cropped(0.1), ".jpg", {"quality": 92}),
    "3% off the left": (lambda image: image.crop((round(image.width * 0.03), 0, *image.size)), ".jpg", {"quality": 92}),
    "brighter, more colour": (
        lambda image: ImageEnhance.Color(ImageEnhance.Brightness(image).enhance(1.12)).enhance(1.15),
        ".jpg",
        {"quality": 92},
    ),
    "PNG": (Image.Image.copy, ".png", {"compress_level": 1}),
    "watermark": (_marked, ".jpg", {"quality": 92}),
    "2% white frame": (_framed, ".jpg", {"quality": 92}),
    "grey": (lambda image: image.convert("L").convert("RGB"), ".jpg", {"quality": 92}),
    "mirrored": (ImageOps.mirror, ".jpg", {"quality": 92}),
}
"""What is done to a photo, and how it is saved then: suffix and Pillow's options."""


@dataclass(frozen=True, slots=True)
class Look:
    """A photo's content (sha256), its perceptual hash, uint64 (4,), and whether it has too little detail for a hash."""

    content: str
    hash: NDArray[np.uint64]
    plain: bool


def main() -> None:
    """Print the tables, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="photos to make copies of; a table for each")
    parser.add_argument("--index", help="an index of the same model, for the false pairs")
    parser.add_argument("--count", type=int, help="copy this many photos of each folder, always the same ones")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    encoder = load_encoder(options.model)
    fingerprint = encoder.spec.fingerprint
    least = copy_cosines(fingerprint.model).near_copy, copy_cosines(fingerprint.model).candidate
    report: dict[str, Any] = {
        "model": fingerprint.model,
        "near": least[0],
        "maybe": least[1],
        "bits": MAX_DIFFERING_BITS,
    }
    report["folders"] = [measure_recall(encoder, least, folder, options.count) for folder in options.folders]
    if options.index:
        with Collection(options.index) as collection:
            collection.require(fingerprint)
            report["pairs"] = measure_pairs(collection, least)
    if options.json:
        print(json.dumps(report))
    else:
        show(report)


def show(report: dict[str, Any]) -> None:
    """Print the report as tables."""
    print(f"near: cosine >= {report['near']}; maybe: cosine >= {report['maybe']}; ", end="")
    print(f"hash: at most {report['bits']} of {BITS} bits differ; both: maybe and hash")
    for folder in report["folders"]:
        print(f"\n{folder['photos']} photos of {folder['folder']}\n{'':22}", *(f"{test:>6}" for test in TESTS))
        for change, recall in folder["recall"].items():
            print(f"{change:22}", *(f"{recall[test]:6.3f}" for test in TESTS))
    if pairs := report.get("pairs"):
        counts = ", ".join(f"{test} {pairs[test]:,}" for test in TESTS)
        print(
            f"\n{pairs['pairs']:,} pairs of {pairs['photos']:,} photos: {counts}; not counting equal bytes: {pairs['false']:,}"
        )
        for pair in pairs["named"]:
            same = " (the same bytes)" if pair["same_bytes"] else ""
            print(f"{pair['bits']:4} bits, cosine {pair['cosine']:6.3f}: {' '.join(pair['names'])}{same}")


def measure_recall(encoder: Encoder, least: tuple[float, float], folder: str, count: int | None) -> dict[str, Any]:
    """How many of a folder's photos were copied, and for each change the share of the copies that pass each test."""
    files = list(find_images(folder))
    if count is not None and count < len(files):
        files = random.Random(1).sample(files, count)
    originals: list[ImageFile] = []
    copies: list[ImageFile] = []
    with tempfile.TemporaryDirectory() as place:
        for file in files:
            try:
                image = read_image(file.path)[0]
            except ImageError:
                continue
            image.thumbnail((EDGE, EDGE))
            for number, (change, suffix, how) in enumerate(CHANGES.values()):
                path = Path(place) / f"{len(originals)}-{number}{suffix}"
                change(image).save(path, **how)
                copies.append(ImageFile(str(path), 0, 0))
            originals.append(file)
        if not originals:
            raise ClipsearchError(f"{folder} has no photo that can be read")
        vectors, looks = _embed(encoder, originals + copies), _look(originals + copies)
        hashes, plain = _together([looks[file.path] for file in originals + copies])
        photos = len(originals)
        own = np.repeat(np.arange(photos), len(CHANGES))
        cosines = np.einsum("ij,ij->i", vectors[photos:], vectors[own])
        bits = np.where(plain[photos:] | plain[own], BITS, differing_bits(hashes[photos:], hashes[own]))
        with Details() as details:
            for copy in _unsure(bits).tolist():
                if not details.agree(originals[own[copy]], copies[copy]):
                    bits[copy] = BITS
    shares = _tests(least, cosines, bits).reshape(len(TESTS), photos, len(CHANGES)).mean(axis=1).T.tolist()
    recall = {change: dict(zip(TESTS, share, strict=True)) for change, share in zip(CHANGES, shares, strict=True)}
    return {"folder": folder, "photos": photos, "recall": recall}


def measure_pairs(collection: Collection, least: tuple[float, float]) -> dict[str, Any]:
    """How many pairs of an index's photos pass each test; photos that cannot be read or have changed are left out.

    "false" counts the pairs that pass both tests but do not have the same bytes.
    """
    blocks = list(collection.scan())
    records = [record for block, _ in blocks for record in block]
    looks = _look(record.file for record in records)
    contents = {path: look.content for path, look in looks.items()}
    kept = [row for row, record in enumerate(records) if contents.get(record.file.path) == record.info.content_hash]
    if not kept:
        raise ClipsearchError("the index has no photo that can be read and is as it was")
    vectors = np.concatenate([block for _, block in blocks])[kept]
    files = [records[row].file for row in kept]
    hashes, plain = _together([looks[file.path] for file in files])
    counts, false = np.zeros(len(TESTS), np.int64), 0
    named: list[dict[str, Any]] = []
    for start in range(0, len(files), _ROWS):
        rows = slice(start, start + _ROWS)
        cosines = vectors[rows] @ vectors[start:].T
        bits = np.stack([differing_bits(row, hashes[start:]) for row in hashes[rows]])
        bits[plain[rows, None] | plain[start:]] = BITS
        later, found = np.triu(np.ones(bits.shape, bool), 1), bits.copy()
        with Details() as details:
            for row, column in _unsure(np.where(later & (cosines >= least[1]), bits, BITS)).tolist():
                if not details.agree(files[start + row], files[start + column]):
                    found[row, column] = BITS
        tests = _tests(least, cosines, found) & later
        counts += tests.sum(axis=(1, 2))
        for row, column in np.argwhere(later & (bits <= NAMED_BITS)).tolist():
            a, b = files[start + row], files[start + column]
            same = contents[a.path] == contents[b.path]
            false += bool(tests[-1, row, column]) and not same
            pair = {"bits": int(bits[row, column]), "cosine": float(cosines[row, column]), "same_bytes": same}
            named.append({**pair, "names": [a.name, b.name]})
    named.sort(key=lambda pair: pair["bits"])
    passed = dict(zip(TESTS, counts.tolist(), strict=True))
    pairs = len(files) * (len(files) - 1) // 2
    return {"photos": len(files), "pairs": pairs, **passed, "false": false, "named": named}


def _tests(least: tuple[float, float], cosines: NDArray[np.float32], bits: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which pairs (...) pass each of TESTS, bool (4, ...)."""
    near, maybe, like = cosines >= least[0], cosines >= least[1], bits <= MAX_DIFFERING_BITS
    return np.stack([near, maybe, like, maybe & like])


def _unsure(bits: NDArray[np.int64]) -> NDArray[np.intp]:
    """The places of the pairs of which details decide: (n,) of a list of pairs, (n, 2) of a table."""
    return np.argwhere((bits > SURE_BITS) & (bits <= MAX_DIFFERING_BITS)).squeeze(-1 if bits.ndim == 1 else ())


def _look(files: Iterable[ImageFile]) -> dict[str, Look]:
    """The perceptual hash of each photo by path; photos that cannot be read are left out."""
    looks: dict[str, Look] = {}
    with DecoderPool(HASH_PIXELS) as pool:
        for outcome in pool.read(files):
            if isinstance(outcome, Decoded):
                hashed, plain = perceptual_hashes(outcome.picture[None])[0], bool(are_plain(outcome.picture[None])[0])
                looks[outcome.file.path] = Look(outcome.info.content_hash, hashed, plain)
    return looks


def _together(looks: Sequence[Look]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    return np.stack([look.hash for look in looks]), np.array([look.plain for look in looks])


def _embed(encoder: Encoder, files: Sequence[ImageFile]) -> Embeddings:
    """Vectors (n, dim) of photos. Raises ClipsearchError if a photo cannot be read."""
    vectors: dict[str, NDArray[np.float32]] = {}  # by content
    contents: list[str] = []
    with DecoderPool(encoder.spec.pixels) as pool:
        for outcomes in embed_files(files, encoder, pool, known=vectors.__contains__):
            for outcome in outcomes:
                if not isinstance(outcome, Embedded):
                    raise ClipsearchError(f"{outcome.file.path}: {outcome.reason}")
                contents.append(outcome.info.content_hash)
                if outcome.vectors is not None:
                    vectors[outcome.info.content_hash] = outcome.vectors[0]
    return np.stack([vectors[content] for content in contents])


if __name__ == "__main__":
    main()
