"""Templates that a text is put into, so that a word reads like the captions a model has learned from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from clipsearch.encoders.base import Encoder, normalise
from clipsearch.errors import QueryError
from clipsearch.types import Embeddings

PHOTO = ("a photo of a {}",)
"""A good default, says CLIP's paper (Radford et al. 2021, section 3.1.4); here without its full stop."""

ENSEMBLE = (
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)
"""Seven templates that were chosen on ImageNet, one after another, out of eighty; together they do better than all eighty.

By OpenAI, in CLIP's notebooks/Prompt_Engineering_for_ImageNet.ipynb (MIT); "itap" is "I took a picture".
"""

_BATCH = 64  # texts encoded at once


def embed_with_prompts(
    encoder: Encoder,
    texts: Sequence[str],
    prompts: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> Embeddings:
    """Unit vectors (n, dim) of texts: each is put into every prompt, and the mean of the unit vectors is normalised again.

    That is CLIP's zero-shot classifier (Radford et al. 2021, section 3.1.4). Without prompts, the texts as they are. `progress`
    is called with how many sentences have just been encoded; there are len(texts) * max(1, len(prompts)). QueryError for an
    empty text, and for a prompt that has not exactly one "{}".
    """
    if isinstance(texts, str):
        raise TypeError("embed_with_prompts takes a list of texts, not one text")
    check_prompts(prompts)
    cleaned = [text.strip() for text in texts]
    if not all(cleaned):
        raise QueryError("the text is empty; describe the photo you are looking for")
    total: Embeddings = np.zeros((len(cleaned), encoder.spec.dim), np.float32)
    for prompt in prompts or ("{}",):
        for start in range(0, len(cleaned), _BATCH):
            sentences = [prompt.replace("{}", text) for text in cleaned[start : start + _BATCH]]
            total[start : start + _BATCH] += encoder.encode_texts(sentences)
            if progress:
                progress(len(sentences))
    return normalise(total) if len(prompts) > 1 else total


def check_prompts(prompts: Sequence[str]) -> None:
    """Raise QueryError for a prompt that has not exactly one "{}"."""
    if isinstance(prompts, str):
        raise TypeError("prompts are a list of templates, not one template")
    for prompt in prompts:
        if (count := prompt.count("{}")) != 1:
            raise QueryError(
                f"the prompt {prompt!r} has {count or 'no'} {{}}; it needs exactly one, where the text goes, as in "
                "'a photo of a {}'"
            )
