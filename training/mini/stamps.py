"""Tux Paint's stamps (Debian's `tuxpaint-stamps-default`): photos of single things, cut out, each with its name.

They show things that are missing from Flickr8k and from ImageNet's classes: a giraffe, a kitten, fruit, tools, instruments.
Every view puts one on another backdrop, a blurred piece of a training photo.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mini.features import Photo

# This file names the sources of clipsearch's test photos; three are stamps.
TESTED = Path(__file__).resolve().parents[2] / "data" / "photos" / "captions.jsonl"
_DRAWN = re.compile(r"cartoon|symbols|flags|roadsigns|_mirror|toys|ammunition")
_END = re.compile(r"[.!?;:(—]| is | lets | was | resembles |, also")
_NAMES = re.compile(r"(an?|the|two|some|our) |(\w[\w\u2019'-]* ?){1,3}$", re.IGNORECASE)
_LONGEST = 40  # characters of a name
_OF_A_NAME = 2  # stamps with the same name; training would treat more of them as wrong answers for each other
_PROMPTS = ("{}", "a photo of {}", "a picture of {}", "{} in the picture")
_BACKDROPS = 16


def read_stamps(folder: Path, backdrops: Sequence[Path]) -> list[Photo]:
    """The stamps that are photos with a name of a few words, ordered by path, without the test photos."""
    tested = TESTED.read_text("utf-8")
    found, seen = [], Counter[str]()
    for path in sorted(folder.rglob("*.png")):
        said, inside = path.with_suffix(".txt"), path.relative_to(folder).as_posix()
        if _DRAWN.search(inside) or not said.exists() or f"stamps/{inside}" in tested:
            continue
        name = _END.split(said.read_text("utf-8").split("\n")[0])[0].strip().replace("“", "").replace("”", "")
        name = name[:1].lower() + name[1:]
        if not (_NAMES.match(name) and len(name) <= _LONGEST) or seen[name] == _OF_A_NAME:
            continue
        seen[name] += 1
        bare = re.sub(r"^(an?|the|our) ", "", name)
        start = 37 * len(found)
        behind = tuple(backdrops[(start + 997 * step) % len(backdrops)] for step in range(_BACKDROPS))
        found.append(Photo(path, "train", (*(prompt.format(name) for prompt in _PROMPTS), bare), behind))
    return found
