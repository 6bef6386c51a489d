"""A model whose texts another model encodes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from clipsearch.encoders.base import Encoder
from clipsearch.encoders.registry import local_folder
from clipsearch.encoders.text_checkpoint import TextCheckpoint
from clipsearch.encoders.text_models import find_text_checkpoint, require_known, require_same_space
from clipsearch.encoders.unread import TextPiece


class OtherTextEncoder(Encoder):
    """Pictures by one encoder, and texts by a text model that was trained for these pictures.

    The logit scale is that of the pictures' model, whose texts the text model learned to imitate.
    """

    def __init__(self, pictures: Encoder, name: str, checkpoint: TextCheckpoint) -> None:
        self.pictures = pictures
        self._texts = checkpoint.tower()
        # The templates for labels are English.
        self.spec = replace(
            pictures.spec, context_length=checkpoint.plan.context_length, label_prompts=(), text_model=name
        )

    def embed_pixels(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """See Encoder."""
        return self.pictures.embed_pixels(pixels)

    def embed_texts(self, texts: list[str]) -> NDArray[np.float32]:
        """See Encoder."""
        return self._texts.embed(texts)

    def text_pieces(self, text: str) -> list[TextPiece]:
        """See Encoder."""
        return self._texts.tokenizer.pieces(text)


def with_text_model(pictures: Encoder, name: str, *, is_checked: bool = False) -> OtherTextEncoder:
    """An encoder whose texts are encoded by another model: a hub id, or a folder with a copy of it.

    `is_checked` says that the text model was checked before against the model of the pictures. Raises ModelMismatch if it was
    not trained for these pictures, and ModelError if it cannot be found or loaded.
    """
    checkpoint = find_text_checkpoint(name)
    folder = local_folder(name)
    name = str(folder) if checkpoint.folder == folder else name
    if is_checked:
        require_known(checkpoint, name)
    else:
        require_same_space(checkpoint, name, pictures.spec.fingerprint)
    return OtherTextEncoder(pictures, name, checkpoint)
