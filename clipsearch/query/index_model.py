"""The model of an index: which encoder its embeddings are from."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipsearch.encoders import canonical_name, choose_default_model, load_encoder, require_trusted_model
from clipsearch.encoders.base import NO_TEXT_MODEL
from clipsearch.encoders.devices import require_device
from clipsearch.errors import ModelError, ModelMismatch, UnknownModel

if TYPE_CHECKING:
    from clipsearch.encoders.base import Encoder
    from clipsearch.encoders.text_encoder import OtherTextEncoder
    from clipsearch.query.vector_store import VectorStore
    from clipsearch.types import Fingerprint

logger = logging.getLogger(__name__)


class IndexModel:
    """The encoder of an index: chosen by name or by the index, loaded once, and always checked against the index."""

    def __init__(self, name: str | None, device: str, precision: str, text_model: str | None = None) -> None:
        require_device(device)
        self.name = name and canonical_name(name)
        self.text_model = text_model and canonical_name(text_model)
        self.device = device
        self._precision = precision
        self._encoder: Encoder | None = None
        self._with_text_model: tuple[str, OtherTextEncoder] | None = None  # under the name that it was loaded by

    def of(self, source: VectorStore[Any]) -> Encoder:
        """The encoder for an index or a store. ModelMismatch if embeddings of this model do not belong there."""
        fingerprint = source.fingerprint
        if fingerprint is None:
            return self.for_new_index()
        encoder = self._encoder
        if encoder is None:
            if self.name is None:
                for index in source.names:
                    require_trusted_model(fingerprint.model, Path(index))
            self.require_precision(source)
            encoder = self._load(self.name or fingerprint.model, fingerprint.precision or self._precision)
        source.require(encoder.spec.fingerprint)  # each time: another index may have taken its place
        self._encoder = encoder
        return encoder

    def require_precision(self, source: VectorStore[Any]) -> None:
        """Raise ModelMismatch if another precision was named than that of an index or a store. No model is loaded."""
        fingerprint = source.fingerprint
        if fingerprint and fingerprint.precision and self._precision not in ("auto", fingerprint.precision):
            raise ModelMismatch(
                f"the index at {source.name} holds embeddings in {fingerprint.precision}, not in {self._precision}; "
                "leave `precision` out, or make another index"
            )

    def for_texts(self, source: VectorStore[Any]) -> Encoder:
        """The encoder for an index or a store, with the text model that was named or that the index remembers, if any.

        ModelMismatch if the text model is not for these pictures.
        """
        encoder = self.of(source)
        name = source.text_model if self.text_model is None else self.text_model
        if name is None or name == NO_TEXT_MODEL:
            return encoder
        loaded_name, loaded = self._with_text_model or ("", None)
        if loaded is None or loaded_name != name or loaded.pictures is not encoder:
            # Most queries do without them.
            from clipsearch.encoders.text_encoder import with_text_model
            from clipsearch.encoders.text_models import require_trusted_text_model

            is_remembered = self.text_model is None
            if is_remembered:
                for index in source.names:
                    require_trusted_text_model(name, Path(index))
            logger.debug("loading the text model %s", name)
            try:
                loaded = with_text_model(encoder, name, is_checked=is_remembered)
            except UnknownModel as error:
                raise ModelError(str(error)) if is_remembered else error from None
            self._with_text_model = name, loaded
        return loaded

    def for_new_index(self) -> Encoder:
        """The encoder that was named, or the best one on this machine."""
        self._encoder = self._encoder or self._load(self.name or choose_default_model(), self._precision)
        return self._encoder

    def named(self, index: Fingerprint | None) -> Fingerprint | None:
        """The fingerprint of the model that the user named; None without a name. The index's own model is not loaded."""
        if self.name is None or (index and index.model == self.name):
            return index if self.name else None
        return self._load(self.name, self._precision).spec.fingerprint

    def other_than(self, index: Fingerprint | None) -> Encoder | None:
        """The encoder that was named, if it is of another model than that of an index; else None."""
        if self.name is None or index is None or index.model == self.name:
            return None
        encoder = self._encoder or self._load(self.name, self._precision)
        if index.is_comparable(encoder.spec.fingerprint):
            return None
        self._encoder = encoder
        return encoder

    def forget(self) -> None:
        """Release the encoders."""
        self._encoder = self._with_text_model = None

    def _load(self, name: str, precision: str) -> Encoder:
        logger.debug("loading the model %s on %s in %s", name, self.device, precision)
        try:
            return load_encoder(name, device=self.device, precision=precision)
        except UnknownModel as error:  # of the caller's name it says what is wrong; the index's model has moved
            raise error if name == self.name else ModelError(str(error)) from None
