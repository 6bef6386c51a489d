"""Everything that training reads, in memory: features of photos, tokenised texts, targets over the 1,000 classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from mini.features import Photo
from mini.minilm import MiniLM, encode, tokenise
from mini.phrases import Phrase
from mini.towers import Tail
from mini.vision import Trunk
from mini.words import Concept

PROMPTS = ("{}", "a photo of a {}", "a {}", "the {}", "a picture of a {} .", "{} in the scene")
NOUN_TEMPERATURE = 0.06


@dataclass
class Texts:
    """Tokenised texts, the original MiniLM's embedding of each (n, 384), and their owners if needed."""

    rows: list[list[int]]
    pooled: Tensor


@dataclass
class Views:
    """Cached activations of photos in several views: maps are float16 (views, n, 208, 9, 9), base (views, n, 1280)."""

    maps: list[Maps]
    base: Tensor


class Maps:
    """Several files of cached maps as one array (n, 208, 9, 9), read row by row."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.parts = [np.load(file, mmap_mode="r") for file in files]
        self._ends = np.cumsum([len(part) for part in self.parts])

    def __getitem__(self, row: int) -> np.ndarray:
        part = int(np.searchsorted(self._ends, row, side="right"))
        return self.parts[part][row - self._ends[part]]


@dataclass
class Corpus:
    """The training set and the development split."""

    train: Views  # photos, then stamps
    photos: int
    captions: Texts  # five for each photo, in order
    concepts: Texts
    concept_rows: list[Tensor]  # which texts name each concept
    descent: Tensor  # (concepts - 1000, 1000): uniform over the classes under each hypernym
    labels: Texts  # one plain prompt for each class
    nouns: Texts
    noun_targets: Tensor  # (nouns, 1000)
    phrases: Texts  # as many texts for each phrase as there are forms of it
    phrase_photos: Tensor  # (phrases, train): how many captions of a photo have the phrase, uint8
    dev: Views
    dev_captions: Texts


@torch.no_grad()
def base_features(tail: Tail, maps: np.ndarray, batch: int = 100) -> Tensor:
    """Pooled features (n, 1280) of cached maps (n, 208, 9, 9)."""
    pieces = [tail(torch.from_numpy(maps[i : i + batch].astype(np.float32))) for i in range(0, len(maps), batch)]
    return torch.cat(pieces)


def load_views(trunk: Trunk, views: list[tuple[Path, ...]]) -> Views:
    """Cached maps, one or several files a view, and the untouched tail's features of them, which are cached too."""
    tail = Tail(trunk).eval()
    base = []
    for files in tqdm(views, desc="features"):
        pooled = []
        for file in files:
            cache = file.with_suffix(".pool.npy")
            if not cache.exists():
                np.save(cache, base_features(tail, np.load(file, mmap_mode="r")).numpy())
            pooled.append(torch.from_numpy(np.load(cache)))
        base.append(torch.cat(pooled))
    return Views([Maps(files) for files in views], torch.stack(base))


def read_texts(encoder: MiniLM, tokenizer: Tokenizer, texts: list[str], cache: Path) -> Texts:
    """Tokenise and embed texts; the embeddings are cached."""
    rows = tokenise(tokenizer, texts)
    if not cache.exists():
        np.save(cache, encode(encoder, rows).numpy())
    return Texts(rows, torch.from_numpy(np.load(cache)))


def noun_targets(encoder: MiniLM, tokenizer: Tokenizer, nouns: list[tuple[str, str]], classes: list[Concept]) -> Tensor:
    """A guess at the classes that a noun looks like: softmax over MiniLM's similarity of "name: gloss" to each class's."""
    named = tokenise(tokenizer, [f"{noun}: {gloss}" for noun, gloss in nouns])
    known = tokenise(tokenizer, [f"{', '.join(concept.lemmas)}: {concept.gloss}" for concept in classes])
    similarity = (
        functional.normalize(encode(encoder, named), dim=1) @ functional.normalize(encode(encoder, known), dim=1).T
    )
    return functional.softmax(similarity / NOUN_TEMPERATURE, 1)


def build_corpus(
    trunk: Trunk, encoder: MiniLM, tokenizer: Tokenizer, photos: list[Photo], concepts: list[Concept],
    nouns: list[tuple[str, str]], phrases: list[Phrase], cache: Path, views: int,
) -> Corpus:  # fmt: skip
    """Assemble the corpus from the cached maps in `cache`."""

    def captions(split: str) -> Texts:
        texts = [caption for photo in photos if photo.split == split for caption in photo.captions]
        return read_texts(encoder, tokenizer, texts, cache / f"captions_{split}.npy")

    texts, owners = [], []
    for index, concept in enumerate(concepts):
        mine = [prompt.format(lemma) for lemma in concept.lemmas for prompt in PROMPTS] + [concept.gloss]
        texts += mine
        owners += [index] * len(mine)
    owner = torch.tensor(owners)
    descent = torch.zeros(len(concepts) - 1000, 1000)
    for row, concept in zip(descent, concepts[1000:], strict=True):
        row[list(concept.classes)] = 1 / len(concept.classes)
    targets = cache / "noun_targets.npy"
    if not targets.exists():
        np.save(targets, noun_targets(encoder, tokenizer, nouns, concepts[:1000]).numpy())
    train = load_views(trunk, [(cache / f"train_{view}.npy", cache / f"stamps_{view}.npy") for view in range(views)])
    phrase_photos = torch.zeros(len(phrases), train.base.shape[1], dtype=torch.uint8)
    for row, phrase in zip(phrase_photos, phrases, strict=True):
        row[list(phrase.photos)] = torch.tensor(list(phrase.photos.values()), dtype=torch.uint8)
    return Corpus(
        train=train,
        photos=sum(photo.split == "train" and not photo.backdrops for photo in photos),
        captions=captions("train"),
        concepts=read_texts(encoder, tokenizer, texts, cache / "concepts.npy"),
        concept_rows=[torch.where(owner == index)[0] for index in range(len(concepts))],
        descent=descent,
        labels=read_texts(
            encoder, tokenizer, [PROMPTS[1].format(c.lemmas[0]) for c in concepts[:1000]], cache / "labels.npy"
        ),
        nouns=read_texts(encoder, tokenizer, [noun for noun, _ in nouns], cache / "nouns.npy"),
        noun_targets=torch.from_numpy(np.load(targets)),
        phrases=read_texts(
            encoder, tokenizer, [text for phrase in phrases for text in phrase.texts()], cache / "phrases.npy"
        ),
        phrase_photos=phrase_photos,
        dev=load_views(trunk, [(cache / "dev_0.npy",)]),
        dev_captions=captions("dev"),
    )
