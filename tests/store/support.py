"""Collections of vectors without photos."""

import os
import sys
from pathlib import Path

import numpy as np

from clipsearch.store.rows import Place
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import Fingerprint, ImageFile, ImageInfo

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
from torture_lab.checking import downgrade  # noqa: F401


def unit(array):
    array = np.asarray(array, np.float64)
    return (array / np.linalg.norm(array, axis=1, keepdims=True)).astype(np.float32)


def random_units(count, dim, seed=0):
    return unit(np.random.default_rng(seed).standard_normal((count, dim)))


def writer(folder, dim):
    """A writable collection for vectors of this dimension, with one root, its parent folder."""
    collection = CollectionWriter(folder)
    collection.require(Fingerprint("random", "", f"digest {dim}", dim))
    collection.add_root(str(folder.parent), {})
    return collection


def add(collection, names, vectors):
    """Stage vectors under file names; their ids."""
    (root_id,) = collection.roots()
    root = collection.roots()[root_id]
    ids = []
    for name, vector in zip(names, vectors, strict=True):
        info = ImageInfo(1, 1, "JPEG", os.fsencode(name).hex())
        ids.append(collection.add(Place(root_id, "", name), ImageFile(f"{root}/{name}", len(name), 0), info, vector))
    return ids


def brute_force(vectors, names, query, top_k):
    """The ranking by float64 inner products, ties by name: the definition of exact."""
    scores = (vectors.astype(np.float64, copy=False) * query.astype(np.float64)).sum(axis=1)
    order = np.lexsort((names, -scores))[:top_k]
    return [names[i] for i in order], [min(max(float(scores[i]), -1), 1) for i in order]
