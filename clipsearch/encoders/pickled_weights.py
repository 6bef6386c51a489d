"""Checkpoints with pickled weights only, which could run code and are never loaded: where the same weights are safe."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

CONVERTER = "https://huggingface.co/spaces/safetensors/convert"
"""The hub's own converter: its bot adds safetensors to a repository by a pull request, which `hub.fetch` finds."""

TWINS = {
    "openai/clip-vit-base-patch32": "timm/vit_base_patch32_clip_224.openai",
    "openai/clip-vit-base-patch16": "timm/vit_base_patch16_clip_224.openai",
    "openai/clip-vit-large-patch14-336": "timm/vit_large_patch14_clip_336.openai",
    "facebook/metaclip-b32-400m": "timm/vit_base_patch32_clip_224.metaclip_400m",
    "facebook/metaclip-b32-fullcc2.5b": "timm/vit_base_patch32_clip_224.metaclip_2pt5b",
    "facebook/metaclip-b16-400m": "timm/vit_base_patch16_clip_224.metaclip_400m",
    "facebook/metaclip-b16-fullcc2.5b": "timm/vit_base_patch16_clip_224.metaclip_2pt5b",
    "facebook/metaclip-l14-400m": "timm/vit_large_patch14_clip_224.metaclip_400m",
    "facebook/metaclip-l14-fullcc2.5b": "timm/vit_large_patch14_clip_224.metaclip_2pt5b",
    "facebook/PE-Core-S16-384": "timm/PE-Core-S-16-384",
    "facebook/PE-Core-B16-224": "timm/PE-Core-B-16",
    "facebook/PE-Core-L14-336": "timm/PE-Core-L-14-336",
    "apple/MobileCLIP2-S0": "timm/MobileCLIP2-S0-OpenCLIP",
    "apple/MobileCLIP2-S2": "timm/MobileCLIP2-S2-OpenCLIP",
}
"""Hub id of a repository with pickled weights → one with the same weights as safetensors.

Source: pretrained.py of open_clip 3.3.0, which names the origin of each of timm's copies; its pull request 970 says that they
are safetensors.
"""

_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def has_pickled(names: Iterable[str]) -> bool:
    """Whether files of these names hold pickled weights."""
    return any(name.lower().endswith(_SUFFIXES) for name in names)


def advice_for_model(model: str) -> str:
    """What to do about a repository of the hub that has only pickled weights."""
    if twin := TWINS.get(model):
        return f"the same weights are safe in {twin}: name that model"
    return (
        f"choose a checkpoint that ships safetensors, or have the hub convert this one at {CONVERTER} and run the same command "
        "again"
    )


def advice_for_folder(folder: Path) -> str:
    """What to do about a folder that has only pickled weights. A copy of a known repository is recognised by its name."""
    names = {part.rpartition("--")[2] for part in folder.parts}
    twin = next((twin for model, twin in TWINS.items() if model.partition("/")[2] in names), None)
    if twin:
        return f"the same weights are safe in {twin}: `clipsearch models pull {twin}`"
    return "choose a checkpoint that ships safetensors, or convert this one, as docs/models.md shows"
