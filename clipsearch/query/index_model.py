"""The model of an index: which encoder its embeddings are from."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipsearch.encoders import choose_default_model, load_encoder, require_trusted_model
from clipsearch.errors import ModelMismatch

if TYPE_CHECKING:
    from clipsearch.encoders.base import Encoder
    from clipsearch.query.vector_store import VectorStore
    from clipsearch.types import Fingerprint

logger = logging.getLogger(__name__)


class IndexModel:
    """The encoder of an index: chosen by name or by the index, loaded once, and always checked against the index."""

    def __init__(self, name: str | None, device: str, precision: str) -> None:
        self.name = name
        self.device = device
        self._precision = precision
        self._encoder: Encoder | None = None

    def of(self, source: VectorStore[Any]) -> Encoder:
        """The encoder for an index or a store. ModelMismatch if embeddings of this model do not belong there."""
        fingerprint = source.fingerprint
        if fingerprint is None:
            return self.for_new_index()
        encoder = self._encoder
        if encoder is None:
            if self.name is None:
                require_trusted_model(fingerprint.model, Path(source.name))
            if fingerprint.precision and self._precision not in ("auto", fingerprint.precision):
                raise ModelMismatch(
                    f"the index at {source.name} holds embeddings in {fingerprint.precision}, not in {self._precision}; "
                    "leave --precision out, or make another index with --index"
                )
            encoder = self._load(self.name or fingerprint.model, fingerprint.precision or self._precision)
        source.require(encoder.spec.fingerprint)  # each time: another index may have taken its place
        self._encoder = encoder
        return encoder

    def for_new_index(self) -> Encoder:
        """The encoder that was named, or the best one on this machine."""
        self._encoder = self._encoder or self._load(self.name or choose_default_model(), self._precision)
        return self._encoder

    def named(self, index: Fingerprint | None) -> Fingerprint | None:
        """The fingerprint of the model that the user named; None without a name. The index's own model is not loaded."""
        if self.name is None or (index and index.model == self.name):
            return index if self.name else None
        return self._load(self.name, self._precision).spec.fingerprint

    def forget(self) -> None:
        """Release the encoder."""
        self._encoder = None

    def _load(self, name: str, precision: str) -> Encoder:
        logger.debug("loading the model %s on %s in %s", name, self.device, precision)
        return load_encoder(name, device=self.device, precision=precision)
