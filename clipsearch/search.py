"""From a Query to its hits."""

from __future__ import annotations

import os

import numpy as np

from clipsearch.encoders.base import Encoder, normalise
from clipsearch.errors import ImageError, QueryError
from clipsearch.schema import Embeddings, Failure, Hit, ImageFile, Query, Term
from clipsearch.store.collection import Collection


def embed_query(query: Query, encoder: Encoder) -> Embeddings:
    """A query's unit vector (1, dim): the weighted sum of its terms' unit vectors, normalised again.

    QueryError where there are no terms, or where they cancel each other out.
    """
    if not query.terms:
        raise QueryError("the query is empty; describe the photo you are looking for")
    vectors = np.concatenate([_embed_term(term, encoder) for term in query.terms]).astype(np.float64)
    total = np.array([[term.weight for term in query.terms]]) @ vectors
    if not np.linalg.norm(total) > 1e-6:
        raise QueryError(
            "the parts of this query cancel each other out, so it points nowhere; change a part or a weight"
        )
    return normalise(total.astype(np.float32))


def search(collection: Collection, vector: Embeddings, top_k: int) -> list[Hit]:
    """The `top_k` photos nearest to a unit vector (1, dim), best first."""
    if top_k < 1:
        raise QueryError(f"top_k is {top_k}; ask for at least one result")
    (answer,) = collection.search(vector, top_k)
    return [Hit(rank, score, record) for rank, (score, record) in enumerate(answer, 1)]


def _embed_term(term: Term, encoder: Encoder) -> Embeddings:
    content = term.content
    if isinstance(content, str):
        return encoder.encode_texts([content])
    if isinstance(content, os.PathLike):
        return _embed_file(os.fspath(content), encoder)
    from PIL.Image import Image  # not for a text query

    if isinstance(content, Image):
        return encoder.encode_images([content])
    vector = np.asarray(content, np.float32).reshape(1, -1)
    if vector.shape[1] != encoder.spec.dim:
        raise QueryError(f"the embedding has {vector.shape[1]} values and this index's model makes {encoder.spec.dim}")
    unit = normalise(vector)
    if not np.isfinite(unit).all():
        raise QueryError("the embedding is zero or not finite, so it points nowhere")
    return unit


def _embed_file(path: str, encoder: Encoder) -> Embeddings:
    """A picture from outside is decoded where the index's own are: in a process that can be stopped."""
    from clipsearch.images.pixels import normalise as normalise_pixels  # Pillow and processes: not for a text query
    from clipsearch.images.pool import DecoderPool

    with DecoderPool(encoder.spec.pixels, workers=1) as pool:
        (outcome,) = pool.read([ImageFile(path, 0, 0)])
    if isinstance(outcome, Failure):
        raise ImageError(f"{path}: {outcome.reason}")
    return encoder.encode_pixels(normalise_pixels([outcome.pixels], encoder.spec.pixels))
