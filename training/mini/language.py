"""A second, untrained way from photos to words, for nouns that are neither ImageNet classes nor in Flickr8k's captions.

ConSE as it was published (Norouzi et al., arXiv:1312.5650): a photo is placed among the text encoder's own embeddings, at the
average of its classes' names weighted by the classifier's posterior. It knows nothing of captions. But a photo of an animal
without a class still lands among similar animals, and language has put the animal's name there too.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from mini.minilm import MiniLM, encode, tokenise
from mini.words import Concept

SHARPNESS = 0.3  # factor on the classifier's logits
WEIGHT = 0.2  # weight of this cosine beside the trained one; both are the best of a few on Flickr8k's development split
CAPTIONS = 3000  # the mean of these is subtracted, so that cosines differ more


@dataclass(frozen=True)
class Language:
    """The mean of text embeddings (384,), and the classes' own (1000, 384), centred."""

    mean: Tensor
    classes: Tensor


@torch.no_grad()
def read_language(encoder: MiniLM, tokenizer: Tokenizer, classes: list[Concept], captions: list[str]) -> Language:
    """Embed each class by its names, and by its names with its gloss."""

    def embed(texts: list[str]) -> Tensor:
        return functional.normalize(encode(encoder, tokenise(tokenizer, texts)), dim=1)

    names = [", ".join(concept.lemmas) for concept in classes]
    glossed = [f"{name}: {concept.gloss}" for name, concept in zip(names, classes, strict=True)]
    both = functional.normalize(embed(names) + embed(glossed), dim=1)
    step = max(1, len(captions) // CAPTIONS)
    return Language(embed(captions[::step]).mean(0), both - both.mean(0))
