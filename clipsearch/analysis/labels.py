"""Zero-shot labels: which of some words suits each photo of an index best, and how likely each is."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipsearch.encoders.base import Encoder
from clipsearch.encoders.prompts import check_prompts, embed_with_prompts, query_bank
from clipsearch.errors import ClipsearchError, ClipsearchWarning, QueryError
from clipsearch.store.collection import Collection
from clipsearch.types import Condition, Embeddings, ImageRecord

_AT_ONCE = 1 << 21  # logits held at a time, 16 MB, however many labels and photos there are
_UNUSABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")  # as bytes that are not UTF-8 arrive, too
_SHORT = 3  # letters; a shorter word begins too many others


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """A photo and how likely each label is.

    `probabilities` (labels,), float64, sum to 1: the softmax of logit_scale * cosine over the labels alone, as CLIP classifies.
    It has to go somewhere, so that a photo of none of them has a likely label too. `match` tells: the share of the probability
    that the labels keep, all together, where everyday scenes compete with them; in [0, 1], near 0 for a photo of none of them.
    """

    record: ImageRecord
    probabilities: NDArray[np.float64]
    match: float

    def best(self, count: int, least: float = 0.0) -> list[tuple[int, float]]:
        """At most `count` labels, the likeliest first: (its position, its probability).

        Only those whose probability is at least `least` with everyday scenes competing, which is probability * match. Equal
        ones are in the order of the labels.
        """
        order = np.argsort(-self.probabilities, kind="stable")[:count].tolist()
        return [(label, p) for label in order if (p := float(self.probabilities[label])) * self.match >= least]


def label_images(
    collection: Collection,
    encoder: Encoder,
    labels: Sequence[str],
    *,
    prompts: Sequence[str] | None = None,
    condition: Condition | None = None,
    progress: Callable[[int], None] | None = None,
) -> Generator[LabelledImage, None, None]:
    """Every photo that meets a condition, or all, by image id, with the probability of each label.

    `prompts` are templates with one "{}" each; None takes the model's own (`encoder.spec.label_prompts`), and () none. The
    labels are encoded at once (`progress` is told how many sentences have just been), the photos as the answer is read, block
    by block; close it before the collection. QueryError where there is no label, an empty one, or one twice.
    """
    texts = check_labels(labels)
    templates = encoder.spec.label_prompts if prompts is None else prompts
    check_prompts(templates)
    wanted = embed_with_prompts(encoder, texts, templates, progress)
    rivals = encoder.encode_texts(rivals_of(texts))
    return _labelled(collection, encoder.spec.logit_scale, wanted, rivals, condition)


def probabilities(
    images: Embeddings, labels: Embeddings, rivals: Embeddings, scale: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities (n, labels) whose rows sum to 1, and matches (n,), of images (n, dim), in float64. See LabelledImage.

    An added bias, as SigLIP has, would change nothing.
    """
    logits = scale * (images.astype(np.float64) @ np.concatenate([labels, rivals]).T.astype(np.float64))
    likely = np.exp(logits - logits[:, : len(labels)].max(axis=1, keepdims=True))
    mine = likely[:, : len(labels)].sum(axis=1)
    match = mine / (mine + likely[:, len(labels) :].sum(axis=1))
    return likely[:, : len(labels)] / mine[:, None], match


def rivals_of(labels: Sequence[str]) -> list[str]:
    """The everyday scenes that compete with labels: those in which no word begins like the last word of a label.

    A photo of a dog on a beach shows "a dog on a beach" better than "dog", but is no less a photo of a dog.
    """
    nouns = {label.split()[-1].casefold() for label in labels}
    starts = tuple(noun.removesuffix("s") if len(noun) > _SHORT else noun for noun in nouns if len(noun) >= _SHORT)
    return [scene for scene in query_bank() if not any(word.startswith(starts) for word in scene.casefold().split())]


def read_labels(path: str | os.PathLike[str]) -> list[str]:
    """Labels from a text file in UTF-8, one a line. Blank lines, and those that begin with "#", are passed over.

    ClipsearchError for a file that cannot be read or has no label; it says which line is wrong.
    """
    try:
        lines = Path(path).read_text("utf-8-sig").split("\n")
    except OSError as error:
        raise ClipsearchError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ClipsearchError(f"{path}, line {line}: not UTF-8; labels are plain text, one a line") from error
    found: dict[str, int] = {}
    for number, text in enumerate(lines, 1):
        label = " ".join(text.split())
        if not label or label.startswith("#"):
            continue
        if _UNUSABLE.search(label):
            raise ClipsearchError(f"{path}, line {number}: {label!r} has control characters")
        if label in found:
            warnings.warn(
                f"{path}, line {number}: {label!r} is in line {found[label]} too; it counts once", ClipsearchWarning, 2
            )
        found.setdefault(label, number)
    if not found:
        raise ClipsearchError(f"{path} has no labels; write one a line")
    return list(found)


def check_labels(labels: Sequence[str]) -> list[str]:
    """Labels with their white space tidied; QueryError where there is none, an empty one, or one twice."""
    if isinstance(labels, str):
        raise TypeError("labels are a list of strings, not one string")
    texts = [" ".join(label.split()) for label in labels]
    if not texts:
        raise QueryError("there are no labels; give some, such as dog and cat")
    seen: set[str] = set()
    for label in texts:
        if not label:
            raise QueryError("a label is empty")
        if _UNUSABLE.search(label):
            raise QueryError(f"the label {label!r} has control characters, or bytes that are not UTF-8")
        if label in seen:
            raise QueryError(
                f"the label {label!r} is there twice, and the two would share its probability; leave one out"
            )
        seen.add(label)
    return texts


def _labelled(
    collection: Collection, scale: float, wanted: Embeddings, rivals: Embeddings, condition: Condition | None
) -> Generator[LabelledImage, None, None]:
    rows = max(1, _AT_ONCE // (len(wanted) + len(rivals)))
    for records, vectors in collection.scan(condition, min(rows, 4096)):
        likely, matches = probabilities(vectors, wanted, rivals, scale)
        for record, row, match in zip(records, likely, matches.tolist(), strict=True):
            yield LabelledImage(record, row, match)
