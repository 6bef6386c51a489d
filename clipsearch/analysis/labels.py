"""Zero-shot labels: which of the user's words suit each photo, and how likely each one is."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.arguments import require_number, require_whole, short
from clipsearch._internal.cancel import CancelToken
from clipsearch._internal.warn import warn
from clipsearch.conditions import Condition
from clipsearch.encoders.base import Encoder
from clipsearch.encoders.other_languages import words_of_other_languages
from clipsearch.encoders.prompts import check_prompts, embed_with_prompts
from clipsearch.encoders.recommended import languages_of
from clipsearch.errors import ClipsearchError, QueryError
from clipsearch.query.null_scores import null_scores
from clipsearch.query.readable import is_readable, unread_in
from clipsearch.query.relevance import REACH, RIVALS, match
from clipsearch.store.collection import Collection
from clipsearch.terms import Term
from clipsearch.types import Embeddings, Ids, ImageRecord, Scores

_MOST_NAMED = 5  # labels in a warning
_BLOCK = 4096  # photos read at once, at most
_LABELS = 256  # whose best photos are looked for at once
_MAX_LOGITS = 1 << 21  # computed at once, 16 MB, however many labels and photos there are
# Control characters, and what Python makes of bytes that are not UTF-8.
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True, eq=False)  # comparing arrays by == gives arrays
class LabelledImage:
    """A photo and how well each label suits it.

    `matches` (labels,), float64: the probability in [0, 1] that the photo shows each label, as a query's `match`; NaN for a
    label that the model cannot read. `shares` (labels,), float64, only compare the labels with each other, as CLIP classifies:
    they are the softmax of logit_scale * cosine and sum to 1, even for a photo that shows none of the labels.
    """

    record: ImageRecord
    matches: NDArray[np.float64]
    shares: NDArray[np.float64]

    def best(self, count: int, min_match: float = 0.0) -> list[LabelMatch]:
        """At most `count` labels with at least this match, the likeliest first. Equal ones are in the order of the labels.

        A label that the model cannot read is never among them. QueryError for a negative `count`.
        """
        require_whole("count", count, 0)
        require_number("min_match", min_match)
        order = np.argsort(-self.matches, kind="stable")[:count].tolist()
        best = [LabelMatch(label, float(self.matches[label]), float(self.shares[label])) for label in order]
        return [label for label in best if label.match >= min_match]


class LabelMatch(NamedTuple):
    """How well a label suits a photo: its position among the labels, its match and its share, as in LabelledImage."""

    position: int
    match: float
    share: float


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

    All labels are encoded first, and their best photos are found, since a match depends on these. Photos are read block by
    block while the caller iterates; close the generator before the collection. A warning names labels that the model cannot
    read: their photos would be random ones.
    """
    token = cancel or CancelToken()
    texts = check_labels(labels)
    templates = encoder.spec.label_prompts if prompts is None else check_prompts(prompts)
    unread = _unread(texts, encoder)
    vectors = embed_with_prompts(encoder, texts, templates, token.checked(progress))
    if not (images := len(collection)):
        return (image for image in list[LabelledImage]())
    null = null_scores(collection, encoder)
    allowed = collection.select(condition) if condition else None
    best = _best_scores(collection, vectors, REACH, None, token)
    rivals = [None] * len(texts) if allowed is None else _best_scores(collection, vectors, RIVALS, allowed, token)

    def labelled() -> Generator[LabelledImage, None, None]:
        rows = min(max(1, _MAX_LOGITS // len(vectors)), _BLOCK)
        for records, pictures in token.each(collection.scan(condition, rows)):
            scores = pictures @ vectors.T
            columns = zip(texts, scores.T, best, rivals, strict=True)
            matches = np.stack([match(null, images, *column) for column in columns], axis=1)
            matches[:, unread] = np.nan
            for record, row, of_labels in zip(records, matches, shares(scores, encoder.spec.logit_scale), strict=True):
                yield LabelledImage(replace(record, moment=None), row, of_labels)

    return labelled()


def _unread(labels: Sequence[str], encoder: Encoder) -> list[int]:
    """The places of labels of which the model reads nothing. Warnings name them, and words of others that it cannot read."""
    unread = [place for place, label in enumerate(labels) if not is_readable(Term(label), encoder)]
    model = encoder.spec.text_model or encoder.spec.fingerprint.model
    if unread:
        warn(
            f"the model {model} cannot read {_named([labels[place] for place in unread])}, so no photo gets such a label"
        )
    others = [label for place, label in enumerate(labels) if place not in set(unread)]
    if partly := list(dict.fromkeys(word for label in others for word in unread_in(label, encoder))):
        warn(f"the model {model} cannot read {_named(partly)} in some labels; it reads only their other words")
    elif languages_of(model) == "English":
        foreign = [label for label in others if words_of_other_languages(label)]
        if foreign:
            are = "is" if len(foreign) == 1 else "are"
            warn(
                f"the model {model} reads English only, and {_named(foreign)} {are} not English: write labels in English"
            )
    return unread


def _named(texts: Sequence[str]) -> str:
    """The first of some texts in quotes, and how many more there are."""
    named = ", ".join(f'"{text}"' for text in texts[:_MOST_NAMED])
    return named + (f" and {len(texts) - _MOST_NAMED:,} more" if len(texts) > _MOST_NAMED else "")


def _best_scores(
    collection: Collection, vectors: Embeddings, count: int, allowed: Ids | None, token: CancelToken
) -> list[Scores]:
    """For each label (labels, dim) its `count` highest cosines, some labels at a time."""
    best: list[Scores] = []
    for start in range(0, len(vectors), _LABELS):
        token.check()
        best += collection.best_scores(vectors[start : start + _LABELS], count, allowed, exact=True)
    return best


def shares(scores: NDArray[np.float32], logit_scale: float) -> NDArray[np.float64]:
    """The softmax (n, labels) of cosines (n, labels), whose rows sum to 1. The bias of SigLIP's logits would change nothing."""
    logits = logit_scale * scores.astype(np.float64)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    softmax: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return softmax


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
            warn(f"{path}, line {number}: {label!r} is in line {line_of[label]} too; it counts once")
        line_of.setdefault(label, number)
    if not line_of:
        raise ClipsearchError(f"{path} has no labels; write one per line")
    return list(line_of)


def check_labels(labels: Sequence[str]) -> list[str]:
    """Labels with their white space tidied. Raises QueryError without labels, and for one that is empty or given twice."""
    if isinstance(labels, str):
        raise TypeError("labels are a list of strings, not one string")
    if not isinstance(labels, Iterable):
        raise TypeError(f"labels are a list of strings, not {short(labels)}")
    labels = list(labels)
    if wrong := [label for label in labels if not isinstance(label, str)]:
        raise TypeError(f"labels are a list of strings; {short(wrong[0])} is not a string")
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
            raise QueryError(f"the label {label!r} is given twice; leave one out")
        seen.add(label)
    return texts
