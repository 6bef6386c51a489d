"""A CLIP checkpoint on a CPU without torch: numpy for texts, OpenVINO for pictures. With a GPU, torch takes the pictures."""

from __future__ import annotations

import os
import platform
import sys
import threading
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.cpu import cores
from clipsearch.encoders import checkpoint
from clipsearch.encoders.base import Encoder, ModelSpec, blank, logit_scale, normalise, require_numbers
from clipsearch.encoders.clip.text_tower import TextTower
from clipsearch.encoders.data_parallel import Parts, Run
from clipsearch.encoders.optional import require_torch
from clipsearch.encoders.prompts import ENSEMBLE
from clipsearch.encoders.shape import ClipConfig, clip_tensors
from clipsearch.encoders.weights import Weights
from clipsearch.errors import ClipsearchWarning, ModelError
from clipsearch.types import Embeddings, Fingerprint

if TYPE_CHECKING:
    from clipsearch.encoders import precision


class ClipEncoder(Encoder):
    """A checkpoint folder that `read_clip_config` understands.

    Texts are always encoded in fp32. Pictures are encoded in `wanted`: "fp32", "bf16", "int8", or "auto", which is fp32 until
    `settle_precision` has seen enough pictures to choose.
    """

    def __init__(
        self,
        folder: Path,
        config: ClipConfig,
        model: str,
        revision: str = "",
        device: str = "auto",
        wanted: str = "auto",
    ) -> None:
        pixels = checkpoint.read_pixel_spec(folder)
        if pixels.output_size != (config.vision.image_size,) * 2:
            raise ModelError(f"the model does not take the pictures its preprocessing makes: {pixels.output_size}")
        self._folder, self._config, self._model, self._revision = folder, config, model, revision
        self._device = device
        if device not in ("auto", "cpu"):
            require_torch(f"the device {device}").choose_device(device)
        self._weights = Weights(checkpoint.tensor_files(folder))
        self._weights.require(clip_tensors(config))
        self._text = TextTower(folder, config, self._weights)
        self._towers: dict[str, Run] = {}
        self._loading = threading.Lock()
        digest = checkpoint.digest(folder, pixels)
        self.fidelity: precision.Fidelity | None = None
        self.spec = ModelSpec(
            fingerprint=Fingerprint(model, revision, digest, config.dim, None if wanted == "auto" else wanted),
            pixels=pixels,
            context_length=config.context_length,
            logit_scale=logit_scale(float(self._weights["logit_scale"].reshape(())), folder),
            label_prompts=ENSEMBLE,
        )

    def embed_texts(self, texts: list[str]) -> NDArray[np.float32]:
        """See Encoder."""
        return self._text.embed(texts)

    def embed_pixels(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """See Encoder."""
        return self._tower(self.spec.fingerprint.precision or "fp32")(pixels)

    def settle_precision(self, pixels: Callable[[], NDArray[np.float32]]) -> None:
        """See Encoder. What was found for this model on this machine before holds."""
        from clipsearch.encoders import precision  # what only pictures need, a lone text does not wait for

        device = self._where()
        key = f"{self.spec.fingerprint.digest} {device} {platform.processor()} {platform.machine()} {_runtime_version(device)}"
        found = precision.remembered(key)
        if found is None:
            judged = pixels()
            if len(judged) < precision.JUDGED_PHOTOS:
                return
            queries = self.encode_texts(precision.query_bank())
            found = precision.choose(_candidates(device), self._unit_vectors, judged, queries)
            precision.remember(key, *found)
        chosen, self.fidelity = found
        self.spec = replace(self.spec, fingerprint=replace(self.spec.fingerprint, precision=chosen))
        self._towers = {name: tower for name, tower in self._towers.items() if name == chosen}

    def _unit_vectors(self, name: str) -> Callable[[NDArray[np.float32]], Embeddings]:
        tower = self._tower(name)
        # In batches of the size that indexing has: timing and memory are then those of indexing.
        return lambda pixels: normalise(np.concatenate([tower(pixels[i : i + 32]) for i in range(0, len(pixels), 32)]))

    def _tower(self, name: str) -> Run:
        with self._loading:  # batches come from several threads
            if name not in self._towers:
                self._towers[name] = self._load_tower(name)
            return self._towers[name]

    def _load_tower(self, name: str) -> Run:
        if self._where() == "cpu":
            try:
                from clipsearch.encoders.clip.image_tower import VisionTower
            except ImportError:
                require_torch(self._model)
                warnings.warn(
                    "openvino is not installed, so torch encodes the pictures, at half the speed or less; "
                    "pip install openvino",
                    ClipsearchWarning,
                    stacklevel=2,
                )
            else:
                try:
                    tower = VisionTower(self._weights, self._config, name, cores()).embed
                    require_numbers(tower(blank(self.spec.pixels.output_size)), self._folder)
                    return Parts(tower)
                except (RuntimeError, ValueError) as error:
                    reason = str(error).splitlines()[0]
                    raise ModelError(f"the weights in {self._folder} do not fit its configuration: {reason}") from error
        name = name if name in ("fp32", "bf16") else "fp32"  # an index in int8 goes on in what int8 was judged equal to
        made = require_torch(self._model).TorchEncoder(self._folder, self._model, self._revision, self._where(), name)
        run: Run = made.embed_pixels
        return run

    def _where(self) -> str:
        return best_device() if self._device == "auto" else self._device


@cache
def best_device() -> str:
    """The best of "cuda", "mps" and "cpu" here. torch is not imported where there is clearly nothing for it to use."""
    graphics = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg")  # the last: Windows' subsystem for Linux
    apple = sys.platform == "darwin" and platform.machine() == "arm64"
    if sys.platform != "win32" and not apple and not any(map(os.path.exists, graphics)):
        return "cpu"
    try:
        return str(require_torch("a GPU").choose_device("auto").type)
    except ModelError:
        return "cpu"


def _candidates(device: str) -> tuple[str, ...]:
    if device == "cpu":
        try:
            from clipsearch.encoders.clip.image_tower import available_precisions
        except ImportError:
            return ()
        return available_precisions()
    return ("bf16",) if device.startswith("cuda") else ()


def _runtime_version(device: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("openvino" if device == "cpu" else "torch")
    except PackageNotFoundError:
        return ""
