"""The reference: any CLIP-family checkpoint through transformers and torch, on a CPU, CUDA or Apple's MPS."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from clipsearch.encoders import checkpoint
from clipsearch.encoders.base import Encoder, ModelSpec
from clipsearch.encoders.prompts import ENSEMBLE
from clipsearch.errors import ClipsearchWarning, ModelError
from clipsearch.schema import Fingerprint

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
# SigLIP was trained on texts padded to its full context and has no attention mask to tell padding from words.
_PADS_TO_CONTEXT = ("siglip",)
_NOT_ENGLISH = ("chinese_clip",)  # English templates would only confuse it


class TorchEncoder(Encoder):
    """A checkpoint folder, run as its own code runs it, in "fp32" or "bf16"."""

    def __init__(
        self, folder: Path, model: str, revision: str = "", device: str = "auto", precision: str = "fp32"
    ) -> None:
        if precision not in _DTYPES:
            raise ModelError(f"torch runs this model in {' or '.join(_DTYPES)}, not in {precision}")
        config = checkpoint.read_config(folder)
        checkpoint.weight_files(folder)
        pixels = checkpoint.read_pixel_spec(folder)
        self._device = choose_device(device)
        try:
            with _quiet_transformers():
                self._model: Any = transformers.AutoModel.from_pretrained(
                    folder,
                    local_files_only=True,
                    use_safetensors=True,
                    trust_remote_code=False,
                    dtype=_DTYPES[precision],
                )
                self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(
                    folder, local_files_only=True, trust_remote_code=False
                )
        except ImportError as error:
            raise ModelError(f"{model}: {error}\nSigLIP tokenizers need: pip install 'clipsearch[siglip]'") from error
        except Exception as error:  # transformers raises anything at all for a folder it cannot load
            raise ModelError(f"cannot load the model in {folder}: {error}") from error
        self._model = self._model.eval().to(self._device)
        self._pad_to_context = config["model_type"] in _PADS_TO_CONTEXT
        context = int(self._model.config.text_config.max_position_embeddings)
        bias = getattr(self._model, "logit_bias", None)
        self.spec = ModelSpec(
            fingerprint=Fingerprint(
                model, revision, checkpoint.digest(folder, pixels), self._dim(pixels.output_size), precision
            ),
            pixels=pixels,
            context_length=min(context, int(self._tokenizer.model_max_length)),
            logit_scale=math.exp(float(self._model.logit_scale.detach())),
            logit_bias=float(bias.detach()) if bias is not None else 0.0,
            label_prompts=() if config["model_type"] in _NOT_ENGLISH else ENSEMBLE,
        )

    @torch.inference_mode()
    def embed_pixels(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """See Encoder; `get_image_features` does not normalise."""
        batch = torch.from_numpy(np.ascontiguousarray(pixels)).to(self._device, self._model.dtype)
        return _pooled(self._model.get_image_features(pixel_values=batch))

    @torch.inference_mode()
    def embed_texts(self, texts: list[str]) -> NDArray[np.float32]:
        """See Encoder. Texts are padded to the longest of the batch: CLIP's text tower is causal."""
        limit = self.spec.context_length
        lengths = [len(ids) for ids in self._tokenizer(texts, verbose=False)["input_ids"]]
        for text, length in zip(texts, lengths, strict=True):
            if length > limit:
                warnings.warn(
                    f"text of {length} tokens cut to the model's {limit}: {text[:60]!r}…",
                    ClipsearchWarning,
                    stacklevel=3,
                )
        inputs = self._tokenizer(
            texts,
            padding="max_length" if self._pad_to_context else True,
            max_length=limit,
            truncation=True,
            return_tensors="pt",
        ).to(self._device)
        return _pooled(self._model.get_text_features(**inputs))

    def _dim(self, size: tuple[int, int]) -> int:
        blank = np.zeros((1, 3, *size), np.float32)
        try:
            return int(self.embed_pixels(blank).shape[1])
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"the model does not take the pictures its preprocessing makes: {error}") from error


def _pooled(output: Any) -> NDArray[np.float32]:
    """The projected embedding: transformers 5 returns an object that holds it, older releases the tensor itself."""
    tensor = output if isinstance(output, torch.Tensor) else output.pooler_output
    array: NDArray[np.float32] = tensor.float().cpu().numpy()
    return array


def choose_device(name: str) -> torch.device:
    """The torch device of a name, or for "auto" the best there is. ModelError where it cannot be used."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"device {name!r} cannot be used here: {str(error).splitlines()[0]}") from error
    return device


class _quiet_transformers:  # noqa: N801 - a context manager
    """Hide transformers' own progress bar and notices while it loads; ours say what matters."""

    def __enter__(self) -> None:
        self._verbosity = transformers.logging.get_verbosity()
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()

    def __exit__(self, *_: object) -> None:
        transformers.logging.set_verbosity(self._verbosity)
        transformers.logging.enable_progress_bar()
