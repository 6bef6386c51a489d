"""Other text models for the pictures of a model: each puts texts, perhaps in more languages, where that model puts pictures.

Nothing in the files of a text model says for which pictures it was trained. So this table does, and others are refused.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from clipsearch._internal.checksums import file_sha256
from clipsearch.encoders import hub
from clipsearch.encoders.base import NO_TEXT_MODEL
from clipsearch.encoders.checkpoint import find_weights
from clipsearch.encoders.registry import local_folder, require_trusted_model
from clipsearch.encoders.text_checkpoint import TextCheckpoint
from clipsearch.errors import ModelError, ModelMismatch, UnknownModel
from clipsearch.types import Fingerprint

logger = logging.getLogger(__name__)

_GO_BACK = f'To search with the index\'s own model for texts: `text_model="{NO_TEXT_MODEL}"`'


@dataclass(frozen=True, slots=True)
class TextModelEntry:
    """A text model, and the models whose pictures it searches."""

    model: str
    revision: str
    dense_file: str  # of its linear layer
    dense_sha256: str  # by which a copy in a folder is recognised: no other model has this layer
    image_models: Mapping[
        str, frozenset[str]
    ]  # hub id → sha256 of its weights, by which a copy in a folder is recognised
    languages: int
    licence: str


# The commit and the sha256 were not looked up on the hub: many public repositories agree on them (November 2026).
TEXT_MODELS = (
    TextModelEntry(
        model="sentence-transformers/clip-ViT-B-32-multilingual-v1",
        revision="58edf8cada9e398793dca955574a48cbb7f18be2",
        dense_file="2_Dense/model.safetensors",
        dense_sha256="d12568dc7300970a4d3dbb49068ad16cd89b99840b74b026f8e48071e9414f74",
        image_models=MappingProxyType(
            {
                "openai/clip-vit-base-patch32": frozenset(  # of two pull requests with safetensors
                    {
                        "99d28a652e6ec46629ab7047a0ac82c69b1fe11e0ce672c43af65d3a9a3fc05d",
                        "74813fbcdc750f235c9784c367ca1394d2a5c25eb0aac92761752ac239db7cff",
                    }
                )
            }
        ),
        languages=50,  # that it was trained with; its model card lists them
        licence="Apache-2.0",
    ),
)


def is_text_model(name: str) -> bool:
    """Whether this is the hub id of a text model."""
    return any(entry.model == name for entry in TEXT_MODELS)


def text_model_for(image_model: str) -> TextModelEntry | None:
    """The first text model for the pictures of a model, by the model's hub id."""
    return next((entry for entry in TEXT_MODELS if image_model in entry.image_models), None)


def require_trusted_text_model(name: str, index_folder: Path) -> None:
    """Raise ModelError if the text model that an index names must be confirmed with --text-model first."""
    if local_folder(name).exists() or not is_text_model(name):
        require_trusted_model(name, index_folder, "text_model")


def find_text_checkpoint(name: str) -> TextCheckpoint:
    """A text model's files: a local folder, or from the cache, or downloaded from the hub.

    Raises UnknownModel if the name is neither a folder nor one of TEXT_MODELS, and ModelError if the download fails.
    """
    folder = local_folder(name)
    if folder.is_dir():
        return TextCheckpoint(folder)
    entry = next((entry for entry in TEXT_MODELS if entry.model == name), None)
    if entry is None:
        raise UnknownModel(
            f"there is no text model {name!r}: use {_known()}, or a folder with a copy of it. {_GO_BACK}"
        )
    cached = hub.cached_folder(name, entry.revision)
    if cached is None or not (cached / entry.dense_file).is_file():
        logger.info("%s at revision %s is not in the cache", name, entry.revision)
        sha256s = {entry.dense_file: entry.dense_sha256}
        try:
            cached = hub.fetch(name, entry.revision, sha256s, leave_out=hub.OTHER_RUNTIMES)
        except ModelError as error:
            raise ModelError(f"{error}. {_GO_BACK}") from error
    return TextCheckpoint(cached)


def require_known(checkpoint: TextCheckpoint, name: str) -> TextModelEntry:
    """The entry of a text model. Raises ModelMismatch if clipsearch does not know the model."""
    sha256 = file_sha256(checkpoint.dense_weights)
    entry = next((entry for entry in TEXT_MODELS if entry.dense_sha256 == sha256), None)
    if entry is None:
        raise ModelMismatch(
            f"for which pictures the text model {name} was trained is not known, so its texts cannot be compared with any; use "
            f"{_known()}"
        )
    return entry


def require_same_space(checkpoint: TextCheckpoint, name: str, image_model: Fingerprint) -> None:
    """Raise ModelMismatch unless this text model was trained for the pictures of that model.

    If that model is in a folder, all of its weights are read to recognise it.
    """
    entry = require_known(checkpoint, name)
    if checkpoint.plan.dim != image_model.dim or not _is_one_of(image_model.model, entry.image_models):
        raise ModelMismatch(
            f"the text model {entry.model} is for pictures of {' and '.join(entry.image_models)}, and those of this index are "
            f"of {image_model.model}; leave `text_model` out"
        )


def _is_one_of(model: str, image_models: Mapping[str, frozenset[str]]) -> bool:
    """Whether a model, named as `load_encoder` takes it, is one of these, or a folder with its weights."""
    folder = local_folder(model)
    if not folder.is_dir():
        return model in image_models
    files = find_weights(folder)
    known = frozenset().union(*image_models.values())
    return len(files) == 1 and file_sha256(files[0]) in known


def _known() -> str:
    return " or ".join(entry.model for entry in TEXT_MODELS)
