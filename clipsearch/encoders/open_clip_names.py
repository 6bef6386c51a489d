"""What OpenCLIP's own registry knows of models on the hub. Source: pretrained.py of open_clip 3.3.0."""

from __future__ import annotations

import re

from clipsearch.errors import UnknownModel

QUICK_GELU = frozenset(
    {
        "apple/DFN2B-CLIP-ViT-B-16",
        "apple/DFN2B-CLIP-ViT-L-14",
        "apple/DFN5B-CLIP-ViT-H-14",
        "apple/DFN5B-CLIP-ViT-H-14-378",
        "timm/resnet101_clip.openai",
        "timm/resnet101_clip.yfcc15m",
        "timm/resnet50_clip.cc12m",
        "timm/resnet50_clip.openai",
        "timm/resnet50_clip.yfcc15m",
        "timm/resnet50x16_clip.openai",
        "timm/resnet50x4_clip.openai",
        "timm/resnet50x64_clip.openai",
        "timm/vit_base_patch16_clip_224.metaclip_2pt5b",
        "timm/vit_base_patch16_clip_224.metaclip_400m",
        "timm/vit_base_patch16_clip_224.openai",
        "timm/vit_base_patch32_clip_224.laion400m_e31",
        "timm/vit_base_patch32_clip_224.laion400m_e32",
        "timm/vit_base_patch32_clip_224.metaclip_2pt5b",
        "timm/vit_base_patch32_clip_224.metaclip_400m",
        "timm/vit_base_patch32_clip_224.openai",
        "timm/vit_gigantic_patch14_clip_224.metaclip_2pt5b",
        "timm/vit_huge_patch14_clip_224.metaclip2_worldwide",
        "timm/vit_huge_patch14_clip_224.metaclip_2pt5b",
        "timm/vit_large_patch14_clip_224.metaclip_2pt5b",
        "timm/vit_large_patch14_clip_224.metaclip_400m",
        "timm/vit_large_patch14_clip_224.openai",
        "timm/vit_large_patch14_clip_336.openai",
    }
)
"""Hub ids of models that were trained with QuickGELU. It counts if a configuration does not name the activation."""

_OPENAI, _LAION, _DATACOMP = "openai/clip-vit-", "laion/CLIP-ViT-", "DataComp.XL-s13B-b90K"
PRETRAINED = {
    "ViT-B-32@openai": f"{_OPENAI}base-patch32",
    "ViT-B-32@laion400m_e32": "timm/vit_base_patch32_clip_224.laion400m_e32",
    "ViT-B-32@laion2b_s34b_b79k": f"{_LAION}B-32-laion2B-s34B-b79K",
    "ViT-B-32@datacomp_xl_s13b_b90k": f"{_LAION}B-32-{_DATACOMP}",
    "ViT-B-32@metaclip_400m": "timm/vit_base_patch32_clip_224.metaclip_400m",
    "ViT-B-32@metaclip_fullcc": "timm/vit_base_patch32_clip_224.metaclip_2pt5b",
    "ViT-B-32-256@datacomp_s34b_b86k": f"{_LAION}B-32-256x256-DataComp-s34B-b86K",
    "ViT-B-16@openai": f"{_OPENAI}base-patch16",
    "ViT-B-16@laion400m_e32": "timm/vit_base_patch16_clip_224.laion400m_e32",
    "ViT-B-16@laion2b_s34b_b88k": f"{_LAION}B-16-laion2B-s34B-b88K",
    "ViT-B-16@datacomp_xl_s13b_b90k": f"{_LAION}B-16-{_DATACOMP}",
    "ViT-B-16@metaclip_400m": "timm/vit_base_patch16_clip_224.metaclip_400m",
    "ViT-B-16@metaclip_fullcc": "timm/vit_base_patch16_clip_224.metaclip_2pt5b",
    "ViT-L-14@openai": f"{_OPENAI}large-patch14",
    "ViT-L-14@laion2b_s32b_b82k": f"{_LAION}L-14-laion2B-s32B-b82K",
    "ViT-L-14@datacomp_xl_s13b_b90k": f"{_LAION}L-14-{_DATACOMP}",
    "ViT-L-14@metaclip_400m": "timm/vit_large_patch14_clip_224.metaclip_400m",
    "ViT-L-14@metaclip_fullcc": "timm/vit_large_patch14_clip_224.metaclip_2pt5b",
    "ViT-L-14@dfn2b": "apple/DFN2B-CLIP-ViT-L-14",
    "ViT-L-14-336@openai": "timm/vit_large_patch14_clip_336.openai",
    "ViT-H-14@laion2b_s32b_b79k": f"{_LAION}H-14-laion2B-s32B-b79K",
    "ViT-H-14@metaclip_fullcc": "timm/vit_huge_patch14_clip_224.metaclip_2pt5b",
    "ViT-H-14@dfn5b": "apple/DFN5B-CLIP-ViT-H-14",
    "ViT-bigG-14@laion2b_s39b_b160k": f"{_LAION}bigG-14-laion2B-39B-b160k",
    "ViT-B-16-SigLIP@webli": "timm/ViT-B-16-SigLIP",
    "ViT-B-16-SigLIP-i18n-256@webli": "timm/ViT-B-16-SigLIP-i18n-256",
    "ViT-SO400M-14-SigLIP-384@webli": "timm/ViT-SO400M-14-SigLIP-384",
    "ViT-B-32-SigLIP2-256@webli": "google/siglip2-base-patch32-256",
    "ViT-B-16-SigLIP2@webli": "google/siglip2-base-patch16-224",
    "ViT-B-16-SigLIP2-256@webli": "google/siglip2-base-patch16-256",
    "ViT-B-16-SigLIP2-384@webli": "google/siglip2-base-patch16-384",
    "ViT-L-16-SigLIP2-256@webli": "google/siglip2-large-patch16-256",
    "ViT-SO400M-14-SigLIP2@webli": "google/siglip2-so400m-patch14-224",
    "EVA02-B-16@merged2b_s8b_b131k": "timm/eva02_base_patch16_clip_224.merged2b_s8b_b131k",
    "EVA02-L-14@merged2b_s4b_b131k": "timm/eva02_large_patch14_clip_224.merged2b_s4b_b131k",
    "MobileCLIP2-S0@dfndr2b": "timm/MobileCLIP2-S0-OpenCLIP",
    "MobileCLIP2-S2@dfndr2b": "timm/MobileCLIP2-S2-OpenCLIP",
    "PE-Core-S-16-384@meta": "timm/PE-Core-S-16-384",
    "PE-Core-B-16@meta": "timm/PE-Core-B-16",
    "PE-Core-L-14-336@meta": "timm/PE-Core-L-14-336",
}
"""OpenCLIP's name of a model, and of what it was trained on → the hub id of the repository with safetensors.

OpenCLIP itself takes OpenAI's and SigLIP 2's weights from copies in its own layout. Here they have the id of the first
publisher, as the recommended models do. LAION's models with XLM-RoBERTa are left out: their repositories have pickled weights
and no configuration.
"""

_HUB_PREFIX = "hf-hub:"
_TAGGED = re.compile(r"([\w./-]+?)(?:@|__)([\w-]+)")
_QUICK = "-quickgelu"


def hub_id(name: str) -> str:
    """The hub id that is meant by a model's name in OpenCLIP's way of writing; other names stay as they are.

    That is `hf-hub:ORG/NAME`, or an architecture and a tag: `ViT-B-32@openai`, or immich's `ViT-B-32__openai`. Raises
    UnknownModel for an architecture and a tag that are not in PRETRAINED.
    """
    if name.startswith(_HUB_PREFIX):
        return name.removeprefix(_HUB_PREFIX).strip("/")
    match = _TAGGED.fullmatch(name)
    if match is None or ("@" not in name and "/" in name):  # a hub id may hold two underscores
        return name
    architecture = match[1].replace("/", "-").removesuffix(_QUICK)
    tagged = f"{architecture}@{match[2].lower().replace('-', '_')}"
    known = {key.lower(): model for key, model in PRETRAINED.items()}
    if tagged.lower() in known:
        return known[tagged.lower()]
    from difflib import get_close_matches  # a query does not need it

    same = [key for key in PRETRAINED if key.lower().startswith(f"{architecture.lower()}@")]
    similar = same or get_close_matches(tagged, PRETRAINED, n=3)
    proposed = f"there are {', '.join(similar)}; or " if similar else ""
    raise UnknownModel(
        f"clipsearch does not know which repository of the hub has OpenCLIP's {tagged}: {proposed}name the repository, as in "
        f"{_HUB_PREFIX}laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
    )
