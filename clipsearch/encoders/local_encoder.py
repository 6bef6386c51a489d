"""A checkpoint on a CPU without torch: numpy for texts, OpenVINO for pictures. With a GPU, torch takes the pictures.

A tower that is not described by a plan is computed by OpenCLIP's own library.
"""

from __future__ import annotations

import logging
import platform
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.cpu import cores
from clipsearch._internal.warn import warn
from clipsearch.encoders.base import Encoder, ModelSpec, grey_pixels, logit_scale, normalise, require_usable
from clipsearch.encoders.checkpoint import Checkpoint
from clipsearch.encoders.open_clip_config import OPEN_CLIP
from clipsearch.encoders.plan import ModelPlan, PlannedWeights
from clipsearch.encoders.prompts import ENSEMBLE
from clipsearch.encoders.runtime import (
    DataParallel,
    EmbedPixels,
    best_device,
    import_open_clip_encoder,
    import_torch_encoder,
)
from clipsearch.encoders.tokenizers import open_tokenizer
from clipsearch.encoders.tokenizers.cleaning import CleaningTokenizer
from clipsearch.encoders.towers.text_tower import TextTower
from clipsearch.encoders.unread import TextPiece
from clipsearch.encoders.weights import Weights
from clipsearch.errors import ModelError
from clipsearch.types import Embeddings

if TYPE_CHECKING:
    from clipsearch.encoders.precision import Fidelity

logger = logging.getLogger(__name__)

_BATCH = 32  # pictures, as in indexing, so that a precision is timed in the same conditions


class LocalEncoder(Encoder):
    """A checkpoint of a family that is computed here (`clipsearch.encoders.families`).

    Texts are always encoded in fp32. Pictures are encoded in `precision`: "fp32", "bf16", "int8", or "auto", which means fp32
    until `settle_precision` has seen enough pictures to choose.
    """

    def __init__(self, checkpoint: Checkpoint, plan: ModelPlan, device: str = "auto", precision: str = "auto") -> None:
        shape, folder = checkpoint.shape, checkpoint.folder
        if checkpoint.pixels.output_size != (shape.image_size, shape.image_size):
            raise ModelError(
                f"the model does not take the pictures its preprocessing makes: {checkpoint.pixels.output_size}"
            )
        if "image" in plan.foreign and precision == "int8":
            raise ModelError("OpenCLIP's own library runs this model in fp32 or bf16, not in int8")
        if device not in ("auto", "cpu"):
            import_torch_encoder(f"the device {device}").choose_device(device)
        self._checkpoint, self._plan, self._device = checkpoint, plan, device
        stored = Weights(checkpoint.weights_files, plan.optional_prefix)
        stored.require({tensor.name: tensor.stored_shape for tensor in plan.tensors.values()}, plan.other_tensors)
        self._weights = PlannedWeights(stored, plan.tensors)
        tokenizer = open_tokenizer(folder, shape)
        if plan.text.cleaning:
            tokenizer = CleaningTokenizer(tokenizer, plan.text.cleaning)
        self._text = TextTower(folder, plan.text, self._weights, tokenizer)
        self._image_towers: dict[str, EmbedPixels] = {}  # by precision
        self._loading = threading.Lock()
        self.fidelity: Fidelity | None = None
        self.spec = ModelSpec(
            fingerprint=checkpoint.fingerprint(plan.text.dim, None if precision == "auto" else precision),
            pixels=checkpoint.pixels,
            context_length=plan.text.context_length,
            logit_scale=logit_scale(self._number("logit_scale"), folder),
            logit_bias=self._number("logit_bias") if "logit_bias" in self._weights else 0.0,
            label_prompts=ENSEMBLE if plan.reads_english else (),
        )

    def _number(self, name: str) -> float:
        return float(self._weights[name].reshape(()))

    def embed_texts(self, texts: list[str]) -> NDArray[np.float32]:
        """See Encoder."""
        if "text" not in self._plan.foreign:
            return self._text.embed(texts)
        tokens = np.array(self._text.tokens(texts), np.int64)
        self._text.require_known(tokens)
        vectors: NDArray[np.float32] = self._foreign_text_tower.embed_tokens(tokens)
        return vectors

    @cached_property
    def _foreign_text_tower(self) -> Any:
        return import_open_clip_encoder(self._checkpoint.name).OpenClipTower(self._checkpoint, "text")

    def text_pieces(self, text: str) -> list[TextPiece]:
        """See Encoder."""
        return self._text.tokenizer.pieces(text)

    def embed_pixels(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """See Encoder."""
        return self._image_tower(self.spec.fingerprint.precision or "fp32")(pixels)

    def settle_precision(self, pixels: Callable[[], NDArray[np.float32]]) -> Embeddings:
        """See Encoder. An earlier choice for this model on this machine is kept."""
        from clipsearch.encoders import precision  # a text query does without it

        device = self._image_device()
        key = f"{self.spec.fingerprint.digest} {device} {platform.processor()} {platform.machine()} {_runtime_version(device)}"
        is_foreign = device == "cpu" and "image" in self._plan.foreign
        choice = ("fp32", None) if is_foreign else precision.load_choice(key)
        vectors = self._no_embeddings()
        if choice is None:
            candidates = _candidates(device)
            if device == "cpu" and candidates:  # fp32 is compiled while the photos are decoded
                loader = ThreadPoolExecutor(1, thread_name_prefix="clipsearch-load")
                loader.submit(self._image_tower, "fp32")  # an error comes again below
                loader.shutdown(wait=False)
            sample = pixels()
            if len(sample) < precision.JUDGED_PHOTOS:
                return vectors
            chosen, fidelity, vectors = precision.choose_precision(candidates, self._image_embedder, sample)
            choice = chosen, fidelity
            precision.save_choice(key, *choice)
        chosen, self.fidelity = choice
        logger.info("pictures are encoded in %s on %s", chosen, device)
        self.spec = replace(self.spec, fingerprint=replace(self.spec.fingerprint, precision=chosen))
        self._image_towers = {name: tower for name, tower in self._image_towers.items() if name == chosen}
        return vectors

    def _image_embedder(self, precision: str) -> Callable[[NDArray[np.float32]], Embeddings]:
        tower = self._image_tower(precision)
        return lambda pixels: normalise(
            np.concatenate([tower(pixels[start : start + _BATCH]) for start in range(0, len(pixels), _BATCH)])
        )

    def _image_tower(self, precision: str) -> EmbedPixels:
        with self._loading:  # batches come from several threads
            if precision not in self._image_towers:
                self._image_towers[precision] = self._load_image_tower(precision)
            return self._image_towers[precision]

    def _load_image_tower(self, precision: str) -> EmbedPixels:
        checkpoint = self._checkpoint
        if self._image_device() == "cpu" and "image" not in self._plan.foreign:
            try:
                from clipsearch.encoders.towers.image_tower import ImageTower
            except ImportError:
                self._import_torch_library()
                warn(
                    "openvino is not installed, so torch encodes the pictures, at half the speed or less; "
                    "pip install openvino"
                )
            else:
                try:
                    tower = ImageTower(self._weights, self._plan.image, precision, cores()).embed
                    require_usable(tower(grey_pixels(checkpoint.pixels.output_size)), checkpoint.folder)
                    return DataParallel(tower)
                except (RuntimeError, ValueError) as error:
                    reason = str(error).splitlines()[0]
                    raise ModelError(
                        f"the weights in {checkpoint.folder} do not fit its configuration: {reason}"
                    ) from error
        # torch has no int8. An index in int8 goes on in fp32, which int8 was judged equal to.
        return self._load_torch_tower(precision if precision in ("fp32", "bf16") else "fp32")

    def _load_torch_tower(self, precision: str) -> EmbedPixels:
        """An image tower on a GPU, or one that only torch computes."""
        checkpoint, device, library = self._checkpoint, self._image_device(), self._import_torch_library()
        encoder: Any
        if checkpoint.model_type == OPEN_CLIP:
            encoder = library.OpenClipTower(checkpoint, "image", device, precision)
        else:
            encoder = library.TorchEncoder(checkpoint, device, precision)
        embed: EmbedPixels = encoder.embed_pixels
        return embed

    def _import_torch_library(self) -> ModuleType:
        device = self._image_device()
        purpose = self._checkpoint.name if device == "cpu" else f"{self._checkpoint.name} on {device}"
        is_open_clip = self._checkpoint.model_type == OPEN_CLIP
        return import_open_clip_encoder(purpose) if is_open_clip else import_torch_encoder(purpose)

    def _image_device(self) -> str:
        return best_device() if self._device == "auto" else self._device


def _candidates(device: str) -> tuple[str, ...]:
    if device != "cpu":
        return ("bf16",) if device.startswith("cuda") else ()
    try:
        from clipsearch.encoders.towers.image_tower import available_precisions
    except ImportError:
        return ()
    return available_precisions()


def _runtime_version(device: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("openvino" if device == "cpu" else "torch")
    except PackageNotFoundError:
        return ""
