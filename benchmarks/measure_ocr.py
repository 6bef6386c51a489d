#!/usr/bin/env python3
"""Measure how well text in pictures is read, and what it costs, with and without text.

    python benchmarks/make_library.py /tmp/library
    python benchmarks/measure_ocr.py /tmp/library --photos data/photos    # 10 minutes

It needs the extra `ocr`. Times are CPU time of one process, without decoding the file.
"""

from __future__ import annotations

import argparse
import time
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from photo_library.truth import read_truth
from PIL import Image

from clipsearch.images.preprocess import fit_for_reading
from clipsearch.images.text_reader import TextReader
from clipsearch.types import TextSpec

_CONTINUOUS = ("Chinese", "Japanese")  # scripts without spaces between words: their letters are counted


@dataclass
class Sum:
    """What was read of some pictures."""

    pictures: int = 0
    found: int = 0  # words, or letters of continuous scripts
    wanted: int = 0
    read: int = 0  # words in what was read
    seconds: float = 0.0

    def row(self, name: str) -> str:
        """For people."""
        recall, precision = self.found / max(1, self.wanted), self.found / max(1, self.read)
        return (
            f"{name:<18} {self.pictures:>4} pictures  recall {recall:.3f}  precision {precision:.3f}  "
            f"{1000 * self.seconds / max(1, self.pictures):>6.0f} ms"
        )


def words(text: str, script: str) -> list[str]:
    """The words of a text in small letters without accents, or the letters of a continuous script."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(sign if sign.isalnum() else " " for sign in plain if not unicodedata.combining(sign))
    return [*plain.replace(" ", "")] if script in _CONTINUOUS else plain.split()


def common(one: list[str], other: list[str]) -> int:
    """How many words are in both, each as often as in both."""
    return sum(min(one.count(word), other.count(word)) for word in set(one))


def opened(path: Path) -> Image.Image:
    """A picture as the decoding processes hand it to the reader."""
    return fit_for_reading(Image.open(path).convert("RGB"), TextSpec())


def measure_texts(library: Path, reader: TextReader, every: int) -> None:
    """Pictures with text: how many of their words are read, by script, kind and size."""
    sums: defaultdict[str, Sum] = defaultdict(Sum)
    for text in read_truth(library).texts[::every]:
        picture = opened(library / text.path)
        start = time.process_time()
        said = words(reader.read(picture), text.script)
        seconds = time.process_time() - start
        wanted = words(" ".join(text.lines), text.script)
        keys = [text.script]
        if text.script in ("Latin", *_CONTINUOUS):
            keys += [text.kind, f"{text.text_height // 12 * 12}+ pixels", f"{abs(text.angle) // 5 * 5:.0f}+ degrees"]
        for key in keys:
            entry = sums[key]
            entry.pictures += 1
            entry.found += common(said, wanted)
            entry.wanted += len(wanted)
            entry.read += len(said)
            entry.seconds += seconds
    for key, entry in sorted(sums.items()):
        print(entry.row(key))


def measure_photos(folder: Path, reader: TextReader) -> None:
    """Photos: how many hold text, and what reading them costs."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for path in paths:
        picture = opened(path)
        start = time.process_time()
        text = reader.read(picture)
        seconds[bool(text)].append(time.process_time() - start)
    for holds_text, times in seconds.items():
        mean = 1000 * sum(times) / max(1, len(times))
        print(f"{folder}: {len(times)} photos {'with' if holds_text else 'without'} text, {mean:.0f} ms each")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path, help="made by make_library.py")
    parser.add_argument("--photos", type=Path, action="append", default=[], help="a folder of other photos; repeatable")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take one picture with text of N")
    options = parser.parse_args()
    reader = TextReader()
    reader.load()
    for folder in options.photos:
        measure_photos(folder, reader)
    measure_texts(options.library, reader, options.every)


if __name__ == "__main__":
    main()
