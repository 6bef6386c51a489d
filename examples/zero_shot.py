"""Find the label that suits a photo: zero-shot classification with an encoder alone, without index or training.

python examples/zero_shot.py data/photos/cat.png data/photos/fire-engine.jpg
"""

import sys

import numpy as np

import clipsearch

LABELS = ["cat", "dog", "fire engine", "mountain"]


def main(paths: list[str]) -> None:
    encoder = clipsearch.load_encoder("mini")
    logits = encoder.logits(paths, [f"a photo of a {label}" for label in LABELS])  # (photos, labels)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = odds / odds.sum(axis=1, keepdims=True)  # each row sums to 1
    for path, row in zip(paths, probabilities, strict=True):
        best = int(row.argmax())
        print(f"{path}: {LABELS[best]} ({row[best]:.0%})")


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: python examples/zero_shot.py PHOTO...")
    main(sys.argv[1:])
