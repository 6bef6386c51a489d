"""How fast and how faithful each precision is for pictures, on this processor.

    python benchmarks/measure_precisions.py CHECKPOINT PHOTOS [--repeats 15] [--planted 8]

Times are milliseconds of CPU a picture on one core, the least of several alternating runs. The fidelity is what indexing
decides by: the worst photo's mean-centred cosine to fp32, and how many of the first ten results of 128 queries are shared.
With --planted, so many channels of each layer's hidden activations are 435 times as large as the others, as reported of
SigLIP 2 (1,479 beside a median of 3.4).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipsearch.encoders.base import normalise
from clipsearch.encoders.checkpoint import Checkpoint
from clipsearch.encoders.plan import PlannedWeights
from clipsearch.encoders.precision import JUDGED_PHOTOS, compare
from clipsearch.encoders.towers.image_tower import ImageTower, available_precisions
from clipsearch.encoders.weights import Weights
from clipsearch.images.preprocess import minimum_size, preprocess
from clipsearch.images.reader import read_image

BATCH = 4  # pictures, as each core gets them while indexing
RATIO = 1479 / 3.4


def plant(weights: dict[str, NDArray[np.float32]], layers: int, count: int) -> None:
    """Make some hidden channels of each layer huge, and what becomes of them as small as before."""
    random = np.random.default_rng(0)
    for layer in range(layers):
        first, second = f"image.layers.{layer}.fc1.weight", f"image.layers.{layer}.fc2.weight"
        channels = random.choice(len(weights[first]), count, replace=False)
        weights[first][channels] *= np.float32(RATIO)
        weights[second][:, channels] /= np.float32(RATIO)


def main() -> None:
    """Print a line for each precision."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("photos", type=Path, help=f"a folder with at least {JUDGED_PHOTOS} JPEGs")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--planted", type=int, default=0)
    args = parser.parse_args()

    checkpoint = Checkpoint(args.checkpoint)
    plan, spec = checkpoint.plan, checkpoint.pixels
    assert plan is not None
    planned = PlannedWeights(Weights(checkpoint.weights_files, plan.optional_prefix), plan.tensors)
    weights = {name: np.array(planned[name]) for name in planned if name.startswith("image.")}
    plant(weights, plan.image.tower.layers, args.planted)

    files = sorted(args.photos.rglob("*.jpg"))[:JUDGED_PHOTOS]
    pixels = preprocess([read_image(file, minimum_size(spec))[0] for file in files], spec)
    towers = {name: ImageTower(weights, plan.image, name, 1).embed for name in ("fp32", *available_precisions()[:-1])}

    vectors = {
        name: normalise(np.concatenate([embed(pixels[i : i + BATCH]) for i in range(0, len(pixels), BATCH)]))
        for name, embed in towers.items()
    }
    seconds = dict.fromkeys(towers, np.inf)
    for _ in range(args.repeats):
        for name, embed in towers.items():
            start = time.process_time()
            embed(pixels[:BATCH])
            seconds[name] = min(seconds[name], time.process_time() - start)
    for name in towers:
        fidelity = compare(vectors["fp32"], vectors[name])
        print(
            f"{name}  {1000 * seconds[name] / BATCH:5.1f} ms, {seconds[name] / seconds['fp32']:.2f} of fp32's; "
            f"worst cosine {fidelity.cosine:.4f}, results shared {fidelity.overlap:.3f}"
        )


if __name__ == "__main__":
    main()
