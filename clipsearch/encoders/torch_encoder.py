"""The reference: any CLIP-family checkpoint through transformers and torch, on a CPU, CUDA or Apple's MPS."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import safetensors.torch
import torch
import transformers
from numpy.typing import NDArray

from clipsearch.encoders.base import Encoder, ModelSpec, grey_pixels, logit_scale, require_usable, warn_truncated
from clipsearch.encoders.checkpoint import (
    SAMPLE_WORDS,
    Checkpoint,
    call_tokenizers,
    require_readable_files,
    require_words_differ,
)
from clipsearch.encoders.prompts import ENSEMBLE
from clipsearch.encoders.shape import BOUNDS
from clipsearch.encoders.tokenizers.library import is_gemma, restore_training_defaults
from clipsearch.encoders.unread import TextPiece, text_pieces
from clipsearch.encoders.weights import Weights, require_same_names, require_shape
from clipsearch.errors import ModelError, one_line

logger = logging.getLogger(__name__)

_WORD_START = "\u2581"  # a token of SentencePiece without characters of its own
_BYTE = re.compile("<0x[0-9A-F]{2}>")  # a token of SentencePiece for a part of a character
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
_CLASSES = {
    "clip": "CLIPModel",
    "metaclip_2": "MetaClip2Model",
    "siglip": "SiglipModel",
    "siglip2": "Siglip2Model",
    "chinese_clip": "ChineseCLIPModel",
}
_TOWERS = ("text_config", "vision_config", "text_config_dict", "vision_config_dict")
_FORWARD_PASS_VALUES = {
    *BOUNDS,
    "bos_token_id",
    "eos_token_id",
    "hidden_act",
    "layer_norm_eps",
    "pad_token_id",
    "vision_use_head",
}


class TorchEncoder(Encoder):
    """A checkpoint run by transformers and torch, in "fp32" or "bf16".

    Raises ModelError if its files are incomplete, do not belong together, or torch cannot use the device.
    """

    def __init__(self, checkpoint: Checkpoint, device: str = "auto", precision: str = "fp32") -> None:
        if precision not in _DTYPES:
            raise ModelError(f"torch runs this model in {' or '.join(_DTYPES)}, not in {precision}")
        folder, model_type = checkpoint.folder, checkpoint.model_type
        self._folder, self._vocabulary = folder, checkpoint.shape.vocabulary
        # SigLIP was trained on texts padded to its full context, and has no attention mask to tell padding from words.
        self._is_siglip = model_type in ("siglip", "siglip2")
        self._patch_size = checkpoint.shape.patch_size if model_type == "siglip2" else None
        _require_weights(checkpoint)
        require_readable_files(folder)
        self._device = choose_device(device)
        try:
            with _quiet_transformers():
                self._model: Any = _load_model(checkpoint, _DTYPES[precision])
                self._tokenizer: Any = call_tokenizers(
                    lambda: transformers.AutoTokenizer.from_pretrained(
                        folder, config=self._model.config, local_files_only=True, trust_remote_code=False
                    ),
                    folder,
                )
        except ImportError as error:
            raise ModelError(
                f"{checkpoint.name}: {error}\nSigLIP tokenizers need: pip install 'clipsearch[siglip]'"
            ) from error
        except ModelError:
            raise
        except Exception as error:  # transformers raises anything at all for a folder it cannot load
            raise ModelError(f"cannot load the model in {folder}: {one_line(error)}") from error
        if self._tokenizer.is_fast and is_gemma(self._tokenizer.backend_tokenizer):
            restore_training_defaults(self._tokenizer.backend_tokenizer, folder)
        require_words_differ(lambda word: self._tokenizer(word)["input_ids"], folder)
        self._model = self._model.eval().to(self._device)
        bias = getattr(self._model, "logit_bias", None)
        dim = self._measure_dim(checkpoint.pixels.output_size)
        self.spec = ModelSpec(
            fingerprint=checkpoint.fingerprint(dim, precision),
            pixels=checkpoint.pixels,
            context_length=min(checkpoint.shape.context_length, int(self._tokenizer.model_max_length)),
            logit_scale=logit_scale(float(self._model.logit_scale.detach()), folder),
            logit_bias=float(bias.detach()) if bias is not None else 0.0,
            label_prompts=() if model_type == "chinese_clip" else ENSEMBLE,  # the templates are English
        )
        self._require_texts_differ()

    @torch.inference_mode()
    def embed_pixels(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """See Encoder; `get_image_features` does not normalise."""
        batch = torch.from_numpy(np.ascontiguousarray(pixels)).to(self._device, self._model.dtype)
        if self._patch_size is None:
            return _pooled(self._model.get_image_features(pixel_values=batch))
        patches, grid = _flat_patches(batch, self._patch_size)
        return _pooled(
            self._model.get_image_features(
                pixel_values=patches,
                pixel_attention_mask=torch.ones(patches.shape[:2], dtype=torch.int32, device=self._device),
                spatial_shapes=torch.tensor([grid] * len(patches), device=self._device),
            )
        )

    def text_pieces(self, text: str) -> list[TextPiece]:
        """See Encoder; empty for a tokenizer written in Python, which does not tell where its tokens stand."""
        if not self._tokenizer.is_fast:
            return []
        encoded = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        tokens = self._tokenizer.convert_ids_to_tokens(encoded["input_ids"])
        spans = zip(tokens, encoded["offset_mapping"], strict=True)
        offsets = [(0, 0) if token == _WORD_START else (start, end) for token, (start, end) in spans]
        unknown = self._tokenizer.unk_token
        return text_pieces(offsets, [token == unknown or bool(_BYTE.fullmatch(token)) for token in tokens])

    @torch.inference_mode()
    def embed_texts(self, texts: list[str]) -> NDArray[np.float32]:
        """See Encoder. Texts are padded to the longest of the batch: CLIP's text tower is causal."""
        limit = self.spec.context_length
        tokens = self._tokenizer(texts, verbose=False)["input_ids"]
        if not all(0 <= token < self._vocabulary for ids in tokens for token in ids):
            raise ModelError(
                f"{self._folder}: its tokenizer gives tokens that the model does not know, so it is another model's; fetch the "
                "checkpoint again"
            )
        warn_truncated(texts, map(len, tokens), limit)
        inputs = self._tokenizer(
            texts,
            padding="max_length" if self._is_siglip else True,
            padding_side="right",
            max_length=limit,
            truncation=True,
            return_tensors="pt",
        ).to(self._device)
        if self._is_siglip:
            inputs = {"input_ids": inputs["input_ids"]}
        return _pooled(self._model.get_text_features(**inputs))

    def _require_texts_differ(self) -> None:
        """Raise ModelError if the model does not take the tokenizer's tokens, or all texts have one vector."""
        try:
            vectors = call_tokenizers(lambda: self.embed_texts(list(SAMPLE_WORDS)), self._folder)
        except (RuntimeError, ValueError, LookupError, TypeError) as error:
            raise ModelError(
                f"the model in {self._folder} does not take the texts that its tokenizer makes: {one_line(error)}"
            ) from error
        require_usable(vectors, self._folder)
        if np.allclose(vectors, vectors[:1], rtol=1e-5, atol=0):
            raise ModelError(
                f"the model in {self._folder} gives every text the same vector, so its tokenizer is another model's; fetch "
                "the checkpoint again"
            )

    def _measure_dim(self, size: tuple[int, int]) -> int:
        try:
            vectors = self.embed_pixels(grey_pixels(size))
        except (RuntimeError, ValueError) as error:
            raise ModelError(
                f"the model does not take the pictures its preprocessing makes: {one_line(error)}"
            ) from error
        require_usable(vectors, self._folder)
        return int(vectors.shape[1])


def _require_weights(checkpoint: Checkpoint) -> None:
    """Raise ModelError if there are fewer weights than config.json describes: transformers would make up the rest."""
    weights = Weights(checkpoint.weights_files)
    weights.require_readable()
    if weights.count < checkpoint.shape.min_values():
        raise ModelError(
            f"{checkpoint.folder} is incomplete: its config.json describes at least {checkpoint.shape.min_values():,} values, "
            f"but its weights hold {weights.count:,}; fetch the checkpoint again"
        )


def _load_model(checkpoint: Checkpoint, dtype: torch.dtype) -> Any:
    """The model, built only from the checkpoint's weights and the values of config.json that a forward pass depends on."""
    folder, model_type = checkpoint.folder, checkpoint.model_type
    tensors = {
        name: tensor for file in checkpoint.weights_files for name, tensor in safetensors.torch.load_file(file).items()
    }
    config = transformers.AutoConfig.for_model(model_type, **_known_values(checkpoint.config))
    model, report = getattr(transformers, _CLASSES[model_type]).from_pretrained(
        None, config=config, state_dict=tensors, dtype=dtype, output_loading_info=True, ignore_mismatched_sizes=True
    )
    for name, stored, expected in report["mismatched_keys"]:
        require_shape(folder, name, tuple(stored), tuple(expected))
    if report["error_msgs"]:
        raise ValueError(report["error_msgs"][0])
    require_same_names(folder, report["missing_keys"], report["unexpected_keys"])
    return model


def _known_values(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration without the values that name code, other files, kernels or quantisers."""
    return {
        name: _known_values(value) if name in _TOWERS and isinstance(value, dict) else value
        for name, value in config.items()
        if name in _TOWERS or name in _FORWARD_PASS_VALUES
    }


def _flat_patches(pixels: torch.Tensor, side: int) -> tuple[torch.Tensor, tuple[int, int]]:
    """Pictures (n, 3, height, width) as NaFlex models take them: (n, patches, side * side * 3), and (rows, columns)."""
    count, channels, height, width = pixels.shape
    rows, columns = height // side, width // side
    patches = pixels.reshape(count, channels, rows, side, columns, side).permute(0, 2, 4, 3, 5, 1)
    return patches.reshape(count, rows * columns, -1), (rows, columns)


def _pooled(output: Any) -> NDArray[np.float32]:
    """The projected embeddings (n, dim): transformers 5 returns an object that holds them, older releases the tensor."""
    tensor = output if isinstance(output, torch.Tensor) else output.pooler_output
    array: NDArray[np.float32] = tensor.float().cpu().numpy()
    return array


def choose_device(name: str) -> torch.device:
    """The torch device of a name, or for "auto" the best one here. Raises ModelError if it cannot be used."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        logger.debug("the device %s does not work: %s", name, error)
        kind = name.partition(":")[0]
        is_missing = "not compiled" in str(error) or "Could not run" in str(error)
        why = f"this PyTorch was built without {kind.upper()}" if is_missing else "the machine has no such device"
        raise ModelError(
            f"the device {name} cannot be used here: {why}; leave `device` out to use the best one that works"
        ) from error
    return device


@contextlib.contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Hide transformers' own progress bar and notices while it loads; ours say what matters."""
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(verbosity)
        transformers.logging.enable_progress_bar()
