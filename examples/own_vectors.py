"""Import embeddings from another machine or your own pipeline: write them to a file, and import the file.

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
    with (index / "vectors.jsonl").open("w", encoding="utf-8") as rows:  # names the photo of each row
        rows.writelines(json.dumps({"path": path.name}) + "\n" for path in paths)

    # Name the model and confirm it: vectors of another model would give random results.
    with clipsearch.SearchEngine(index / "index", model="mini") as engine:
        report = engine.import_embeddings(index / "vectors.npy", folder=photos, trust_model=True)
        print(f"{report.added} imported, {len(report.refused)} refused")
        print("a cat:", Path(engine.search("a cat", top_k=1)[0].path).name)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1].startswith("-"):
        sys.exit("usage: python examples/own_vectors.py FOLDER INDEX_FOLDER")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
