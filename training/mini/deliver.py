"""Writes the model folder that the package ships, each file by rename so that a reader never sees half of one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from clipsearch.encoders.mini.image_tower import IMAGE_WEIGHTS
from clipsearch.encoders.mini.text_tower import TABLE, WEIGHTS, MiniVocabulary
from clipsearch.encoders.tokenizers.compact import write_table
from mini.crops import INPUT_SIZE
from mini.minilm import CONTEXT_LENGTH
from mini.towers import DIM
from mini.vision import PIXEL_MEAN, PIXEL_SCALE, Floats

LICENCE = "Apache-2.0"


def write(path: Path, data: bytes) -> None:
    """Replace `path` atomically."""
    partial = path.with_name(f".{path.name}.part")
    partial.write_bytes(data)
    partial.replace(path)


def deliver(
    folder: Path, image: dict[str, npt.NDArray[np.generic]], text: dict[str, Floats], tokenizer: str, logit_scale: float
) -> None:
    """Write the two towers, the tokenizer and both configurations into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    image_bytes, text_bytes = save(image), save(text)
    digests = [hashlib.sha256(data).hexdigest() for data in (image_bytes, text_bytes)]
    preprocessor = {
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"height": INPUT_SIZE, "width": INPUT_SIZE},
        "resample": 3,
        "do_center_crop": False,
        "crop_size": {"height": INPUT_SIZE, "width": INPUT_SIZE},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [PIXEL_MEAN / 255] * 3,
        "image_std": [PIXEL_SCALE / 255] * 3,
    }
    config = {
        "model_type": "clipsearch-mini",
        "name": "mini",
        "version": 3,
        "projection_dim": 2 * DIM,
        "context_length": CONTEXT_LENGTH,
        "logit_scale": round(logit_scale, 4),
        "licence": LICENCE,
        "image_sha256": digests[0],
        "text_sha256": digests[1],
        # An index is searched only with the model of the same identity. If the files change and the embeddings do not, keep it.
        "identity": " ".join(digests),
    }
    write(folder / IMAGE_WEIGHTS, image_bytes)
    write(folder / WEIGHTS, text_bytes)
    write(folder / "tokenizer.json", tokenizer.encode("utf-8"))
    write_table(folder / TABLE, folder, MiniVocabulary())
    write(folder / "preprocessor_config.json", f"{json.dumps(preprocessor, indent=2)}\n".encode())
    write(folder / "config.json", f"{json.dumps(config, indent=2)}\n".encode())
