"""Queries with known answers: human captions, plain words, and things that are in no photo."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from clipsearch.analysis.evaluation import CaptionedExample
from clipsearch.errors import ClipsearchError

Weights: TypeAlias = NDArray[np.float64]

MANY = 20  # photos of a thing that is asked by a single word
SAYS = 2  # how many of a photo's five captions must name a thing, for the photo to count as showing it


@dataclass(frozen=True, slots=True)
class QuerySet:
    """Queries and, for each, which photos are relevant.

    name: "descriptions" (a caption and the photo that it was written for; every other pair counts as not relevant, though many
    captions fit other photos too), "words" (a thing in plain words; relevant if two captions of a photo name it, not if no
    caption does, else not judged), "single" (the same for single words that enough photos show), "absent"
    (things that no caption names), or "removed" (captions whose photo is not in the index).
    """

    name: str
    texts: tuple[str, ...]
    relevant: NDArray[np.bool_]  # (texts, photos)
    judged: NDArray[np.bool_]  # (texts, photos): whether the captions decide it


def descriptions(photos: Sequence[CaptionedExample]) -> QuerySet:
    """All captions of photos, in order."""
    owners = np.repeat(np.arange(len(photos)), [len(photo.captions) for photo in photos])
    texts = tuple(caption for photo in photos for caption in photo.captions)
    relevant = owners[:, None] == np.arange(len(photos))
    return QuerySet("descriptions", texts, relevant, np.ones_like(relevant))


def words(path: Path, photos: Sequence[CaptionedExample]) -> QuerySet:
    """The queries of a file like data/relevance/words.txt, judged by photos' captions."""
    things, wanted = _read_words(path)
    said = {thing: count(forms, photos) for thing, forms in things.items()}
    least = np.array([np.min([said[thing] for thing in parts], axis=0) for parts in wanted.values()])
    return QuerySet("words", tuple(wanted), least >= SAYS, (least >= SAYS) | (least == 0))


def single_words(path: Path, photos: Sequence[CaptionedExample]) -> QuerySet:
    """The things of a file like data/relevance/words.txt, asked by one word, if MANY photos show them."""
    things, _ = _read_words(path)
    said = {thing: found for thing, forms in things.items() if ((found := count(forms, photos)) >= SAYS).sum() >= MANY}
    counts = np.array(list(said.values()))
    return QuerySet("single", tuple(said), counts >= SAYS, (counts >= SAYS) | (counts == 0))


def absent(path: Path, photos: Sequence[CaptionedExample]) -> QuerySet:
    """The queries of a file like data/relevance/absent.txt. Raises ClipsearchError if a caption names one of the things."""
    lines = path.read_text("utf-8").splitlines()
    for line in lines:
        thing = line.split("*")[1].lower()
        if np.any(count({thing, f"{thing}s", f"{thing}es", thing.removesuffix("s")}, photos)):
            raise ClipsearchError(f"{path}: {thing!r} is named by a caption, so it may well be there; take it out")
    nothing = np.zeros((len(lines), len(photos)), np.bool_)
    return QuerySet("absent", tuple(line.replace("*", "") for line in lines), nothing, ~nothing)


def count(forms: set[str], photos: Sequence[CaptionedExample]) -> NDArray[np.intp]:
    """The number of captions of each photo (photos,) that contain one of the words."""
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(forms)))})\b", re.IGNORECASE)
    return np.array([sum(bool(pattern.search(caption)) for caption in photo.captions) for photo in photos], np.intp)


def _read_words(path: Path) -> tuple[dict[str, set[str]], dict[str, list[str]]]:
    """Read lines "@thing: its words" and "query: things that it asks for"; "#" starts a remark."""
    things: dict[str, set[str]] = {}
    wanted: dict[str, list[str]] = {}
    for line in path.read_text("utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, rest = line.partition(":")
            if name.startswith("@"):
                things[name[1:]] = set(rest.split())
            else:
                wanted[name] = rest.split()
    return things, wanted


def judgements(
    path: Path, photos: Sequence[CaptionedExample]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_], Weights]:
    """Pairs that a person judged: rows of `descriptions(photos)`, photos, whether both fit together, and weights.

    The pairs were drawn by their match, so each stands for `weight` pairs of a caption and another caption's photo.
    """
    number = {photo.image: row for row, photo in enumerate(photos)}
    first = np.cumsum([0, *(len(photo.captions) for photo in photos)])
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return (
        np.array([first[number[line["caption_of"]]] + line["caption"] for line in lines], np.intp),
        np.array([number[line["image"]] for line in lines], np.intp),
        np.array([line["fits"] for line in lines], np.bool_),
        np.array([line["stands_for"] for line in lines], np.float64),
    )
