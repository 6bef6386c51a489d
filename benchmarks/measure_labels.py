"""Measure how good `clipsearch label` is if most photos show none of the labels.

    python benchmarks/measure_labels.py LABELS.jsonl --images DIR    # shared/data/imagenet_sample has both

Some labels are drawn, 40 times, and all photos are labelled with them, three labels a photo at most. For each --min-match the
table gives the share of photos with one of the labels that get it, the share of other photos that get any, and the share of all
given labels that are right if one photo in five shows a label.
"""

from __future__ import annotations

import argparse

import numpy as np

from clipsearch.analysis.evaluation import embed_photos, read_labelled
from clipsearch.encoders import load_encoder
from clipsearch.encoders.prompts import embed_with_prompts, everyday_texts
from clipsearch.query.null_scores import measure
from clipsearch.query.relevance import REACH, match

DRAWS, SHARE, MOST = 40, 0.2, 3
LEAST = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


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
    null = measure(encoder.encode_texts(everyday_texts()) @ pictures.T)
    matches = np.stack(
        [
            match(null, len(kept), name, scores, np.sort(scores)[-REACH:])
            for name, scores in zip(names, texts @ pictures.T, strict=True)
        ]
    )
    random = np.random.default_rng(0)
    print(f"{'labels':>6} {'least':>5} {'found':>6} {'wrong':>6} {'precision':>9}")
    for count in (1, 5, 20, 100):
        draws = [random.choice(len(names), count, replace=False) for _ in range(DRAWS)]
        for least in LEAST:
            found = inside = others = given_inside = given_outside = wrong = 0
            for labels in draws:
                best = np.argsort(-matches[labels], axis=0, kind="stable")[:MOST]
                given = np.take_along_axis(matches[labels], best, axis=0) >= least
                shows_one = np.isin(right, labels)
                inside, others = inside + shows_one.sum(), others + (~shows_one).sum()
                found += ((labels[best] == right) & given).any(axis=0).sum()
                given_inside += given[:, shows_one].sum()
                given_outside += given[:, ~shows_one].sum()
                wrong += given[:, ~shows_one].any(axis=0).sum()
            per_photo = SHARE * given_inside / inside + (1 - SHARE) * given_outside / others
            precision = SHARE * found / inside / per_photo
            print(f"{count:>6} {least:>5} {found / inside:>6.3f} {wrong / others:>6.3f} {precision:>9.3f}")


if __name__ == "__main__":
    main()
