"""SigLIP's image towers as the timm library has them, in checkpoints in OpenCLIP's layout."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from clipsearch.encoders.plan import ImagePlan, Stored, Tensors, attention_in_one, layers, linear, norm
from clipsearch.encoders.shape import ModelShape, TowerShape

_LAYER = {"norm1": "norm1", "qkv": "attn.qkv.", "out": "attn.proj", "norm2": "norm2"}
_LAYER |= {"fc1": "mlp.fc1", "fc2": "mlp.fc2"}
SHAPES = {
    "base": (12, 12, 768, 3072),
    "large": (24, 16, 1024, 4096),
    "so400m": (27, 16, 1152, 4304),
    "giantopt": (40, 16, 1536, 6144),
}
"""Sizes of the towers, from timm's vision_transformer.py: (layers, heads, width, width inside a perceptron)."""

_SIGLIP_NAME = re.compile(r"vit_(base|large|so400m|giantopt)_patch(14|16|32)_siglip_\d+")
_WITH_TANH = re.compile(r"vit_(base_patch32|large_patch16_siglip_512|so400m_patch16|giantopt).*")


def image_plan(vision: Mapping[str, Any], shape: ModelShape) -> ImagePlan | None:
    """The plan of SigLIP's image tower in timm; None for another image tower."""
    name, pooling = vision.get("timm_model_name"), (vision.get("timm_pool"), vision.get("timm_proj"))
    match = _SIGLIP_NAME.fullmatch(name) if isinstance(name, str) and pooling == ("map", "none") else None
    if match is None:
        return None
    count, heads, width, mlp_width = SHAPES[match[1]]
    activation = "gelu_pytorch_tanh" if _WITH_TANH.fullmatch(match[0]) else "gelu"
    tower = TowerShape(count, heads, width, mlp_width, activation, 1e-6)
    return ImagePlan(tower, shape.image_size, int(match[2]), "attention", normalises_before_pooling=True)


def image_tensors(image: ImagePlan) -> Tensors:
    """The tensors of SigLIP's image tower."""
    tower, side, trunk, head = image.tower, image.patch_size, "visual.trunk", "visual.trunk.attn_pool"
    return {
        "image.patches.weight": Stored(f"{trunk}.patch_embed.proj.weight", (tower.width, 3, side, side)),
        "image.patches.bias": Stored(f"{trunk}.patch_embed.proj.bias", (tower.width,)),
        "image.positions.weight": Stored(f"{trunk}.pos_embed", (1, image.patches, tower.width)),
        **layers(tower, "image", f"{trunk}.blocks.{{}}", _LAYER),
        **norm("image.post_norm", f"{trunk}.norm", tower.width),
        "image.head.probe": Stored(f"{head}.latent", (1, 1, tower.width)),
        **linear("image.head.q", f"{head}.q", tower.width, tower.width),
        **attention_in_one("image.head", f"{head}.kv.", tower.width, "kv"),
        **linear("image.head.out", f"{head}.proj", tower.width, tower.width),
        **norm("image.head.norm", f"{head}.norm", tower.width),
        **linear("image.head.fc1", f"{head}.mlp.fc1", tower.mlp_width, tower.width),
        **linear("image.head.fc2", f"{head}.mlp.fc2", tower.width, tower.mlp_width),
    }
