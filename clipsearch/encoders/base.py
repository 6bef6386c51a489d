"""What an encoder is: text and pictures in, unit vectors of one space out."""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clipsearch.errors import ModelError, QueryError
from clipsearch.types import Embeddings, Fingerprint, PixelSpec

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What a model is, apart from what runs it."""

    fingerprint: Fingerprint
    pixels: PixelSpec
    context_length: int  # tokens, with the special ones
    logit_scale: float  # multiplies cosines into logits: CLIP's logit_scale.exp()
    logit_bias: float = 0.0  # added to logits; SigLIP's
    label_prompts: tuple[str, ...] = ()  # templates that suit labels best; see clipsearch.encoders.prompts

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return self.fingerprint.dim


class Encoder(ABC):
    """One space for text and pictures. A subclass gives raw vectors; they are normalised here and nowhere else."""

    spec: ModelSpec

    @abstractmethod
    def embed_pixels(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Raw vectors (n, dim) of preprocessed pictures, float32 (n, 3, height, width)."""

    @abstractmethod
    def embed_texts(self, texts: list[str]) -> NDArray[np.float32]:
        """Raw vectors (n, dim) of texts, none of them empty, each cut to the model's context length."""

    def settle_precision(self, pixels: Callable[[], NDArray[np.float32]]) -> None:
        """Choose how precisely to encode pictures, where that is still open (`spec.fingerprint.precision` is None).

        `pixels` gives preprocessed pictures to judge by, float32 (n, 3, height, width); it is called only if need be. With
        fewer than `precision.JUDGED_PHOTOS` of them it stays open.
        """
        return

    def encode_pixels(self, pixels: NDArray[np.float32]) -> Embeddings:
        """Unit vectors (n, dim) of pictures preprocessed for `spec.pixels`, float32 (n, 3, height, width)."""
        return normalise(self.embed_pixels(pixels)) if len(pixels) else self._nothing()

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Unit vectors (n, dim) of texts.

        QueryError for an empty one, and for one that is none of Unicode's; a ClipsearchWarning for one that was cut short.
        """
        if isinstance(texts, str):
            raise TypeError("encode_texts takes a list of strings, not one string")
        cleaned = [text.strip() for text in texts]
        if not all(cleaned):
            raise QueryError("the text is empty; describe the photo you are looking for")
        try:
            "".join(cleaned).encode()
        except UnicodeEncodeError:
            raise QueryError("the text has bytes that are not UTF-8, so no model can read it") from None
        if not cleaned:
            return self._nothing()
        vectors = normalise(self.embed_texts(cleaned))
        if not np.isfinite(vectors).all():
            raise ModelError(
                f"the model {self.spec.fingerprint.model} gives a zero vector for a text, so its weights are damaged; fetch it "
                "again, or choose another"
            )
        return vectors

    def encode_images(self, images: Sequence[Image | str | os.PathLike[str]]) -> Embeddings:
        """Unit vectors (n, dim) of pictures given as PIL images or paths; ImageError for a file that cannot be read."""
        from clipsearch.images.preprocess import preprocess  # Pillow is not for the way of a text query
        from clipsearch.images.reader import read_image, to_rgb
        from clipsearch.images.resize import minimum_size

        least = minimum_size(self.spec.pixels)
        pictures = [
            read_image(image, least)[0] if isinstance(image, (str, os.PathLike)) else to_rgb(image) for image in images
        ]
        return self.encode_pixels(preprocess(pictures, self.spec.pixels)) if pictures else self._nothing()

    def logits(self, images: Sequence[Image | str | os.PathLike[str]], texts: Sequence[str]) -> NDArray[np.float32]:
        """What `model(**inputs).logits_per_image` is: float32 (images, texts), scale * cosine + bias."""
        cosines = self.encode_images(images) @ self.encode_texts(texts).T
        logits: NDArray[np.float32] = np.float32(self.spec.logit_scale) * cosines + np.float32(self.spec.logit_bias)
        return logits

    def _nothing(self) -> Embeddings:
        return np.empty((0, self.spec.dim), np.float32)


def logit_scale(exponent: float, where: os.PathLike[str]) -> float:
    """What cosines are multiplied by, of the number that a checkpoint stores; ModelError for one that no training gives."""
    if not -20 < exponent < 20:  # CLIP's is 4.6 at most
        raise ModelError(
            f"{os.fspath(where)}: its logit_scale is {exponent:g}, so its weights are damaged; fetch it again"
        )
    return math.exp(exponent)


def blank(size: tuple[int, int]) -> NDArray[np.float32]:
    """One grey picture, float32 (1, 3, height, width), to try a tower on: a weight that is no number shows in its vector."""
    return np.zeros((1, 3, *size), np.float32)


def require_numbers(vectors: NDArray[np.float32], where: os.PathLike[str]) -> None:
    """Raise ModelError if raw vectors hold something that is not finite, or nothing but zeros."""
    if not np.isfinite(vectors).all() or not vectors.any():
        raise ModelError(
            f"the model in {os.fspath(where)} computes no usable numbers, so its weights are damaged; fetch it again, or "
            "choose another"
        )


def normalise(vectors: NDArray[np.floating[Any]]) -> Embeddings:
    """Rows scaled to Euclidean norm 1 (± 1e-6), float32. A row without a direction (zero, NaN) becomes NaN."""
    wide = np.asarray(vectors, np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        unit: Embeddings = (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(np.float32)
    return unit
