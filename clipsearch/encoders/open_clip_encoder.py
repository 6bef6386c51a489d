"""Towers that OpenCLIP's own library computes, by torch: what our towers do not have, such as timm's models; and on GPUs.

No code of a checkpoint's repository runs, and nothing is downloaded: the library builds a tower from checked numbers and from
names of its own, and the weights are the folder's safetensors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from clipsearch.encoders.base import grey_pixels, require_usable
from clipsearch.encoders.checkpoint import Checkpoint
from clipsearch.encoders.open_clip_config import OPEN_CLIP_CONFIG
from clipsearch.encoders.shape import shortened
from clipsearch.encoders.torchvision_stand_in import import_without_torchvision
from clipsearch.encoders.weights import require_same_names, require_shape
from clipsearch.errors import ModelError, one_line

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
_MAX_LAYERS, _MAX_NUMBER = 200, 65_536
_NAME = re.compile(r"[a-z0-9_]{0,100}")  # of a class of the libraries, not of a file or a repository
# What a forward pass depends on. Other options are for training, or name files to download.
_SIZES = {
    "layers",
    "width",
    "heads",
    "head_width",
    "mlp_ratio",
    "patch_size",
    "image_size",
    "context_length",
    "vocab_size",
}
_POOLING = {
    "pool_type",
    "attentional_pool",
    "attn_pooler_queries",
    "attn_pooler_heads",
    "embed_cls",
    "pad_id",
    "eos_id",
}
_LAYERS = {
    "act_kwargs",
    "norm_kwargs",
    "block_type",
    "qk_norm",
    "scaled_cosine_attn",
    "scale_heads",
    "scale_attn_inner",
}
_LAYERS |= {"scale_attn", "scale_fc", "ls_init_value", "no_causal_mask"}
_ENDS = {"no_ln_pre", "final_ln_after_pool", "proj_bias", "proj_type"}
_TIMM = {"timm_model_name", "timm_pool", "timm_proj", "timm_proj_bias"}
_OPTIONS = frozenset(_SIZES | _POOLING | _LAYERS | _ENDS | _TIMM)
_NESTED = {"act_kwargs": "approximate", "norm_kwargs": "eps"}


class OpenClipTower:
    """One tower of a checkpoint in OpenCLIP's layout, in "fp32" or "bf16".

    Raises ModelError if the library is missing, or cannot build the tower, or if the weights are not the tower's.
    """

    def __init__(
        self, checkpoint: Checkpoint, tower: Literal["text", "image"], device: str = "cpu", precision: str = "fp32"
    ) -> None:
        if precision not in _DTYPES:
            raise ModelError(f"OpenCLIP's library runs this model in {' or '.join(_DTYPES)}, not in {precision}")
        self._folder, self._dim, self._device = checkpoint.folder, checkpoint.shape.dim, torch.device(device)
        with torch.device("meta"):  # it takes no memory there, whatever the configuration says
            expected = _build(checkpoint, tower).state_dict()
        try:
            tensors = self._read(checkpoint, tower, expected)
        except (OSError, SafetensorError) as error:
            raise ModelError(
                f"{checkpoint.weights_files[0]} cannot be read: {one_line(error)}; fetch the checkpoint again"
            ) from error
        self._module = _build(checkpoint, tower)
        self._module.load_state_dict(tensors)
        self._module = self._module.eval().to(self._device, _DTYPES[precision])
        if tower == "image":
            self._require_vectors(checkpoint.pixels.output_size)

    def _read(self, checkpoint: Checkpoint, tower: str, expected: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        """The tower's tensors by the library's names. They have the names and shapes of `expected`."""
        tensors = {}
        (file,) = checkpoint.weights_files
        with safe_open(file, "pt") as stored:
            names = {name: _name_in_tower(name, tower) for name in stored.keys()}  # noqa: SIM118 - it has keys(), but is not a mapping
            own = {inner: name for name, inner in names.items() if inner is not None}
            require_same_names(self._folder, expected.keys() - own.keys(), own.keys() - expected.keys())
            for inner, name in own.items():
                shape = tuple(stored.get_slice(name).get_shape())
                require_shape(self._folder, name, shape, tuple(expected[inner].shape))
                tensors[inner] = stored.get_tensor(name).reshape(expected[inner].shape)
        return tensors

    @torch.inference_mode()
    def embed_pixels(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Raw vectors (n, dim) of preprocessed pictures, float32 (n, 3, height, width)."""
        dtype = next(self._module.parameters()).dtype
        return self._vectors(torch.from_numpy(np.ascontiguousarray(pixels)).to(self._device, dtype))

    @torch.inference_mode()
    def embed_tokens(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Raw vectors (n, dim) of texts: the ids of their tokens (n, context length), padded."""
        return self._vectors(torch.from_numpy(tokens).to(self._device))

    def _vectors(self, inputs: torch.Tensor) -> NDArray[np.float32]:
        outputs = self._module(inputs)
        if isinstance(outputs, tuple):  # the vectors, and the tokens that CoCa writes captions from
            outputs = outputs[0]
        vectors: NDArray[np.float32] = outputs.float().cpu().numpy()
        return vectors

    def _require_vectors(self, size: tuple[int, int]) -> None:
        try:
            vectors = self.embed_pixels(grey_pixels(size))
        except (RuntimeError, ValueError, AssertionError) as error:
            raise ModelError(
                f"the model does not take the pictures its preprocessing makes: {one_line(error)}"
            ) from error
        if vectors.shape != (1, self._dim):
            raise ModelError(
                f"{self._folder}: embed_dim in {OPEN_CLIP_CONFIG} is {self._dim}, and the model makes vectors of the shape "
                f"{vectors.shape[1:]}; fetch the checkpoint again"
            )
        require_usable(vectors, self._folder)


@cache
def _libraries() -> tuple[Any, Any]:
    """The modules open_clip.model and timm."""
    model, timm = import_without_torchvision("open_clip.model", "timm")
    return model, timm


def _build(checkpoint: Checkpoint, tower: str) -> Any:
    """A tower with made-up weights."""
    model, timm = _libraries()
    values = checkpoint.config["model_cfg"]
    is_quick = values.get("quick_gelu") is True
    options = _checked(values["text_cfg" if tower == "text" else "vision_cfg"], checkpoint)
    name = options.get("timm_model_name")
    if name and not timm.is_model(name):
        raise ModelError(
            f"{checkpoint.folder}: the installed timm has no model {name!r:.60}; upgrade it, or choose another"
        )
    try:
        if tower == "text":
            return model._build_text_tower(checkpoint.shape.dim, model.CLIPTextCfg(**options), is_quick)
        return model._build_vision_tower(checkpoint.shape.dim, model.CLIPVisionCfg(**options), is_quick)
    except Exception as error:  # they raise anything at all for values that do not fit each other
        raise ModelError(
            f"{checkpoint.folder}: OpenCLIP's library cannot build the {tower} tower that {OPEN_CLIP_CONFIG} describes: "
            f"{one_line(error)}"
        ) from error


def _checked(options: Mapping[str, Any], checkpoint: Checkpoint) -> dict[str, Any]:
    """The options of a tower that a forward pass depends on. Raises ModelError for a value that no model has."""
    known = {name: value for name, value in options.items() if name in _OPTIONS}
    for name, value in known.items():
        inner = value.get(_NESTED[name]) if name in _NESTED and isinstance(value, dict) and len(value) == 1 else value
        if not _is_sensible(inner, _MAX_LAYERS if name == "layers" else _MAX_NUMBER):
            raise ModelError(
                f"{checkpoint.folder}: {name} in {OPEN_CLIP_CONFIG} is {shortened(value)}, which no model has; fetch the "
                "checkpoint again"
            )
    return known


def _is_sensible(value: object, largest: int) -> bool:
    if isinstance(value, list):
        return len(value) <= 4 and all(type(number) is int and 0 <= number <= largest for number in value)
    if isinstance(value, str):
        return bool(_NAME.fullmatch(value))
    return value is None or (isinstance(value, (bool, int, float)) and 0 <= value <= largest)


def _name_in_tower(name: str, tower: str) -> str | None:
    """A stored tensor's name in its tower; None if another tower has it."""
    if name.startswith("visual."):
        return name.removeprefix("visual.") if tower == "image" else None
    if tower == "image" or name.startswith(("logit_", "text_decoder.")):
        return None
    return name.removeprefix("text.")
