"""Measure how good `clipsearch label` is if most photos show none of the labels. Its default threshold comes from this.

    python benchmarks/measure_labels.py LABELS.jsonl --images DIR    # shared/data/imagenet_sample has both

Some labels are drawn, 40 times, and all photos are labelled with them. For each threshold the table gives the share of photos
with one of the labels that get it, the share of other photos that get one, and the share of all given labels that are right if
one photo in five shows a label. "match" says whether everyday scenes compete, as they do in `clipsearch label`.
"""

from __future__ import annotations

import argparse

import numpy as np

from clipsearch.analysis.evaluation import embed_photos, read_labelled
from clipsearch.analysis.labels import competing_scenes, probabilities
from clipsearch.encoders import load_encoder
from clipsearch.encoders.prompts import embed_with_prompts, query_bank

DRAWS, SHARE = 40, 0.2
LEAST = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels")
    parser.add_argument("--images", required=True)
    parser.add_argument("--model", default="mini")
    options = parser.parse_args()
    encoder = load_encoder(options.model)
    kept, pictures, _ = embed_photos(encoder, read_labelled(options.labels), options.images, None, None)
    names = sorted({item.label for item in kept})
    texts = embed_with_prompts(encoder, names, encoder.spec.label_prompts)
    right = np.array([names.index(item.label) for item in kept])
    bank = dict(zip(query_bank(), encoder.encode_texts(query_bank()), strict=True))
    random = np.random.default_rng(0)
    print(f"{'labels':>6} {'match':>5} {'least':>5} {'found':>6} {'wrong':>6} {'precision':>9}")
    for count in (5, 20, 100):
        draws = [random.choice(len(names), count, replace=False) for _ in range(DRAWS)]
        for with_match in (False, True):
            correct, confused, wrong, shown, others = *np.zeros((3, len(LEAST))), 0, 0
            for labels in draws:
                rivals = np.stack([bank[scene] for scene in competing_scenes([names[label] for label in labels])])
                likely, match = probabilities(pictures, texts[labels], rivals, encoder.spec.logit_scale)
                sure = likely.max(axis=1) * (match if with_match else 1)
                good, inside = labels[likely.argmax(axis=1)] == right, np.isin(right, labels)
                shown, others = shown + inside.sum(), others + (~inside).sum()
                for row, least in enumerate(LEAST):
                    correct[row] += (good & (sure >= least)).sum()
                    confused[row] += (inside & ~good & (sure >= least)).sum()
                    wrong[row] += (~inside & (sure >= least)).sum()
            rates = zip(LEAST, correct / shown, confused / shown, wrong / others, strict=True)
            for least, hits, mixed_up, errors in rates:
                precision = SHARE * hits / (SHARE * (hits + mixed_up) + (1 - SHARE) * errors)
                print(f"{count:>6} {with_match!s:>5} {least:>5} {hits:>6.3f} {errors:>6.3f} {precision:>9.3f}")


if __name__ == "__main__":
    main()
