"""Models that turn texts and pictures into unit vectors of one space."""

from __future__ import annotations

import logging
import os

from clipsearch._internal.arguments import require_one_of
from clipsearch._internal.warn import warn
from clipsearch.encoders.base import Encoder
from clipsearch.encoders.devices import require_device
from clipsearch.encoders.recommended import MINI
from clipsearch.encoders.registry import (
    canonical_name,
    choose_default_model,
    find_checkpoint,
    local_folder,
    require_trusted_model,
)
from clipsearch.errors import ModelError

logger = logging.getLogger(__name__)

PRECISIONS = ("fp32", "bf16", "int8")

__all__ = [
    "PRECISIONS",
    "canonical_name",
    "choose_default_model",
    "find_checkpoint",
    "load_encoder",
    "require_trusted_model",
]


def load_encoder(name_or_path: str | os.PathLike[str], device: str = "auto", precision: str = "auto") -> Encoder:
    """Load a model as an encoder of texts and pictures.

    `name_or_path` is "mini" (the model inside the package), the hub id of a CLIP-family checkpoint (downloaded if it is not
    cached), the same as OpenCLIP writes it (`hf-hub:ORG/NAME` or `ViT-B-32@openai`), or a checkpoint's folder. `device` is
    "auto" (CUDA, else MPS, else CPU) or a torch device; `mini` always runs on the CPU. `precision` applies to pictures: "fp32",
    "bf16", "int8", or "auto". `mini` has only int8. With "auto", an index measures its first photos to choose,
    and other encoders use fp32.

    Raises ModelError if there is no such model or device, or the model cannot be loaded. Weights are read from safetensors
    only, and no code that comes with a checkpoint ever runs.
    """
    require_device(device)
    if not isinstance(name_or_path, (str, os.PathLike)):
        raise ModelError(f"a model is a name (str) or the path of a folder, not {name_or_path!r}")
    if not os.fspath(name_or_path).strip():
        raise ModelError("the model's name is empty; for a checkpoint in the current folder, give '.'")
    name = canonical_name(os.fspath(name_or_path))
    require_one_of("precision", precision, ("auto", *PRECISIONS), ModelError)
    if name == MINI:
        from clipsearch.encoders.mini.encoder import MiniEncoder

        if precision not in ("auto", "int8"):
            raise ModelError(f"{MINI!r} runs in int8 only; leave the precision out")
        if device not in ("auto", "cpu"):
            warn(f"{MINI!r} runs on the CPU; it does not use the device {device}")
        return MiniEncoder()
    from clipsearch.encoders.checkpoint import Checkpoint

    folder, revision = find_checkpoint(name)
    # Importing torch takes seconds, so a broken folder is reported before.
    checkpoint = Checkpoint(folder, str(folder) if folder == local_folder(name) else name, revision)
    logger.debug("loading %s from %s, device %s, precision %s", checkpoint.name, folder, device, precision)
    from clipsearch.encoders.tokenizers import has_tokenizer

    if checkpoint.plan and has_tokenizer(folder):
        from clipsearch.encoders.local_encoder import LocalEncoder

        return LocalEncoder(checkpoint, checkpoint.plan, device, precision)
    from clipsearch.encoders.runtime import import_torch_encoder

    torch_encoder = import_torch_encoder(checkpoint.name)
    encoder: Encoder = torch_encoder.TorchEncoder(checkpoint, device, "fp32" if precision == "auto" else precision)
    return encoder
