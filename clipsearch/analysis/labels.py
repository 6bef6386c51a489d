"""Zero-shot labels: which of the user's words suits each photo best, and how likely each one is."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.cancel import CancelToken
from clipsearch.encoders.base import Encoder
from clipsearch.encoders.prompts import check_prompts, embed_with_prompts, query_bank
from clipsearch.errors import ClipsearchError, ClipsearchWarning, QueryError
from clipsearch.store.collection import Collection
from clipsearch.types import Condition, Embeddings, ImageRecord

_BLOCK = 4096  # photos read at once, at most
_MAX_LOGITS = 1 << 21  # computed at once, 16 MB, however many labels and photos there are
# Control characters, and what Python makes of bytes that are not UTF-8.
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_MIN_NOUN = 3  # letters; too many words start like a shorter one


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """A photo and how likely each label is.

    `probabilities` (labels,), float64, only compare the labels with each other, as CLIP classifies: they are the softmax of
    logit_scale * cosine and sum to 1, even for a photo that shows none of the labels. `match` is the probability in [0, 1] that
    the photo shows any of the labels: the share that they keep when everyday scenes compete with them.
    """

    record: ImageRecord
    probabilities: NDArray[np.float64]
    match: float

    def best(self, count: int, least: float = 0.0) -> list[tuple[int, float]]:
        """At most `count` labels, the likeliest first: (position, probability). Equal ones are in the order of the labels.

        Leaves out labels whose probability * match is less than `least`.
        """
        order = np.argsort(-self.probabilities, kind="stable")[:count].tolist()
        return [(label, p) for label in order if (p := float(self.probabilities[label])) * self.match >= least]


def label_images(
    collection: Collection,
    encoder: Encoder,
    labels: Sequence[str],
    prompts: Sequence[str] | None,
    condition: Condition | None,
    progress: Callable[[int], None] | None,
    cancel: CancelToken | None,
) -> Generator[LabelledImage, None, None]:
    """Label the photos that meet a condition, or all, in the order of their image ids.

    All labels are encoded first. Photos are read block by block while the caller iterates; close the generator before the
    collection.
    """
    token = cancel or CancelToken()
    texts = check_labels(labels)
    templates = encoder.spec.label_prompts if prompts is None else prompts
    check_prompts(templates)
    label_vectors = embed_with_prompts(encoder, texts, templates, token.checked(progress))
    scene_vectors = encoder.encode_texts(competing_scenes(texts))

    def labelled() -> Generator[LabelledImage, None, None]:
        rows = min(max(1, _MAX_LOGITS // (len(label_vectors) + len(scene_vectors))), _BLOCK)
        for records, vectors in token.each(collection.scan(condition, rows)):
            shares, matches = probabilities(vectors, label_vectors, scene_vectors, encoder.spec.logit_scale)
            for record, row, match in zip(records, shares, matches.tolist(), strict=True):
                yield LabelledImage(replace(record, moment=None), row, match)

    return labelled()


def probabilities(
    images: Embeddings, labels: Embeddings, scenes: Embeddings, logit_scale: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities (n, labels), whose rows sum to 1, and matches (n,), both float64, of images (n, dim).

    LabelledImage defines them. The bias of SigLIP's logits would change nothing.
    """
    logits = logit_scale * (images.astype(np.float64) @ np.concatenate([labels, scenes]).T.astype(np.float64))
    weights = np.exp(logits - logits[:, : len(labels)].max(axis=1, keepdims=True))
    label_weight = weights[:, : len(labels)].sum(axis=1)
    match = label_weight / (label_weight + weights[:, len(labels) :].sum(axis=1))
    return weights[:, : len(labels)] / label_weight[:, None], match


def competing_scenes(labels: Sequence[str]) -> list[str]:
    """The everyday scenes that compete with labels: those without a word that starts like the last word of a label.

    "a dog on a beach" may suit a photo better than "dog", but it is a photo of a dog all the same.
    """
    nouns = {label.split()[-1].casefold() for label in labels}
    starts = tuple(
        noun.removesuffix("s") if len(noun) > _MIN_NOUN else noun for noun in nouns if len(noun) >= _MIN_NOUN
    )
    return [scene for scene in query_bank() if not any(word.startswith(starts) for word in scene.casefold().split())]


def read_labels(path: str | os.PathLike[str]) -> list[str]:
    """Labels from a text file in UTF-8, one per line. Blank lines, and lines that start with "#", are ignored.

    Raises ClipsearchError, with the number of the line, if the file cannot be read or has no label.
    """
    try:
        lines = Path(path).read_text("utf-8-sig").split("\n")
    except OSError as error:
        raise ClipsearchError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ClipsearchError(f"{path}, line {line}: not UTF-8; labels are plain text, one per line") from error
    line_of: dict[str, int] = {}
    for number, text in enumerate(lines, 1):
        label = " ".join(text.split())
        if not label or label.startswith("#"):
            continue
        if _CONTROL_CHARACTERS.search(label):
            raise ClipsearchError(f"{path}, line {number}: {label!r} has control characters")
        if label in line_of:
            warnings.warn(
                f"{path}, line {number}: {label!r} is in line {line_of[label]} too; it counts once",
                ClipsearchWarning,
                2,
            )
        line_of.setdefault(label, number)
    if not line_of:
        raise ClipsearchError(f"{path} has no labels; write one per line")
    return list(line_of)


def check_labels(labels: Sequence[str]) -> list[str]:
    """Labels with their white space tidied. Raises QueryError without labels, and for one that is empty or given twice."""
    if isinstance(labels, str):
        raise TypeError("labels are a list of strings, not one string")
    texts = [" ".join(label.split()) for label in labels]
    if not texts:
        raise QueryError("there are no labels; give some, such as dog and cat")
    seen: set[str] = set()
    for label in texts:
        if not label:
            raise QueryError("a label is empty")
        if _CONTROL_CHARACTERS.search(label):
            raise QueryError(f"the label {label!r} has control characters, or bytes that are not UTF-8")
        if label in seen:
            raise QueryError(
                f"the label {label!r} is given twice, and the two would share its probability; leave one out"
            )
        seen.add(label)
    return texts
