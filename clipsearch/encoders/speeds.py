"""How fast this machine encodes pictures with the recommended models, measured with random weights: nothing is downloaded."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.atomic_files import keep_if_possible
from clipsearch._internal.cpu import cores
from clipsearch._internal.untrusted_files import read_json
from clipsearch.encoders.families import plan_of
from clipsearch.encoders.plan import ModelPlan
from clipsearch.encoders.recommended import MINI, MINI_ENTRY, MODELS, REFERENCE_MODEL, RecommendedModel, VisionShape
from clipsearch.encoders.runtime import DataParallel, EmbedPixels
from clipsearch.encoders.shape import read_shape
from clipsearch.errors import ModelError

_BATCH_PER_CORE = 2  # pictures
_SECONDS = 3.0  # a model and the reference take turns for as long as this, and for two turns each at least
_SPREAD = np.float32(0.03)  # standard deviation of the random weights
_RANDOM_VALUES = 1_000_003  # that many are made and repeated: a prime, so that no two rows of a matrix are equal
_MAX_CACHE_BYTES = 1_000_000


def measurable_models() -> list[RecommendedModel]:
    """The models whose speed can be measured: those that our own towers compute."""
    return [entry for entry in (MINI_ENTRY, *MODELS) if entry.shape or entry.model == MINI]


def measure_speeds(progress: Callable[[int, int], None]) -> dict[str, float]:
    """Pictures a second on all cores, by model: in fp32 with random weights, `mini` in its own int8. Nothing is decoded.

    Each model takes turns with REFERENCE_MODEL, so that other programs slow down both, and the fastest turns count.
    `progress(done, total)` is called before each model. Raises ModelError if openvino is not installed.
    """
    entries = measurable_models()
    reference = next(entry for entry in entries if entry.model == REFERENCE_MODEL)
    run_reference, best = _runner(reference), float("inf")
    ratios: dict[VisionShape | None, float] = {reference.shape: 1.0}  # several models have one shape
    for done, entry in enumerate(entries):
        progress(done, len(entries))
        if entry.shape not in ratios:
            theirs, ours = _alternate(_runner(entry), run_reference)
            best = min(best, ours)
            ratios[entry.shape] = ours / theirs
    return {entry.model: ratios[entry.shape] / best for entry in entries}


def _alternate(*runs: Callable[[], float]) -> list[float]:
    """The least seconds for each run, after turns of all."""
    seconds: list[list[float]] = [[] for _ in runs]
    start = perf_counter()
    while len(seconds[0]) < 2 or perf_counter() - start < _SECONDS:
        for run, taken in zip(runs, seconds, strict=True):
            taken.append(run())
    return [min(taken) for taken in seconds]


def _runner(entry: RecommendedModel) -> Callable[[], float]:
    """A function that encodes a batch of pictures and returns the seconds that each took."""
    embed: EmbedPixels
    if entry.shape is None:
        from clipsearch.encoders.mini.encoder import MiniEncoder

        encoder = MiniEncoder()
        size, embed = encoder.spec.pixels.output_size[0], encoder.embed_pixels
    else:
        size, embed = entry.shape.image_size, _random_tower(entry.shape)
    pixels = np.random.default_rng(0).standard_normal((_BATCH_PER_CORE * cores(), 3, size, size), np.float32)
    embed(pixels[: cores()])  # the first call allocates

    def run() -> float:
        start = perf_counter()
        embed(pixels)
        return (perf_counter() - start) / len(pixels)

    return run


def measured_speeds() -> dict[str, float]:
    """Pictures a second on this machine, by model; empty if they have not been measured."""
    try:
        values = read_json(_cache_file(), _MAX_CACHE_BYTES)[_machine()]
        return {str(model): float(speed) for model, speed in values.items() if float(speed) > 0}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def save_speeds(speeds: Mapping[str, float]) -> None:
    """Keep the speeds of this machine for `measured_speeds`. If they cannot be kept, they can be measured again."""
    keep_if_possible(_cache_file(), json.dumps({_machine(): dict(speeds)}, indent=1).encode())


class _RandomWeights(Mapping[str, NDArray[np.float32]]):
    """Weights of a plan's shapes."""

    def __init__(self, plan: ModelPlan) -> None:
        self._tensors = plan.tensors
        self._values = np.random.default_rng(0).standard_normal(_RANDOM_VALUES, np.float32) * _SPREAD

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        return np.resize(self._values, self._tensors[name].shape)

    def __contains__(self, name: object) -> bool:
        return name in self._tensors

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


def random_plan(vision: VisionShape) -> ModelPlan:
    """The plan of a model with this image tower and some text tower."""
    tower = {"hidden_size": vision.width, "num_attention_heads": vision.heads}
    numbers = {
        "num_hidden_layers": vision.layers,
        "intermediate_size": vision.mlp_width,
        "image_size": vision.image_size,
        "patch_size": vision.patch_size,
    }
    config = {"model_type": vision.family, "text_config": tower, "vision_config": tower | numbers}
    plan = plan_of(vision.family, config, read_shape(config, 64, Path()))
    assert plan is not None  # our own families compute these shapes
    return plan


def _random_tower(vision: VisionShape) -> EmbedPixels:
    try:
        from clipsearch.encoders.towers.image_tower import ImageTower
    except ImportError as error:
        raise ModelError("measuring speeds needs openvino, which is not installed: pip install openvino") from error
    plan = random_plan(vision)
    return DataParallel(ImageTower(_RandomWeights(plan), plan.image, "fp32", cores()).embed)


def _machine() -> str:
    return f"{platform.processor()} {platform.machine()} {cores()} cores"


def _cache_file() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("clipsearch", appauthor=False) / "speeds.json"
