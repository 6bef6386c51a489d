"""What a model's name stands for: its checkpoint, whether it may be loaded unasked, and which model a new index takes."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from clipsearch._internal.warn import warn
from clipsearch.encoders.open_clip_names import hub_id
from clipsearch.encoders.recommended import (
    DEFAULT_MODEL,
    MINI,
    MINI_ENTRY,
    MODELS,
    REFERENCE_MODEL,
    RecommendedModel,
    find_entry,
)
from clipsearch.errors import ModelError, UnknownModel

logger = logging.getLogger(__name__)

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_LAPTOP_GFLOPS = 15
"""A model of the cache that costs no more arithmetic for a picture may take the place of the default one."""


def model_rows() -> list[dict[str, Any]]:
    """Every model as plain values, `mini` first; `available` says whether it is on this machine."""
    from clipsearch.encoders import hub
    from clipsearch.encoders.mini.encoder import FOLDER
    from clipsearch.encoders.speeds import measured_speeds

    mini_bytes = sum(path.stat().st_size for path in FOLDER.iterdir())
    speeds = measured_speeds()
    reference = find_entry(REFERENCE_MODEL)
    assert reference
    return [
        {
            "model": entry.model,
            "is_default": entry.model == DEFAULT_MODEL,
            "available": entry is MINI_ENTRY or hub.cached_folder(entry.model, entry.revision) is not None,
            "bytes": mini_bytes if entry is MINI_ENTRY else int(entry.megabytes * 1e6),
            "relative_speed": _relative_speed(entry, reference, speeds),
            "photos_per_second": speeds.get(entry.model),
            "recall_coco": entry.coco,
            "recall_german": entry.german,
            "languages": entry.languages,
            "licence": entry.licence,
            "commercial_use": not entry.forbids_commercial_use,
            "layout": entry.layout,
            "good_for": entry.good_for,
            "source": entry.source,
        }
        for entry in (MINI_ENTRY, *MODELS)
    ]


def canonical_name(name: str) -> str:
    """The one name of a model, of several ways of writing it: see `open_clip_names.hub_id`. A folder's name stays as it is.

    Raises UnknownModel for an architecture and a tag of OpenCLIP that are not known.
    """
    return name if local_folder(name).exists() else hub_id(name)


def _relative_speed(entry: RecommendedModel, reference: RecommendedModel, speeds: dict[str, float]) -> float:
    """How fast pictures are encoded, relative to the reference model: measured on this machine, or by the arithmetic."""
    if entry.model in speeds and reference.model in speeds:
        return round(speeds[entry.model] / speeds[reference.model], 3)
    return round(reference.gflops / entry.gflops, 3)


def find_checkpoint(name: str) -> tuple[Path, str]:
    """The folder and revision of a checkpoint: a local folder, or from the cache, or downloaded from the hub.

    Raises UnknownModel if the name is neither a folder nor on the hub, and ModelError if the download fails.
    """
    name = canonical_name(name)
    folder = local_folder(name)
    if folder.is_dir():
        return folder, ""
    if not _HUB_ID.fullmatch(name) or name.startswith((".", "/")):
        raise UnknownModel(
            f"there is no model {name!r}: use {MINI!r}, a hub id such as {DEFAULT_MODEL}, or a checkpoint's folder"
        )
    from clipsearch.encoders import hub  # `mini` needs none of it

    entry = find_entry(name)
    revision, sha256s = (entry.revision, dict(entry.sha256s)) if entry else ("main", {})
    cached = hub.cached_folder(name, revision)
    if cached is None:
        logger.info("%s at revision %s is not in the cache", name, revision)
        if entry and entry.forbids_commercial_use:
            warn(f"the licence of {name} forbids commercial use: {entry.licence}")
        cached = hub.fetch(name, revision, sha256s)
    return cached, cached.name


def local_folder(name: str) -> Path:
    """The absolute path that a name means as a folder; relative if the current folder was deleted."""
    try:
        return Path(name).expanduser().absolute()
    except FileNotFoundError:
        return Path(name)


def require_trusted_model(model: str, index_folder: Path, parameter: str = "model") -> None:
    """Raise ModelError if the model that an index names must be confirmed first, with `parameter`.

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
    if model == MINI or (_HUB_ID.fullmatch(model) and not folder.exists() and (find_entry(model) or _is_cached(model))):
        return
    raise ModelError(
        f"the index at {index_folder} names the model {model!r}, which clipsearch does not load without confirmation; "
        f"if you trust it, name it: `{parameter}`"
    )


def _is_cached(model: str) -> bool:
    from clipsearch.encoders import hub  # `mini` needs none of it

    return hub.cached_folder(model) is not None


def choose_default_model() -> str:
    """The model for a new index: the default one if it is cached or the hub answers; else a small one of the cache, or `mini`.

    Takes less than a second. Settling for another model than the default one issues a ClipsearchWarning.
    """
    from clipsearch.encoders import hub  # only for a new index
    from clipsearch.encoders.hub_trouble import hub_trouble
    from clipsearch.encoders.runtime import runs_checkpoints

    if not runs_checkpoints():
        reason = "Larger ones need openvino, or torch and transformers, which are not installed here"
    else:
        entry = MODELS[0]
        if hub.cached_folder(entry.model, entry.revision) or (error := hub.hub_error()) is None:
            return entry.model
        trouble = hub_trouble(error, entry.model)
        silent = trouble.reason if trouble else "the hub cannot be reached"
        reason = f"{entry.model} is not on this machine, and {silent}"
        pull = (
            f"For better results later, run `clipsearch models pull {entry.model}`, and then `clipsearch index --model "
            f"{entry.model}` with the same folder"
        )
        for other in MODELS[1:]:
            if other.gflops <= _LAPTOP_GFLOPS and hub.cached_folder(other.model, other.revision):
                warn(f"using {other.model}. {reason}. {pull}")
                return other.model
        reason = f"{reason}. {pull}"
    warn(f"using {MINI!r}, the small model that ships with clipsearch. {reason}")
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
