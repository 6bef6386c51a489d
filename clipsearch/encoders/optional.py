"""The libraries that run checkpoints. Not every machine can have them, and `mini` does not need them."""

from __future__ import annotations

from importlib.util import find_spec
from types import ModuleType

from clipsearch.errors import ModelError

_ELSE = "If there is none for this system, use the small model that ships with clipsearch, which needs neither: --model mini"


def require_torch(what: str) -> ModuleType:
    """The module torch_encoder. ModelError, with what to install for `what`, where torch or transformers is missing."""
    missing = [name for name in ("torch", "transformers") if not _is_installed(name)]
    if missing:
        also = " (or, for pictures on a CPU, openvino)" if not _is_installed("openvino") else ""
        raise ModelError(
            f"{what} needs {' and '.join(missing)}{also}, which is not installed: pip install {' '.join(missing)}. {_ELSE}"
        )
    from clipsearch.encoders import torch_encoder

    return torch_encoder


def runs_checkpoints() -> bool:
    """Whether anything is installed here that encodes pictures by a checkpoint."""
    return _is_installed("openvino") or (_is_installed("torch") and _is_installed("transformers"))


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):  # a broken one
        return False
