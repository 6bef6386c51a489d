"""mini's image tower, on what this machine has."""

from __future__ import annotations

import logging
from pathlib import Path

from clipsearch.encoders.mini.numpy_operations import numpy_image_tower
from clipsearch.encoders.mini.weights import DecodedWeights
from clipsearch.encoders.runtime import EmbedPixels
from clipsearch.errors import ModelError

logger = logging.getLogger(__name__)

IMAGE_WEIGHTS = "image.safetensors"


def open_image_tower(folder: Path, threads: int) -> EmbedPixels:
    """What embeds preprocessed pictures on one core, by OpenVINO if it is installed. Raises ModelError for damaged weights."""
    weights = DecodedWeights(folder / IMAGE_WEIGHTS)
    try:
        from clipsearch.encoders.mini.openvino_operations import OpenVinoTower
    except ImportError:
        logger.info("numpy encodes the pictures, at a tenth of the speed: openvino is not installed")
        return numpy_image_tower(weights)
    try:
        return OpenVinoTower(weights, threads).embed
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"the weights in {folder} cannot be used: {str(error).splitlines()[0]}") from error
