"""Embeddings made elsewhere, by a big machine or your own pipeline: write them to a file, and import them.

python examples/own_vectors.py data/photos INDEX_FOLDER
"""

import json
import sys
from pathlib import Path

import numpy as np

import clipsearch


def main(photos: Path, index: Path) -> None:
    paths = sorted(path for path in photos.iterdir() if path.suffix in (".jpg", ".png"))
    vectors = clipsearch.load_encoder("mini").encode_images(paths)  # float32 (photos, 768), each row of length 1
    index.mkdir(parents=True, exist_ok=True)
    np.save(index / "vectors.npy", vectors)
    with (index / "vectors.jsonl").open("w", encoding="utf-8") as rows:  # says which photo each row is of
        rows.writelines(json.dumps({"path": path.name}) + "\n" for path in paths)

    # Vectors of another model would be found by chance, so the model is named and confirmed.
    with clipsearch.SearchEngine(index / "index", model="mini") as engine:
        report = engine.import_embeddings(index / "vectors.npy", folder=photos, trust_model=True)
        print(f"{report.added} imported, {len(report.refused)} refused")
        print("a cat:", Path(engine.search("a cat", top_k=1)[0].path).name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
