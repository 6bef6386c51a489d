#!/usr/bin/env python3
"""The loop that tutorials show: CLIPModel and CLIPProcessor, one image after another, numpy for the search.

    python transformers_loop.py index CHECKPOINT PHOTOS OUT.npy
    python transformers_loop.py query CHECKPOINT INDEX.npy TEXT

Threads, precision and attention are what torch and transformers choose by themselves.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import CLIPModel, CLIPProcessor

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def unit(output: object) -> np.ndarray:
    """One normalised embedding. Transformers 5 returns an output object, earlier versions a tensor."""
    features = output if isinstance(output, torch.Tensor) else output.pooler_output  # type: ignore[attr-defined]
    vector: np.ndarray = (features / features.norm(dim=-1, keepdim=True)).numpy()[0]
    return vector


def index(checkpoint: str, photos: Path, out: Path) -> None:
    """Embed every photo and save the embeddings and their paths."""
    model = CLIPModel.from_pretrained(checkpoint).eval()
    processor = CLIPProcessor.from_pretrained(checkpoint)
    paths = sorted(path for path in photos.rglob("*") if path.suffix.lower() in SUFFIXES)
    embeddings = []
    with torch.inference_mode():
        for path in paths:
            image = Image.open(path).convert("RGB")
            inputs = processor(images=image, return_tensors="pt")
            embeddings.append(unit(model.get_image_features(**inputs)))
    np.save(out, np.stack(embeddings))
    out.with_suffix(".json").write_text(json.dumps([str(path) for path in paths]))
    print(f"{len(paths)} photos")


def query(checkpoint: str, stored: Path, text: str) -> None:
    """Print the ten photos nearest to a text."""
    model = CLIPModel.from_pretrained(checkpoint).eval()
    processor = CLIPProcessor.from_pretrained(checkpoint)
    embeddings = np.load(stored)
    paths = json.loads(stored.with_suffix(".json").read_text())
    with torch.inference_mode():
        inputs = processor(text=[text], return_tensors="pt", padding=True)
        scores = embeddings @ unit(model.get_text_features(**inputs))
    for row in np.argsort(-scores)[:10]:
        print(f"{scores[row]:.3f}\t{paths[row]}")


def main() -> None:
    """Run one of the two."""
    match sys.argv[1:]:
        case ["index", checkpoint, photos, out]:
            index(checkpoint, Path(photos), Path(out))
        case ["query", checkpoint, stored, text]:
            query(checkpoint, Path(stored), text)
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
