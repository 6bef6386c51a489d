"""Real embeddings of CLIP ViT-B/32, made by others, for a model whose weights are not at hand.

The archive holds 500 captions and 1,100 photos of Flickr8k, and other data. Caption k belongs to photo k // 5 of the first
hundred: with this order, the nearest of 1,091 photos is right for 57 % of the captions. Those hundred are the first of
captions.jsonl: their similarities to each other agree with those that `mini` computes (r = 0.49). With the first hundred of the
other splits, |r| < 0.05. The captions of the other photos are not known.

The archive also has embeddings of class names, "a {name}", in the usual order of their sets (checked by their neighbours).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.queries import SAYS, QuerySet, count
from calibration.tasks import Task
from clipsearch.analysis.evaluation import CaptionedExample, read_captions
from clipsearch.encoders.prompts import everyday_texts

MODEL = "openai/clip-vit-base-patch32"
SCALE = 100.0  # its logit_scale.exp()
_CAPTIONED, _CAPTIONS = "flickr8k_chia213", "flickr8k_captions_chia213"
_OTHERS = "flickr8k_ketaki"
_COPY = 0.99  # cosine from which two photos count as the same; copies have 0.9999, the nearest others 0.92

_COCO = """person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign,
parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella, handbag, tie,
suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, surfboard, tennis racket,
bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut,
cake, chair, couch, potted plant, bed, dining table, toilet, tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven,
toaster, sink, refrigerator, book, clock, vase, scissors, teddy bear, hair drier, toothbrush"""
_SYNONYMS = {
    "person": "people man men woman women boy boys girl girls child children kid kids baby toddler",
    "bicycle": "bike bikes",
    "sports ball": "ball balls soccer football basketball baseball tennis",
    "couch": "sofa",
    "orange": "oranges",  # the fruit: the colour is no orange
}


def clip_tasks(shared: Path, half: int) -> list[Task]:
    """Three tasks: captions of every second captioned photo against all, class names on those photos, and absent names."""
    with np.load(shared / "embeddings" / "clip_b32_real.npz", allow_pickle=False) as archive:
        images, texts = _units(archive["image"]), _units(archive["text"])
        image_source, text_source = archive["image_source"], archive["text_source"]
    captioned, photos = images[image_source == _CAPTIONED], _photos(images, image_source)
    everything = read_captions(shared / "flickr8k" / "captions.jsonl")
    known = everything[: len(captioned)]
    mine = np.arange(len(captioned)) % 2 == half

    names = [*_coco(), *_imagenet(shared)]
    vectors = np.concatenate([texts[text_source == "coco_a_cname"], texts[text_source == "imagenet1k_classes_a"]])
    phrases = tuple(f"a {name}" for name in names)
    everyday = vectors[[phrases.index(text) for text in everyday_texts()]] @ photos.T

    owners = np.repeat(np.arange(len(captioned)), 5)
    relevant = owners[:, None] == np.arange(len(photos))
    captions = tuple(caption for photo in known for caption in photo.captions)
    descriptions = Task(
        QuerySet("descriptions", captions, relevant, np.ones_like(relevant)),
        texts[text_source == _CAPTIONS] @ photos.T,
        everyday,
    ).some(np.flatnonzero(mine[owners]))

    said = np.zeros((len(names), len(photos)), np.intp)
    said[:, : len(known)] = [count(_forms(name), known) for name in names]
    judged = np.zeros(said.shape, np.bool_)
    judged[:, : len(known)] = mine & ((said[:, : len(known)] >= SAYS) | (said[:, : len(known)] == 0))
    named = Task(QuerySet("words", phrases, (said >= SAYS) & judged, judged), vectors @ photos.T, everyday)
    nothing = np.zeros(said.shape, np.bool_)
    absent = Task(QuerySet("absent", phrases, nothing, ~nothing), named.scores, everyday)
    return [
        descriptions,
        named.some(np.flatnonzero(named.queries.relevant.any(axis=1))),
        absent.some(_unheard(names, everything)[half::2]),
    ]


def caption_vectors(shared: Path) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
    """The captions (n, dim), all photos (m, dim), and the photo (n,) of each caption."""
    with np.load(shared / "embeddings" / "clip_b32_real.npz", allow_pickle=False) as archive:
        images, texts = _units(archive["image"]), _units(archive["text"])
        image_source, text_source = archive["image_source"], archive["text_source"]
    captions = texts[text_source == _CAPTIONS]
    return captions, _photos(images, image_source), np.arange(len(captions)) // 5


def _photos(images: NDArray[np.float64], source: NDArray[np.str_]) -> NDArray[np.float64]:
    """The captioned photos, then the others of Flickr8k that are not copies of them."""
    captioned, others = images[source == _CAPTIONED], images[source == _OTHERS]
    return np.concatenate([captioned, others[(others @ captioned.T).max(axis=1) < _COPY]])


def _coco() -> list[str]:
    return re.split(r",\s+", _COCO)


def _imagenet(shared: Path) -> list[str]:
    lines = (shared / "imagenet_sample" / "labels.jsonl").read_text("utf-8").splitlines()
    labels = {line["class_index"]: line["label"] for line in map(json.loads, lines)}
    return [labels[number] for number in sorted(labels)]


def _forms(name: str) -> set[str]:
    own = set() if name == "orange" else {name, f"{name}s"}
    return own | set(_SYNONYMS.get(name, "").split())


def _unheard(names: Sequence[str], photos: Sequence[CaptionedExample]) -> NDArray[np.intp]:
    """Rows of the animals that no caption of Flickr8k names. Dogs are left out, since captions seldom name their breeds."""
    heard = {word for photo in photos for caption in photo.captions for word in re.findall("[a-z]+", caption.lower())}
    words = [re.findall("[a-z]+", name.lower()) for name in names]
    animals = {
        80 + number for number in range(398) if number not in range(151, 276)
    }  # of ImageNet, after COCO's 80 names
    silent = [not any({w, f"{w}s", f"{w}es", w.removesuffix("s")} & heard for w in row) for row in words]
    return np.flatnonzero([quiet and row in animals for row, quiet in enumerate(silent)])


def _units(vectors: NDArray[np.float16]) -> NDArray[np.float64]:
    wide = vectors.astype(np.float64)
    units: NDArray[np.float64] = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return units
