"""Templates that make a word read like the captions a model has learned from, and everyday queries to measure with."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from clipsearch._internal.arguments import short
from clipsearch.encoders.base import Encoder, ModelSpec, normalise, stripped_texts
from clipsearch.encoders.other_languages import words_of_other_languages
from clipsearch.errors import QueryError
from clipsearch.types import Embeddings

PHOTO = ("a photo of a {}",)
"""A good default according to CLIP's paper (Radford et al. 2021, section 3.1.4); here without its full stop."""

ENSEMBLE = (
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)
"""Seven templates out of eighty, chosen one after another on ImageNet; together they do better than all eighty.

From OpenAI's notebooks/Prompt_Engineering_for_ImageNet.ipynb for CLIP (MIT); "itap" is "I took a picture".
"""

_WORD = re.compile(r"[A-Za-z]+")
_BATCH = 64  # texts encoded at once


def embed_with_prompts(
    encoder: Encoder,
    texts: Sequence[str],
    prompts: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> Embeddings:
    """Unit vectors (n, dim) of texts put into templates: the mean of the unit vectors over all prompts, normalised again.

    This is CLIP's zero-shot classifier (Radford et al. 2021, section 3.1.4). Without prompts, the texts are encoded as they
    are. `progress` is called with the number of sentences just encoded; there are len(texts) * max(1, len(prompts)).

    Raises QueryError for an empty text, and for a prompt that does not contain exactly one "{}".
    """
    check_prompts(prompts)
    stripped = stripped_texts(texts)
    total: Embeddings = np.zeros((len(stripped), encoder.spec.dim), np.float32)
    for prompt in prompts or ("{}",):
        for start in range(0, len(stripped), _BATCH):
            sentences = [prompt.replace("{}", text) for text in stripped[start : start + _BATCH]]
            total[start : start + _BATCH] += encoder.encode_texts(sentences)
            if progress:
                progress(len(sentences))
    return normalise(total) if len(prompts) > 1 else total


def default_prompts(spec: ModelSpec, text: str) -> tuple[str, ...]:
    """The templates that a query's text is put into if the user names none: PHOTO for a single English word, else none.

    They suit only models whose labels are put into templates. With `mini`, a single word so ranks photos better, at no cost:
    docs/explanation/match.md has the figures. More templates did not do better.
    """
    is_word = bool(_WORD.fullmatch(text.strip())) and not words_of_other_languages(text)
    return PHOTO if is_word and spec.label_prompts else ()


def check_prompts(prompts: Iterable[str]) -> list[str]:
    """The prompts as a list. Raises QueryError for one that does not contain exactly one "{}"."""
    if isinstance(prompts, str):
        raise TypeError("prompts are a list of templates, not one template")
    if not isinstance(prompts, Iterable):
        raise TypeError(f"prompts are a list of templates (str), not {short(prompts)}")
    templates = list(prompts)
    for prompt in templates:
        if not isinstance(prompt, str):
            raise TypeError(f"prompts are a list of templates; {short(prompt)} is not a text (str)")
        if (count := prompt.count("{}")) != 1:
            raise QueryError(
                f"the prompt {prompt!r} has {count or 'no'} {{}}; put exactly one where the text goes, as in "
                "'a photo of a {}'"
            )
    return templates


@cache
def everyday_texts() -> tuple[str, ...]:
    """Short texts of everyday things, such as "a dog", from everyday.txt: names of classes of COCO and ImageNet.

    Their embeddings by CLIP ViT-B/32 are among the data of training/calibrate.py. Four times as many did not make `match`
    better, and SigLIP 2 takes a seventh of a second for each.
    """
    names = Path(__file__).resolve().with_name("everyday.txt").read_text("utf-8").splitlines()
    return tuple(f"a {name}" for name in names)


@cache
def query_bank() -> tuple[str, ...]:
    """128 everyday descriptions of photos, from queries.txt."""
    return tuple(Path(__file__).resolve().with_name("queries.txt").read_text("utf-8").splitlines())
