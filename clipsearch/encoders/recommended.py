"""The models that clipsearch recommends: how well they find, what they cost, and which licence they have.

Sources of the figures, by name in `RecommendedModel.source`: open_clip's docs/openclip_retrieval_results.csv and
docs/model_profile.csv; big_vision's README_siglip2.md; the results of ml-mobileclip; the README of perception_models. Recall
in German is from immich's documentation of its search.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MINI = "mini"
MANY_LANGUAGES = "many"
DEFAULT_MODEL = "google/siglip2-base-patch32-256"
REFERENCE_MODEL = "openai/clip-vit-base-patch32"
"""The model that speeds are compared with."""

_OPEN_CLIP, _BIG_VISION = "open_clip", "big_vision"
_APPLE = "Apple research only"


@dataclass(frozen=True, slots=True)
class VisionShape:
    """The shape of an image tower, as config.json gives it."""

    family: Literal["clip", "siglip"]  # model_type
    image_size: int  # pixels
    patch_size: int
    width: int
    layers: int
    heads: int
    mlp_width: int


def _vit(family: Literal["clip", "siglip"], image_size: int, patch_size: int, width: int, layers: int) -> VisionShape:
    return VisionShape(family, image_size, patch_size, width, layers, width // 64, 4 * width)


@dataclass(frozen=True, slots=True)
class RecommendedModel:
    """One recommended model."""

    model: str
    good_for: str
    coco: float | None  # text to image recall at 1 on COCO, percent
    german: float | None  # mean of recall at 1, 5 and 10 for German texts on Crossmodal-3600, percent
    megabytes: float  # of its weights, in float32
    gflops: float  # for one picture; a multiplication and an addition count as two
    licence: str
    source: str  # of `coco`
    shape: VisionShape | None = None  # None: not computed by our own towers
    layout: Literal["transformers", "OpenCLIP", "ours"] = "transformers"  # of the weights that a pull fetches
    languages: str = "English"
    revision: str = "main"  # a branch or, if we know one, a commit, which cannot be changed later
    sha256s: tuple[tuple[str, str], ...] = ()  # (weights file, its sha256) of that commit, if we know them

    @property
    def forbids_commercial_use(self) -> bool:
        """Whether the weights may not be used commercially."""
        return self.licence == _APPLE


def _siglip_2(
    name: str,
    good_for: str,
    coco: float,
    megabytes: float,
    gflops: float,
    shape: VisionShape,
    german: float | None = None,
) -> RecommendedModel:
    model, licence = f"google/siglip2-{name}", "Apache-2.0"
    return RecommendedModel(
        model, good_for, coco, german, megabytes, gflops, licence, _BIG_VISION, shape, languages=MANY_LANGUAGES
    )


MINI_ENTRY = RecommendedModel(
    MINI,
    "no download, tiny disk",
    None,
    None,
    0,  # it is here, so its bytes are known
    3.5,  # EfficientNet-Lite2 at 260 px, twice: 869 million multiply-adds each, from memory, not looked up
    "Apache-2.0",
    "clipsearch/encoders/mini/model/MODEL_CARD.md",
    layout="ours",
)

_B32, _B32_256 = _vit("clip", 224, 32, 768, 12), _vit("clip", 256, 32, 768, 12)
_SO400M = VisionShape("siglip", 224, 14, 1152, 27, 16, 4304)
_H14 = VisionShape("clip", 224, 14, 1280, 32, 16, 5120)

# Commits and sha256 were not looked up on the hub: many public repositories agree on them (November 2026).
MODELS = (
    RecommendedModel(
        DEFAULT_MODEL,
        "laptop, many languages",
        47.2,
        84.4,
        1508,
        11.5,
        "Apache-2.0",
        _BIG_VISION,
        _vit("siglip", 256, 32, 768, 12),
        languages=MANY_LANGUAGES,
        revision="94dffa8cb1179de3e03f091dbc3917e5d5a9ae84",
        sha256s=(("model.safetensors", "7d241bb3becad218f211f480487f491df4f8c0a472ecf7afdec5615815a301f1"),),
    ),
    RecommendedModel(
        REFERENCE_MODEL,
        "indexes made before; other languages by a text model",
        30.4,
        None,
        605,
        8.8,
        "MIT",
        _OPEN_CLIP,
        _B32,
        revision="c237dc49a33fc61debc9276459120b7eac67e7ef",  # has safetensors; OpenAI's branch has pickled weights
    ),
    RecommendedModel(
        "laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "laptop, English", 39.3, 36.6, 605, 8.8, "MIT", _OPEN_CLIP, _B32
    ),
    RecommendedModel(
        "laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K",
        "laptop, English",
        39.9,
        None,
        605,
        11.5,
        "MIT",
        _OPEN_CLIP,
        _B32_256,
        "OpenCLIP",
    ),
    RecommendedModel(
        "timm/MobileCLIP2-S0-OpenCLIP", "small disk", 43.7, None, 299, 4.8, _APPLE, "ml-mobileclip", None, "OpenCLIP"
    ),
    _siglip_2("base-patch16-224", "patience or a GPU", 52.1, 1501, 35.4, _vit("siglip", 224, 16, 768, 12)),
    RecommendedModel(
        "timm/PE-Core-B-16", "GPU, English", 50.9, None, 1790, 36, "Apache-2.0", "perception_models", None, "OpenCLIP"
    ),
    _siglip_2("large-patch16-256", "GPU", 54.7, 3500, 163, _vit("siglip", 256, 16, 1024, 24)),
    _siglip_2("so400m-patch14-224", "GPU", 55.1, 4500, 220, _SO400M),
    RecommendedModel(
        "laion/CLIP-ViT-H-14-laion2B-s32B-b79K", "GPU, English", 49.5, None, 3944, 334.6, "MIT", _OPEN_CLIP, _H14
    ),
)


def find_entry(model: str) -> RecommendedModel | None:
    """The entry of a recommended model."""
    return next((entry for entry in MODELS if entry.model == model), None)


def languages_of(model: str) -> str:
    """The languages that a recommended model reads: "English", or "many"; "" for other models, which nothing is known of."""
    return next((entry.languages for entry in (MINI_ENTRY, *MODELS) if entry.model == model), "")


def multilingual_model() -> RecommendedModel | None:
    """The first of the recommended models that reads many languages."""
    return next((entry for entry in MODELS if entry.languages == MANY_LANGUAGES), None)
