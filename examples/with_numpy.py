"""Work with embeddings as numpy arrays: compare pictures, and search an index by a vector of your own.

python examples/with_numpy.py data/photos
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import clipsearch


def main(folder: Path) -> None:
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".jpg", ".png"))
    encoder = clipsearch.load_encoder("mini")
    # Pictures may be paths, PIL images, bytes or arrays: uint8 (height, width, 3). A generator is decoded batch by batch.
    pictures = (np.asarray(Image.open(path).convert("RGB")) for path in paths)
    vectors = encoder.encode_images(pictures, batch_size=16)  # float32 (photos, 768), each row of length 1
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    first, second = np.unravel_index(cosines.argmax(), cosines.shape)
    print(f"the most similar: {paths[first].name}, {paths[second].name}")

    # The mean of a few vectors is a vector to search by; `search` normalises it.
    warm, cold = encoder.encode_texts(["a photo of flames", "a photo of snow"])
    with clipsearch.SearchEngine.open(folder, model="mini") as engine:
        engine.index()
        print("warm rather than cold:", engine.search(warm - 0.5 * cold, top_k=1)[0].record.file.name)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: python examples/with_numpy.py FOLDER")
    main(Path(sys.argv[1]))
