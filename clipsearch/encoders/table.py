"""The models we can recommend, with what others published of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MINI = "mini"
DEFAULT_MODEL = "openai/clip-vit-base-patch32"


@dataclass(frozen=True, slots=True)
class ModelEntry:
    model: str
    revision: str


MODELS = (ModelEntry(DEFAULT_MODEL, "main"),)


def model_rows() -> list[dict[str, Any]]:
    return []
