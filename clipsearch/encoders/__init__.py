"""Models: which there are, and turning a name into an encoder."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path

from clipsearch.encoders import checkpoint, hub, shape
from clipsearch.encoders.base import Encoder
from clipsearch.encoders.optional import require_torch, runs_checkpoints
from clipsearch.encoders.registry import DEFAULT_MODEL, MINI, MODELS
from clipsearch.errors import ClipsearchWarning, ModelError

PRECISIONS = ("fp32", "bf16", "int8")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")

__all__ = ["PRECISIONS", "choose_default_model", "load_encoder", "require_expected"]


def load_encoder(name_or_path: str | os.PathLike[str], device: str = "auto", precision: str = "auto") -> Encoder:
    """A model as an encoder of text and pictures.

    `name_or_path` is "mini" (the model inside the package), the hub id of a CLIP-family checkpoint (fetched if it is not
    cached), or a folder with one. `device` is "auto" (CUDA, else MPS, else CPU) or a torch device; `mini` runs on the CPU.
    `precision`, of pictures, is "fp32", "bf16" or "int8" where the model can be run so, or "auto": fp32 for an encoder of its
    own, while an index chooses by what it measures.

    Raises ModelError, saying what to do, where there is no such model or it cannot be loaded. Weights are read from
    safetensors only, and no code that comes with a checkpoint is ever run.
    """
    name = os.fspath(name_or_path)
    if precision not in ("auto", *PRECISIONS):
        raise ModelError(f"there is no precision {precision!r}: give auto, {', '.join(PRECISIONS)}")
    if name == MINI:
        from clipsearch.encoders.mini.encoder import MiniEncoder

        if precision not in ("auto", "int8"):
            raise ModelError(f"{MINI!r} runs in int8 only; leave the precision out")
        return MiniEncoder()
    folder, revision = find_checkpoint(name)
    # What is wrong with a folder is told before torch takes its seconds.
    kind = checkpoint.read_config(folder)["model_type"]
    checkpoint.tensor_files(folder)
    checkpoint.require_tokenizer(folder, kind)
    config = shape.read_clip_config(folder)
    model = name if folder != _folder(name) else str(folder)
    if config:
        from clipsearch.encoders.clip.encoder import ClipEncoder

        return ClipEncoder(folder, config, model, revision, device, precision)
    made: Encoder = require_torch(model).TorchEncoder(
        folder, model, revision, device, "fp32" if precision == "auto" else precision
    )
    return made


def find_checkpoint(name: str) -> tuple[Path, str]:
    """A checkpoint's folder and revision: a local folder, or one from the cache, or else fetched from the hub."""
    folder = _folder(name)
    if folder.is_dir():
        return folder, ""
    if not _HUB_ID.fullmatch(name) or name.startswith((".", "/")):
        raise ModelError(
            f"there is no model {name!r}: give {MINI!r}, a hub id such as {DEFAULT_MODEL}, or a folder with a checkpoint"
        )
    entry = next((entry for entry in MODELS if entry.model == name), None)
    revision, known = (entry.revision, dict(entry.sha256s)) if entry else ("main", {})
    cached = hub.cached_folder(name, revision) or hub.fetch(name, revision, known)
    return cached, cached.name


def _folder(name: str) -> Path:
    """The folder that a name is of, absolute; as it is where the current folder was deleted, and nothing is in it."""
    try:
        return Path(name).expanduser().absolute()
    except FileNotFoundError:
        return Path(name)


def require_expected(model: str, index_folder: Path) -> None:
    """Raise ModelError where an index names a model that nobody here has asked for, so that the user must: with --model.

    That is a folder that may have come with the index, or on another computer, or a checkpoint that is neither recommended nor
    on this machine. No model runs code, but its files meet parsers, and a download is a thing to be asked about.
    """
    folder, around = Path(model), Path(os.path.realpath(index_folder.parent))
    if folder.is_absolute():
        came_along = Path(os.path.realpath(folder)).is_relative_to(around) or folder.is_relative_to(index_folder.parent)
        own = Path(os.path.realpath(Path.home())).is_relative_to(
            around
        )  # nobody receives the folder that their home is in
        if (own or not came_along) and not model.startswith(("//", "\\\\")):  # which Windows would ask the network for
            return
    known = any(entry.model == model for entry in MODELS)
    if model == MINI or (_HUB_ID.fullmatch(model) and not folder.exists() and (known or hub.cached_folder(model))):
        return
    raise ModelError(
        f"the index at {index_folder} names the model {model!r}, which is not one that clipsearch loads without being told to; "
        "if you trust it, name it: --model"
    )


def choose_default_model() -> str:
    """The model for a new index: the default checkpoint where it is cached or the hub answers, else `mini`.

    It takes under a second, and says so with a ClipsearchWarning where it settles for `mini`.
    """
    if not runs_checkpoints():
        warnings.warn(
            f"using {MINI!r}, the small model that ships with clipsearch. Larger ones need openvino, or torch and "
            "transformers, which are not installed here",
            ClipsearchWarning,
            stacklevel=2,
        )
        return MINI
    revision = next(entry.revision for entry in MODELS if entry.model == DEFAULT_MODEL)
    if hub.cached_folder(DEFAULT_MODEL, revision) or hub.hub_answers():
        return DEFAULT_MODEL
    warnings.warn(
        f"using {MINI!r}, the small model that ships with clipsearch, because {DEFAULT_MODEL} is not on this machine and the "
        f"hub cannot be reached. For better results later, run `clipsearch models pull {DEFAULT_MODEL}` and make a new index",
        ClipsearchWarning,
        stacklevel=2,
    )
    return MINI
