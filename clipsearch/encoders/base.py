"""What an encoder is: texts and pictures in, unit vectors of one space out."""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.arguments import require_function, require_whole, short
from clipsearch._internal.warn import warn
from clipsearch.encoders.pictures import Picture, prepared, require_several
from clipsearch.encoders.unread import TextPiece
from clipsearch.errors import ModelError, QueryError
from clipsearch.terms import EMPTY_TEXT
from clipsearch.types import Embeddings, Fingerprint, PixelSpec, Progress

NO_TEXT_MODEL = "none"
"""The name of a text model that stands for a model's own texts."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What a model is, apart from what runs it."""

    fingerprint: Fingerprint
    pixels: PixelSpec
    context_length: int  # tokens, including the special ones
    logit_scale: float  # multiplies cosines into logits: CLIP's logit_scale.exp()
    logit_bias: float = 0.0  # added to logits; SigLIP's
    label_prompts: tuple[str, ...] = ()  # the templates that suit labels best; see clipsearch.encoders.prompts
    text_model: str = ""  # the other model that encodes texts, if there is one; see clipsearch.encoders.text_models

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return self.fingerprint.dim


class Encoder(ABC):
    """One space for texts and pictures. Subclasses return raw vectors; they are normalised here and nowhere else."""

    spec: ModelSpec

    @abstractmethod
    def embed_pixels(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Raw vectors (n, dim) of preprocessed pictures, float32 (n, 3, height, width)."""

    @abstractmethod
    def embed_texts(self, texts: list[str]) -> NDArray[np.float32]:
        """Raw vectors (n, dim) of texts, none of them empty. Each is cut to the model's context length."""

    def text_pieces(self, text: str) -> list[TextPiece]:
        """What the tokenizer makes of a text, without special tokens and without cutting it; empty if that is not known."""
        return []

    def settle_precision(self, pixels: Callable[[], NDArray[np.float32]]) -> Embeddings:
        """Choose the precision for pictures if it is still open (`spec.fingerprint.precision` is None).

        `pixels` returns preprocessed pictures to measure with, float32 (n, 3, height, width). It is called only if they are
        needed. With fewer than `precision.JUDGED_PHOTOS` of them, the precision stays open. Returns unit vectors (m, dim) in
        that precision of the first m of these pictures, perhaps of none.
        """
        return self._no_embeddings()

    def encode_pixels(self, pixels: NDArray[np.float32]) -> Embeddings:
        """Unit vectors (n, dim) of pictures preprocessed for `spec.pixels`, float32 (n, 3, height, width)."""
        return normalise(self.embed_pixels(pixels)) if len(pixels) else self._no_embeddings()

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Unit vectors (n, dim) of texts.

        Raises QueryError for a text that is empty or not valid Unicode, and ModelError if the model's weights are damaged.
        Issues a ClipsearchWarning for a text that is cut.
        """
        stripped = stripped_texts(texts)
        if not stripped:
            return self._no_embeddings()
        vectors = normalise(self.embed_texts(stripped))
        if not np.isfinite(vectors).all():
            raise ModelError(
                f"the model {self.spec.fingerprint.model} returns a zero vector for a text, so its weights are damaged; fetch "
                "it again, or choose another"
            )
        return vectors

    def encode_images(
        self, images: Iterable[Picture], *, batch_size: int = 8, progress: Progress | None = None
    ) -> Embeddings:
        """Unit vectors (n, dim) of pictures: files (str or Path), PIL images, arrays, or the bytes of a picture's file.

        An array is uint8, (height, width) in grey, (height, width, 3) in RGB or (height, width, 4) in RGBA. `batch_size`
        pictures are encoded together; the others are only decoded when their batch comes, so `images` may be a generator.
        `progress` gets the pictures done and their total, which is 0 if `images` has no length. Raises TypeError for a single
        picture, and ImageError for one that cannot be read: its message begins with the path, or with its place, images[3].
        """
        from clipsearch.images.preprocess import normalise as normalise_pixels  # a text query does not import Pillow

        require_several(images)
        require_whole("batch_size", batch_size, 1)
        require_function("progress", progress)
        parts, done = [self._no_embeddings()], 0
        for batch in prepared(images, self.spec.pixels, batch_size):
            parts.append(self.encode_pixels(normalise_pixels(batch, self.spec.pixels)))
            done += len(batch)
            if progress:
                progress(done, len(images) if isinstance(images, Sized) else 0)
        return np.concatenate(parts)

    def __repr__(self) -> str:
        """The model's name and the length of its embeddings."""
        fingerprint = self.spec.fingerprint
        precision = f", {fingerprint.precision}" if fingerprint.precision else ""
        return f"<{type(self).__name__} of {fingerprint.model}: {fingerprint.dim} dimensions{precision}>"

    def logits(self, images: Iterable[Picture], texts: Sequence[str]) -> NDArray[np.float32]:
        """Logits, float32 (images, texts): scale * cosine + bias, as in transformers' `model(**inputs).logits_per_image`."""
        cosines = self.encode_images(images) @ self.encode_texts(texts).T
        logits: NDArray[np.float32] = np.float32(self.spec.logit_scale) * cosines + np.float32(self.spec.logit_bias)
        return logits

    def _no_embeddings(self) -> Embeddings:
        return np.empty((0, self.spec.dim), np.float32)


def stripped_texts(texts: Sequence[str]) -> list[str]:
    """Texts without white space around them. Raises QueryError for a text that is empty or not valid Unicode."""
    if isinstance(texts, str):
        raise TypeError("texts must be a list of strings, not one string")
    if isinstance(texts, (bytes, Mapping)) or not isinstance(texts, Iterable):
        raise TypeError(f"texts must be a list of strings, not {short(texts)}")
    texts = list(texts)
    if wrong := [text for text in texts if not isinstance(text, str)]:
        raise TypeError(f"texts must be a list of strings; {short(wrong[0])} is not a string")
    stripped = [text.strip() for text in texts]
    if not all(stripped):
        raise QueryError(EMPTY_TEXT)
    try:
        "".join(stripped).encode()
    except UnicodeEncodeError:
        raise QueryError("the text has bytes that are not UTF-8, so no model can read it") from None
    return stripped


def normalise(vectors: NDArray[np.floating[Any]]) -> Embeddings:
    """Rows scaled to Euclidean norm 1 (± 1e-6), float32. A row without a direction (zero, NaN) becomes NaN."""
    wide = np.asarray(vectors, np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        unit: Embeddings = (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(np.float32)
    return unit


def logit_scale(exponent: float, folder: os.PathLike[str]) -> float:
    """The factor that turns cosines into logits, from the logarithm that a checkpoint stores.

    Raises ModelError for a value that no training gives; CLIP's is 4.6 at most.
    """
    if not -20 < exponent < 20:
        raise ModelError(
            f"{os.fspath(folder)}: its logit_scale is {exponent:g}, so its weights are damaged; fetch it again"
        )
    return math.exp(exponent)


def grey_pixels(size: tuple[int, int]) -> NDArray[np.float32]:
    """One grey picture, float32 (1, 3, height, width), to try a tower on: a NaN among its weights shows in the vector."""
    return np.zeros((1, 3, *size), np.float32)


def require_usable(vectors: NDArray[np.float32], folder: os.PathLike[str]) -> None:
    """Raise ModelError if raw vectors have a value that is not finite, or only zeros."""
    if not np.isfinite(vectors).all() or not vectors.any():
        raise ModelError(
            f"the model in {os.fspath(folder)} computes no usable numbers, so its weights are damaged; fetch it again, or "
            "choose another"
        )


def warn_truncated(texts: Sequence[str], tokens: Iterable[int], context_length: int) -> None:
    """Issue a ClipsearchWarning for each text that has too many tokens for the model."""
    for text, count in zip(texts, tokens, strict=True):
        if count > context_length:
            warn(f"text of {count} tokens cut to the model's {context_length}: {text[:60]!r}…")
