#!/usr/bin/env python3
"""The loop that tutorials show: a model and its processor, one image after another, numpy for the search.

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
from transformers import AutoModel, AutoTokenizer, CLIPModel, CLIPProcessor, SiglipImageProcessorPil

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def unit(output: object) -> np.ndarray:
    """One normalised embedding. Transformers 5 returns an output object, earlier versions a tensor."""
    features = output if isinstance(output, torch.Tensor) else output.pooler_output  # type: ignore[attr-defined]
    vector: np.ndarray = (features / features.norm(dim=-1, keepdim=True)).numpy()[0]
    return vector


class Siglip:
    """SigLIP 2's model and processors: texts in lower case, padded to 64 tokens."""

    def __init__(self, checkpoint: str) -> None:
        self.model = AutoModel.from_pretrained(checkpoint).eval()
        self._processor = SiglipImageProcessorPil.from_pretrained(checkpoint)
        self._tokenizer = AutoTokenizer.from_pretrained(checkpoint)

    def picture(self, image: Image.Image) -> np.ndarray:
        """A picture's embedding."""
        inputs = self._processor(image, return_tensors="pt")
        return unit(self.model.get_image_features(**inputs))

    def text(self, text: str) -> np.ndarray:
        """A text's embedding."""
        options = {"padding": "max_length", "padding_side": "right", "max_length": 64, "truncation": True}
        ids = self._tokenizer([text.lower()], return_tensors="pt", **options)["input_ids"]
        return unit(self.model.get_text_features(input_ids=ids))


class Clip:
    """CLIP's model and processor."""

    def __init__(self, checkpoint: str) -> None:
        self.model = CLIPModel.from_pretrained(checkpoint).eval()
        self._processor = CLIPProcessor.from_pretrained(checkpoint)

    def picture(self, image: Image.Image) -> np.ndarray:
        """A picture's embedding."""
        return unit(self.model.get_image_features(**self._processor(images=image, return_tensors="pt")))

    def text(self, text: str) -> np.ndarray:
        """A text's embedding."""
        return unit(self.model.get_text_features(**self._processor(text=[text], return_tensors="pt", padding=True)))


def load(checkpoint: str) -> Clip | Siglip:
    """The model of a checkpoint's folder."""
    config = json.loads((Path(checkpoint) / "config.json").read_text())
    return Siglip(checkpoint) if config["model_type"] == "siglip" else Clip(checkpoint)


def index(checkpoint: str, photos: Path, out: Path) -> None:
    """Embed every photo and save the embeddings and their paths."""
    model = load(checkpoint)
    paths = sorted(path for path in photos.rglob("*") if path.suffix.lower() in SUFFIXES)
    with torch.inference_mode():
        embeddings = [model.picture(Image.open(path).convert("RGB")) for path in paths]
    np.save(out, np.stack(embeddings))
    out.with_suffix(".json").write_text(json.dumps([str(path) for path in paths]))
    print(f"{len(paths)} photos")


def query(checkpoint: str, stored: Path, text: str) -> None:
    """Print the ten photos nearest to a text."""
    model = load(checkpoint)
    embeddings = np.load(stored)
    paths = json.loads(stored.with_suffix(".json").read_text())
    with torch.inference_mode():
        scores = embeddings @ model.text(text)
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
