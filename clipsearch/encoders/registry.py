"""The models that clipsearch recommends, and what a model's name stands for."""

from __future__ import annotations

import logging
import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from clipsearch.encoders import hub
from clipsearch.encoders.hub_trouble import hub_trouble
from clipsearch.encoders.open_clip_names import hub_id
from clipsearch.encoders.runtime import runs_checkpoints
from clipsearch.errors import ClipsearchWarning, ModelError

logger = logging.getLogger(__name__)

MINI = "mini"
MANY_LANGUAGES = "many"
DEFAULT_MODEL = "openai/clip-vit-base-patch32"

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One recommended model.

    Parameters and arithmetic are from open_clip's docs/model_profile.csv. It does not list SigLIP 2: there we estimate the
    parameters, and take the arithmetic of models of the same shape.
    """

    model: str
    quality: float | None  # zero-shot top-1 accuracy on ImageNet-1k, percent; None if only we have measured it
    gflops: float  # for one picture; a multiplication and an addition count as two
    parameters: float  # millions, both towers
    revision: str = "main"  # a branch or, if we know one, a commit, which cannot be changed later
    sha256s: tuple[tuple[str, str], ...] = ()  # (weights file, its sha256) of that commit, if we know them
    licence: str = "MIT"
    languages: str = "English"
    source: str = "open_clip's docs/openclip_results.csv"  # of `quality`


def _siglip_2(model: str, quality: float, gflops: float, parameters: float) -> ModelEntry:
    source = "big_vision's README_siglip2.md"
    return ModelEntry(model, quality, gflops, parameters, licence="Apache-2.0", languages=MANY_LANGUAGES, source=source)


# Commits and sha256 were not looked up on the hub: many public repositories agree on them (November 2026).
_B32 = (
    "c237dc49a33fc61debc9276459120b7eac67e7ef"  # the pull request with safetensors; OpenAI's branch has pickled weights
)
_L14 = "32bd64288804d66eefd0ccbe215aa642df71cc41"
_L14_SHA256 = ("model.safetensors", "a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb")
_MINI = ModelEntry(
    MINI,
    None,
    3.5,  # EfficientNet-Lite2 at 260 px, twice: 869 million multiply-adds each, from memory, not looked up
    0,  # it is here, so its bytes are known
    licence="Apache-2.0",
    source="clipsearch/encoders/mini/model/MODEL_CARD.md",
)

MODELS = (
    ModelEntry(DEFAULT_MODEL, 63.3, 8.82, 151.28, _B32),
    ModelEntry("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", 66.6, 8.82, 151.28),
    _siglip_2("google/siglip2-base-patch32-256", 74.0, 11.5, 376.9),
    ModelEntry("openai/clip-vit-base-patch16", 68.3, 35.13, 149.62),
    _siglip_2("google/siglip2-base-patch16-224", 78.2, 35.42, 375.2),
    ModelEntry("openai/clip-vit-large-patch14", 75.5, 162.03, 427.62, _L14, (_L14_SHA256,)),
    ModelEntry("laion/CLIP-ViT-H-14-laion2B-s32B-b79K", 78.0, 334.59, 986.11),
)


def find_entry(model: str) -> ModelEntry | None:
    """The entry of a recommended model."""
    return next((entry for entry in MODELS if entry.model == model), None)


def languages_of(model: str) -> str:
    """The languages that a recommended model reads: "English", or "many"; "" for other models, which nothing is known of."""
    return next((entry.languages for entry in (_MINI, *MODELS) if entry.model == model), "")


def multilingual_model() -> ModelEntry | None:
    """The first of the recommended models that reads many languages."""
    return next((entry for entry in MODELS if entry.languages == MANY_LANGUAGES), None)


def model_rows() -> list[dict[str, Any]]:
    """Every model as plain values, `mini` first; `available` says whether it is on this machine."""
    from clipsearch.encoders.mini.encoder import FOLDER

    mini_bytes = sum(path.stat().st_size for path in FOLDER.iterdir())
    return [
        {
            "model": entry.model,
            "available": entry is _MINI or hub.cached_folder(entry.model, entry.revision) is not None,
            "bytes": mini_bytes if entry is _MINI else int(entry.parameters * 4e6),  # published in float32
            "relative_cost": round(entry.gflops / MODELS[0].gflops, 1),
            "quality": entry.quality,
            "measure": "see its model card" if entry is _MINI else "zero-shot top-1 on ImageNet-1k",
            "source": entry.source,
            "licence": entry.licence,
            "languages": entry.languages,
        }
        for entry in (_MINI, *MODELS)
    ]


def canonical_name(name: str) -> str:
    """The one name of a model, of several ways of writing it: see `open_clip_names.hub_id`. A folder's name stays as it is.

    Raises ModelError for an architecture and a tag of OpenCLIP that are not known.
    """
    return name if local_folder(name).exists() else hub_id(name)


def find_checkpoint(name: str) -> tuple[Path, str]:
    """The folder and revision of a checkpoint: a local folder, or from the cache, or downloaded from the hub.

    Raises ModelError if the name is neither a folder nor a hub id, or the download fails.
    """
    name = canonical_name(name)
    folder = local_folder(name)
    if folder.is_dir():
        return folder, ""
    if not _HUB_ID.fullmatch(name) or name.startswith((".", "/")):
        raise ModelError(
            f"there is no model {name!r}: use {MINI!r}, a hub id such as {DEFAULT_MODEL}, or a checkpoint's folder"
        )
    entry = find_entry(name)
    revision, sha256s = (entry.revision, dict(entry.sha256s)) if entry else ("main", {})
    cached = hub.cached_folder(name, revision)
    if cached is None:
        logger.info("%s at revision %s is not in the cache", name, revision)
        cached = hub.fetch(name, revision, sha256s)
    return cached, cached.name


def local_folder(name: str) -> Path:
    """The absolute path that a name means as a folder; relative if the current folder was deleted."""
    try:
        return Path(name).expanduser().absolute()
    except FileNotFoundError:
        return Path(name)


def require_trusted_model(model: str, index_folder: Path, option: str = "--model") -> None:
    """Raise ModelError if the model that an index names must be confirmed first, with `option`.

    This applies to a folder that may have come along with the index, a network path, and a checkpoint that is neither
    recommended nor on this machine. Models run no code, but parsers read their files, and a download needs consent.
    """
    folder, parent = Path(model), Path(os.path.realpath(index_folder.parent))
    if folder.is_absolute():
        came_along = Path(os.path.realpath(folder)).is_relative_to(parent) or folder.is_relative_to(index_folder.parent)
        # A folder that contains the user's home cannot have been received.
        received = came_along and not Path(os.path.realpath(Path.home())).is_relative_to(parent)
        if not received and not model.startswith(("//", "\\\\")):  # Windows would ask the network for these
            return
    if model == MINI or (
        _HUB_ID.fullmatch(model) and not folder.exists() and (find_entry(model) or hub.cached_folder(model))
    ):
        return
    raise ModelError(
        f"the index at {index_folder} names the model {model!r}, which clipsearch does not load without confirmation; "
        f"if you trust it, name it: {option}"
    )


def choose_default_model() -> str:
    """The model for a new index: the default checkpoint if it is cached or the hub answers, else `mini`.

    Takes less than a second. Settling for `mini` issues a ClipsearchWarning.
    """
    if not runs_checkpoints():
        reason = "Larger ones need openvino, or torch and transformers, which are not installed here"
    else:
        entry = MODELS[0]
        if hub.cached_folder(entry.model, entry.revision) or (error := hub.hub_error()) is None:
            return entry.model
        trouble = hub_trouble(error, entry.model)
        silent = trouble.reason if trouble else "the hub cannot be reached"
        reason = (
            f"{entry.model} is not on this machine, and {silent}. For better results later, run "
            f"`clipsearch models pull {entry.model}` and make a new index"
        )
    warnings.warn(
        f"using {MINI!r}, the small model that ships with clipsearch. {reason}", ClipsearchWarning, stacklevel=2
    )
    return MINI


class CopyCosines(NamedTuple):
    """Cosines of two photos by a model's embeddings, from which they may be copies (re-encoded, resized or cropped)."""

    candidate: float  # if a closer look confirms it
    near_copy: float  # by the embeddings alone


_MINI_COPIES, _OTHER_COPIES = CopyCosines(0.80, 0.90), CopyCosines(0.90, 0.95)
"""`mini` was measured. Of the 32.7 million pairs of Flickr8k's 8,091 photos, 4,062 have a cosine of 0.80 or more, and 394 have
0.90 or more, all of these two pictures of one scene. 47 photos of 1024 px were re-encoded at quality 50, resized to half,
cropped by 3% a side, brightened, marked or framed. All copies keep 0.80, but for 2% of the framed ones; 96% keep 0.90, and 85%
of the framed.
For other models the values are guesses: of 0.5 million pairs of 1,000 Flickr8k photos, CLIP ViT-B/32 gives 19 pairs a cosine of
0.90 and none 0.95. How close it puts copies was not measured.
"""


def copy_cosines(model: str) -> CopyCosines:
    """The cosines that tell copies, by a model's name."""
    return _MINI_COPIES if model == MINI else _OTHER_COPIES
