"""The reference: any CLIP-family checkpoint through transformers and torch, on a CPU, CUDA or Apple's MPS."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
import transformers
from numpy.typing import NDArray

from clipsearch.encoders import checkpoint
from clipsearch.encoders.base import Encoder, ModelSpec, blank, logit_scale, require_numbers
from clipsearch.encoders.prompts import ENSEMBLE
from clipsearch.encoders.shape import ClipConfig, fewest_values, read_shape
from clipsearch.encoders.tokenizer import WORDS, require_plain_files, require_words, with_panics
from clipsearch.encoders.weights import Weights, require_all, require_shape
from clipsearch.errors import ClipsearchWarning, ModelError, one_line
from clipsearch.types import Fingerprint

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
# SigLIP was trained on texts padded to its full context and has no attention mask to tell padding from words.
_PADS_TO_CONTEXT = ("siglip",)
_CLASSES = {
    "clip": "CLIPModel",
    "metaclip_2": "MetaClip2Model",
    "siglip": "SiglipModel",
    "chinese_clip": "ChineseCLIPModel",
}
_TOWERS = ("text_config", "vision_config", "text_config_dict", "vision_config_dict")
_VALUES = (
    "bos_token_id", "eos_token_id", "hidden_act", "hidden_size", "image_size",
    "intermediate_size", "layer_norm_eps", "max_position_embeddings", "num_attention_heads", "num_channels",
    "num_hidden_layers", "pad_token_id", "patch_size", "projection_dim", "projection_size", "type_vocab_size",
    "vision_use_head", "vocab_size",
)  # fmt: skip
_NOT_ENGLISH = ("chinese_clip",)  # English templates would only confuse it


class TorchEncoder(Encoder):
    """A checkpoint folder, run as its own code runs it, in "fp32" or "bf16"."""

    def __init__(
        self, folder: Path, model: str, revision: str = "", device: str = "auto", precision: str = "fp32"
    ) -> None:
        if precision not in _DTYPES:
            raise ModelError(f"torch runs this model in {' or '.join(_DTYPES)}, not in {precision}")
        kind = checkpoint.read_config(folder)["model_type"]
        files = checkpoint.tensor_files(folder)
        checkpoint.require_tokenizer(folder, kind)
        shape = read_shape(folder)
        pixels = checkpoint.read_pixel_spec(folder)
        _require_weights(files, shape, folder)
        require_plain_files(folder)
        self._device = choose_device(device)
        try:
            with _quiet_transformers():
                self._model: Any = _load_model(folder, kind, files, _DTYPES[precision])
                self._tokenizer: Any = with_panics(
                    lambda: transformers.AutoTokenizer.from_pretrained(
                        folder, config=self._model.config, local_files_only=True, trust_remote_code=False
                    ),
                    folder,
                )
        except ImportError as error:
            raise ModelError(f"{model}: {error}\nSigLIP tokenizers need: pip install 'clipsearch[siglip]'") from error
        except ModelError:
            raise
        except Exception as error:  # transformers raises anything at all for a folder it cannot load
            raise ModelError(f"cannot load the model in {folder}: {one_line(error)}") from error
        require_words(lambda word: self._tokenizer(word)["input_ids"], folder)
        self._folder, self._tokens = folder, shape.tokens
        self._model = self._model.eval().to(self._device)
        self._pad_to_context = kind in _PADS_TO_CONTEXT
        bias = getattr(self._model, "logit_bias", None)
        self.spec = ModelSpec(
            fingerprint=Fingerprint(
                model, revision, checkpoint.digest(folder, pixels), self._dim(pixels.output_size), precision
            ),
            pixels=pixels,
            context_length=min(shape.context_length, int(self._tokenizer.model_max_length)),
            logit_scale=logit_scale(float(self._model.logit_scale.detach()), folder),
            logit_bias=float(bias.detach()) if bias is not None else 0.0,
            label_prompts=() if kind in _NOT_ENGLISH else ENSEMBLE,
        )

        self._try_texts()

    @torch.inference_mode()
    def embed_pixels(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """See Encoder; `get_image_features` does not normalise."""
        batch = torch.from_numpy(np.ascontiguousarray(pixels)).to(self._device, self._model.dtype)
        return _pooled(self._model.get_image_features(pixel_values=batch))

    @torch.inference_mode()
    def embed_texts(self, texts: list[str]) -> NDArray[np.float32]:
        """See Encoder. Texts are padded to the longest of the batch: CLIP's text tower is causal."""
        limit = self.spec.context_length
        tokens = self._tokenizer(texts, verbose=False)["input_ids"]
        if not all(0 <= token < self._tokens for ids in tokens for token in ids):
            raise ModelError(
                f"{self._folder}: its tokenizer gives tokens that the model does not know, so it is another model's; fetch the "
                "checkpoint again"
            )
        lengths = [len(ids) for ids in tokens]
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

    def _try_texts(self) -> None:
        """Raise ModelError if the texts that the tokenizer makes are not the model's, or all have one vector."""
        try:
            vectors = with_panics(lambda: self.embed_texts(list(WORDS)), self._folder)
        except (RuntimeError, ValueError, LookupError, TypeError) as error:
            raise ModelError(
                f"the model in {self._folder} does not take the texts that its tokenizer makes: {one_line(error)}"
            ) from error
        require_numbers(vectors, self._folder)
        if np.allclose(vectors, vectors[:1], rtol=1e-5, atol=0):
            raise ModelError(
                f"the model in {self._folder} gives every text the same vector, so its tokenizer is another model's; fetch "
                "the checkpoint again"
            )

    def _dim(self, size: tuple[int, int]) -> int:
        try:
            vectors = self.embed_pixels(blank(size))
        except (RuntimeError, ValueError) as error:
            raise ModelError(
                f"the model does not take the pictures its preprocessing makes: {one_line(error)}"
            ) from error
        require_numbers(vectors, self._folder)
        return int(vectors.shape[1])


def _require_weights(files: list[Path], shape: ClipConfig, folder: Path) -> None:
    """Raise ModelError if the weights are not whole, or too few for what config.json describes: the rest would be made up."""
    weights = Weights(files)
    weights.require_readable()
    if weights.count < fewest_values(shape):
        raise ModelError(
            f"{folder} is incomplete: its config.json describes at least {fewest_values(shape):,} values, but its weights "
            f"hold {weights.count:,}; fetch the checkpoint again"
        )


def _load_model(folder: Path, kind: str, files: list[Path], dtype: torch.dtype) -> Any:
    """The model, from the values of config.json that a forward pass depends on and from these files, and from nothing else."""
    tensors = {name: tensor for file in files for name, tensor in safetensors.torch.load_file(file).items()}
    config = transformers.AutoConfig.for_model(kind, **_known_values(checkpoint.read_config(folder)))
    model, found = getattr(transformers, _CLASSES[kind]).from_pretrained(
        None, config=config, state_dict=tensors, dtype=dtype, output_loading_info=True, ignore_mismatched_sizes=True
    )
    for name, stored, expected in found["mismatched_keys"]:
        require_shape(folder, name, tuple(stored), tuple(expected))
    if found["error_msgs"]:
        raise ValueError(found["error_msgs"][0])
    require_all(folder, found["missing_keys"], found["unexpected_keys"])
    return model


def _known_values(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration without what names code, other files, kernels or quantisers."""
    return {
        name: _known_values(value) if name in _TOWERS and isinstance(value, dict) else value
        for name, value in config.items()
        if name in _TOWERS or name in _VALUES
    }


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
