"""What OpenCLIP's own registry knows of models on the hub. Source: pretrained.py of open_clip 3.3.0."""

from __future__ import annotations

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
