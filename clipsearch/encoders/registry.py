"""The models we recommend: what others published of them, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from clipsearch.encoders import hub

MINI = "mini"
DEFAULT_MODEL = "openai/clip-vit-base-patch32"

_IMAGENET = "zero-shot top-1 on ImageNet-1k"
_OPEN_CLIP = "open_clip's docs/openclip_results.csv"
_MINI_GFLOPS = 3.5  # EfficientNet-Lite2 at 260 px, twice: 869 million multiply-adds each, from memory, not looked up
_SIGLIP_2 = "big_vision's README_siglip2.md"


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model. Parameters and arithmetic are from open_clip's docs/model_profile.csv.

    It does not list SigLIP 2: there parameters are our own estimate, and arithmetic that of models of the same shape.
    """

    model: str
    quality: float  # percent, of what `measure` says
    measure: str
    source: str
    gflops: float  # for one picture; a multiplication and an addition are two
    parameters: float  # millions, of both towers
    licence: str
    languages: str
    revision: str = "main"  # a branch or, where we know one, a commit, which nobody can change
    sha256s: tuple[tuple[str, str], ...] = ()  # (weights file, its sha256) of that commit, as far as we know them


# Commits and sha256 were not looked up on the hub but are those that many public repositories agree on (November 2026).
_B32 = "c237dc49a33fc61debc9276459120b7eac67e7ef"  # of the pull request with safetensors; OpenAI's branch has pickled weights
_L14 = "32bd64288804d66eefd0ccbe215aa642df71cc41"
_L14_SHA256 = ("model.safetensors", "a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb")


MODELS = (
    ModelEntry(DEFAULT_MODEL, 63.3, _IMAGENET, _OPEN_CLIP, 8.82, 151.28, "MIT", "English", _B32),
    ModelEntry("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", 66.6, _IMAGENET, _OPEN_CLIP, 8.82, 151.28, "MIT", "English"),
    ModelEntry("google/siglip2-base-patch32-256", 74.0, _IMAGENET, _SIGLIP_2, 11.5, 376.9, "Apache-2.0", "many"),
    ModelEntry("openai/clip-vit-base-patch16", 68.3, _IMAGENET, _OPEN_CLIP, 35.13, 149.62, "MIT", "English"),
    ModelEntry("google/siglip2-base-patch16-224", 78.2, _IMAGENET, _SIGLIP_2, 35.42, 375.2, "Apache-2.0", "many"),
    ModelEntry(
        "openai/clip-vit-large-patch14", 75.5, _IMAGENET, _OPEN_CLIP, 162.03, 427.62, "MIT", "English", _L14, (_L14_SHA256,)
    ),
    ModelEntry("laion/CLIP-ViT-H-14-laion2B-s32B-b79K", 78.0, _IMAGENET, _OPEN_CLIP, 334.59, 986.11, "MIT", "English"),
)  # fmt: skip


def model_rows() -> list[dict[str, Any]]:
    """Every model as plain values, the embedded one first; `available` says whether it is on this machine."""
    return [_mini_row(), *map(_row, MODELS)]


def _row(entry: ModelEntry) -> dict[str, Any]:
    return {
        "model": entry.model,
        "available": hub.cached_folder(entry.model, entry.revision) is not None,
        "bytes": int(entry.parameters * 4e6),  # published in float32
        "relative_cost": round(entry.gflops / MODELS[0].gflops, 1),
        "quality": entry.quality,
        "measure": entry.measure,
        "source": entry.source,
        "licence": entry.licence,
        "languages": entry.languages,
    }


def _mini_row() -> dict[str, Any]:
    from clipsearch.encoders.mini.encoder import FOLDER

    return {
        "model": MINI,
        "available": True,
        "bytes": sum(path.stat().st_size for path in FOLDER.iterdir()),
        "relative_cost": round(_MINI_GFLOPS / MODELS[0].gflops, 1),
        "quality": None,  # nobody else has measured it; ours, on other data, are not comparable
        "measure": "see its model card",
        "source": "clipsearch/encoders/mini/model/MODEL_CARD.md",
        "licence": "Apache-2.0",
        "languages": "English",
    }


NEAR_COPY_COSINES = {MINI: (0.80, 0.90)}
OTHER_NEAR_COPY_COSINES = (0.90, 0.95)
"""(where another look decides, where nothing else does): cosines that depend on the model.

Of `mini`, measured: of the 32.7 million pairs of Flickr8k's 8,091 photos, 4,062 have a cosine of 0.80 and 394 one of 0.90, the
latter pictures of one scene. 47 photos of 1024 px kept 0.80 in 100% of the cases when re-encoded at quality 50, resized to
half, cropped by 3% a side, brightened or marked, and 98% when framed; 0.90 in 96% and more but when framed, 85%. For other
models these are guesses: of 0.5 million pairs of 1,000 Flickr8k photos, CLIP ViT-B/32 gives 19 a cosine of 0.90 and none 0.95;
how near it puts copies was not measured.
"""


def near_copy_cosine(model: str) -> float:
    """The cosine from which two photos are taken for one another by their embeddings alone."""
    return NEAR_COPY_COSINES.get(model, OTHER_NEAR_COPY_COSINES)[1]


def candidate_cosine(model: str) -> float:
    """The cosine from which two photos may be copies, one re-encoded, resized or cropped, if a closer look confirms it."""
    return NEAR_COPY_COSINES.get(model, OTHER_NEAR_COPY_COSINES)[0]
