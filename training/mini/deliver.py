"""Writes the model folder that the package ships, each file by rename so that a reader never sees half of one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import onnx

from mini.crops import INPUT_SIZE
from mini.minilm import CONTEXT_LENGTH
from mini.towers import DIM
from mini.vision import PIXEL_MEAN, PIXEL_SCALE

LICENCE = "Apache-2.0"


def write(path: Path, data: bytes) -> None:
    """Replace `path` atomically."""
    partial = path.with_name(f".{path.name}.part")
    partial.write_bytes(data)
    partial.replace(path)


def deliver(folder: Path, image: onnx.ModelProto, text: onnx.ModelProto, tokenizer: str, logit_scale: float) -> None:
    """Write the two towers, the tokenizer and both configurations into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    image_bytes, text_bytes = image.SerializeToString(), text.SerializeToString()
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
        "image_sha256": hashlib.sha256(image_bytes).hexdigest(),
        "text_sha256": hashlib.sha256(text_bytes).hexdigest(),
    }
    write(folder / "image.onnx", image_bytes)
    write(folder / "text.onnx", text_bytes)
    write(folder / "tokenizer.json", tokenizer.encode("utf-8"))
    write(folder / "preprocessor_config.json", f"{json.dumps(preprocessor, indent=2)}\n".encode())
    write(folder / "config.json", f"{json.dumps(config, indent=2)}\n".encode())
