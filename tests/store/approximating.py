"""A collection large enough for an approximate index, an encoder for it, and its recall."""

import zlib

import numpy as np

from clipsearch.analysis.optimization import optimize
from clipsearch.encoders.base import Encoder, ModelSpec
from clipsearch.store.collection import Collection
from clipsearch.types import Fingerprint, PixelSpec
from tests.store.support import add, unit, writer

DIM, PHOTOS = 32, 6000


class Texts(Encoder):
    """Text vectors lie apart from picture vectors, as CLIP's do."""

    def __init__(self, dim=DIM):
        pixels = PixelSpec(None, (8, 8), None, 3, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
        self.spec = ModelSpec(
            Fingerprint("random", "", f"digest {dim}", dim), pixels, context_length=8, logit_scale=10.0
        )

    def embed_pixels(self, pixels):
        raise AssertionError("no picture is encoded here")

    def embed_texts(self, texts):
        dim = self.spec.dim
        own = [np.random.default_rng(zlib.crc32(text.encode())).standard_normal(dim) for text in texts]
        return (np.array(own) + np.eye(dim)[0] * 3).astype(np.float32)


def clustered(count, dim=DIM, seed=0):
    """Unit vectors in some dozens of clusters."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((60, dim))
    return unit(centres[random.integers(0, 60, count)] + 0.7 * random.standard_normal((count, dim)))


def names(start, end):
    return [f"{number:06}.jpg" for number in range(start, end)]


def filled(folder, vectors, commits=4):
    """An index folder with vectors under numbered names; ids begin at 1."""
    with writer(folder, vectors.shape[1]) as collection:
        for rows in np.array_split(np.arange(len(vectors)), commits):
            add(collection, names(rows[0], rows[-1] + 1), vectors[rows])
            collection.commit()
    return folder


def optimized(folder, recall=0.95, **options):
    with Collection(folder) as collection:
        dim = collection.fingerprint.dim
        return optimize(collection, lambda: Texts(dim), recall=recall, force=True, **options)


def queries(count, dim=DIM):
    """Texts that are in no bank."""
    return Texts(dim).encode_texts([f"unheard of {number}" for number in range(count)])


def best(vectors, query, count=10, without=()):
    """Ids of the best rows by float64, where row n has the id n + 1."""
    scores = (vectors.astype(np.float64) * query.astype(np.float64)).sum(axis=1)
    return [row + 1 for row in np.argsort(-scores, kind="stable").tolist() if row + 1 not in without][:count]


def nearest_names(collection, query, count=10, **options):
    return [record.image_id for _, record in collection.search(query[None], count, **options)[0]]


def recall(collection, vectors, queries, count=10):
    """The share of the brute-force best that a collection finds."""
    return np.mean(
        [len(set(nearest_names(collection, query)) & set(best(vectors, query))) / count for query in queries]
    )
